"""EXPLAIN ANALYZE: the rows and times of its operators, and its total time."""

import re
from time import perf_counter
from typing import Final

import duckdb
import pyarrow as pa

from treadle.engines.base import Command, Rows
from treadle.engines.duckdb.outcomes import outcome_of
from treadle.engines.duckdb.planned import Planned

_VALUE: Final = 1
"""The index of the column with the plan."""

_TOTAL: Final = re.compile(r"(?P<before>Total Time: |\"latency\": )(?P<seconds>[0-9.e+-]+)(?P<after>s? *)")


def run(
    connection: duckdb.DuckDBPyConnection,
    planned: Planned,
    statement: duckdb.Statement,
    values: list[str | None] | None,
    row_limit: int | None,
) -> Rows | Command:
    """Run a statement to its end; raises DuckDB's errors."""
    began = perf_counter()
    connection.execute(statement, values)
    outcome = outcome_of(connection, planned, row_limit)
    if planned.analyzes and isinstance(outcome, Rows):
        return bounded(outcome, perf_counter() - began)
    return outcome


def bounded(rows: Rows, seconds: float) -> Rows:
    """Limit the total of an EXPLAIN ANALYZE to its elapsed time.

    The engine's own total adds up work that ran in parallel.
    """
    batches = [_bounded(batch, seconds) for batch in rows.batches]
    return Rows(columns=rows.columns, schema=rows.schema, batches=iter(batches))


def _bounded(batch: pa.RecordBatch, seconds: float) -> pa.RecordBatch:
    columns = list(batch.columns)
    if len(columns) > _VALUE:
        texts = [None if text is None else plan(text, seconds) for text in columns[_VALUE].to_pylist()]
        columns[_VALUE] = pa.array(texts, columns[_VALUE].type)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def plan(text: str, seconds: float) -> str:
    """Limit the total in the text of a plan to ``seconds``, without changing the length of the text."""
    return _TOTAL.sub(lambda found: _capped(found, seconds), text, count=1)


def _capped(found: "re.Match[str]", seconds: float) -> str:
    total = found["seconds"]
    if float(total) <= seconds:
        return found[0]
    digits = f"{seconds:.9f}"[: max(len(total), 5)]
    return f"{found['before']}{digits}{found['after']}".ljust(len(found[0]))
