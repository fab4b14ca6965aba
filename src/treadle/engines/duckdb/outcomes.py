"""What a statement that has run answers: its rows, or its command tag with a count."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from treadle.engines.base import Command, Rows
from treadle.engines.duckdb.binding_sets import COUNTED, changed_rows
from treadle.engines.duckdb.planned import Planned
from treadle.engines.duckdb.query import BATCH_ROWS, columns_of


def outcome_of(connection: duckdb.DuckDBPyConnection, planned: Planned, row_limit: int | None) -> Rows | Command:
    """The outcome of the statement that a connection has just run; raises what DuckDB raises."""
    described = connection.description or []
    if not described:
        return Command(tag=planned.tag)
    if planned.returns_rows:
        reader = connection.to_arrow_reader(BATCH_ROWS)
        columns = columns_of([d[0] for d in described], [d[1] for d in described])
        # Materialised before anything else runs: a second statement would cut the stream short.
        table = reader.read_all()
        changed = table.num_rows
        if row_limit is not None:
            table = table.slice(0, row_limit)
        return Rows(columns=columns, schema=table.schema, batches=iter(table.to_batches(BATCH_ROWS)), changed=changed)
    changed = changed_rows(connection)
    tag = f"{planned.tag} {changed}" if planned.tag in COUNTED else planned.tag
    return Command(tag=tag, changed=changed)


def text_rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Rows:
    """Rows of text, made here."""
    batch = pa.RecordBatch.from_arrays(
        [pa.array([row[at] for row in rows], pa.string()) for at in range(len(names))], names=list(names)
    )
    columns = columns_of(names, ["VARCHAR"] * len(names))
    return Rows(columns=columns, schema=batch.schema, batches=iter((batch,)))
