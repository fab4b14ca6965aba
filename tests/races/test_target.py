"""R1, R2: a cancel hits the statement it is meant for, whenever it comes, and no other (C4, C5)."""

import random
import time

import pytest

from tests.races.bare import early_interrupts, late_interrupts
from tests.races.lanes import Lane, lanes
from tests.races.trials import Tally, spread
from tests.support.world import World, rests

VICTIM_ROWS = 800_000
INNOCENT = "SELECT sum(i) FROM range(1000000) t(i)"
SUM = [["499999500000"]]


def victim(rows: int) -> str:
    """A statement that works through so many rows."""
    return f"SELECT count(*) FROM range({rows}) t(i) WHERE hash(i) % 7 = 3"


ENDLESS = (
    "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)",
    "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3",
    "WITH RECURSIVE t(i) AS (SELECT 1::bigint UNION ALL SELECT i + 1 FROM t WHERE i < 100000000000) "
    "SELECT count(*) FROM t",
    "SELECT i, hash(i) FROM range(4000000000) t(i)",
    "CREATE TEMP TABLE never AS SELECT i, hash(i) h FROM range(4000000000) t(i)",
    "SELECT 1; SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)",
)


@pytest.mark.race("R1", "late cancel meets the next statement", small=120)
def test_a_late_cancel_never_hits_the_next_statement(duck: World, tally: Tally) -> None:
    """A statement of a few milliseconds, an innocent one straight behind it, a cancel of the first around its end."""
    baseline = min(tally.trials, 600)
    killed = late_interrupts(victim(VICTIM_ROWS), INNOCENT, baseline)
    tally.baseline = f"DuckDB alone: {killed} of {baseline} innocents killed"
    assert killed > 0, "the trial has no teeth"

    with lanes(duck) as made:
        rows = max(lane.stoppable(victim, VICTIM_ROWS) for lane in made)
        aims = [lane.aim(victim(rows)) for lane in made]
        for lane in made:
            lane.session.run("CREATE TEMP TABLE survivors (n int)")

        def trial(lane: Lane, n: int) -> None:
            aim = aims[lane.number]
            raced = lane.session.submit(victim(rows))
            verdict = lane.cancel_after(aim.next(), raced.statement_id)
            if n % 2:
                innocent = lane.end(lane.session.submit(INNOCENT, sync=True))
                assert (innocent.status, innocent.last.rows) == (0, SUM), innocent
            else:
                innocent = lane.end(lane.session.submit(f"INSERT INTO survivors VALUES ({n})", sync=True))
                assert innocent.status == 2, innocent
            said = verdict.result()
            shown = lane.session.show(raced.statement_id)
            if said.outcome == "cancelled":
                assert (said.state, shown.status, shown.last.sql_state) == ("CANCELED", 4, "57014")
            else:
                assert (said.outcome, said.state, shown.status) == ("already_succeeded", "SUCCESSFUL", 0)
                assert len(shown.last.rows) == 1
            aim.was(early=said.outcome == "cancelled")
            tally.count(said.outcome if said.rung != "too_late" else "finished first", said.seconds)

        spread(tally, made, trial)
        counts = [int(lane.session.run("SELECT count(DISTINCT n) FROM survivors").rows[0][0] or 0) for lane in made]
    assert sum(counts) == (tally.trials + 1) // 2
    assert tally["cancelled"]
    assert tally["cancelled"] < tally.trials


@pytest.mark.race("R2", "cancel before the executor starts", small=90)
def test_a_cancel_before_the_executor_starts_is_not_forgotten(duck: World, tally: Tally) -> None:
    """Endless statements of six kinds, cancelled within the first millisecond: each one has stopped at the 200."""
    baseline = min(tally.trials, 600)
    forgotten = early_interrupts("SELECT count(*) FROM range(3000000) t(i) WHERE hash(i) % 7 = 3", baseline)
    tally.baseline = f"DuckDB alone: {forgotten} of {baseline} interrupts forgotten"

    with lanes(duck) as made:
        moments = [random.Random(lane.number) for lane in made]
        workers = [duck.worker(lane.session.id) for lane in made]

        def trial(lane: Lane, n: int) -> None:
            reply = lane.session.submit(ENDLESS[n % len(ENDLESS)])
            time.sleep(moments[lane.number].choice((0.0, 0.001)) * moments[lane.number].random())
            said = lane.session.cancel(reply.statement_id)
            assert (said.outcome, said.state) == ("cancelled", "CANCELED"), said
            assert said.rung in ("dequeued", "interrupted"), said
            tally.count(said.rung, said.seconds)
            if n % 10 == 0:
                assert lane.session.run("SELECT 41 + 1").rows == [["42"]]

        spread(tally, made, trial)
        assert all(rests(pid, 0.2) for pid in workers)
    assert tally["interrupted"]
