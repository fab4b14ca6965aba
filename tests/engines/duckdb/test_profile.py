"""What DuckDB measures, as our profile: real figures of real statements, and nothing where it says nothing."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from treadle.engines.duckdb import memory
from treadle.engines.duckdb.profile import (
    DETAILED,
    MOST_DEPTH,
    MOST_DETAIL,
    MOST_OPERATORS,
    OFF,
    ON,
    Profiler,
    understood,
)
from treadle.model.profile import Measured, Operator, walk
from treadle.wire import METADATA_PREFIX

BIG = 400_000
SORT = f"SELECT i, hash(i) h, repeat('x', 40) s FROM range({BIG}) t(i) ORDER BY h"


class Bench:
    """A connection that is measured."""

    def __init__(self, folder: Path) -> None:
        self.connection = duckdb.connect(config={"temp_directory": str(folder), "threads": "2"})
        self.connection.execute(DETAILED)
        self.profiler = Profiler(self.connection)
        self.profiler.attach(2, str(folder))
        self.profiler.rest(memory.resident())

    def run(self, sql: str) -> Measured:
        """What is measured of a statement that is run to its end."""
        self.profiler.begin()
        with self.connection.sql(sql).to_arrow_reader(10_240) as rows:
            for _ in rows:
                pass
        self.profiler.end()
        return self.profiler.measured()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench of its own."""
    made = Bench(tmp_path)
    yield made
    made.connection.close()


def operators(measured: Measured) -> list[Operator]:
    """The operators of a plan that is there."""
    assert measured.plan is not None
    return [one for _, one in walk(measured.plan)]


def test_rows_are_those_of_the_tables(bench: Bench) -> None:
    """A join and an aggregate: each operator gave on what it must have."""
    bench.connection.execute("CREATE TABLE facts AS SELECT i, i % 10 AS g FROM range(30000) t(i)")
    bench.connection.execute("CREATE TABLE groups AS SELECT g, 'name ' || g AS name FROM range(4) t(g)")
    measured = bench.run("SELECT name, count(*), sum(hash(i)) FROM facts JOIN groups USING (g) GROUP BY name")
    by_name = {one.name: one for one in operators(measured)}
    assert by_name["HASH_JOIN"].rows == 12_000
    assert by_name["HASH_GROUP_BY"].rows == 4
    scans = {one.scanned: one for one in operators(measured) if one.name == "SEQ_SCAN"}
    assert sorted(scans) == [4, 30_000]
    assert all("Table: memory.main." in one.detail for one in scans.values())
    assert all(one.estimated for one in scans.values())
    assert 0 < sum(one.millis or 0 for one in operators(measured)) < 10_000
    assert measured.threads == 2
    assert not measured.cut


def test_memory_of_a_big_sort_is_of_the_right_order(bench: Bench) -> None:
    """At least its rows, and not many times as much."""
    rows = BIG * (8 + 8 + 40)
    measured = bench.run(SORT)
    assert measured.memory is not None
    assert rows <= measured.memory < rows * 8
    assert measured.spilled == 0


def test_what_must_spill_says_so_and_the_next_does_not(bench: Bench) -> None:
    """The engine's own peak is that of all its statements; the figure is that of one."""
    bench.connection.execute("SET memory_limit = '32MB'")
    bench.connection.execute("SET threads = 1")
    spilling = bench.run(SORT)
    assert spilling.spilled is not None
    assert 2**20 < spilling.spilled < BIG * 200
    assert bench.run("SELECT sum(hash(i)) FROM range(3000000) t(i)").spilled == 0


def test_of_a_failure_only_the_memory_is_known(bench: Bench) -> None:
    """The plan of the statement before is not taken for its own."""
    assert bench.run("SELECT sum(hash(i)) FROM range(3000000) t(i)").plan is not None
    for wrong in ("SELECT * FROM missing", "SELECT sum(error('no')::INT + i) FROM range(3000000) t(i)"):
        with pytest.raises(duckdb.Error):
            bench.run(wrong)
        bench.profiler.end()
        measured = bench.profiler.measured()
        assert (measured.plan, measured.spilled) == (None, None)
        assert measured.memory is not None


def test_how_much_is_measured(bench: Bench) -> None:
    """Nothing but the memory, the rows alone, or everything."""
    statement = "SELECT sum(hash(i)) FROM range(3000000) t(i)"
    bench.connection.execute(OFF)
    assert bench.run(statement).plan is None
    bench.connection.execute(ON)
    plain = operators(bench.run(statement))
    assert {(one.millis, one.estimated, one.detail) for one in plain} == {(None, None, "")}
    assert max(one.rows for one in plain) == 3_000_000
    bench.connection.execute(DETAILED)
    assert max(one.estimated or 0 for one in operators(bench.run(statement))) == 3_000_000


def test_what_is_over_at_once_is_not_asked_about(bench: Bench) -> None:
    """It costs nothing."""
    bench.run("SELECT 1")
    assert any(bench.run("SELECT 1").plan is None for _ in range(20))


def test_a_plan_is_bounded(bench: Bench) -> None:
    """In the number of its operators, in its depth and in its words; it says that it was cut."""
    wide = bench.run(" UNION ALL ".join(f"SELECT sum(hash(i)) FROM range({n}) t(i)" for n in range(300)))
    assert wide.cut
    assert len(operators(wide)) <= MOST_OPERATORS
    assert wide.plan is not None
    assert max(depth for depth, _ in walk(wide.plan)) < MOST_DEPTH
    said = bench.run(f"SELECT {'+ '.join(f'sum(i * {n})' for n in range(99))} FROM range(1000000) t(i)")
    assert max(len(one.detail) for one in operators(said)) == MOST_DETAIL


@pytest.mark.parametrize("text", ['{"result": "empty"}', '{"result": "disabled"}', "", "[]", '{"latency": 0.0}'])
def test_an_engine_that_says_nothing(text: str) -> None:
    """Is not misunderstood."""
    assert understood(text) is None


def test_a_plan_too_deep_to_read_is_none() -> None:
    """Instead of an error."""
    text = '{"latency": 1.0, "children": [' + '{"children": [' * 20_000 + "]}" * 20_000 + "]}"
    assert understood(text) is None


def test_the_name_of_the_metadata_is_not_told() -> None:
    """Nor are files: only words of the statement."""
    info = f'{{"Table": "{METADATA_PREFIX}_5f.t", "Filters": "i > 5", "Filename(s)": "/srv/secret.parquet"}}'
    said = understood(f'{{"latency": 1.0, "children": [{{"operator_name": "SCAN", "extra_info": {info}}}]}}')
    assert said is not None
    assert said.plan == Operator(name="SCAN", detail="Filters: i > 5")
