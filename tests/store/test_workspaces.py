import asyncio

import pytest

from tests.store.things import OWNER, T0, at, catalog, endpoint, new_endpoint, session, workspace
from treadle.model.errors import BadRequest, NotFound
from treadle.model.states import SessionStatus
from treadle.store.base import Store
from treadle.store.filters import EndpointFilter, Page, WorkspaceFilter


async def test_a_workspace_is_seen_by_its_project_only(store: Store) -> None:
    """It comes back as it was, to its own project and to operators."""
    room = workspace(description="né 'quoted'", metastore_id="m", enterprise_project_id="e", create_user_name="ann")
    assert await store.add_workspace(room)
    assert await store.workspace(room.id, "p1") == room
    assert await store.workspace(room.id, None) == room
    assert await store.workspace(room.id, "p2") is None
    assert await store.workspace("unknown", None) is None


async def test_a_workspace_name_is_taken_in_its_project(store: Store) -> None:
    """A second workspace of the same name is refused in the same project and taken in another."""
    assert await store.add_workspace(workspace(name="a"))
    assert not await store.add_workspace(workspace(name="a"))
    assert await store.add_workspace(workspace(name="a", project_id="p2"))


async def test_workspaces_are_listed_newest_first(store: Store) -> None:
    """Pages cut a stable order, and filters narrow by id and by part of the name."""
    rooms = [workspace(name=f"Room-{n}", created_at=at(n // 2)) for n in range(5)]
    for room in rooms:
        assert await store.add_workspace(room)
    await store.add_workspace(workspace(project_id="p2"))
    wanted = sorted(rooms, key=lambda room: (room.created_at, room.id), reverse=True)
    assert await store.workspaces("p1", WorkspaceFilter(), Page()) == (5, wanted)
    assert await store.workspaces("p1", WorkspaceFilter(), Page(limit=2, offset=1)) == (5, wanted[1:3])
    assert await store.workspaces("p1", WorkspaceFilter(), Page(limit=2, offset=9)) == (5, [])
    assert await store.workspaces("p1", WorkspaceFilter(name="oom-3"), Page()) == (1, [rooms[3]])
    assert await store.workspaces("p1", WorkspaceFilter(name="ROOM-3"), Page()) == (1, [rooms[3]])
    assert await store.workspaces("p1", WorkspaceFilter(name="%"), Page()) == (0, [])
    assert await store.workspaces("p1", WorkspaceFilter(workspace_id=rooms[1].id), Page()) == (1, [rooms[1]])
    assert (await store.workspaces(None, WorkspaceFilter(), Page()))[0] == 6


async def test_a_workspace_with_endpoints_stays(store: Store) -> None:
    """It can be dropped when its endpoints are gone, and takes its catalogs with it."""
    place = await new_endpoint(store)
    lake = catalog(place.workspace_id)
    assert await store.add_catalog(lake)
    assert not await store.drop_workspace(place.workspace_id)
    assert await store.drop_endpoint(place.workspace_id, place.id)
    assert await store.drop_workspace(place.workspace_id)
    assert not await store.drop_workspace(place.workspace_id)
    assert await store.catalogs(place.workspace_id) == []
    assert not await store.add_endpoint(endpoint(place.workspace_id))
    assert not await store.add_catalog(catalog(place.workspace_id))


async def test_an_endpoint_comes_back_as_it_was(store: Store) -> None:
    """Its nested settings included, and only in its own workspace."""
    room = workspace()
    await store.add_workspace(room)
    place = endpoint(room.id, engine="spark", reserved_resource={"dpu": {"max": 3}}, owner_user_name="ann")
    assert await store.add_endpoint(place)
    assert await store.endpoint(room.id, place.id) == place
    assert await store.endpoint("other", place.id) is None
    assert not await store.add_endpoint(endpoint(room.id, name=place.name))


async def test_endpoints_are_listed_newest_first(store: Store) -> None:
    """With filters by id, type and part of the name."""
    room = workspace()
    await store.add_workspace(room)
    places = [endpoint(room.id, name=f"E{n}", created_at=at(n), type="sql" if n else "ray") for n in range(3)]
    for place in places:
        assert await store.add_endpoint(place)
    assert await store.endpoints(room.id, EndpointFilter(), Page()) == (3, places[::-1])
    assert await store.endpoints(room.id, EndpointFilter(type="ray"), Page()) == (1, [places[0]])
    assert await store.endpoints(room.id, EndpointFilter(name="e1"), Page()) == (1, [places[1]])
    assert await store.endpoints(room.id, EndpointFilter(endpoint_id=places[2].id), Page()) == (1, [places[2]])
    assert await store.endpoints("other", EndpointFilter(), Page()) == (0, [])


async def test_an_endpoint_with_open_sessions_stays(store: Store) -> None:
    """It can be dropped when they have ended, and then takes no new ones."""
    place = await new_endpoint(store)
    made = session(place)
    await store.add_session(made)
    assert not await store.drop_endpoint(place.workspace_id, place.id)
    every = frozenset(SessionStatus)
    assert await store.move_session(made.id, every, SessionStatus.CLOSED, owner=OWNER, ended_at=T0)
    assert not await store.drop_endpoint("other", place.id)
    assert await store.drop_endpoint(place.workspace_id, place.id)
    assert not await store.drop_endpoint(place.workspace_id, place.id)
    with pytest.raises(NotFound):
        await store.add_session(session(place))
    assert await store.session(place.workspace_id, made.id) is not None


async def test_dropping_an_endpoint_and_opening_a_session_exclude_each_other(store: Store) -> None:
    """However they race, no open session is left without its endpoint."""
    for _ in range(30):
        place = await new_endpoint(store)
        dropped, opened = await asyncio.gather(
            store.drop_endpoint(place.workspace_id, place.id),
            store.add_session(session(place)),
            return_exceptions=True,
        )
        assert dropped is isinstance(opened, NotFound)


async def test_catalogs_are_found_by_instance_and_name(store: Store) -> None:
    """A name is taken once in an instance, and the list is ordered by both."""
    place = await new_endpoint(store)
    room = place.workspace_id
    lakes = [catalog(room, instance_id=i, name=n) for i, n in (("b", "x"), ("a", "y"), ("a", "X"))]
    for lake in lakes:
        assert await store.add_catalog(lake)
    assert not await store.add_catalog(catalog(room, instance_id="a", name="y"))
    assert await store.catalog(room, "b", "x") == lakes[0]
    assert await store.catalog(room, "b", "y") is None
    assert await store.catalogs(room) == [lakes[2], lakes[1], lakes[0]]
    assert await store.drop_catalog(lakes[0].id)
    assert not await store.drop_catalog(lakes[0].id)
    assert await store.catalog(room, "b", "x") is None


@pytest.mark.parametrize("field", ["name", "description"])
async def test_nul_is_refused_by_name(store: Store, field: str) -> None:
    """A text that PostgreSQL cannot keep is the caller's error and names its field."""
    with pytest.raises(BadRequest) as caught:
        await store.add_workspace(workspace(**{field: "a\x00b"}))
    assert caught.value.field == field
    room = workspace()
    await store.add_workspace(room)
    with pytest.raises(BadRequest):
        await store.add_endpoint(endpoint(room.id, **{field: "a\x00b"}))
