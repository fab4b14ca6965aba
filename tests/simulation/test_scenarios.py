"""What seeds have found once, written down: each failed before its fault was mended."""

import pytest

from tests.simulation.lake import Lake
from tests.simulation.ledger import RETRIES
from tests.simulation.run import stage
from tests.simulation.scenario import (
    AnyAct,
    Cancel,
    CancelMany,
    Death,
    Kind,
    Limits,
    Moment,
    OpenSession,
    Program,
    Reply,
    Scenario,
    Step,
    StoreOutage,
    Submit,
)
from tests.simulation.world import play


def played(found: Scenario) -> str:
    """What is told of a run in which nothing is wrong."""
    with stage() as folder:
        world = play(found, folder)
    assert world.truth.violations == []
    return "\n".join(world.trace.lines())


def test_to_stop_a_part_waits_for_no_record_of_the_one_before() -> None:
    """A cancel in a script's first commit reaches its second part while the store is away; the session lives on."""
    script = Program(
        steps=(Step(kind=Kind.WRITE, commit_seconds=0.6), Step(kind=Kind.WRITE, seconds=10.0)),
    )
    found = Scenario(
        seed=0,
        programs=(script,),
        acts=(
            OpenSession(at=0.3, session=0),
            Submit(at=3.0, session=0, runs=0, sync=True),
            Cancel(at=0.04, moment=Moment.ASKED, program=0, target=0),
            StoreOutage(at=0.01, moment=Moment.INTENDED, program=0, seconds=5.0),
        ),
    )
    told = played(found)
    assert "Cancelled(statement_id=" in told
    assert "worker_killed" not in told


WIDE = Limits()


def contended(step: Step, *acts: AnyAct, limits: Limits = WIDE) -> str:
    """What is told of a statement that somebody waits for."""
    begin: tuple[AnyAct, ...] = (OpenSession(at=0.3, session=0), Submit(at=2.0, session=0, runs=0, sync=True))
    return played(Scenario(seed=0, programs=(Program(steps=(step,)),), acts=(*begin, *acts), limits=limits))


def test_a_cancel_stops_a_part_that_is_run_again() -> None:
    """After a lost race it has left its commit point: an interrupt reaches it, nothing is killed, nothing is there."""
    step = Step(kind=Kind.WRITE, seconds=10.0, losses=1)
    told = contended(step, Cancel(at=0.5, moment=Moment.LOST, program=0, target=0))
    assert "Cancelled(statement_id=" in told
    assert "worker_killed" not in told
    assert "committed 0" not in told


def test_a_cancel_within_a_commit_that_loses_stops_the_part_before_its_next_try() -> None:
    """It waits for the commit; when that has lost the race the part does not begin anew."""
    step = Step(kind=Kind.WRITE, seconds=0.1, commit_seconds=1.0, losses=1)
    told = contended(step, Cancel(at=0.3, moment=Moment.COMMITTING, program=0, target=0))
    assert told.count("committing 0") == 1
    assert "Cancelled(statement_id=" in told
    assert "worker_killed" not in told


def test_a_race_that_was_not_lost_is_not_run_again() -> None:
    """The engine reports a lost race, and the commit is durable: it is found, and the statement has succeeded."""
    told = contended(Step(kind=Kind.WRITE, seconds=0.1, reply=Reply.MISTAKEN))
    assert told.count("committed 0") == 1
    assert "'state': <StatementState.SUCCEEDED" in told


def test_a_part_that_always_loses_fails() -> None:
    """After so many tries the record says that it failed and left nothing."""
    told = contended(Step(kind=Kind.WRITE, seconds=0.1, losses=9))
    assert told.count("committing 0") == RETRIES + 1
    assert "'state': <StatementState.FAILED" in told


def test_a_statement_timeout_covers_all_tries_of_a_part() -> None:
    """The clock does not start anew with a further try."""
    step = Step(kind=Kind.WRITE, seconds=4.0, losses=9)
    told = contended(step, limits=Limits(statement_timeout=1))
    assert told.count("committing 0") == 2
    assert "Reason.STATEMENT_TIMEOUT" in told
    assert "Cancelled(statement_id=" in told


def lost(step: Step, *more: Cancel | CancelMany) -> str:
    """What is told of a statement whose start the store loses in a crash, while somebody waits for it."""
    acts = (
        OpenSession(at=0.3, session=0),
        Submit(at=2.0, session=0, runs=0, sync=True),
        StoreOutage(at=2.2, seconds=1.0),
        *more,
    )
    told = played(Scenario(seed=0, programs=(Program(steps=(step,)),), acts=acts))
    assert "lost row" in told
    return told


def test_record_lost_in_a_crash_of_the_store_is_renewed_before_the_commit() -> None:
    """The row of a start is not waited for to be on disk: the statement that it was about goes on, and is on record."""
    told = lost(Step(kind=Kind.WRITE, seconds=0.4))
    assert "committed 0" in told
    assert "worker_killed" not in told


def test_statement_whose_record_was_lost_is_soon_on_record_again() -> None:
    """Long before its end: whoever lists statements finds it, and it can be cancelled."""
    told = lost(Step(kind=Kind.ROWS, seconds=30.0), Cancel(at=8.0, program=0, target=0))
    assert told.index("record_renewed") < told.index("cancel_requested")
    assert "Cancelled(statement_id=" in told
    assert "'state': <StatementState.CANCELLED" in told


def test_cancel_of_many_covers_a_statement_whose_record_was_lost() -> None:
    """Also in the moment after the crash, before anybody has looked."""
    told = lost(Step(kind=Kind.ROWS, seconds=30.0), CancelMany(at=3.3, tag="even"))
    assert told.index("record_renewed") < told.index("cancel_requested")
    assert "'state': <StatementState.CANCELLED" in told


def test_nobody_is_shown_what_is_not_on_record() -> None:
    """A session is closed for its idleness by a call that the store answers late; a submit came in between."""
    write, command = (Program(steps=(Step(kind=kind, lag=1.5),)) for kind in (Kind.WRITE, Kind.COMMAND))
    found = Scenario(
        seed=0,
        programs=(write, command),
        acts=(
            OpenSession(at=0.25, session=1, patience=2),
            Submit(at=0.57, session=1, runs=1),
            StoreOutage(at=2.34, seconds=1.0),
            Submit(at=2.93, session=1, runs=0, sync=True),
        ),
        limits=Limits(session_timeout=2, sync_wait=1.0, poll_interval=1.0),
    )
    assert "session_closed" in played(found)


def test_an_ending_that_breaks_off_is_carried_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker dies, and the server refuses to end its backends in a way that was not foreseen, three times."""
    cut_off, refusals = Lake.cut_off, iter(range(3))

    async def refuse(self: Lake, worker: str) -> bool:
        if next(refusals, None) is not None:
            raise PermissionError("permission denied")
        return await cut_off(self, worker)

    monkeypatch.setattr(Lake, "cut_off", refuse)
    found = Scenario(
        seed=0,
        programs=(Program(steps=(Step(kind=Kind.WRITE, seconds=1.0, death=Death.WORKING),)),),
        acts=(OpenSession(at=0.3, session=0), Submit(at=3.0, session=0, runs=0)),
    )
    told = played(found)
    assert next(refusals, None) is None
    assert "worker_crashed" in told
