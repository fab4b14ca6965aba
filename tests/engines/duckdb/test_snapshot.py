"""A query sees one state of the catalog: its columns are those of its rows, whatever others change meanwhile."""

import threading

from tests.engines.duckdb.conftest import CATALOG, Judge, Lake
from treadle.engines.base import Rows
from treadle.engines.duckdb.adapter import DuckDB

READS = 300


def test_columns_are_those_of_the_rows(lake: Lake, judge: Judge) -> None:
    """The engine looks up a table for its columns and again to run: in between it may have become another one."""
    engine = DuckDB(lake.connection.cursor(), lake.vocabulary)
    engine.execute(judge("USE main")[0], "marker", None, None)
    other = lake.connection.cursor()
    other.execute(f'USE "{CATALOG}"')
    shapes = ("SELECT 1 AS a", "SELECT 'one' AS a, 2 AS b")
    other.execute(f"CREATE TABLE swapped AS {shapes[0]}")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for shape in reversed(shapes):
                other.execute(f"CREATE OR REPLACE TABLE swapped AS {shape}")

    (query,) = judge("SELECT * FROM swapped")
    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for _ in range(READS):
            outcome = engine.execute(query, "marker", None, None)
            assert isinstance(outcome, Rows)
            (batch,) = outcome.batches
            names = tuple(one.name for one in outcome.columns)
            assert names == tuple(batch.schema.names)
            seen.add(names)
    finally:
        over.set()
        swapper.join()
    assert seen == {("a",), ("a", "b")}
    assert engine.settings()["transaction"] == "none"
