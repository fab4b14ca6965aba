"""Parses DuckDB's type texts and maps them to result columns.

DuckDB (1.5.5) names a type as ``DECIMAL(18,3)``, ``STRUCT(a INTEGER, "b c" VARCHAR)[]`` or ``ENUM('x', 'it''s')``.
`parse` reads such a text; `column` finds the corresponding PostgreSQL type.
"""

import re
from typing import Final

import msgspec

from treadle.model.columns import Column


class Scalar(msgspec.Struct, frozen=True):
    """A type without inner types; ``arguments`` are what its parentheses hold (enum labels, digits)."""

    name: str
    arguments: tuple[str, ...] = ()


class ListOf(msgspec.Struct, frozen=True):
    """A list, or an array when ``size`` says how many elements each value has."""

    element: "EngineType"
    size: int | None = None


class Nested(msgspec.Struct, frozen=True):
    """A ``STRUCT``, ``MAP`` or ``UNION``; unnamed fields (and those of a map) have the name ``""``."""

    name: str
    fields: tuple[tuple[str, "EngineType"], ...]


EngineType = Scalar | ListOf | Nested


class TypeTextError(ValueError):
    """The text is not the name of a type."""


_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"]|"")*")
      | (?P<string>'(?:[^']|'')*')
      | (?P<number>[0-9]+)
      | (?P<word>\w+)
      | (?P<mark>[(),\[\]])
    )""",
    re.VERBOSE,
)

_END: Final = ("", "")


def _tokens(text: str) -> list[tuple[str, str]]:
    """The ``(kind, text)`` pairs of a type text; raises `TypeTextError`."""
    found = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise TypeTextError(f"not a type: {text!r}")
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


def _unquote(text: str) -> str:
    """The inside of a quoted text, doubled quotes made single."""
    return text[1:-1].replace(text[0] * 2, text[0])


class _Parser:
    """Recursive descent over the tokens of one type text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def whole(self) -> EngineType:
        """The type, which must be all there is."""
        found = self._type()
        if self._peek() != _END:
            raise self._wrong()
        return found

    def _wrong(self) -> TypeTextError:
        return TypeTextError(f"not a type: {self._text!r}")

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self._next + ahead
        return self._tokens[at] if at < len(self._tokens) else _END

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token

    def _taken(self, mark: str) -> bool:
        if self._peek() == ("mark", mark):
            self._next += 1
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._taken(mark):
            raise self._wrong()

    def _type(self) -> EngineType:
        found = self._base()
        while self._taken("["):
            size = int(self._take()[1]) if self._peek()[0] == "number" else None
            self._expect("]")
            found = ListOf(found, size)
        return found

    def _base(self) -> EngineType:
        kind, text = self._take()
        if kind == "quoted":
            return Scalar(_unquote(text))
        if kind != "word":
            raise self._wrong()
        name = text.upper()
        if name in {"STRUCT", "UNION", "MAP"} and self._taken("("):
            return Nested(name, self._fields(named=name != "MAP"))
        while self._peek()[0] == "word":
            name += " " + self._take()[1].upper()
        return Scalar(name, self._arguments())

    def _fields(self, *, named: bool) -> tuple[tuple[str, EngineType], ...]:
        fields = []
        while True:
            name = self._field_name() if named else ""
            fields.append((name, self._type()))
            if not self._taken(","):
                self._expect(")")
                return tuple(fields)

    def _field_name(self) -> str:
        """The name before a type, or ``""``: ``STRUCT(INTEGER, TIME WITH TIME ZONE)`` has none."""
        kind, text = self._peek()
        after_kind, after = self._peek(1)
        if after_kind not in {"word", "quoted"} or (after.upper() == "WITH" and after_kind == "word"):
            return ""
        self._next += 1
        if kind not in {"word", "quoted"}:
            raise self._wrong()
        return _unquote(text) if kind == "quoted" else text

    def _arguments(self) -> tuple[str, ...]:
        if not self._taken("("):
            return ()
        found = []
        while True:
            kind, text = self._take()
            if kind not in {"string", "number", "word"}:
                raise self._wrong()
            found.append(_unquote(text) if kind == "string" else text)
            if not self._taken(","):
                self._expect(")")
                return tuple(found)


def parse(text: str) -> EngineType:
    """The type that DuckDB's text names; raises `TypeTextError`, also for one too deep to be read."""
    try:
        return _Parser(text).whole()
    except RecursionError:
        raise TypeTextError("a type nested too deeply") from None


class _Oid(msgspec.Struct, frozen=True):
    """A PostgreSQL type: its OID, the OID of its array, its typlen in bytes."""

    oid: int
    array: int
    size: int = -1


_BOOL: Final = _Oid(16, 1000, 1)
_BYTEA: Final = _Oid(17, 1001)
_INT8: Final = _Oid(20, 1016, 8)
_INT2: Final = _Oid(21, 1005, 2)
_INT4: Final = _Oid(23, 1007, 4)
_TEXT: Final = _Oid(25, 1009)
_JSON: Final = _Oid(114, 199)
_TIME: Final = _Oid(1083, 1183, 8)
_TIMESTAMP: Final = _Oid(1114, 1115, 8)
_TIMESTAMPTZ: Final = _Oid(1184, 1185, 8)
_TIMETZ: Final = _Oid(1266, 1270, 12)
_NUMERIC: Final = _Oid(1700, 1231)

_SCALARS: Final[dict[str, _Oid]] = {
    "BOOLEAN": _BOOL,
    "TINYINT": _INT2,
    "UTINYINT": _INT2,
    "SMALLINT": _INT2,
    "USMALLINT": _INT4,
    "INTEGER": _INT4,
    "UINTEGER": _INT8,
    "BIGINT": _INT8,
    "UBIGINT": _NUMERIC,
    "HUGEINT": _NUMERIC,
    "UHUGEINT": _NUMERIC,
    "BIGNUM": _NUMERIC,
    "DECIMAL": _NUMERIC,
    "FLOAT": _Oid(700, 1021, 4),
    "DOUBLE": _Oid(701, 1022, 8),
    "VARCHAR": _TEXT,
    "ENUM": _TEXT,
    "NULL": _TEXT,
    "BLOB": _BYTEA,
    "GEOMETRY": _BYTEA,
    "DATE": _Oid(1082, 1182, 4),
    "TIME": _TIME,
    "TIME_NS": _TIME,
    "TIMETZ": _TIMETZ,
    "TIME WITH TIME ZONE": _TIMETZ,
    "TIMESTAMP": _TIMESTAMP,
    "TIMESTAMP_S": _TIMESTAMP,
    "TIMESTAMP_MS": _TIMESTAMP,
    "TIMESTAMP_NS": _TIMESTAMP,
    "TIMESTAMPTZ": _TIMESTAMPTZ,
    "TIMESTAMP WITH TIME ZONE": _TIMESTAMPTZ,
    "INTERVAL": _Oid(1186, 1187, 16),
    "UUID": _Oid(2950, 2951, 16),
    "BIT": _Oid(1562, 1563),
    "JSON": _JSON,
}


_FRACTION_DIGITS: Final = {"TIMESTAMP_S": 0, "TIMESTAMP_MS": 3}


def _modifier(found: Scalar) -> int:
    """PostgreSQL's typmod of ``DECIMAL(p,s)`` and of ``TIMESTAMP(0)`` and ``(3)``, -1 for any other type."""
    if found.name != "DECIMAL" or len(found.arguments) != 2:
        return _FRACTION_DIGITS.get(found.name, -1)
    precision, scale = map(int, found.arguments)
    return (precision << 16 | scale) + 4


def column(name: str, engine_type: str, position: int) -> Column:
    """The result column for DuckDB's type text; ``position`` becomes its column id.

    A type that has no counterpart (or a text that is no type) is text.
    """
    try:
        found = parse(engine_type)
    except TypeTextError:
        found = Scalar(engine_type)
    inner = found.element if isinstance(found, ListOf) else found
    if isinstance(inner, Scalar) and inner.name != "VARIANT":
        oid, modifier = _SCALARS.get(inner.name, _TEXT), _modifier(inner)
    else:
        found, oid, modifier = Scalar("JSON"), _JSON, -1
    is_list = isinstance(found, ListOf)
    return Column(
        name=name,
        type=oid.array if is_list else oid.oid,
        size=-1 if is_list else oid.size,
        type_mod=modifier,
        column_id=position,
        engine_type=engine_type,
    )
