"""Exact reading of JSON files.

The engine (1.5.5) reads a number with a fraction or an exponent as DOUBLE, even into a DECIMAL, and reads the
characters of a string as bytes into a BLOB, although it writes bytes as escapes. Other numbers are read exactly. So a
COPY reads DECIMALs as JSON and BLOBs as text, and casts them: a number that a DOUBLE may have changed is an error.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import duckdb
import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.edits import string
from treadle.engines.duckdb.lexer import END, LITERALS, NAMES, NUMBER, Token, lex, literal_of, name_of
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.parsing import parse
from treadle.engines.duckdb.relations import columns_of
from treadle.engines.duckdb.storable import WIDE, sql_of, types_of
from treadle.engines.duckdb.types import EngineType, ListOf, Nested, Scalar
from treadle.engines.duckdb.vocabulary import words

_DIGITS: Final = 15
"""Digits up to which a DOUBLE distinguishes every decimal number from its neighbours."""

_JSON: Final = Scalar("JSON")
_VARCHAR: Final = Scalar("VARCHAR")

_READERS: Final = words("read_json read_json_auto read_ndjson read_ndjson_auto")
_BLOBS: Final = words("blob bytea binary varbinary")
_DECIMALS: Final = words("decimal numeric dec")
_WAYS_OUT: Final = {
    "BLOB": "read it as VARCHAR and cast it",
    "DECIMAL": "write the numbers as strings, read them as VARCHAR and cast them, or use CSV or Parquet",
}


class JsonSource(msgspec.Struct, frozen=True):
    """The table and columns of a ``COPY … FROM`` of JSON, and the arguments of `read_json`."""

    table: str
    columns: Sequence[str]
    path: str
    arguments: Mapping[str, str]


def exact_copy(
    connection: duckdb.DuckDBPyConnection, source: JsonSource, statements: Sequence[duckdb.Statement]
) -> Sequence[duckdb.Statement]:
    """Rewrite the COPY as an INSERT that reads every value exactly or fails; unchanged if the COPY does so itself."""
    try:
        found = columns_of(connection, source.table)
    except duckdb.CatalogException:
        return statements  # the table does not exist, which the engine reports best
    given = [name.lower() for name in source.columns]
    columns = {column.name: types_of(column.type) for column in found if not given or column.name.lower() in given}
    read = {name: _read_as(kind) for name, kind in columns.items()}
    if read == columns or len(columns) < len(given):
        return statements
    names = ", ".join(map(quoted, columns))
    values = ", ".join(_value(name, kind) for name, kind in columns.items())
    types = ", ".join(f"{string(name)}: {string(sql_of(kind))}" for name, kind in read.items())
    arguments = "".join(f", {name} = {string(value)}" for name, value in source.arguments.items())
    rows = f"read_json({string(source.path)}, columns = {{{types}}}{arguments})"
    return parse(connection, f"INSERT INTO {source.table} ({names}) SELECT {values} FROM {rows}")  # noqa: S608 - quoted


def _read_as(kind: EngineType) -> EngineType:
    """Determine the type that a value is read as before it is cast."""
    match kind:
        case Scalar(name="BLOB"):
            return _VARCHAR
        case Scalar():
            return kind if _scale(kind) is None else _JSON
        case ListOf(element=element, size=size):
            return ListOf(_read_as(element), size)
        case Nested(name="MAP", fields=((_, key), (_, value))):
            # A key is always a string in the file.
            return Nested("MAP", (("", key if _read_as(key) == key else _VARCHAR), ("", _read_as(value))))
        case Nested(name="STRUCT", fields=fields):
            return Nested("STRUCT", tuple((name, _read_as(inner)) for name, inner in fields))
        case _:
            return kind


def _scale(kind: Scalar) -> int | None:
    """Get the scale of a number that may be read inexactly; None for all other types."""
    match kind:
        case Scalar(name="DECIMAL", arguments=(digits, scale)) if int(digits) > _DIGITS:
            return int(scale)
        case Scalar(name=name) if name in WIDE:
            return 0
        case _:
            return None


def _value(name: str, kind: EngineType) -> str:
    column = quoted(name)
    if _read_as(kind) == kind:
        return column
    cast = f"CAST({column} AS {sql_of(kind)})"
    changed = _may_have_changed(column, kind)
    if not changed:
        return cast
    message = (
        f'column "{name}" has the type {sql_of(kind)}: a number of more than {_DIGITS} digits with a fraction or an '
        "exponent is not read exactly from JSON; write it as a string, or use CSV or Parquet"
    )
    return f"CASE WHEN {changed} THEN error({string(message)}) ELSE {cast} END"


def _may_have_changed(value: str, kind: EngineType, depth: int = 0) -> str:
    """Build the condition that a number may differ from the one in the file; empty if it cannot."""
    match kind:
        case Scalar():
            scale = _scale(kind)
            if scale is None:
                return ""
            number = f"regexp_matches(CAST({value} AS VARCHAR), '^-?[0-9]+[.eE]')"
            return f"({number} AND abs(CAST({value} AS DOUBLE)) >= 1e{_DIGITS - scale})"
        case ListOf(element=element):
            inner = _may_have_changed(f"v{depth}", element, depth + 1)
            return inner and f"list_contains(list_transform({value}, lambda v{depth}: {inner}), true)"
        case Nested(name="MAP", fields=(_, (_, element))):
            return _may_have_changed(f"map_values({value})", ListOf(element), depth)
        case Nested(name="STRUCT", fields=fields):
            members = (
                _may_have_changed(f"struct_extract({value}, {string(name)})", inner, depth) for name, inner in fields
            )
            parts = [f"coalesce({part}, false)" for part in members if part]
            return f"({' OR '.join(parts)})" if parts else ""
        case _:
            return ""


# -- read_json with given types --------------------------------------------------------------------------


def judge_columns(tokens: Sequence[Token]) -> None:
    """Refuse a `read_json` with a type whose values it would change; raises `EngineError` (0A000)."""
    for at, (token, following) in enumerate(pairwise(tokens)):
        if token.kind in NAMES and name_of(token).lower() in _READERS and following.text == "(":
            for column, kind in _named_types(tokens[at + 1 :]):
                _judge(column, kind)


def _named_types(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """Yield the types in the argument ``columns`` of a call, from its parenthesis on, with the names of the columns."""
    depth, within = 0, 0
    for at, token in enumerate(tokens):
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth == 0:
            return
        if depth == 1:
            named = token.kind in NAMES and at + 1 < len(tokens) and tokens[at + 1].text in (":", "=")
            within = name_of(token).lower() == "columns" if named else within and token.text != ","
        elif within and token.kind in LITERALS and tokens[at - 1].text in (":", "="):
            name = next(one for one in reversed(tokens[:at]) if one.kind in NAMES | LITERALS)
            yield literal_of(name) or name_of(name), literal_of(token) or ""


def _judge(column: str, kind: str) -> None:
    tokens = list(lex(kind))
    for at, (token, following) in enumerate(pairwise((*tokens, END))):
        # A name before another name is that of a struct member.
        if token.kind not in NAMES or following.kind in NAMES:
            continue
        name = name_of(token).lower()
        if name in _BLOBS:
            raise _refusal(column, kind, "BLOB")
        if name in _DECIMALS and following.kind not in NAMES:
            digits = [int(one.text) for one in tokens[at + 2 : at + 5] if one.kind == NUMBER and following.text == "("]
            precision, scale = (*digits, 0)[:2] if digits else (18, 3)
            if precision > _DIGITS and scale:
                raise _refusal(column, kind, "DECIMAL")


def _refusal(column: str, kind: str, what: str) -> EngineError:
    return EngineError(
        "0A000", f'column "{column}" has the type {kind}, which is not read exactly from JSON: {_WAYS_OUT[what]}'
    )
