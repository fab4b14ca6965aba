"""What the engine runs of a statement: the text that stores values exactly, and where it differs from the caller's."""

import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

import duckdb

from treadle.engines.duckdb import copying, json_files, storing
from treadle.engines.duckdb.errors import Insertion
from treadle.engines.duckdb.parsing import parse
from treadle.engines.duckdb.planned import Planned

_REWRITTEN: Final = Insertion(0, sys.maxsize)
"""A text that is wholly of ours: no place in it is one in the caller's."""


class Steps(NamedTuple):
    """The statements in order, the insertion in the last one, and the output of a COPY that is staged."""

    statements: Sequence[duckdb.Statement]
    insertion: Insertion | None = None
    staged: copying.Staged | None = None


def steps_of(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    planned: Planned,
    marker: str,
    values: list[str | None] | None,
    *,
    inexact: bool,
) -> Steps:
    """Find the steps of a statement with these values; raises `EngineError`, `duckdb.Error`.

    ``inexact`` says that the catalog has tables of earlier versions that take no exact rows.
    """
    if planned.defines is not None:
        stored = storing.exact_table(connection, planned.defines, values)
        return Steps(planned.statements) if stored is None else Steps(stored.statements, stored.insertion)
    if planned.copy_to is not None:
        target, insertion = planned.copy_to, None
        if target.parquet:
            target, insertion = storing.exact_copy(connection, target, values)
        staged = copying.stage(target, marker)
        try:
            return Steps(parse(connection, staged.sql), insertion, staged)
        except BaseException:
            copying.discard(staged)
            raise
    if inexact:
        storing.require_exact_target(connection, catalog, planned.text)
    if planned.copy_from is not None:
        read = json_files.exact_copy(connection, planned.copy_from, planned.statements)
        return Steps(read, None if read is planned.statements else _REWRITTEN)
    return Steps(planned.statements)
