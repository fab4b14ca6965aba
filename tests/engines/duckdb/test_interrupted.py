"""An interrupt may hit any step of the engine, and afterwards engine and session agree on where they are."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.engines.duckdb.conftest import Judge, Lake
from treadle.engines.base import EngineError, Rows
from treadle.engines.duckdb.adapter import DuckDB
from treadle.engines.duckdb.script import Planned

TRIALS = 600


@pytest.fixture
def engine(lake: Lake, judge: Judge) -> DuckDB:
    """A session on the lake, as its worker has it; what it looks at is set, as it was not opened."""
    engine = DuckDB(lake.connection.cursor(), lake.vocabulary)
    for sql in ("USE main", "SET TimeZone = 'UTC'"):
        engine.execute(judge(sql)[0], "marker", None, None)
    return engine


@contextmanager
def struck(interrupt: Callable[[], None]) -> Iterator[None]:
    """Interrupt whatever an engine does, over and over."""
    over = threading.Event()

    def strike() -> None:
        while not over.is_set():
            interrupt()
            time.sleep(0)  # lets the engine's thread come on

    striker = threading.Thread(target=strike)
    striker.start()
    try:
        yield
    finally:
        over.set()
        striker.join()


def tried(engine: DuckDB, planned: Planned) -> bool:
    """Run one statement while it is struck, undone without strikes when it does not succeed; whether it did."""
    try:
        with struck(engine.interrupt):
            outcome = engine.execute(planned, "marker", None, None)
            if isinstance(outcome, Rows):
                assert list(outcome.batches)
    except EngineError:
        engine.rollback()
        return False
    return True


def value(engine: DuckDB, planned: Planned) -> object:
    """The one value of a query."""
    outcome = engine.execute(planned, "marker", None, None)
    assert isinstance(outcome, Rows)
    (batch,) = outcome.batches
    return batch.column(0)[0].as_py()


@pytest.mark.parametrize("sql", ["BEGIN", "CREATE TABLE interrupted AS SELECT 1", "SELECT 1 + 1"])
def test_transaction_that_was_interrupted_is_over(engine: DuckDB, judge: Judge, sql: str) -> None:
    """A BEGIN that raised may have begun a transaction in the engine, the user's or ours: it is taken back.

    So is the one a query ran in, whose end may be interrupted as well.
    """
    planned, begin, rollback = (judge(one)[0] for one in (sql, "BEGIN", "ROLLBACK"))
    stopped = 0
    for _ in range(TRIALS):
        if tried(engine, planned):
            engine.execute(rollback, "marker", None, None)
            continue
        stopped += 1
        assert engine.settings()["transaction"] == "none"
        engine.execute(begin, "marker", None, None)
        engine.execute(rollback, "marker", None, None)
    assert stopped


def test_query_that_was_interrupted_at_its_end_is_over(engine: DuckDB, judge: Judge) -> None:
    """The transaction it ran in is taken back when its last step is hit."""
    query, begin, rollback = (judge(one)[0] for one in ("SELECT 1 + 1", "BEGIN", "ROLLBACK"))
    stopped = 0
    for _ in range(TRIALS):
        outcome = engine.execute(query, "marker", None, None)
        assert isinstance(outcome, Rows)
        batches = iter(outcome.batches)
        assert next(batches).num_rows == 1
        try:
            with struck(engine.interrupt):
                assert not list(batches)
        except EngineError:
            engine.rollback()
            stopped += 1
        engine.execute(begin, "marker", None, None)
        engine.execute(rollback, "marker", None, None)
    assert stopped


def test_setting_that_was_interrupted_is_what_is_shown(engine: DuckDB, judge: Judge) -> None:
    """A change is in the engine and on the session, or in neither."""
    zones = [judge(f"SET TimeZone = '{zone}'")[0] for zone in ("Asia/Shanghai", "America/Lima")]
    show, real = judge("SHOW TimeZone")[0], judge("SELECT current_setting('TimeZone')")[0]
    changed = trials = 0
    # How often the interrupt comes first depends on the machine: try until both have been seen.
    while trials < TRIALS or (changed in (0, trials) and trials < 100 * TRIALS):
        changed += tried(engine, zones[trials % 2])
        trials += 1
        # ICU has another name for it.
        assert str(value(engine, real)).removeprefix("Etc/") == value(engine, show)
    assert 0 < changed < trials
