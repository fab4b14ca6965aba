"""Rows leave while the engine makes more: nobody waits for the last one, and nobody holds them all."""

import threading

import pytest

from tests.engines.duckdb.conftest import Judge, Lake
from treadle.engines.base import Rows
from treadle.engines.duckdb.adapter import DuckDB

LONG = "SELECT i + {} AS n FROM range(1000000000000) t(i)"
LATE = 20.0
"""Seconds until what does not stream is interrupted."""


@pytest.fixture
def engine(lake: Lake) -> DuckDB:
    """A session on the lake."""
    return DuckDB(lake.connection.cursor(), lake.vocabulary)


def result(
    engine: DuckDB, judge: Judge, sql: str, bindings: list[str | None] | None = None, row_limit: int | None = None
) -> tuple[list[str], list[tuple[object, ...]]]:
    """The names of the columns, and the rows."""
    outcome = engine.execute(judge(sql)[0], "marker", [bindings] if bindings else [], row_limit)
    assert isinstance(outcome, Rows)
    rows = [row for batch in outcome.batches for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]
    engine.rollback()
    assert outcome.schema.names == [column.name for column in outcome.columns]
    return outcome.schema.names, rows


@pytest.mark.parametrize(
    ("sql", "bindings"),
    [(LONG.format("1"), None), (LONG.format("$1::int"), ["1"]), ("EXECUTE long(1)", None)],
    ids=["plain", "bound", "prepared"],
)
def test_first_rows_do_not_wait_for_the_last(
    engine: DuckDB, judge: Judge, sql: str, bindings: list[str | None] | None
) -> None:
    """Nor is there room for all of them."""
    engine.execute(judge(f"PREPARE long AS {LONG.format('$1::int')}")[0], "marker", None, None)
    late = threading.Timer(LATE, engine.interrupt)
    late.start()
    try:
        assert result(engine, judge, sql, bindings, row_limit=3) == (["n"], [(1,), (2,), (3,)])
    finally:
        late.cancel()
        late.join()


def test_large_rows_leave_a_few_at_a_time(engine: DuckDB, judge: Judge) -> None:
    """However many there are: what is held of them outside the engine is a fraction of the result."""
    query = "SELECT repeat(chr(65 + (i % 26)::int), 10000) AS x FROM range(10000) t(i)"
    outcome = engine.execute(judge(query)[0], "marker", None, None)
    assert isinstance(outcome, Rows)
    sizes = [batch.nbytes for batch in outcome.batches]
    engine.rollback()
    assert sum(sizes) > 100_000_000
    assert max(sizes) < 25_000_000


@pytest.mark.parametrize(
    "query",
    [
        "SELECT {0} AS a, 2 AS a, 3 AS A ORDER BY 2",
        "SELECT {0} AS a, 2 AS a ; -- the end",
        "SELECT {0}::int::variant AS v, [1::variant] AS v, {0}::interval AS i /* ; */ ;",
        "VALUES ({0}, 1), ({0}, 2) -- the end",
        'FROM "default".main.t SELECT i, s, {0} LIMIT {0}::int',
        "DESCRIBE SELECT {0}::int AS a",
        "CALL range({0}::int)",
    ],
)
def test_bound_query_has_the_columns_of_a_plain_one(engine: DuckDB, judge: Judge, query: str) -> None:
    """Also those that cannot leave the engine as they are, and names that come twice."""
    plain = result(engine, judge, query.format("'1'::varchar"))
    names, rows = result(engine, judge, query.format("$1"), ["1"])
    assert rows == plain[1]
    # What has no name is named after its text.
    assert [name for name in names if "$" not in name] == [name for name in plain[0] if "'1'" not in name]
