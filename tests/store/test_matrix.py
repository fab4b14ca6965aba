"""Every state, intent and commit point against every event: the stores do what `model.states.TRANSITIONS` says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import product

import pytest
from msgspec.structs import replace

from tests.store.things import OWNER, at, ending, intent, new_running, new_session, new_statement
from treadle.model.entities import CommitPoint, Part, Session, Statement
from treadle.model.errors import IllegalTransition
from treadle.model.states import (
    TRANSITIONS,
    Effects,
    PartStatus,
    Rung,
    SessionStatus,
    StatementEvent,
    StatementState,
    cancel_outcome,
)
from treadle.store.base import Store
from treadle.store.rules import explained

OTHER = "gateway-2"
ENDINGS = {
    StatementEvent.SUCCEED: StatementState.SUCCEEDED,
    StatementEvent.FAIL: StatementState.FAILED,
    StatementEvent.CANCEL: StatementState.CANCELLED,
}
OPEN = (SessionStatus.CREATING, SessionStatus.WAITING, SessionStatus.RUNNING)
PART = Part(number=1, status=PartStatus.COMMAND_OK)
Situation = Callable[[Store, Session], Awaitable[str]]


async def queued(store: Store, session: Session) -> str:
    """One that waits."""
    return (await new_statement(store, session)).id


async def dequeued(store: Store, session: Session) -> str:
    """One that was cancelled while it waited."""
    found = await queued(store, session)
    await store.request_cancel(found, intent(2))
    return found


def running(*, asked: bool, committing: bool, end: StatementState | None = None) -> Situation:
    """A statement that runs, or has run, with an intent and a commit point beside it or not."""

    async def make(store: Store, session: Session) -> str:
        found = (await new_running(store, session)).id
        if committing:
            assert await store.begin_commit(found, OWNER, CommitPoint(part=1), at(2))
        if asked:
            await store.request_cancel(found, intent(3))
        if end is not None:
            assert await store.finish(found, OWNER, ending(end), [PART], at(50))
        return found

    return make


SITUATIONS: dict[str, tuple[StatementState, Situation]] = {
    "queued": (StatementState.QUEUED, queued),
    "dequeued": (StatementState.CANCELLED, dequeued),
} | {
    f"{end or 'running'}{'+asked' * asked}{'+committing' * committing}": (
        end or StatementState.RUNNING,
        running(asked=asked, committing=committing, end=end),
    )
    for end, asked, committing in product((None, *ENDINGS.values()), (False, True), (False, True))
}


async def stored(store: Store, statement_id: str) -> Statement:
    """The statement as it is now."""
    found = await store.statement(statement_id)
    assert found is not None
    return found


async def situations(store: Store) -> AsyncIterator[tuple[str, Statement]]:
    """A statement in each situation, in a session of its own."""
    for name, (state, make) in SITUATIONS.items():
        before = await stored(store, await make(store, await new_session(store)))
        assert before.state is state, name
        yield name, before


async def test_claim(store: Store) -> None:
    """Only a queued statement is claimed."""
    async for name, before in situations(store):
        claimed = await store.claim(before.session_id, OTHER, at(20))
        after = await stored(store, before.id)
        if (before.state, StatementEvent.CLAIM) in TRANSITIONS:
            assert claimed == after, name
            assert after == replace(before, state=StatementState.RUNNING, owner=OTHER, started_at=at(20)), name
        else:
            assert (claimed, after) == (None, before), name


async def test_claim_from_before_the_submit(store: Store) -> None:
    """A claim may wait for a connection while the statement it then finds is submitted: no start before that."""
    of = await new_session(store)
    await new_statement(store, of, created_at=at(5))
    claimed = await store.claim(of.id, OWNER, at(4))
    assert claimed is not None
    assert claimed.started_at == at(5)
    assert claimed == await stored(store, claimed.id)


async def test_cancel(store: Store) -> None:
    """A cancel ends what is queued, is noted once beside what runs, changes nothing that has ended; again: nothing."""
    async for name, before in situations(store):
        for asked in (intent(20), intent(21, actor="bob")):
            assert await store.request_cancel(before.id, asked) is not None, name
        after = await stored(store, before.id)
        if before.state is StatementState.QUEUED:
            assert after.state is TRANSITIONS[before.state, StatementEvent.CANCEL]
            assert after.ending is not None
            assert (after.cancel, after.ending.rung, after.ending.effects) == (intent(20), Rung.DEQUEUED, Effects.NONE)
            assert (after.started_at, after.owner) == (None, None)
        elif before.state is StatementState.RUNNING:
            assert after == replace(before, cancel=before.cancel or intent(20)), name
        else:
            assert after == before, name
        if after.state.final:
            assert cancel_outcome(before.state, after.state).startswith("already") == before.state.final, name


@pytest.mark.parametrize("owner", [OWNER, OTHER])
async def test_begin_commit(store: Store, owner: str) -> None:
    """The commit point is entered only by the owner of what runs and is not asked to stop."""
    point = CommitPoint(part=2)
    async for name, before in situations(store):
        may = before.state is StatementState.RUNNING and before.cancel is None and owner == OWNER
        assert await store.begin_commit(before.id, owner, point, at(20)) is may, name
        expected = replace(before, committing_at=at(20), commit=point) if may else before
        assert await stored(store, before.id) == expected, name


@pytest.mark.parametrize("owner", [OWNER, OTHER])
@pytest.mark.parametrize("part", [1, 2])
async def test_leave_commit(store: Store, owner: str, part: int) -> None:
    """The commit point is left only by the owner of what runs, and only by the part it is of; the intent stays."""
    async for name, before in situations(store):
        elsewhere = before.commit is not None and before.commit.part != part
        may = before.state is StatementState.RUNNING and owner == OWNER and not elsewhere
        assert await store.leave_commit(before.id, owner, part) is may, name
        expected = replace(before, committing_at=None, commit=None) if may else before
        assert await stored(store, before.id) == expected, name


@pytest.mark.parametrize("owner", [OWNER, OTHER])
async def test_add_parts(store: Store, owner: str) -> None:
    """A part is added only by the owner of what runs; it leaves the commit point, and twice is once."""
    async for name, before in situations(store):
        may = before.state is StatementState.RUNNING and owner == OWNER
        for _ in range(2):
            assert await store.add_parts(before.id, owner, [PART]) is may, name
        expected = replace(before, parts=(PART,), committing_at=None, commit=None) if may else before
        assert await stored(store, before.id) == expected, name


@pytest.mark.parametrize("owner", [OWNER, OTHER])
@pytest.mark.parametrize("event", ENDINGS)
async def test_finish(store: Store, owner: str, event: StatementEvent) -> None:
    """What runs is ended once, by its owner, as the table says; whatever else has happened stays on the record."""
    written = ending(ENDINGS[event], finished_at=at(30))
    async for name, before in situations(store):
        may = (before.state, event) in TRANSITIONS and before.state is StatementState.RUNNING and owner == OWNER
        done = await store.finish(before.id, owner, written, [PART], at(60))
        assert (done is not None) is may, name
        assert done is None or done.cancel == before.cancel, name
        after = await stored(store, before.id)
        if not may:
            assert after == before, name
            continue
        assert after.state is TRANSITIONS[before.state, event], name
        assert (after.ending, after.parts, after.cancel) == (
            explained(written, before.cancel, None),
            (PART,),
            before.cancel,
        ), name
        for again in ENDINGS.values():
            assert not await store.finish(before.id, OWNER, ending(again), [], at(61)), name
        assert await stored(store, before.id) == after, name


@pytest.mark.parametrize("state", [StatementState.QUEUED, StatementState.RUNNING])
async def test_no_ending(store: Store, state: StatementState) -> None:
    """A state that is no ending is refused, and so is a cancelled statement that has committed."""
    before = await new_running(store, await new_session(store))
    with pytest.raises(IllegalTransition):
        await store.finish(before.id, OWNER, ending(state), [], at(60))
    untrue = ending(StatementState.CANCELLED, effects=Effects.COMMITTED)
    with pytest.raises(IllegalTransition):
        await store.finish(before.id, OWNER, untrue, [], at(60))
    assert await stored(store, before.id) == before


async def test_sessions(store: Store) -> None:
    """A session moves from the states expected only, and from a final one never."""
    for status, to in product(OPEN, SessionStatus):
        made = await new_session(store)
        await store.move_session(made.id, frozenset({SessionStatus.RUNNING}), status)
        end = at(40) if to.final else None
        others = frozenset(SessionStatus) - {status}
        assert await store.move_session(made.id, others, to, ended_at=end) is None
        moved = await store.move_session(made.id, frozenset({status}), to, ended_at=end)
        assert moved is not None
        assert (moved.status, moved.ended_at) == (to, end)
        assert await store.session(None, made.id) == moved
        for again in SessionStatus if to.final else ():
            late = at(41) if again.final else None
            assert await store.move_session(made.id, frozenset(SessionStatus), again, ended_at=late) is None
        assert await store.session(None, made.id) == moved
