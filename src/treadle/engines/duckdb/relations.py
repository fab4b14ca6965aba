"""The columns of tables and views, as the engine lists them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import duckdb

from treadle.engines.duckdb.lexer import NAMES, lex, name_of

# Unlike a SELECT this takes no name for that of a file.
_INFO: Final = 'SELECT name, type, dflt_value, "notnull" FROM pragma_table_info(?)'
_LISTED: Final = """
    SELECT column_name, data_type, column_default, NOT is_nullable,
        (database_name, schema_name) AS place, database_name = 'temp' AS is_temporary
    FROM duckdb_columns()
    WHERE lower(table_name) = lower(?) AND (
        CASE WHEN ? THEN database_name = 'temp' OR (database_name, schema_name) = (current_database(), current_schema())
        ELSE lower(schema_name) = lower(?) AND lower(database_name) = lower(coalesce(?, current_database())) END
    )
    QUALIFY place = first(place) OVER (ORDER BY is_temporary DESC, database_name) ORDER BY column_index
"""


class Column(NamedTuple):
    """A column: its name, its type, its default as SQL, and whether it is NOT NULL."""

    name: str
    type: str
    default: str | None
    required: bool


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> list[Column]:
    """List the columns of a relation by its dotted name in SQL; raises `duckdb.CatalogException` if there is none."""
    parts = [name_of(token) for token in lex(relation) if token.kind in NAMES]
    if any('"' in part for part in parts):
        return _listed(connection, parts)
    return [Column(*row) for row in connection.execute(_INFO, [relation]).fetchall()]


def _listed(connection: duckdb.DuckDBPyConnection, parts: Sequence[str]) -> list[Column]:
    """List the columns of a relation whose name has a quote, which `pragma_table_info` (DuckDB 1.5.5) misses."""
    *places, name = parts
    schema = places[-1] if places else None
    database = places[0] if len(places) > 1 else None
    found = connection.execute(_LISTED, [name, schema is None, schema, database]).fetchall()
    if not found:
        raise duckdb.CatalogException(f"Catalog Error: Table with name {name} does not exist!")
    return [Column(*row[:4]) for row in found]
