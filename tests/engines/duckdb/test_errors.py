"""What a caller is told of an error: the engine's own words and their SQLSTATE, wherever in the result it comes."""

import pytest

from tests.engines.duckdb.conftest import Judge, Lake
from treadle.engines.base import EngineError, Rows
from treadle.engines.duckdb.adapter import DuckDB

AT_THE_END = "CASE WHEN i = 250000 THEN {} END FROM range(300000) t(i)"
"""Far behind what has been streamed when the first rows are there."""


@pytest.fixture
def engine(lake: Lake) -> DuckDB:
    """A session on the lake."""
    return DuckDB(lake.connection.cursor(), lake.vocabulary)


def refusal(engine: DuckDB, judge: Judge, sql: str) -> tuple[int, EngineError]:
    """How many rows came before the error, and the error."""
    rows = 0
    try:
        outcome = engine.execute(judge(sql)[0], "marker", None, None)
        assert isinstance(outcome, Rows)
        for batch in outcome.batches:
            rows += batch.num_rows
    except EngineError as error:
        engine.rollback()
        return rows, error
    raise AssertionError(f"no error: {sql}")


@pytest.mark.parametrize(
    ("value", "state", "message"),
    [
        ("error('no such thing')", "22023", "no such thing"),
        ("ln(0)", "22003", "cannot take logarithm of zero"),
        ("strptime('x', '%Y')", "22023", 'Could not parse string "x"'),
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
