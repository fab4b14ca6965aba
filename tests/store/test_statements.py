import asyncio

import pytest

from tests.store.things import (
    OWNER,
    T0,
    at,
    ending,
    intent,
    new_running,
    new_session,
    new_statement,
    statement,
)
from treadle.model.columns import Column
from treadle.model.entities import CommitPoint, Part
from treadle.model.errors import BadRequest, IllegalTransition
from treadle.model.states import Effects, PartStatus, Reason, Rung, SessionStatus, StatementState
from treadle.store.base import Store
from treadle.store.errors import DuplicateId
from treadle.store.filters import Scope
from treadle.store.rules import light

ROWS = Part(number=1, status=PartStatus.TUPLES_OK, rows=3, columns=(Column(name="é", type=23, size=4),))
ERROR = Part(
    number=2,
    status=PartStatus.FATAL_ERROR,
    sql_state="42601",
    message="bad \x00 byte",
    position=7,
    effects=Effects.NONE,
)


async def test_a_statement_comes_back_as_it_was_submitted(store: Store) -> None:
    """Every field, bindings with NULLs and long texts included; its id is taken once."""
    of = await new_session(store)
    made = statement(
        of,
        content="é'\\%s$1" * 100_000,
        bindings=(("a", None), ("", "ü")),
        row_limit=2**40,
        fetch_mode="READ_OBS",
        may_maintain=True,
        source=1,
        database_name="main",
    )
    assert await store.submit(made)
    assert await store.statement(made.id) == made
    assert await store.statement("unknown") is None
    with pytest.raises(DuplicateId):
        await store.submit(made)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("statement", {"content": "select '\x00'"}),
        ("statement", {"content": "select '\ud800'"}),
        ("bindings", {"bindings": (("a", "\x00"),)}),
        ("user_name", {"user_name": "a\x00"}),
    ],
)
async def test_text_that_cannot_be_kept_is_refused(store: Store, field: str, changes: dict[str, object]) -> None:
    """NUL and lone surrogates are the caller's error, and nothing is submitted."""
    made = statement(await new_session(store), **changes)
    with pytest.raises(BadRequest) as caught:
        await store.submit(made)
    assert caught.value.field == field
    assert await store.statement(made.id) is None


async def test_no_submit_to_a_session_that_ends(store: Store) -> None:
    """A session that is asked to close, has ended or is unknown takes no statement."""
    closing, ended = await new_session(store), await new_session(store)
    await store.request_close(closing.id, T0, "ann", Reason.USER)
    await store.move_session(ended.id, frozenset(SessionStatus), SessionStatus.FAIL, ended_at=T0)
    assert not await store.submit(statement(closing))
    assert not await store.submit(statement(ended))
    assert not await store.submit(statement(closing, session_id="unknown"))
    assert await store.queued_sessions() == []


async def test_an_idle_session_starts_a_statement_with_its_submit(store: Store) -> None:
    """Under the owner given, unless an earlier one waits; it comes back as it is stored."""
    of = await new_session(store)
    first = await store.submit(statement(of, created_at=at(1)), owner=OWNER, soft=True)
    assert first is not None
    assert (first.state, first.owner, first.started_at) == (StatementState.RUNNING, OWNER, at(1))
    assert first == await store.statement(first.id)
    waits = await store.submit(statement(of))
    behind = await store.submit(statement(of), owner=OWNER)
    assert waits is not None
    assert behind is not None
    assert (waits.state, behind.state, behind.owner) == (StatementState.QUEUED, StatementState.QUEUED, None)
    claimed = await store.claim(of.id, OWNER, at(2))
    assert claimed is not None
    assert claimed.id == waits.id


async def test_a_submit_is_let_into_sessions_of_its_project_only(store: Store) -> None:
    """Another project's session, and a session of another workspace, take nothing."""
    of, other = await new_session(store), await new_session(store)
    assert await store.submit(statement(of), project_id="p2") is None
    assert await store.submit(statement(of, workspace_id=other.workspace_id), project_id="p1") is None
    assert await store.submit(statement(of, endpoint_id="", database_name=""), project_id="p1") is not None


async def test_a_lost_row_is_restored(store: Store) -> None:
    """Whole, if it is not there; a row that is there stays."""
    of = await new_session(store)
    lost = statement(
        of,
        state=StatementState.FAILED,
        database_name="main",
        owner=OWNER,
        started_at=at(1),
        cancel=intent(2, detail="why"),
        parts=(ROWS, ERROR),
        ending=ending(StatementState.FAILED, effects=Effects.PARTIAL, reason=Reason.USER, actor="ann", detail="why"),
        results_expire_at=at(100),
        inline=b"rows",
        tags=("a", "b"),
    )
    assert await store.restore(lost)
    assert await store.statement(lost.id) == lost
    there = await new_running(store, of)
    ended = statement(of, id=there.id, state=StatementState.SUCCEEDED, started_at=at(1), ending=ending())
    assert not await store.restore(ended)
    assert await store.statement(there.id) == there
    with pytest.raises(IllegalTransition):
        await store.restore(statement(of))


async def test_a_statement_is_submitted_queued(store: Store) -> None:
    """Anything else is a defect and changes nothing."""
    made = statement(await new_session(store), state=StatementState.RUNNING, owner=OWNER, started_at=T0)
    with pytest.raises(IllegalTransition):
        await store.submit(made)
    assert await store.statement(made.id) is None


async def test_claims_follow_the_order_of_submission(store: Store) -> None:
    """Whatever the clocks say, the oldest of the session runs first, and nothing runs twice."""
    of, other = await new_session(store), await new_session(store)
    first = await new_statement(store, of, created_at=at(5))
    second = await new_statement(store, of, created_at=at(1))
    await new_statement(store, other)
    claimed = await store.claim(of.id, OWNER, at(6))
    assert claimed is not None
    assert (claimed.id, claimed.content, claimed.bindings) == (first.id, first.content, first.bindings)
    assert (claimed.state, claimed.owner, claimed.started_at) == (StatementState.RUNNING, OWNER, at(6))
    assert claimed == await store.statement(first.id)
    again = await store.claim(of.id, OWNER, at(7))
    assert again is not None
    assert again.id == second.id
    assert await store.claim(of.id, OWNER, at(8)) is None
    assert await store.queued_sessions() == [other.id]


async def test_cancel_of_a_queued_statement_ends_it(store: Store) -> None:
    """It never starts: dequeued, without effects, with who, why and when; and it is not claimed."""
    of = await new_session(store)
    made = await new_statement(store, of)
    cancelled = await store.request_cancel(made.id, intent(5, Reason.OPERATOR, "root", "why"))
    assert cancelled is not None
    assert cancelled.state is StatementState.CANCELLED
    assert cancelled.cancel == intent(5, Reason.OPERATOR, "root", "why")
    assert cancelled.ending is not None
    assert (cancelled.ending.rung, cancelled.ending.effects) == (Rung.DEQUEUED, Effects.NONE)
    assert (cancelled.ending.reason, cancelled.ending.actor) == (Reason.OPERATOR, "root")
    assert cancelled.ending.detail == "why"
    assert (cancelled.ending.finished_at, cancelled.ending.cancel_millis) == (at(5), 0.0)
    assert (cancelled.parts, cancelled.results_expire_at, cancelled.owner) == ((), None, None)
    stored = await store.statement(made.id)
    assert stored is not None
    assert cancelled == light(stored)
    assert await store.claim(of.id, OWNER, at(6)) is None


async def test_the_first_intent_on_a_running_statement_stays(store: Store) -> None:
    """The state stays running until the owner says otherwise; later intents change nothing."""
    running = await new_running(store, await new_session(store))
    first = intent(5, detail="why")
    asked = await store.request_cancel(running.id, first)
    assert asked is not None
    assert (asked.state, asked.cancel, asked.ending) == (StatementState.RUNNING, first, None)
    assert await store.request_cancel(running.id, intent(6, Reason.QUOTA, "limits")) == asked


@pytest.mark.parametrize("state", [StatementState.SUCCEEDED, StatementState.FAILED, StatementState.CANCELLED])
async def test_an_ended_statement_never_changes(store: Store, state: StatementState) -> None:
    """Cancel returns it as it is, and nothing else finds it."""
    running = await new_running(store, await new_session(store))
    assert await store.finish(running.id, OWNER, ending(state), [ROWS], at(100))
    ended = await store.statement(running.id)
    assert ended is not None
    assert (ended.state, ended.ending, ended.parts) == (state, ending(state), (ROWS,))
    assert await store.request_cancel(running.id, intent()) == light(ended)
    assert not await store.finish(running.id, OWNER, ending(StatementState.FAILED), [], at(200))
    assert not await store.add_parts(running.id, OWNER, [ERROR])
    assert not await store.begin_commit(running.id, OWNER, CommitPoint(part=1), at(3))
    assert not await store.request_cancels(Scope(session_id=running.session_id), intent())
    assert await store.statement(running.id) == ended


async def test_cancel_of_an_unknown_statement_is_none(store: Store) -> None:
    """There is nothing to answer with."""
    assert await store.request_cancel("unknown", intent()) is None


async def test_only_the_owner_writes(store: Store) -> None:
    """A late owner's parts, commits and endings are refused."""
    running = await new_running(store, await new_session(store))
    assert not await store.add_parts(running.id, "gateway-2", [ROWS])
    assert not await store.begin_commit(running.id, "gateway-2", CommitPoint(part=1), at(2))
    assert not await store.finish(running.id, "gateway-2", ending(), [], at(100))
    assert await store.statement(running.id) == running
    queued = await new_statement(store, await new_session(store))
    assert not await store.finish(queued.id, OWNER, ending(), [], at(100))


async def test_the_commit_point_is_entered_while_no_cancel_is_intended(store: Store) -> None:
    """After an intent it is closed; an intent after it is legal and stays beside it."""
    of = await new_session(store)
    first, second = await new_running(store, of), await new_running(store, of)
    point = CommitPoint(part=1, last=False)
    await store.request_cancel(first.id, intent(2))
    assert not await store.begin_commit(first.id, OWNER, point, at(3))
    assert await store.begin_commit(second.id, OWNER, point, at(3))
    asked = await store.request_cancel(second.id, intent(2))
    assert asked is not None
    assert (asked.committing_at, asked.commit, asked.cancel) == (at(3), point, intent(2))
    assert not await store.begin_commit(second.id, OWNER, CommitPoint(part=2), at(4))
    assert await store.finish(second.id, OWNER, ending(), [ROWS], at(100))


async def test_a_commit_point_that_was_left_can_be_entered_again(store: Store) -> None:
    """Unless a cancel is intended by then; to leave it twice is as good as once."""
    running = await new_running(store, await new_session(store))
    point = CommitPoint(part=1)
    assert await store.begin_commit(running.id, OWNER, point, at(3))
    assert not await store.leave_commit(running.id, OWNER, 2)
    assert await store.leave_commit(running.id, OWNER, 1)
    assert await store.leave_commit(running.id, OWNER, 1)
    left = await store.statement(running.id)
    assert left is not None
    assert (left.committing_at, left.commit) == (None, None)
    assert await store.begin_commit(running.id, OWNER, point, at(4))
    asked = await store.request_cancel(running.id, intent(5))
    assert asked is not None
    assert (asked.committing_at, asked.commit) == (at(4), point)
    assert await store.leave_commit(running.id, OWNER, 1)
    assert not await store.begin_commit(running.id, OWNER, point, at(6))
    assert not await store.leave_commit("unknown", OWNER, 1)


async def test_parts_are_appended_in_order(store: Store) -> None:
    """Each leaves its commit point; one that is there already is not appended again."""
    running = await new_running(store, await new_session(store))
    assert await store.begin_commit(running.id, OWNER, CommitPoint(part=1, last=False, staged="x/y"), at(2))
    assert await store.add_parts(running.id, OWNER, [ROWS])
    assert await store.add_parts(running.id, OWNER, [ROWS])
    after = await store.statement(running.id)
    assert after is not None
    assert (after.parts, after.committing_at, after.commit) == ((ROWS,), None, None)
    failed = ending(StatementState.FAILED, effects=Effects.PARTIAL, finished_at=at(4))
    assert await store.finish(running.id, OWNER, failed, [ERROR], at(100))
    ended = await store.statement(running.id)
    assert ended is not None
    assert (ended.parts, ended.ending, ended.results_expire_at) == ((ROWS, ERROR), failed, at(100))


async def test_an_impossible_ending_is_a_defect(store: Store) -> None:
    """A running statement cannot end as running, nor as cancelled with committed effects."""
    running = await new_running(store, await new_session(store))
    for wrong in (
        ending(StatementState.RUNNING),
        ending(StatementState.QUEUED),
        ending(StatementState.CANCELLED, effects=Effects.COMMITTED),
    ):
        with pytest.raises(IllegalTransition):
            await store.finish(running.id, OWNER, wrong, [], at(100))
    assert await store.statement(running.id) == running


async def test_an_ending_is_kept_whole(store: Store) -> None:
    """Reason, actor, rung and time of a cancel are on the record."""
    running = await new_running(store, await new_session(store))
    await store.request_cancel(running.id, intent(5))
    told = ending(
        StatementState.CANCELLED,
        effects=Effects.PARTIAL,
        reason=Reason.USER,
        actor="ann",
        rung=Rung.KILLED,
        cancel_millis=2003.25,
        detail="why",
    )
    assert await store.finish(running.id, OWNER, told, [], at(100))
    ended = await store.statement(running.id)
    assert ended is not None
    assert (ended.ending, ended.cancel) == (told, intent(5))


async def test_a_session_is_cancelled_in_one_step(store: Store) -> None:
    """Queued ones end, running ones are asked, ended ones and other sessions are left alone."""
    of, other = await new_session(store), await new_session(store)
    done = await new_running(store, of)
    await store.finish(done.id, OWNER, ending(), [], at(100))
    asked = await new_running(store, of)
    await store.request_cancel(asked.id, intent(3))
    running = await new_running(store, of)
    queued = [await new_statement(store, of) for _ in range(3)]
    away = await new_statement(store, other)
    told = await store.request_cancels(Scope(session_id=of.id), intent(5, Reason.SESSION_CLOSED))
    assert [one.statement.id for one in told] == [asked.id, running.id, *(one.id for one in queued)]
    assert [one.before.value for one in told] == ["running"] * 2 + ["queued"] * 3
    assert [one.statement.state.value for one in told] == ["running"] * 2 + ["cancelled"] * 3
    found = [await store.statement(one.id) for one in (done, asked, running, queued[0], away)]
    states = [one.state.value for one in found if one]
    assert states == ["succeeded", "running", "running", "cancelled", "queued"]
    asked_at = [one.cancel.requested_at if one.cancel else None for one in found if one]
    assert asked_at == [None, at(3), at(5), at(5), None]


async def test_the_queue_of_a_session_is_cancelled(store: Store) -> None:
    """Only what is queued, with the intent's reason."""
    of = await new_session(store)
    running = await new_running(store, of)
    queued = [await new_statement(store, of) for _ in range(3)]
    waiting = Scope(session_id=of.id, state=StatementState.QUEUED)
    told = await store.request_cancels(waiting, intent(5, Reason.SHUTDOWN))
    assert [one.statement.id for one in told] == [one.id for one in queued]
    assert await store.request_cancels(waiting, intent(6)) == []
    assert await store.statement(running.id) == running
    ended = await store.statement(queued[1].id)
    assert ended is not None
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.rung) == (Reason.SHUTDOWN, Rung.DEQUEUED)


async def test_running_statements_are_found_oldest_first(store: Store) -> None:
    """Of all sessions, without their text."""
    of, other = await new_session(store), await new_session(store)
    await new_statement(store, of)
    await new_statement(store, other)
    late = await store.claim(of.id, OWNER, at(9))
    early = await store.claim(other.id, OWNER, at(8))
    assert late is not None
    assert early is not None
    found = await store.running()
    assert [(one.id, one.content) for one in found] == [(early.id, ""), (late.id, "")]
    assert found[0].bindings == early.bindings


async def test_every_claim_of_many_is_of_another_statement(store: Store) -> None:
    """Claims at once never share a statement and leave none behind."""
    of = await new_session(store)
    made = [await new_statement(store, of) for _ in range(20)]
    claimed = await asyncio.gather(*(store.claim(of.id, OWNER, at(1)) for _ in range(25)))
    assert sorted(one.id for one in claimed if one) == sorted(one.id for one in made)
