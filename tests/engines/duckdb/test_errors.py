"""What a caller is told of an error: the engine's own words and their SQLSTATE, wherever in the result it comes."""

import time
from collections.abc import Sequence
from typing import Final

import pytest

from tests.engines.duckdb.conftest import Judge, Lake
from tests.engines.duckdb.test_interrupted import struck
from treadle.engines.base import EngineError, Interrupted, Rows
from treadle.engines.duckdb.adapter import DuckDB
from treadle.engines.duckdb.errors import LostError
from treadle.engines.duckdb.query import Query

AT_THE_END = "CASE WHEN i = 250000 THEN {} END FROM range(300000) t(i)"
"""Far behind what has been streamed when the first rows are there."""

WORDLESS: Final = ("58000", LostError().message)


@pytest.fixture
def engine(lake: Lake) -> DuckDB:
    """A session on the lake."""
    return DuckDB(lake.connection.cursor(), lake.vocabulary)


def refusal(
    engine: DuckDB, judge: Judge, sql: str, pause: float = 0.0, bindings: Sequence[str] | None = None
) -> tuple[int, EngineError]:
    """How many rows came before the error, and the error; the reader is busy for a while after each batch."""
    rows = 0
    try:
        outcome = engine.execute(judge(sql)[0], "marker", [bindings] if bindings else [], None)
        assert isinstance(outcome, Rows)
        for batch in outcome.batches:
            rows += batch.num_rows
            busy_until = time.perf_counter() + pause
            while time.perf_counter() < busy_until:
                pass
    except EngineError as error:
        engine.rollback()
        return rows, error
    raise AssertionError(f"no error: {sql}")


@pytest.mark.parametrize(
    ("value", "state", "message"),
    [
        ("error('no such thing')", "22023", "no such thing"),
        ("ln(0)", "2201E", "cannot take logarithm of zero"),
        ("strptime('x', '%Y')", "22007", 'Could not parse string "x"'),
        ("'x'::int", "22P02", "Could not convert string 'x'"),
    ],
)
def test_error_behind_the_first_rows_is_told(
    engine: DuckDB, judge: Judge, value: str, state: str, message: str
) -> None:
    """Arrow makes an input/output error of some of them: the caller's mistake is no fault of a disk."""
    rows, error = refusal(engine, judge, f"SELECT {AT_THE_END.format(f'({value})::varchar')}")
    assert rows
    assert error.sql_state == state
    assert error.message.startswith(message)


@pytest.mark.parametrize("said", ["INTERRUPTED", "Interrupted"])
def test_what_the_caller_says_is_no_interrupt(engine: DuckDB, judge: Judge, said: str) -> None:
    """The engine repeats values in its messages."""
    _, error = refusal(engine, judge, f"SELECT '{said}'::int")
    assert (error.sql_state, said in error.message) == ("22P02", True)


ENDLESS = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"


def slow_to_read(at: int) -> str:
    """A query that fails far behind its first rows, while other threads make rows ahead of the reader."""
    return f"SELECT i, md5(i::varchar), CASE WHEN i = {at} THEN error('no such thing') END FROM range(3000000) t(i)"


@pytest.mark.parametrize("at", range(300_000, 340_000, 2_000))
def test_error_is_never_told_as_an_interrupt(engine: DuckDB, judge: Judge, at: int) -> None:
    """A thread's error interrupts the reader, which takes that for the error when it comes at the wrong time."""
    rows, error = refusal(engine, judge, slow_to_read(at), pause=0.0005)
    assert rows
    assert (error.sql_state, error.message) == ("22023", "no such thing")


def test_error_in_a_transaction_is_never_told_as_an_interrupt(engine: DuckDB, judge: Judge) -> None:
    """The aborted transaction cannot be asked again: the error may have no words, but it is no cancel."""
    for at in range(300_000, 340_000, 2_000):
        engine.execute(judge("BEGIN")[0], "marker", None, None)
        _, error = refusal(engine, judge, slow_to_read(at), pause=0.0005)
        assert (error.sql_state, error.message) in (("22023", "no such thing"), WORDLESS)
        engine.execute(judge("ROLLBACK")[0], "marker", None, None)


@pytest.mark.parametrize("at", range(300_000, 332_000, 8_000))
def test_error_of_a_bound_or_prepared_query_has_its_words(engine: DuckDB, judge: Judge, at: int) -> None:
    """They stream as well, and what they stopped on is heard in the same way."""
    engine.execute(judge(f"PREPARE failing AS {slow_to_read(at)}")[0], "marker", None, None)
    bound = slow_to_read(at).replace("'no such thing'", "$1")
    for sql, bindings in ((bound, ["no such thing"]), ("EXECUTE failing", None)):
        rows, error = refusal(engine, judge, sql, pause=0.0005, bindings=bindings)
        assert rows
        assert (error.sql_state, error.message) == ("22023", "no such thing")


def test_cancel_at_the_very_start_is_no_lost_error(lake: Lake, judge: Judge) -> None:
    """It may come when the statement is inside the fence and the engine has not begun with it."""
    connection = lake.connection.cursor()
    engine = DuckDB(connection, lake.vocabulary)
    engine.interrupt()
    with struck(connection.interrupt), pytest.raises(Interrupted):
        engine.execute(judge(ENDLESS)[0], "marker", None, None)
    engine.rollback()


def test_looking_for_the_error_can_be_interrupted(lake: Lake, judge: Judge) -> None:
    """It takes time, in which the statement can be cancelled as before."""
    connection = lake.connection.cursor()
    query = Query(connection, judge("SELECT a.i + b.i FROM range(10000000) a(i), range(10000000) b(i)")[0], None)
    query.close()
    with struck(connection.interrupt), pytest.raises(OSError, match="INTERRUPT Error: Interrupted!"):
        query.run_unread()
