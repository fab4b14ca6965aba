"""Checks of ALTER TABLE … TYPE: every value must stay readable, and the same in every session.

DuckLake (1.5.5) changes the type in the metadata only, and each reader converts the values in the files. A value that
cannot be converted makes the column unreadable for everybody; one that is converted by the time zone of the reader is
another value in each session.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Final

import duckdb

from treadle.engines.base import EngineError
from treadle.engines.duckdb.definitions import Definition
from treadle.engines.duckdb.errors import translate
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.storable import types_of
from treadle.engines.duckdb.types import EngineType, ListOf, Nested, Scalar
from treadle.engines.duckdb.vocabulary import words

_ZONED: Final = "TIMESTAMP WITH TIME ZONE"

_TOTAL: Final = words(
    "TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT HUGEINT UHUGEINT FLOAT DOUBLE DECIMAL"
)
"""Types that the engine takes only in the place of smaller ones: every value can be converted to them."""

_WAY_OUT: Final = "add a column of that type, UPDATE it with the cast, and drop the old column"

_COLUMNS: Final = """
    SELECT schema_name, column_name, data_type FROM duckdb_columns()
    WHERE database_name = ? AND lower(table_name) = lower(?)
    AND (lower(schema_name) = lower(?) OR (? = '' AND schema_name = current_schema()))
"""

Types = Mapping[tuple[str, str], EngineType]


@contextlib.contextmanager
def checked(connection: duckdb.DuckDBPyConnection, catalog: str, definition: Definition | None) -> Iterator[None]:
    """Check the types that the statement run within changes; raises `EngineError`.

    0A000 for values that would depend on the reader's time zone, and the code of the engine's error for a value that
    cannot be converted.
    """
    if definition is None or definition.creates or not definition.columns:
        yield
        return
    before = _types(connection, catalog, definition)
    yield
    for (schema, column), found in _types(connection, catalog, definition).items():
        old = before.get((schema, column), found)
        if old != found:
            table = ".".join(map(quoted, (catalog, schema, definition.name[-1])))
            _judge(connection, table, column, old, found)


def _types(connection: duckdb.DuckDBPyConnection, catalog: str, definition: Definition) -> Types:
    schemas = [name for name in definition.name[:-1] if name.lower() != catalog.lower()]
    schema = schemas[-1] if schemas else ""
    found = connection.execute(_COLUMNS, [catalog, definition.name[-1], schema, schema]).fetchall()
    return {(schema, column): types_of(kind) for schema, column, kind in found}


def _judge(connection: duckdb.DuckDBPyConnection, table: str, column: str, old: EngineType, new: EngineType) -> None:
    changes = list(_changes(old, new))
    for before, after in changes:
        if after == _ZONED:
            raise EngineError(
                "0A000",
                f'the type of column "{column}" cannot change from {before} to {after}: the values would depend on '
                f"the time zone of each session that reads them; {_WAY_OUT}",
            )
    if all(after in _TOTAL for _, after in changes):
        return
    try:
        connection.execute(f"SELECT max(hash({quoted(column)})) FROM {table}").fetchall()  # noqa: S608 - quoted
    except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
        kinds = ", ".join(f"{before} to {after}" for before, after in changes)
        raise EngineError(
            translate(error).sql_state,
            f'the type of column "{column}" cannot change from {kinds}: the table has a value that cannot be '
            "converted; change or delete the rows that TRY_CAST does not convert",
        ) from error


def _changes(old: EngineType, new: EngineType) -> Iterator[tuple[str, str]]:
    """Yield the names of the types that differ, within nested types as well."""
    match old, new:
        case ListOf(element=before), ListOf(element=after):
            yield from _changes(before, after)
        case Nested(name="STRUCT", fields=fields), Nested(name="STRUCT", fields=after_fields):
            known = {name.lower(): inner for name, inner in fields}
            for name, inner in after_fields:
                yield from _changes(known.get(name.lower(), inner), inner)
        case Nested(fields=fields), Nested(fields=after_fields):
            for (_, before), (_, after) in zip(fields, after_fields, strict=True):
                yield from _changes(before, after)
        case Scalar(name=before), Scalar(name=after) if old != new:
            yield before, after
        case _:
            pass
