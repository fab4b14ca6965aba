"""What the control plane and version 2 of the API remember, over both stores."""

import asyncio

import pytest
from msgspec.structs import replace

from tests.store.things import (
    OWNER,
    at,
    ending,
    endpoint,
    new_endpoint,
    new_running,
    new_session,
    new_statement,
    session,
    statement,
    workspace,
)
from treadle.model.entities import Endpoint, EndpointStatus, Label
from treadle.model.errors import NotFound
from treadle.model.states import SessionStatus
from treadle.store.base import Patience, Store
from treadle.store.errors import DuplicateName, QuotaReached
from treadle.store.filters import Page, Place, RecordFilter, SessionFilter, WorkspaceFilter

SAID = {"name": "日报", "type": "JOB", "wait_timeout": 300.0, "max_retry_times": 7}


async def test_a_quota_is_one_of_the_project(store: Store) -> None:
    """However many come at once, a project gets no more; another project has its own."""

    async def add(project: str) -> bool:
        try:
            return await store.add_workspace(workspace(project_id=project), quota=3)
        except QuotaReached:
            return False

    added = await asyncio.gather(*(add("p1") for _ in range(8)))
    assert sum(added) == 3
    assert await add("p2")
    assert (await store.workspaces("p1", WorkspaceFilter(), Page()))[0] == 3


async def test_a_workspace_is_changed_in_part(store: Store) -> None:
    """What is not given stays, tags included; a name in use is refused and nothing changes."""
    room = workspace(description="old", tags=(Label("team", "é"), Label("flag")), enterprise_project_id="e1")
    other = workspace()
    assert await store.add_workspace(room)
    assert await store.add_workspace(other)
    changed = await store.change_workspace(room.id, name="new", description=None, metastore_id="m-2")
    assert changed == replace(room, name="new", metastore_id="m-2")
    assert await store.workspace(room.id, "p1") == changed
    with pytest.raises(DuplicateName):
        await store.change_workspace(room.id, name=other.name, description="lost", metastore_id=None)
    assert await store.workspace(room.id, "p1") == changed
    assert await store.change_workspace(room.id, name="new", description="", metastore_id=None) == replace(
        changed, description=""
    )
    assert await store.change_workspace("unknown", name="x", description=None, metastore_id=None) is None
    where = WorkspaceFilter(enterprise_project_id="e1")
    assert [one.id for one in (await store.workspaces("p1", where, Page()))[1]] == [room.id]


async def test_an_endpoint_is_changed_by_compare_and_set(store: Store) -> None:
    """Of two changes that began with the same row one comes too late; all that may change does."""
    place = await new_endpoint(store)
    later = replace(
        place,
        name="other",
        updated_at=at(1),
        status=EndpointStatus.INACTIVE,
        engine="duck2",
        description="new",
        max_sessions=9,
        max_statements=8,
        config={"paused": True},
        reserved_resource={"dpu": {"spec_code": "x"}},
        threads=3,
        memory=2**33,
        warm_up=2,
    )
    assert await store.change_endpoint(later, place.updated_at)
    assert not await store.change_endpoint(replace(place, updated_at=at(2)), place.updated_at)
    assert await store.endpoint(place.workspace_id, place.id) == later
    second = endpoint(place.workspace_id)
    assert await store.add_endpoint(second)
    with pytest.raises(DuplicateName):
        await store.change_endpoint(replace(second, name="other", updated_at=at(3)), second.updated_at)
    assert not await store.change_endpoint(replace(second, id="unknown"), second.updated_at)


async def test_an_endpoint_is_found_by_its_name(store: Store) -> None:
    """In its own workspace only; many are found by their ids."""
    place, other = await new_endpoint(store), await new_endpoint(store)
    assert await store.endpoint_named(place.workspace_id, place.name) == place
    assert await store.endpoint_named(other.workspace_id, place.name) is None
    found = await store.endpoints_of([other.id, "unknown", place.id])
    assert sorted(one.id for one in found) == sorted([place.id, other.id])


@pytest.mark.parametrize("status", [EndpointStatus.INACTIVE, EndpointStatus.DELETING])
async def test_only_a_running_endpoint_takes_sessions(store: Store, status: EndpointStatus) -> None:
    """A paused one, and one that is being deleted, does not."""
    place = await new_endpoint(store)
    assert await store.change_endpoint(replace(place, status=status, updated_at=at(1)), place.updated_at)
    with pytest.raises(NotFound):
        await store.add_session(session(place))
    assert await store.change_endpoint(replace(place, updated_at=at(2)), at(1))
    await store.add_session(session(place))


async def marked(store: Store, place: Endpoint) -> int:
    """Mark the endpoint as one that is being deleted, and tell how many sessions are there then."""
    changed = replace(place, status=EndpointStatus.DELETING, updated_at=at(1))
    assert await store.change_endpoint(changed, place.updated_at)
    total, _ = await store.sessions(place.workspace_id, SessionFilter(endpoint_id=place.id), Page())
    return total


async def test_deleting_an_endpoint_and_opening_a_session_exclude_each_other(store: Store) -> None:
    """A session that comes while the endpoint is marked is there for whoever lists after the mark, or refused."""
    for _ in range(20):
        place = await new_endpoint(store)
        seen, opened = await asyncio.gather(
            marked(store, place), store.add_session(session(place)), return_exceptions=True
        )
        assert seen == (0 if isinstance(opened, NotFound) else 1)


async def test_a_session_keeps_what_it_asked_for(store: Store) -> None:
    """Its priority, its share of the machine and its retries."""
    made = session(await new_endpoint(store), priority=9, threads=3, memory=2**34, max_retry_times=2**31 - 1)
    await store.add_session(made)
    assert await store.session(None, made.id) == made
    assert await store.move_session(made.id, frozenset({SessionStatus.CREATING}), SessionStatus.WAITING) == replace(
        made, status=SessionStatus.WAITING
    )


async def test_sessions_go_on_after_a_place(store: Store) -> None:
    """Page by page every session comes once, those of one moment by their ids; the total is that of the filter."""
    place = await new_endpoint(store)
    made = [session(place, created_at=at(n // 3)) for n in range(8)]
    for one in made:
        await store.add_session(one)
    wanted = sorted(made, key=lambda one: (one.created_at, one.id), reverse=True)
    seen: list[str] = []
    after: Place | None = None
    while True:
        total, found = await store.sessions(place.workspace_id, SessionFilter(), Page(limit=3, after=after))
        assert total == 8
        if not found:
            break
        seen += [one.id for one in found]
        after = Place(found[-1].created_at, found[-1].id)
    assert seen == [one.id for one in wanted]


async def test_records_go_on_after_a_place(store: Store) -> None:
    """As sessions do, whatever comes or goes meanwhile; nothing is counted where nobody asks."""
    of = await new_session(store)
    made = [await new_statement(store, of, created_at=at(n // 2)) for n in range(6)]
    wanted = [one.id for one in sorted(made, key=lambda one: (one.created_at, one.id), reverse=True)]
    first = Page(limit=2, counted=False)
    total, found = await store.records(of.workspace_id, RecordFilter(), first, 10)
    assert (total, [one.id for one in found]) == (0, wanted[:2])
    await new_statement(store, of, created_at=at(99))
    after = Place(found[-1].created_at, found[-1].id)
    _, rest = await store.records(of.workspace_id, RecordFilter(), Page(limit=9, after=after, counted=False), 10)
    assert [one.id for one in rest] == wanted[2:]


async def test_records_are_found_by_creation_and_name(store: Store) -> None:
    """Both bounds of the creation are within."""
    of = await new_session(store)
    made = [await new_statement(store, of, created_at=at(n), name=f"n{n % 2}") for n in range(4)]

    async def ids(where: RecordFilter) -> list[str]:
        _, found = await store.records(of.workspace_id, where, Page(limit=100), 10)
        return [one.id for one in found]

    assert await ids(RecordFilter(created_from=at(1), created_to=at(2))) == [made[2].id, made[1].id]
    assert await ids(RecordFilter(name="n0")) == [made[2].id, made[0].id]
    assert await ids(RecordFilter(name="n")) == []


async def test_a_statement_keeps_what_was_said_of_it(store: Store) -> None:
    """From the submit to the history, and when its row has to be written anew."""
    of = await new_session(store)
    made = await new_statement(store, of, **SAID)
    assert await store.statement(made.id) == made
    running = await store.claim(of.id, OWNER, at(1))
    assert running is not None
    assert (running.name, running.type, running.wait_timeout, running.max_retry_times) == tuple(SAID.values())
    (listed,) = await store.running()
    assert listed == replace(running, content="")
    _, (record,) = await store.records(of.workspace_id, RecordFilter(), Page(), 1000)
    assert record == running
    ended = replace(
        statement(of, **SAID), state=ending().state, owner=OWNER, started_at=at(1), ending=ending(), bindings=()
    )
    assert await store.restore(ended)
    assert await store.statement(ended.id) == ended


async def test_who_waits_with_a_limit_of_its_own(store: Store) -> None:
    """Queued statements that say how long they wait, and no others."""
    of = await new_session(store)
    await new_running(store, of, wait_timeout=301.0)
    patient = await new_statement(store, of, wait_timeout=300.0, created_at=at(7))
    await new_statement(store, of)
    assert await store.waiting() == [Patience(patient.id, of.id, at(7), 300.0)]
