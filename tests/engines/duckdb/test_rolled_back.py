"""A ROLLBACK that a cancel hits leaves the transaction as it was, or ends it; engine and session agree on which."""

import pytest

from tests.engines.duckdb.conftest import Judge, Lake
from tests.engines.duckdb.test_interrupted import struck
from treadle.engines.base import EngineError
from treadle.engines.duckdb.adapter import DuckDB

TRIALS = 40
MOST = 4000
"""Trials, until one of them has stopped a ROLLBACK: how often that is depends on whose turn it is."""


@pytest.mark.parametrize("last", ["ROLLBACK", "COMMIT"])
def test_rollback_that_was_interrupted_can_be_repeated(lake: Lake, judge: Judge, last: str) -> None:
    """The engine does not roll back when it is interrupted: the session must not say that it has (C10).

    A COMMIT is one as well after an error.
    """
    engine = DuckDB(lake.connection.cursor(), lake.vocabulary)
    engine.execute(judge("USE main")[0], "marker", None, None)
    begin, make, wrong, end = (
        judge(sql)[0] for sql in ("BEGIN", "CREATE TEMP TABLE made (n int)", "SELECT nothing", last)
    )
    stopped = 0
    for trial in range(MOST):
        if trial >= TRIALS and stopped:
            break
        # Each raises where the transaction before is still there.
        engine.execute(begin, "marker", None, None)
        engine.execute(make, "marker", None, None)
        if last == "COMMIT":
            with pytest.raises(EngineError):
                engine.execute(wrong, "marker", None, None)
            engine.rollback()
        try:
            with struck(engine.interrupt):
                engine.execute(end, "marker", None, None)
        except EngineError:
            engine.rollback()
            stopped += 1
            assert engine.settings()["transaction"] == "aborted"
            engine.execute(end, "marker", None, None)
        assert engine.settings()["transaction"] == "none"
    assert stopped
