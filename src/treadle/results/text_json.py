"""Values as JSON text, for types without a PostgreSQL form (structs, maps, unions, lists of lists).

Numbers and truth values are JSON's own, other scalars are strings in PostgreSQL's text form. JSON values are embedded,
unless they could be confused with another value: a JSON string, and the JSON ``null``, become strings of their text. A
union is an object with one member. A map is an object if its keys are text, else a list of pairs. Unions and the
engine's JSON come as structs that are marked by the names of their members (`model.columns`).
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.types as kinds

from treadle.model.columns import ENGINE_JSON, UNION_TAG
from treadle.results.arrays import AnyArray
from treadle.results.nesting import is_list, spans
from treadle.results.text_scalar import scalar_text

NULL: Final = "null"

# Numbers in the engine's JSON that are not valid JSON; strings are skipped.
_SPECIAL: Final = re.compile(r'"(?:[^"\\]|\\.)*"|NaN|-?Infinity')


def stands_for_union(kind: pa.DataType) -> bool:
    """Check whether a struct type represents a union."""
    return bool(kinds.is_struct(kind)) and kind.num_fields > 0 and kind.field(0).name == UNION_TAG


def stands_for_json(kind: pa.DataType) -> bool:
    """Check whether a struct type represents a value that the engine has written as JSON."""
    return bool(kinds.is_struct(kind)) and kind.num_fields > 0 and kind.field(0).name == ENGINE_JSON


def engine_json(array: AnyArray) -> list[str | None]:
    """Extract the engine's JSON texts of an array, made valid for every reader."""
    (texts,) = array.flatten()
    return [None if value is None else _SPECIAL.sub(_as_string, value) for value in scalar_text(texts).to_pylist()]


def _as_string(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else f'"{found[0]}"'


def json_texts(array: AnyArray) -> list[str]:
    """The JSON text of every value; a null is ``null``."""
    kind = array.type
    if is_list(kind):
        return _lists(array)
    if kinds.is_map(kind):
        return _maps(array)
    if stands_for_json(kind):
        return [NULL if value is None else value for value in engine_json(array)]
    if stands_for_union(kind):
        return _tagged(array)
    if kinds.is_struct(kind):
        return _structs(array)
    if kinds.is_union(kind):
        return _unions(array)
    return _scalars(array)


def _lists(array: AnyArray) -> list[str]:
    ranges, values = spans(array)
    cells = json_texts(values)
    return [NULL if span is None else f"[{','.join(cells[span])}]" for span in ranges]


def _structs(array: AnyArray) -> list[str]:
    names = [quoted(field.name or f"f{number}") for number, field in enumerate(array.type, start=1)]
    columns = [json_texts(child) for child in array.flatten()]
    rows = zip(*columns, strict=True) if columns else ((),) * len(array)
    return [
        f"{{{','.join(map('{}:{}'.format, names, row))}}}" if valid else NULL
        for valid, row in zip(array.is_valid().to_pylist(), rows, strict=True)
    ]


def _maps(array: AnyArray) -> list[str]:
    ranges, entries = spans(array)
    keys, items = entries.field(0), entries.field(1)
    pairs = list(zip(json_texts(keys), json_texts(items), strict=True))
    if _is_text(keys.type):
        cells = [f"{key}:{item}" for key, item in pairs]
        return [NULL if span is None else f"{{{','.join(cells[span])}}}" for span in ranges]
    cells = [f'{{"key":{key},"value":{item}}}' for key, item in pairs]
    return [NULL if span is None else f"[{','.join(cells[span])}]" for span in ranges]


def _tagged(array: AnyArray) -> list[str]:
    """Build the JSON objects of unions, each given as a struct of its tag and its members."""
    tags, *columns = array.flatten()
    place = {field.name: number for number, field in enumerate(list(array.type)[1:])}
    members = [json_texts(column) for column in columns]
    pairs = enumerate(tags.to_pylist())
    return [NULL if tag is None else f"{{{quoted(tag)}:{members[place[tag]][row]}}}" for row, tag in pairs]


def _unions(array: AnyArray) -> list[str]:
    members = [json_texts(array.field(number)) for number in range(array.type.num_fields)]
    place = {code: number for number, code in enumerate(array.type.type_codes)}
    # not array.type_codes: that forgets where a slice begins
    codes = pa.Array.from_buffers(pa.int8(), len(array), [None, array.buffers()[1]], offset=array.offset)
    names = [quoted(field.name) for field in array.type]
    pairs = [(place[code], row) for row, code in enumerate(codes.to_pylist())]
    # Arrow's unions have no NULL: the engine sends a missing value as its first member without a value.
    missing = f"{{{names[0]}:{NULL}}}"
    cells = (f"{{{names[member]}:{members[member][row]}}}" for member, row in pairs)
    return [NULL if cell == missing else cell for cell in cells]


def _is_text(kind: pa.DataType) -> bool:
    if kinds.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def quoted(value: str) -> str:
    """A JSON string."""
    return msgspec.json.encode(value).decode()


def _json_or_string(value: str) -> str:
    """JSON as it is, but for strings and null, which would pass for text and NULL; and for DuckDB's NaN."""
    if value.lstrip()[:1] in ('"', "n"):
        return quoted(value)
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
    except msgspec.DecodeError:
        return quoted(value)
    return value


def _number_or_string(value: str) -> str:
    return quoted(value) if value[-1] in "Ny" else value


def _boolean(value: str) -> str:
    return "true" if value == "t" else "false"


def _as_it_is(value: str) -> str:
    return value


def _form_of(kind: pa.DataType) -> Callable[[str], str]:
    if kinds.is_floating(kind):
        return _number_or_string
    if kinds.is_boolean(kind) or isinstance(kind, pa.Bool8Type):
        return _boolean
    if isinstance(kind, pa.JsonType):
        return _json_or_string
    if kinds.is_integer(kind) or kinds.is_decimal(kind):
        return _as_it_is
    if isinstance(kind, pa.OpaqueType) and kind.type_name in {"hugeint", "uhugeint", "bignum"}:
        return _as_it_is
    return quoted


def _scalars(array: AnyArray) -> list[str]:
    form = _form_of(array.type)
    return [NULL if value is None else form(value) for value in scalar_text(array).to_pylist()]
