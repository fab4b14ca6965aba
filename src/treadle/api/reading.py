"""Bytes to values: JSON bodies and query strings into the structs of `treadle.api.bodies`.

Stricter than JSON libraries are by themselves, because what passes here must be storable: no
duplicate keys, no NaN, no number beyond 64 bits, no NUL, no unpaired surrogate, no deep nesting.
More lenient in one point: numbers and booleans may come as strings. Everything refused is a
`BadRequest` that names the field.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

import msgspec

from treadle.api.fields import CODE, DOCUMENTED
from treadle.api.schema import DIGITS, bounded, properties
from treadle.model.errors import BadRequest, InvalidParameter

T = TypeVar("T", bound=msgspec.Struct)

MAX_DEPTH: Final = 32
MAX_QUERY_FIELDS: Final = 100

_INTEGER: Final = re.compile(rf"-?[0-9]{{1,{DIGITS}}}")
_PATH: Final = re.compile(r"`\$\.(?P<path>[^`]+)`\Z")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>[^`]+)`\Z")
_DECODING: Final = ""
"""The documentation names no cause for a body that cannot be read."""
_UNBOUNDED: Final[Mapping[str, int]] = {}


def read_body(raw: bytes, struct: type[T]) -> T:
    """The struct in a JSON body."""
    if not raw.strip():
        _refuse("is empty and must be a JSON object")
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise BadRequest("must be a JSON object", field="body")
    return read(value, struct)


def read_query(raw: bytes, struct: type[T], most: Mapping[str, int] = _UNBOUNDED) -> T:
    """The struct in a query string; parameters it does not know are ignored.

    ``most`` are the largest values of numbers, where those are settings.
    """
    known = _shape(struct)
    given: dict[str, object] = {}
    for name, value in _pairs(raw):
        if name not in known:
            continue
        if name in given:
            raise BadRequest("given more than once", field=name)
        if "\0" in value:
            raise BadRequest("holds a NUL character", field=name)
        given[name] = value
    found = read(given, struct, most)
    for name, bound in most.items():
        if getattr(found, name) > bound:
            raise BadRequest(f"must be {_allowed(name, struct, most)}", field=name)
    return found


def read(given: Mapping[str, object], struct: type[T], most: Mapping[str, int] = _UNBOUNDED) -> T:
    """The struct in a mapping; a null is as if the field were not there."""
    shape = _shape(struct)
    kept = {name: _coerce(value, name, shape) for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(kept, struct)
    except msgspec.ValidationError as error:
        raise _named(str(error), struct, kept, most) from None


def parse_json(raw: bytes) -> object:
    """The value of a JSON text."""
    try:
        value: object = _DECODER.decode(raw.decode())
    except UnicodeDecodeError as error:
        _refuse(f"not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        _refuse(f"invalid JSON at line {error.lineno} column {error.colno} ({error.msg})")
    except RecursionError:
        _refuse("nested too deeply")
    # Cheap signs first: only an escape can bring in a NUL or a surrogate, only brackets can nest.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and any(depth > MAX_DEPTH for depth, _ in _walk(value)):
        _refuse("nested too deeply")
    if b"\\u" in raw:
        _check_characters(value)
    return value


def read_any_object(raw: bytes, struct: type[T]) -> T:
    """Read the struct from a body that may be absent or any JSON object; unknown fields are ignored."""
    given = _object_in(raw) if raw.strip() else {}
    own = {name: value for name, value in given.items() if name in _shape(struct)}
    _check_characters(own)
    return read(own, struct)


def _object_in(raw: bytes) -> dict[str, object]:
    try:
        # A number cannot be any of the known fields, whatever its size.
        value = json.loads(
            raw, parse_int=_number, parse_float=_number, parse_constant=_constant, object_pairs_hook=_object
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, BadRequest):
        raise BadRequest from None
    if not isinstance(value, dict):
        raise BadRequest
    return value


def _number(_: str) -> object:
    return ...


def _refuse(why: str) -> NoReturn:
    raise BadRequest(why, field="body", cause=_DECODING)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise BadRequest(
            "given more than once", field=twice if twice and twice.isprintable() else "body", cause=_DECODING
        )
    return value


def _constant(name: str) -> object:
    _refuse(f"{name} is not a JSON number")


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        _refuse("holds an integer beyond 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        _refuse("holds a number beyond 64 bits")
    return value


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
)


def _walk(value: object) -> Iterator[tuple[int, object]]:
    """Every value and key inside, with its depth from 1."""
    rest: list[tuple[int, object]] = [(1, value)]
    while rest:
        depth, item = rest.pop()
        yield depth, item
        if isinstance(item, dict):
            rest.extend((depth + 1, key) for key in item)
            rest.extend((depth + 1, inner) for inner in item.values())
        elif isinstance(item, list):
            rest.extend((depth + 1, inner) for inner in item)


def _storable(text: str) -> bool:
    """Whether a database of UTF-8 text can keep it."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_characters(value: object) -> None:
    named = value.items() if isinstance(value, dict) else [("body", value)]
    for name, inside in named:
        if not _storable(name):
            _refuse("holds a NUL character or an unpaired surrogate")
        if not all(_storable(item) for _, item in _walk(inside) if isinstance(item, str)):
            raise BadRequest("holds a NUL character or an unpaired surrogate", field=name or "body", cause=_DECODING)


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    if not raw:
        return []
    try:
        return parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise BadRequest("not a readable query string", field="query", cause=_DECODING) from None


def _coerce(value: object, name: str, shape: Mapping[str, str]) -> object:
    """A number or boolean given as a string becomes one, in objects too; everything else stays for the check.

    A whole number is an integer however it is written: 3.0 is 3.
    """
    if isinstance(value, dict):
        return {inner: _coerce(item, f"{name}.{inner}", shape) for inner, item in value.items()}
    if isinstance(value, float) and value.is_integer() and shape.get(name) == "integer":
        return int(value)
    if not isinstance(value, str):
        return value
    kind = shape.get(name)
    if kind == "integer" and _INTEGER.fullmatch(value):
        return int(value)
    if kind == "boolean" and (word := value.lower()) in {"true", "false"}:
        return word == "true"
    return value


@cache
def _shape(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The JSON type of each field, inner ones by dotted name."""
    return {name: str(schema.get("type", "")) for name, schema in properties(struct).items()}


def _named(
    message: str, struct: type[msgspec.Struct], given: Mapping[str, object], most: Mapping[str, int]
) -> BadRequest:
    """What is wrong and what is allowed, from the library's message."""
    if unknown := _UNKNOWN.match(message):
        return BadRequest(f"must be one of the fields {', '.join(properties(struct))}", field=unknown["name"])
    at = _PATH.search(message)
    path = at["path"] if at else ""
    if missing := _MISSING.match(message):
        return _incomplete(f"{path}.{missing['name']}" if path else missing["name"], struct, given, most)
    field = path.split("[")[0] or "body"
    wrong = InvalidParameter if CODE in properties(struct).get(field, {}) else BadRequest
    return wrong(f"must be {_allowed(field, struct, most)}", field=field)


def _incomplete(
    first: str, struct: type[msgspec.Struct], given: Mapping[str, object], most: Mapping[str, int]
) -> BadRequest:
    """Every required field that is missing; one within an object stands alone."""
    fields = msgspec.structs.fields(struct)
    missing = [one.name for one in fields if one.required and one.name not in given] if "." not in first else [first]
    wants = [f"is required and must be {_allowed(name, struct, most)}" for name in missing]
    others = (f"; {name}: {want}" for name, want in zip(missing[1:], wants[1:], strict=True))
    return BadRequest(wants[0] + "".join(others), field=missing[0])


def _allowed(field: str, struct: type[msgspec.Struct], most: Mapping[str, int]) -> str:
    schema = properties(struct).get(field)
    return phrase(bounded(schema, field, most)) if schema else "of the documented type"


def phrase(schema: Mapping[str, Any]) -> str:
    """What a schema allows, in words."""
    if "enum" in schema:
        words = ", ".join(map(str, schema["enum"]))
        return words if len(schema["enum"]) == 1 else f"one of {words}"
    match schema.get("type"):
        case "integer":
            return f"an integer from {schema['minimum']} to {schema.get(DOCUMENTED, schema['maximum'])}"
        case "boolean":
            return "true or false"
        case "string" if "pattern" in schema:
            text = schema.get("description") or f"of the form {schema['pattern']}"
            return f"a string: {text.rstrip('.')}"
        case "string":
            return f"a string of {_extent(schema)} characters"
        case "array":
            return f"an array {_holding(schema)}"
        case _:
            return "an object"


def _extent(text: Mapping[str, Any]) -> str:
    """How long a text may be, in words."""
    least, most = text.get("minLength", 0), text["maxLength"]
    return f"{least} to {most}" if least else f"at most {most}"


def _holding(array: Mapping[str, Any]) -> str:
    """What an array holds, in words."""
    least, most = array.get("minItems", 0), array["maxItems"]
    items = array.get("items", {})
    one = next((option for option in items.get("anyOf", ()) if option != {"type": "null"}), items)
    return f"of {f'{least} to' if least else 'at most'} {most} {_many(one)}"


def _many(one: Mapping[str, Any]) -> str:
    """What each entry of an array is, in words."""
    match one:
        case {"enum": list(words)}:
            return f"strings, each one of {', '.join(words)}"
        case {"type": "array"}:
            return f"arrays {_holding(one)}"
        case {"type": "string", "description": str(text)}:
            return f"strings, each of {text.rstrip('.')}"
        case {"type": "string", "maxLength": int()}:
            return f"strings, each of {_extent(one)} characters"
        case {"type": "string"}:
            return "strings"
        case _:
            return "objects"
