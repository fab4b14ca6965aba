import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from tests.store.things import OWNER, T0, at, ending, new_endpoint, new_running, new_session, session
from treadle.model.entities import SessionEnd
from treadle.model.errors import IllegalTransition
from treadle.model.states import Reason, SessionStatus
from treadle.store.base import Store
from treadle.store.errors import DuplicateId
from treadle.store.filters import Page, SessionFilter

CREATING = frozenset({SessionStatus.CREATING})
OPEN = frozenset({SessionStatus.CREATING, SessionStatus.WAITING, SessionStatus.RUNNING})


def session_end(session_id: str, **fields: Any) -> SessionEnd:
    """The end of a session whose worker has died."""
    known = {"status": SessionStatus.FAIL, "reason": Reason.WORKER_CRASHED, "message": "", "ended_at": at(7)}
    return SessionEnd(session_id=session_id, **{**known, **fields})


async def test_a_session_comes_back_as_it_was(store: Store) -> None:
    """To its own workspace and to whoever asks for any; its id is taken once."""
    made = session(await new_endpoint(store), wait_deadline=at(300))
    await store.add_session(made)
    assert await store.session(made.workspace_id, made.id) == made
    assert await store.session(None, made.id) == made
    assert await store.session("other", made.id) is None
    with pytest.raises(DuplicateId):
        await store.add_session(made)


async def test_a_session_moves_from_where_it_is_expected(store: Store) -> None:
    """The status changes by compare-and-set, and what is not given stays."""
    made = session(await new_endpoint(store))
    await store.add_session(made)
    assert await store.move_session(made.id, frozenset({SessionStatus.WAITING}), SessionStatus.RUNNING) is None
    running = await store.move_session(made.id, CREATING, SessionStatus.RUNNING, owner=OWNER)
    assert running is not None
    assert (running.status, running.owner, running.message) == (SessionStatus.RUNNING, OWNER, "")
    failed = await store.move_session(
        made.id, OPEN, SessionStatus.FAIL, reason=Reason.WORKER_CRASHED, message="gone\x00", ended_at=at(3)
    )
    assert failed is not None
    assert (failed.owner, failed.reason, failed.message) == (OWNER, Reason.WORKER_CRASHED, "gone")
    assert failed == await store.session(None, made.id)
    assert await store.move_session("unknown", OPEN, SessionStatus.RUNNING) is None


async def test_an_ended_session_stays_ended(store: Store) -> None:
    """No move leads out of CLOSED or FAIL, whatever the caller expects."""
    made = await new_session(store)
    assert await store.move_session(made.id, OPEN, SessionStatus.CLOSED, ended_at=at(1))
    every = frozenset(SessionStatus)
    assert await store.move_session(made.id, every, SessionStatus.RUNNING) is None
    assert await store.move_session(made.id, every, SessionStatus.FAIL, ended_at=at(2)) is None


async def test_a_session_is_made_opened_asked_to_close_and_ended_in_this_order(store: Store) -> None:
    """Whatever the wall clock was set to meanwhile."""
    place = await new_endpoint(store)
    made, early = session(place, created_at=at(50)), session(place, created_at=at(50))
    for one in (made, early):
        await store.add_session(one)
    opened = await store.move_session(made.id, CREATING, SessionStatus.RUNNING, opened_at=at(20))
    assert opened is not None
    assert (opened.created_at, opened.opened_at, opened.ended_at) == (at(50), at(50), None)
    asked = await store.request_close(early.id, at(10), "ann", Reason.USER)
    assert asked is not None
    assert asked.close_requested_at == at(50)
    late = await store.move_session(early.id, CREATING, SessionStatus.RUNNING, opened_at=at(60))
    assert late is not None
    assert late.opened_at == at(60)
    for one, end in ((made, at(50)), (early, at(60))):
        ended = await store.move_session(one.id, OPEN, SessionStatus.CLOSED, ended_at=at(30))
        assert ended is not None
        assert ended.ended_at == end
        assert ended == await store.session(None, one.id)


async def test_a_session_ends_with_a_time_and_only_then(store: Store) -> None:
    """An end without its time, or a time without an end, is a defect and changes nothing."""
    made = await new_session(store)
    with pytest.raises(IllegalTransition):
        await store.move_session(made.id, OPEN, SessionStatus.CLOSED)
    with pytest.raises(IllegalTransition):
        await store.move_session(made.id, OPEN, SessionStatus.RUNNING, ended_at=at(1))
    with pytest.raises(IllegalTransition):
        await store.add_session(session(await new_endpoint(store), status=SessionStatus.RUNNING))
    assert await store.session(None, made.id) == made


async def test_the_first_intent_to_close_stays(store: Store) -> None:
    """Later ones return the session as it is, and an ended session has no intents."""
    made = await new_session(store)
    first = await store.request_close(made.id, at(1), "ann", Reason.USER)
    assert first is not None
    assert (first.close_requested_at, first.close_requested_by, first.reason) == (at(1), "ann", Reason.USER)
    assert await store.request_close(made.id, at(2), "bob", Reason.SESSION_IDLE) == first
    assert await store.move_session(made.id, OPEN, SessionStatus.CLOSED, ended_at=at(3))
    assert await store.request_close(made.id, at(4), "cid", Reason.USER) is None
    assert await store.request_close("unknown", at(4), "cid", Reason.USER) is None


async def test_sessions_are_listed_newest_first(store: Store) -> None:
    """With every filter alone, and pages that cut a stable order."""
    place, other = await new_endpoint(store), await new_endpoint(store)
    made = [session(place, created_at=at(n)) for n in range(4)]
    for one in made:
        await store.add_session(one)
    await store.add_session(session(other))
    moved = await store.move_session(made[0].id, CREATING, SessionStatus.WAITING)
    room = place.workspace_id
    listed = [*made[:0:-1], moved]
    assert await store.sessions(room, SessionFilter(), Page()) == (4, listed)
    assert await store.sessions(room, SessionFilter(), Page(limit=2, offset=1)) == (4, listed[1:3])
    assert await store.sessions(room, SessionFilter(status=SessionStatus.WAITING), Page()) == (1, [moved])
    assert await store.sessions(room, SessionFilter(session_id=made[2].id), Page()) == (1, [made[2]])
    assert await store.sessions(room, SessionFilter(endpoint_id=other.id), Page()) == (0, [])
    between = SessionFilter(created_from=at(1), created_to=at(2))
    assert await store.sessions(room, between, Page()) == (2, [made[2], made[1]])
    assert (await store.sessions(None, SessionFilter(), Page()))[0] == 5


async def test_a_refused_session_is_known_to_no_caller(store: Store) -> None:
    """It has ended and no answer has named it; one that was answered, or has not ended, is listed."""
    place = await new_endpoint(store)
    refused, failed, waiting = (session(place, created_at=at(n), unanswered=True) for n in range(3))
    for one in (refused, failed, waiting):
        await store.add_session(one)
    await store.answered(failed.id)
    for one in (refused, failed):
        assert await store.move_session(one.id, OPEN, SessionStatus.FAIL, reason=Reason.WAIT_TIMEOUT, ended_at=at(5))
    for known, expected in ((False, {refused.id, failed.id, waiting.id}), (True, {failed.id, waiting.id})):
        total, found = await store.sessions(place.workspace_id, SessionFilter(known=known), Page())
        assert (total, {one.id for one in found}) == (len(expected), expected)


async def test_sessions_keep_the_name_of_a_deleted_endpoint(store: Store) -> None:
    """The last one that it had."""
    place, other = await new_endpoint(store), await new_endpoint(store)
    made, beside = session(place), session(other)
    for one in (made, beside):
        await store.add_session(one)
        assert await store.move_session(one.id, OPEN, SessionStatus.CLOSED, ended_at=at(5))
    renamed = replace(place, name="renamed", updated_at=at(1))
    assert await store.change_endpoint(renamed, place.updated_at)
    assert await store.drop_endpoint(place.workspace_id, place.id)
    assert not await store.drop_endpoint(place.workspace_id, place.id)
    kept, untouched = [await store.session(None, one.id) for one in (made, beside)]
    assert kept is not None
    assert untouched is not None
    assert (kept.endpoint_name, untouched.endpoint_name) == ("renamed", "")


async def test_open_sessions_are_those_that_have_not_ended(store: Store) -> None:
    """Oldest first, over all workspaces."""
    place = await new_endpoint(store)
    late, early, ended = (session(place, created_at=at(n)) for n in (2, 1, 0))
    for one in (late, early, ended):
        await store.add_session(one)
    assert await store.move_session(ended.id, OPEN, SessionStatus.FAIL, ended_at=T0)
    assert await store.open_sessions() == [early, late]
    assert await store.open_sessions(but=[early.id]) == [early, late]
    running = await store.move_session(early.id, frozenset({early.status}), SessionStatus.RUNNING, owner=OWNER)
    assert await store.open_sessions(but=[early.id]) == [late]
    assert await store.open_sessions() == [running, late]
    closing = await store.request_close(early.id, T0, "ann", Reason.USER)
    assert await store.open_sessions(but=[early.id]) == [closing, late]


async def test_a_session_ends_with_its_statement(store: Store) -> None:
    """In one step: one reader never sees the end of the statement in a session that goes on."""
    place = await new_session(store)
    running = await new_running(store, place)
    end = session_end(place.id, message="gone\x00")
    seen: list[tuple[bool, bool]] = []

    async def look() -> None:
        while not seen or not seen[-1][1]:
            # The statement first: a session that ends after it would be caught.
            statement, session = await store.statement(running.id), await store.session(None, place.id)
            assert statement is not None
            assert session is not None
            seen.append((statement.state.final, session.status.final))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    assert await store.finish(running.id, OWNER, ending(), (), at(99), session=end)
    await looking
    assert (True, False) not in seen
    ended = await store.session(None, place.id)
    assert ended is not None
    assert (ended.status, ended.reason, ended.message) == (SessionStatus.FAIL, Reason.WORKER_CRASHED, "gone")
    assert ended.ended_at == at(7)


async def test_a_session_that_has_ended_stays_as_it_is(store: Store) -> None:
    """Its statement ends all the same; and a session ends whose statement has ended before."""
    place = await new_session(store)
    running, other = await new_running(store, place), await new_session(store)
    closed = await store.move_session(place.id, OPEN, SessionStatus.CLOSED, reason=Reason.USER, ended_at=at(5))
    assert await store.finish(running.id, OWNER, ending(), (), at(99), session=session_end(place.id))
    assert await store.session(None, place.id) == closed
    assert await store.finish(running.id, OWNER, ending(), (), at(99), session=session_end(other.id)) is None
    ended = await store.session(None, other.id)
    assert ended is not None
    assert ended.status is SessionStatus.FAIL


async def test_a_restored_statement_brings_the_end_of_its_session(store: Store) -> None:
    """What ended before it was on record ends its session in the same step, and that once."""
    place = await new_session(store)
    running = await new_running(store, place)
    final = ending()
    lost = replace(running, id="restored-with-session", state=final.state, ending=final)
    assert await store.restore(lost, session_end(place.id))
    ended = await store.session(None, place.id)
    assert ended is not None
    assert ended.status is SessionStatus.FAIL
    assert not await store.restore(lost, session_end(place.id))
    assert await store.session(None, place.id) == ended


async def test_a_session_ends_with_a_final_status_only(store: Store) -> None:
    """Nothing is written of an end that is none."""
    place = await new_session(store)
    running = await new_running(store, place)
    with pytest.raises(IllegalTransition):
        await store.finish(
            running.id, OWNER, ending(), (), at(99), session=session_end(place.id, status=SessionStatus.RUNNING)
        )
    assert await store.statement(running.id) == running
    assert await store.session(None, place.id) == place
