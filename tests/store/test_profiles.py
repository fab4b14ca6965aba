"""What a statement took, kept beside its record; and when its session was opened. Over both stores."""

from msgspec.structs import replace

from tests.store.things import OWNER, at, ending, intent, new_endpoint, new_running, new_session, session
from treadle.model.states import SessionStatus
from treadle.store.base import Store
from treadle.store.filters import Page, RecordFilter, Scope

PROFILE = b"\x81\xa5parts\x90"


async def test_a_profile_is_kept_with_the_end(store: Store) -> None:
    """Whoever asks for the statement has it; lists leave it out."""
    of = await new_session(store)
    one = await new_running(store, of)
    assert await store.finish(one.id, OWNER, ending(), [], at(100), b"inline", PROFILE)
    for found in (await store.statement(one.id), await store.find_statement(of.workspace_id, one.id)):
        assert found is not None
        assert (found.profile, found.inline) == (PROFILE, b"inline")
    _, (record,) = await store.records(None, RecordFilter(statement_id=one.id), Page(), 10)
    (light,) = await store.statements([one.id])
    assert (record.profile, light.profile) == (None, None)


async def test_most_statements_have_none(store: Store) -> None:
    """And that is so before their end, and when they are asked to stop."""
    of = await new_session(store)
    one = await new_running(store, of)
    assert one.profile is None
    assert await store.finish(one.id, OWNER, ending(), [], at(100))
    found = await store.statement(one.id)
    assert found is not None
    assert found.profile is None
    assert await store.request_cancels(Scope(session_id=of.id), intent()) == []


async def test_a_restored_record_has_its_profile(store: Store) -> None:
    """It is written with everything else."""
    of = await new_session(store)
    running = await new_running(store, of)
    final = ending()
    assert await store.restore(replace(running, id="restored", state=final.state, ending=final, profile=PROFILE))
    stored = await store.statement("restored")
    assert stored is not None
    assert stored.profile == PROFILE


async def test_it_goes_when_the_record_goes_and_not_with_the_result(store: Store) -> None:
    """An expired result leaves it."""
    of = await new_session(store)
    one = await new_running(store, of)
    assert await store.finish(one.id, OWNER, ending(finished_at=at(9)), [], at(20), b"inline", PROFILE)
    await store.expire_results([one.id])
    found = await store.statement(one.id)
    assert found is not None
    assert (found.profile, found.inline) == (PROFILE, None)
    assert await store.purge_records(at(40), 10) == 1
    assert await store.statement(one.id) is None


async def test_a_session_remembers_when_it_was_opened(store: Store) -> None:
    """The first time it was, whatever else happens to it."""
    made = session(await new_endpoint(store))
    await store.add_session(made)
    running = frozenset({SessionStatus.RUNNING})
    opened = await store.move_session(
        made.id, frozenset({SessionStatus.CREATING}), SessionStatus.RUNNING, owner=OWNER, opened_at=at(3)
    )
    assert opened is not None
    assert opened.opened_at == at(3)
    closed = await store.move_session(made.id, running, SessionStatus.CLOSED, ended_at=at(9))
    assert closed is not None
    assert closed.opened_at == at(3)
