"""The detail of a cancel: kept with its intent and its ending, over both stores (C14)."""

from msgspec.structs import replace

from tests.store.things import OWNER, at, ending, intent, new_running, new_session, new_statement
from treadle.model.states import Reason, Rung, StatementState
from treadle.store.base import Finish, Store
from treadle.store.filters import Page, RecordFilter, Scope

DETAIL = "more than 1,000 rows of result"


async def test_the_first_detail_stays(store: Store) -> None:
    """A running statement keeps the detail of the intent that came first, and its ending has it."""
    running = await new_running(store, await new_session(store))
    first = replace(intent(2, Reason.QUOTA, "system"), detail=DETAIL)
    asked = await store.request_cancel(running.id, first)
    assert asked is not None
    assert asked.cancel == first
    again = await store.request_cancel(running.id, replace(intent(3), detail="another"))
    assert again is not None
    assert again.cancel == first
    (listed,) = await store.running()
    assert listed.cancel == first
    final = ending(StatementState.CANCELLED, reason=Reason.QUOTA, detail=DETAIL)
    assert await store.finish(running.id, OWNER, final, (), at(99))
    stored = await store.statement(running.id)
    assert stored is not None
    assert stored.ending == final
    _, (record,) = await store.records(None, RecordFilter(statement_id=running.id), Page(), 10)
    assert record.ending == final


async def test_only_what_still_waits_is_taken_from_the_queue(store: Store) -> None:
    """Of the ids given, a running one is not touched and a queued one ends with the detail."""
    session = await new_session(store)
    running = await new_running(store, session)
    queued = await new_statement(store, session)
    limit = replace(intent(5, Reason.QUEUE_TIMEOUT, "system"), detail="more than 5 s in the queue")
    scope = Scope(ids=(running.id, queued.id), state=StatementState.QUEUED)
    assert [one.statement.id for one in await store.request_cancels(scope, limit)] == [queued.id]
    untouched, ended = await store.statement(running.id), await store.statement(queued.id)
    assert untouched is not None
    assert untouched.cancel is None
    assert ended is not None
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.detail) == (Reason.QUEUE_TIMEOUT, limit.detail)
    assert await store.request_cancels(scope, limit) == []


async def test_a_restored_record_has_its_detail(store: Store) -> None:
    """What was known of a row that a crash took is written with it."""
    running = await new_running(store, await new_session(store))
    cancel = replace(intent(2, Reason.QUOTA, "system"), detail=DETAIL)
    final = ending(StatementState.CANCELLED, reason=Reason.QUOTA, detail=DETAIL)
    lost = replace(running, id="restored", state=final.state, cancel=cancel, ending=final)
    assert await store.restore(lost)
    stored = await store.statement("restored")
    assert stored is not None
    assert (stored.cancel, stored.ending) == (cancel, final)


async def test_an_ending_brings_its_intent_along(store: Store) -> None:
    """An intent that only the owner knows is written with the end, in all its columns."""
    running = await new_running(store, await new_session(store))
    cancel = replace(intent(2, Reason.QUOTA, "system"), detail=DETAIL)
    final = ending(StatementState.CANCELLED, reason=Reason.QUOTA, actor="system", detail=DETAIL)
    written = await store.finish(running.id, OWNER, final, (), at(99), cancel=cancel)
    assert written == Finish(cancel)
    stored = await store.statement(running.id)
    assert stored is not None
    assert (stored.cancel, stored.ending) == (cancel, final)


async def test_the_intent_on_record_counts(store: Store) -> None:
    """Where another was on record first, it stays, and the ending takes its reason from it."""
    running = await new_running(store, await new_session(store))
    first = replace(intent(2, Reason.QUOTA, "system"), detail=DETAIL)
    await store.request_cancel(running.id, first)
    later = intent(3, Reason.USER, "somebody")
    final = ending(StatementState.CANCELLED, reason=Reason.USER, actor="somebody", rung=Rung.INTERRUPTED)
    assert await store.finish(running.id, OWNER, final, (), at(99), cancel=later) == Finish(first)
    stored = await store.statement(running.id)
    assert stored is not None
    assert stored.cancel == first
    assert stored.ending == replace(final, reason=Reason.QUOTA, actor="system", detail=DETAIL)
