"""What keeps every stored value exact: tables and Parquet files are judged by the types the engine gives their columns.

A statement that brings its own rows is judged before it runs, because a type that Parquet does not have can take the
instance with it; a definition alone is judged after it ran, inside its transaction.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import duckdb
import msgspec

from treadle.engines.base import EngineError, Interrupted
from treadle.engines.duckdb.copy_statement import CopyTarget
from treadle.engines.duckdb.definitions import Definition, target_of
from treadle.engines.duckdb.errors import translated
from treadle.engines.duckdb.lexer import lex
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.parsing import parse
from treadle.engines.duckdb.storable import Place, projection, require_exact, stored_text

Parameters = list[str | None] | None

_LINE: Final = re.compile(r"^LINE ([0-9]+): ", re.MULTILINE)
_PROBE: Final = "temp.__treadle_columns"

_COLUMNS: Final = """
    SELECT database_name, schema_name, current_schema(), column_name, data_type
    FROM duckdb_columns() WHERE lower(table_name) = lower(?) AND database_name IN (?, 'temp')
"""


def exact_query(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Parameters, place: Place, line: int = 1
) -> str | None:
    """The query with every column in its stored type, None when each has it already.

    Raises `EngineError` (0A000) for a column that the place does not hold exactly, and what the engine raises, for a
    query that begins in that line of the statement.
    """
    with _lines_from(line):
        # The query begins a line of its own, so that an error quotes no words of ours.
        *preludes, final = parse(connection, f"DESCRIBE SELECT * FROM (\n{query}\n)")  # noqa: S608 - the caller's own
        for prelude in preludes:
            connection.execute(prelude)
        described = connection.execute(final, parameters).fetchall()
    for name, engine_type, *_ in described:
        require_exact(name, stored_text(engine_type), place)
    values = projection([row[0] for row in described], [row[1] for row in described])
    return None if values is None else f"SELECT {values} FROM (\n{query}\n)"  # noqa: S608 - the caller's own


@contextmanager
def _lines_from(line: int) -> Iterator[None]:
    """Count the lines in an error from the beginning of the caller's statement."""
    try:
        with translated():
            yield
    except EngineError as error:
        message = _LINE.sub(lambda found: f"LINE {int(found[1]) - 2 + line}: ", error.message)
        raise type(error)(*(() if isinstance(error, Interrupted) else (error.sql_state, message))) from error


def exact_table(
    connection: duckdb.DuckDBPyConnection, definition: Definition, parameters: Parameters
) -> Sequence[duckdb.Statement] | None:
    """The statements of a CREATE TABLE … AS that stores every value exactly; None for those it has already.

    Raises `EngineError` (0A000) for a column that a table does not hold exactly.
    """
    _require_exact_types(connection, definition.columns)
    if not definition.query:
        return None
    line = definition.before.count("\n") + 1
    query = exact_query(connection, definition.query, parameters, Place.TABLE, line)
    return None if query is None else parse(connection, f"{definition.before}{query}{definition.after}")


def _require_exact_types(connection: duckdb.DuckDBPyConnection, columns: str) -> None:
    """Judge columns that are written out by a table in memory; what the engine does not take is left to it."""
    if not columns:
        return
    # DuckLake refuses some of these types itself, by another error and without the column.
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {_PROBE} ({columns}\n)")
        described = connection.execute(f"DESCRIBE {_PROBE}").fetchall()
        connection.execute(f"DROP TABLE {_PROBE}")
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return
    for name, engine_type, *_ in described:
        require_exact(name, stored_text(engine_type), Place.TABLE)


def exact_copy(connection: duckdb.DuckDBPyConnection, target: CopyTarget, parameters: Parameters) -> CopyTarget:
    """The COPY … TO of Parquet that writes every value exactly."""
    query = exact_query(connection, target.query, parameters, Place.PARQUET)
    return target if query is None else msgspec.structs.replace(target, before=f"COPY ({query}) TO ")


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
