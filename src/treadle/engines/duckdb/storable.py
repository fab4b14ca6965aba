"""Which types the columns of a catalog and of Parquet files hold exactly: an allow list.

DuckLake (1.5.5) accepts more than Parquet holds: 128-bit integers become DOUBLE, an INTERVAL is cut to milliseconds,
a TIMETZ loses its zone. 128-bit integers are stored as DECIMAL(38,0), which is exact and refuses larger values; the
other types have no exact form and are refused before anything is written.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Final

from treadle.engines.base import EngineError
from treadle.engines.duckdb.types import EngineType, ListOf, Nested, Scalar, TypeTextError, parse
from treadle.engines.duckdb.vocabulary import words

WIDE: Final = words("HUGEINT UHUGEINT INT128 UINT128")
"""The 128-bit integers, by every name the engine knows."""

INSTEAD: Final = Scalar("DECIMAL", ("38", "0"))
"""The type that 128-bit integers are stored as."""


class Place(Enum):
    """Where values are written."""

    TABLE = "a table"
    PARQUET = "a Parquet file"


_EXACT: Final = words(
    """
    BOOLEAN TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT FLOAT DOUBLE DECIMAL VARCHAR BLOB
    DATE TIME TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS TIMESTAMPTZ UUID JSON GEOMETRY
    """
) | {"TIMESTAMP WITH TIME ZONE"}
# A Parquet file on its own may have another type for a value, as long as every value can be told from it.
_EXPORTED: Final = _EXACT | words("ENUM BIT BIGNUM NULL")

_VARCHAR: Final = "store it as VARCHAR and cast it where it is read"
_WAYS_OUT: Final = {
    **dict.fromkeys(WIDE, "store it as DECIMAL(38,0)"),
    "INTERVAL": f"{_VARCHAR}, or as BIGINT of microseconds",
    "TIME WITH TIME ZONE": f"{_VARCHAR}, or as TIMESTAMPTZ",
    "TIME_NS": "store it as TIME, or as BIGINT of nanoseconds",
    "ENUM": "store it as VARCHAR",
    "BIGNUM": "store it as DECIMAL(38,0), or as VARCHAR",
    "VARIANT": "store it as JSON",
    "UNION": "store it as a STRUCT with a member for each of its types, or as JSON",
    "STRUCT": "give every member a name",
    "GEOMETRY": "store it as GEOMETRY without a coordinate system",
}


def types_of(text: str) -> EngineType:
    """The type that the engine names; one that cannot be read is a type of its own, which nothing holds."""
    try:
        return parse(text)
    except TypeTextError:
        return Scalar(text)


def require_exact(column: str, engine_type: str, place: Place) -> None:
    """Raise `EngineError` (0A000) for a column whose values would not come back as they were written."""
    for found in _inexact(types_of(engine_type), place):
        way_out = _WAYS_OUT.get(found.name if not isinstance(found, ListOf) else "", _VARCHAR)
        if isinstance(found, ListOf):
            way_out = f"store it as a list, {sql_of(ListOf(found.element))}"
        within = "" if sql_of(found) == sql_of(types_of(engine_type)) else f", in {engine_type}"
        raise EngineError(
            "0A000",
            f'column "{column}" has the type {sql_of(found)}{within}, '
            f"which {place.value} does not hold exactly: {way_out}",
        )


def is_exact(engine_type: str, place: Place) -> bool:
    """Whether the place holds every value of the type as it is."""
    return next(_inexact(types_of(engine_type), place), None) is None


def _inexact(found: EngineType, place: Place) -> Iterator[EngineType]:
    match found:
        case Scalar(name="GEOMETRY", arguments=(_, *_)) if place is Place.TABLE:
            yield found
        case Scalar(name=name):
            if name not in (_EXACT if place is Place.TABLE else _EXPORTED):
                yield found
        case ListOf(element=element, size=size):
            if size is not None and place is Place.TABLE:
                yield found
            yield from _inexact(element, place)
        case Nested(name="UNION", fields=fields) if place is Place.TABLE:
            yield found
        case Nested(name="STRUCT", fields=fields) if place is Place.TABLE and not all(name for name, _ in fields):
            yield found
        case Nested(fields=fields):
            for _, inner in fields:
                yield from _inexact(inner, place)


def stored(found: EngineType) -> EngineType:
    """The type with DECIMAL(38,0) in the place of every 128-bit integer."""
    match found:
        case Scalar(name=name):
            return INSTEAD if name in WIDE else found
        case ListOf(element=element, size=size):
            return ListOf(stored(element), size)
        case Nested(name=kind, fields=fields):
            return Nested(kind, tuple((name, stored(inner)) for name, inner in fields))


def projection(names: list[str], engine_types: list[str]) -> str | None:
    """What stands between SELECT and FROM for every column to have its stored type; None when all have it."""
    targets = [(found := types_of(text), stored(found)) for text in engine_types]
    if all(found == target for found, target in targets):
        return None
    values = (
        f"#{number}" if found == target else f"CAST(#{number} AS {sql_of(target)})"
        for number, (found, target) in enumerate(targets, start=1)
    )
    return ", ".join(f"{value} AS {_quoted(name)}" for value, name in zip(values, names, strict=True))


def stored_text(engine_type: str) -> str:
    """The name of the type with DECIMAL(38,0) in the place of every 128-bit integer."""
    return sql_of(stored(types_of(engine_type)))


def sql_of(found: EngineType) -> str:
    """The type as SQL writes it."""
    match found:
        case Scalar(name="DECIMAL", arguments=(_, _) as digits):
            return f"DECIMAL({','.join(digits)})"
        case Scalar(name=name, arguments=arguments):
            labels = ", ".join("'" + label.replace("'", "''") + "'" for label in arguments)
            return f"{name}({labels})" if arguments else name
        case ListOf(element=element, size=size):
            return f"{sql_of(element)}[{'' if size is None else size}]"
        case Nested(name=kind, fields=fields):
            members = (f"{_quoted(name)} {sql_of(inner)}" if name else sql_of(inner) for name, inner in fields)
            return f"{kind}({', '.join(members)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
