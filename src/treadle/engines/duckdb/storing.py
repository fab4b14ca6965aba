"""What keeps every stored value exact: tables and Parquet files are judged by the types the engine gives their columns.

A statement that brings its own rows is judged before it runs, because a type that Parquet does not have can take the
instance with it; a definition alone is judged after it ran, inside its transaction.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

import duckdb
import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.about import item_at
from treadle.engines.duckdb.copy_statement import CopyTarget
from treadle.engines.duckdb.defaults import defaulted, require_plain
from treadle.engines.duckdb.definitions import Definition, target_of
from treadle.engines.duckdb.errors import Insertion, Refusal, translated
from treadle.engines.duckdb.lexer import lex
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.parsing import parse
from treadle.engines.duckdb.storable import Place, projection, require_exact, stored_text

Parameters = list[str | None] | None

_DESCRIBE: Final = "DESCRIBE SELECT * FROM ("
# The query may end in a comment.
_CLOSE: Final = "\n)"
_PROBE_NAME: Final = "__treadle_columns"
_PROBE: Final = f"temp.{_PROBE_NAME}"

_COLUMNS: Final = """
    SELECT database_name, schema_name, current_schema(), column_name, data_type
    FROM duckdb_columns() WHERE lower(table_name) = lower(?) AND database_name IN (?, 'temp')
"""


class Stored(msgspec.Struct, frozen=True):
    """A statement as it runs, so that it stores every value exactly: its parts, and the text that was inserted."""

    statements: Sequence[duckdb.Statement]
    insertion: Insertion


def exact_query(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Parameters, place: Place, before: str | None
) -> str | None:
    """Build the text before the query that casts every column to its stored type; None if no cast is needed.

    ``before`` is the text before the query in the statement that ran, None if the query is not contiguous in it. Raises
    `EngineError` (0A000) for a column that cannot be stored exactly, and the engine's errors.
    """
    with translated(len(_DESCRIBE) - len((before or "").encode())):
        *preludes, final = parse(connection, f"{_DESCRIBE}{query}{_CLOSE}")
        for prelude in preludes:
            connection.execute(prelude)
        described = connection.execute(final, parameters).fetchall()
    for number, (name, engine_type, *_) in enumerate(described):
        with _shown(None if before is None else item_at(query, number), len(before or "")):
            require_exact(name, stored_text(engine_type), place)
    values = projection([row[0] for row in described], [row[1] for row in described])
    return None if values is None else f"SELECT {values} FROM ("  # noqa: S608 - names of the caller's columns


@contextlib.contextmanager
def _shown(item: int | None, before: int) -> Iterator[None]:
    """Add the position of a query column's expression to a refusal, if it is known."""
    try:
        yield
    except EngineError as error:
        if item is None:
            raise
        raise Refusal(error.sql_state, error.message, before + item, ran=True) from error


def exact_table(connection: duckdb.DuckDBPyConnection, definition: Definition, parameters: Parameters) -> Stored | None:
    """A CREATE TABLE … AS that stores every value exactly; None where the statement does as it is.

    Raises `EngineError` (0A000) for a column that a table does not hold exactly.
    """
    _require_exact_types(connection, definition.columns)
    if not definition.query:
        return None
    at = len(definition.before.encode())
    inserted = exact_query(connection, definition.query, parameters, Place.TABLE, definition.before)
    if inserted is None:
        return None
    sql = f"{definition.before}{inserted}{definition.query}{_CLOSE}{definition.after}"
    return Stored(parse(connection, sql), Insertion(at, len(inserted.encode())))


def _require_exact_types(connection: duckdb.DuckDBPyConnection, columns: str) -> None:
    """Judge columns that are written out by a table in memory; what the engine does not take is left to it."""
    if not columns:
        return
    # DuckLake refuses some of these types itself, by another error and without the column.
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {_PROBE} ({columns}\n)")
        described = connection.execute(f"DESCRIBE {_PROBE}").fetchall()
        with_default = defaulted(connection, _PROBE_NAME)
        connection.execute(f"DROP TABLE {_PROBE}")
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return
    for name, engine_type, *_ in described:
        require_exact(name, stored_text(engine_type), Place.TABLE)
    require_plain(with_default)


def exact_copy(
    connection: duckdb.DuckDBPyConnection, target: CopyTarget, parameters: Parameters
) -> tuple[CopyTarget, Insertion | None]:
    """The COPY … TO of Parquet that writes every value exactly, and the text that was inserted."""
    head, found, _ = target.before.partition(target.query)
    at = len(head.encode()) if found else 0
    inserted = exact_query(connection, target.query, parameters, Place.PARQUET, head if found else None)
    if inserted is None:
        return target, None
    before = f"COPY ({inserted}{target.query}{_CLOSE}) TO "
    return msgspec.structs.replace(target, before=before), Insertion(
        at, len(before.encode()) - len(target.before.encode())
    )


def require_exact_columns(
    connection: duckdb.DuckDBPyConnection, catalog: str, definition: Definition, *, made: bool = False
) -> None:
    """Raise `EngineError` (0A000) where the table, as it now is, has a column that it does not hold exactly."""
    *schemas, table = definition.name
    found = connection.execute(_COLUMNS, [table, catalog]).fetchall()
    if made and not found:
        raise EngineError("0A000", f'the columns of the table "{table}" cannot be examined')
    columns = [row for row in found if row[0] == catalog]
    named = {schema.lower() for schema in schemas} - {catalog.lower()}
    own = [row for row in columns if row[1].lower() in (named or {row[2].lower()})]
    for _, _, _, column, engine_type in own or columns:
        require_exact(column, engine_type, Place.TABLE)
    if definition.parts and own:
        place = ".".join(map(quoted, (catalog, own[0][1], table)))
        connection.execute(f"DESCRIBE SELECT {definition.parts} FROM {place}")  # noqa: S608 - the caller's own


def require_exact_target(connection: duckdb.DuckDBPyConnection, catalog: str, text: str) -> None:
    """Raise `EngineError` (0A000) where a statement writes rows of a table with a column that it does not hold exactly.

    An earlier version has made such a table. Rows can still be read and deleted.
    """
    name = target_of(list(lex(text)))
    if name:
        require_exact_columns(connection, catalog, Definition(name))
