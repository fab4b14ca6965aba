import pytest

from tests.store.things import OWNER, at, ending, intent, new_running, new_session, new_statement
from treadle.model.entities import Session, Statement
from treadle.model.states import Effects, Reason, RecordStatus, SessionStatus, StatementState
from treadle.store.base import DueResult, Store
from treadle.store.filters import Page, RecordFilter

ALL = RecordFilter()
OPEN = frozenset(SessionStatus)


async def ids(store: Store, of: Session, where: RecordFilter) -> list[str]:
    """The ids of the records that match."""
    total, found = await store.records(of.workspace_id, where, Page(limit=100), 256)
    assert total == len(found)
    return [one.id for one in found]


async def one_of_each(store: Store, of: Session) -> dict[RecordStatus, Statement]:
    """A statement in each public status."""
    made: dict[RecordStatus, Statement] = {}
    for number, status in enumerate(
        (RecordStatus.SUCCESSFUL, RecordStatus.FAILED, RecordStatus.ERROR, RecordStatus.CANCELED, RecordStatus.RUNNING)
    ):
        made[status] = await new_running(store, of, created_at=at(number))
    told = {
        RecordStatus.SUCCESSFUL: ending(),
        RecordStatus.FAILED: ending(StatementState.FAILED, reason=Reason.QUOTA, effects=Effects.NONE),
        RecordStatus.ERROR: ending(StatementState.FAILED, reason=Reason.OWNER_LOST, effects=Effects.UNKNOWN),
        RecordStatus.CANCELED: ending(StatementState.CANCELLED, reason=Reason.USER),
    }
    for status, how in told.items():
        assert await store.finish(made[status].id, OWNER, how, [], at(100))
    made[RecordStatus.SUBMITTED] = await new_statement(store, of, created_at=at(5))
    return made


@pytest.mark.parametrize("status", list(RecordStatus))
async def test_records_are_found_by_their_public_status(store: Store, status: RecordStatus) -> None:
    """Each word finds its own and nothing else."""
    of = await new_session(store)
    made = await one_of_each(store, of)
    assert await ids(store, of, RecordFilter(status=status)) == [made[status].id]
    found = await store.statement(made[status].id)
    assert found is not None
    assert found.record_status is status


async def test_records_are_listed_newest_first(store: Store) -> None:
    """Pages cut one stable order, the total is that of the filter, and texts are cut by characters."""
    of, other = await new_session(store), await new_session(store)
    made = [await new_statement(store, of, created_at=at(n // 2), content="é" * 300) for n in range(7)]
    await new_statement(store, other)
    wanted = sorted(made, key=lambda one: (one.created_at, one.id), reverse=True)
    total, found = await store.records(of.workspace_id, ALL, Page(limit=3, offset=2), 256)
    assert (total, [one.id for one in found]) == (7, [one.id for one in wanted[2:5]])
    assert {one.content for one in found} == {"é" * 256}
    assert await store.records(of.workspace_id, ALL, Page(limit=3, offset=50), 256) == (7, [])
    assert (await store.records(of.workspace_id, ALL, Page(limit=7), 256))[0] == 7
    assert (await store.records(None, ALL, Page(), 256))[0] == 8


async def test_records_are_filtered(store: Store) -> None:
    """By session, endpoint, statement and source, each alone."""
    of, other = await new_session(store), await new_session(store)
    api = await new_statement(store, of)
    console = await new_statement(store, of, source=1)
    assert await ids(store, of, RecordFilter(session_id=other.id)) == []
    assert len(await ids(store, of, RecordFilter(session_id=of.id))) == 2
    assert len(await ids(store, of, RecordFilter(endpoint_id=of.endpoint_id))) == 2
    assert await ids(store, of, RecordFilter(endpoint_id=other.endpoint_id)) == []
    assert await ids(store, of, RecordFilter(statement_id=api.id)) == [api.id]
    assert await ids(store, of, RecordFilter(source=1)) == [console.id]


async def test_records_are_filtered_by_time(store: Store) -> None:
    """From a start (before it, the creation) on, and up to an end."""
    of = await new_session(store)
    early = await new_running(store, of, created_at=at(0))
    queued = await new_statement(store, of, created_at=at(3))
    assert await store.finish(early.id, OWNER, ending(finished_at=at(5)), [], at(100))
    assert await ids(store, of, RecordFilter(started_from=at(1))) == [queued.id, early.id]
    assert await ids(store, of, RecordFilter(started_from=at(2))) == [queued.id]
    assert await ids(store, of, RecordFilter(started_from=at(4))) == []
    assert await ids(store, of, RecordFilter(finished_to=at(5))) == [early.id]
    assert await ids(store, of, RecordFilter(finished_to=at(4))) == []


async def test_results_expire_once(store: Store) -> None:
    """Those that are due are told with their workspace, the longest due first, until they are marked.

    Queued cancels have none.
    """
    of = await new_session(store)
    made = [await new_running(store, of) for _ in range(4)]
    for number, one in enumerate(made):
        assert await store.finish(one.id, OWNER, ending(), [], at(100 - number))
    cancelled = await new_statement(store, of)
    await store.request_cancel(cancelled.id, intent())
    due = [DueResult(one.id, of.workspace_id) for one in reversed(made)]
    for _ in range(2):
        assert list(await store.due_results(at(99), 2)) == due[:2]
    await store.expire_results([one.statement_id for one in due[:2]])
    assert list(await store.due_results(at(99), 2)) == [due[2]]
    await store.expire_results([due[2].statement_id, "unknown"])
    assert list(await store.due_results(at(99), 2)) == []
    await store.expire_results([])
    assert list(await store.due_results(at(100), 2)) == [due[3]]
    found = await store.statement(made[3].id)
    assert found is not None
    assert found.results_expire_at == at(97)


async def test_records_are_purged_when_their_time_is_over(store: Store) -> None:
    """Ended statements first, oldest first, then ended sessions that have none left."""
    of, empty, alive = [await new_session(store) for _ in range(3)]
    ended = [await new_running(store, of) for _ in range(3)]
    for number, one in enumerate(ended):
        assert await store.finish(one.id, OWNER, ending(finished_at=at(10 + number)), [], at(100))
    await store.expire_results([one.id for one in ended])
    running = await new_running(store, alive)
    for over in (of, empty):
        assert await store.move_session(over.id, OPEN, SessionStatus.CLOSED, ended_at=at(20))
    assert await store.purge_records(at(12), 1) == 1
    assert [await store.statement(one.id) is None for one in ended] == [True, False, False]
    assert await store.purge_records(at(12), 10) == 1
    assert await store.session(None, of.id) is not None
    assert await store.purge_records(at(30), 10) == 1
    assert await store.session(None, of.id) is None
    assert await store.session(None, empty.id) is None
    assert await store.statement(running.id) == running
    assert await store.session(None, alive.id) is not None


async def test_a_record_stays_until_its_result_is_gone(store: Store) -> None:
    """Nobody else knows where the result lies; what never had one goes when its time is over."""
    of = await new_session(store)
    kept = await new_running(store, of)
    assert await store.finish(kept.id, OWNER, ending(finished_at=at(10)), [], at(20))
    dequeued = await new_statement(store, of)
    assert await store.request_cancel(dequeued.id, intent())
    assert await store.purge_records(at(15), 10) == 1
    assert await store.statement(dequeued.id) is None
    assert list(await store.due_results(at(20), 10)) == [DueResult(kept.id, of.workspace_id)]
    assert await store.purge_records(at(30), 10) == 0
    await store.expire_results([kept.id])
    assert await store.purge_records(at(30), 10) == 1
