"""ALTER TABLE … TYPE: the values are converted and written anew in the transaction of the statement.

DuckLake (1.5.5) changes the type in the metadata only. Each reader converts the values in the files then: by its own
time zone, with an error for everybody where a value cannot be converted, and after a condition on the new type was
rounded to the old one, so that ``v > 1.5`` does not find a 2 in a file of integers. Only integers in the place of
smaller integers are the same either way.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Final

import duckdb

from treadle.engines.base import EngineError
from treadle.engines.duckdb.definitions import Definition
from treadle.engines.duckdb.errors import translate
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.storable import sql_of, types_of
from treadle.engines.duckdb.types import EngineType, ListOf, Nested, Scalar
from treadle.engines.duckdb.vocabulary import words

_INTEGERS: Final = words("TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT")

_COLUMNS: Final = """
    SELECT schema_name, column_name, data_type FROM duckdb_columns()
    WHERE database_name = ? AND lower(table_name) = lower(?)
    AND (lower(schema_name) = lower(?) OR (? = '' AND schema_name = current_schema()))
"""

Types = Mapping[tuple[str, str], EngineType]


@contextlib.contextmanager
def written(connection: duckdb.DuckDBPyConnection, catalog: str, definition: Definition | None) -> Iterator[None]:
    """Write the columns anew whose types the statement run within has changed.

    Raises `EngineError` with the code of the cast where a value cannot be converted.
    """
    if definition is None or definition.creates or not definition.columns:
        yield
        return
    before = _types(connection, catalog, definition)
    yield
    for (schema, column), kind in _types(connection, catalog, definition).items():
        old = before.get((schema, column), kind)
        if _converts(old, kind):
            table = ".".join(map(quoted, (catalog, schema, definition.name[-1])))
            _write(connection, table, column, f"{sql_of(old)} to {sql_of(kind)}")


def _types(connection: duckdb.DuckDBPyConnection, catalog: str, definition: Definition) -> Types:
    schemas = [name for name in definition.name[:-1] if name.lower() != catalog.lower()]
    schema = schemas[-1] if schemas else ""
    found = connection.execute(_COLUMNS, [catalog, definition.name[-1], schema, schema]).fetchall()
    return {(schema, column): types_of(kind) for schema, column, kind in found}


def _write(connection: duckdb.DuckDBPyConnection, table: str, column: str, types: str) -> None:
    name = quoted(column)
    try:
        connection.execute(f"UPDATE {table} SET {name} = {name}")  # noqa: S608 - quoted
    except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
        raise EngineError(
            translate(error).sql_state,
            f'the type of column "{column}" cannot change from {types}: the table has a value that cannot be '
            "converted; change or delete the rows that TRY_CAST does not convert",
        ) from error


def _converts(old: EngineType, new: EngineType) -> bool:
    """Whether a change of the type, or of one within it, gives values another form."""
    match old, new:
        case ListOf(element=before), ListOf(element=after):
            return _converts(before, after)
        case Nested(name="STRUCT", fields=fields), Nested(name="STRUCT", fields=others):
            known = {name.lower(): inner for name, inner in fields}
            return any(_converts(known.get(name.lower(), inner), inner) for name, inner in others)
        case Nested(fields=fields), Nested(fields=others):
            return any(_converts(before, after) for (_, before), (_, after) in zip(fields, others, strict=True))
        case Scalar(name=before), Scalar(name=after):
            return old != new and not {before, after} <= _INTEGERS
        case _:
            return old != new
