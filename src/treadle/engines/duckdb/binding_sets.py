"""One statement run once for each of several sets of bindings: all of them, or none."""

from collections.abc import Callable, Sequence
from typing import Final

import duckdb

from treadle.engines.base import EngineError, Interrupted
from treadle.engines.duckdb.errors import translated
from treadle.engines.duckdb.planned import Kind, Planned

COUNTED: Final = frozenset(("INSERT 0", "UPDATE", "DELETE", "MERGE", "COPY"))
"""The command tags that PostgreSQL writes with a count of rows."""

Bindings = Sequence[str | None]


def refuse_sets(planned: Planned) -> None:
    """Raise `EngineError` (0A000) for a statement that cannot be run for several sets."""
    changes = planned.kind is Kind.WRITE and planned.tag in COUNTED
    if not changes or planned.returns_rows or planned.copy_to is not None or planned.tag == "COPY":
        raise EngineError(
            "0A000", "several sets of bindings need an INSERT, UPDATE, DELETE or MERGE that returns no rows"
        )


def run_sets(
    connection: duckdb.DuckDBPyConnection,
    statement: duckdb.Statement,
    sets: Sequence[Bindings],
    advance: Callable[[int], None],
    *,
    before: int = 0,
) -> int:
    """Run a statement for each set in the open transaction; returns the number of changed rows.

    ``advance`` is called with the number of finished sets, and raises to stop. ``before`` sets have been run by other
    means. Raises `EngineError` with the number (from 1) of the set that failed.
    """
    changed = 0
    for number, values in enumerate(sets, start=before + 1):
        try:
            with translated():
                connection.execute(statement, list(values))
                changed += changed_rows(connection)
        except Interrupted:
            raise
        except EngineError as error:
            error.message = f"set {number} of the bindings: {error.message}"
            raise
        advance(number)
    return changed


def changed_rows(connection: duckdb.DuckDBPyConnection) -> int:
    """The count that a statement without rows of its own has answered with."""
    row = connection.fetchone()
    return int(row[0]) if row and isinstance(row[0], int) else 0
