"""What a request made and could not answer for: half a workspace, an endpoint, a statement without a name."""

import asyncio
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.service.fragile import Fragile, happens
from tests.store.things import T0, new_session
from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.entities import Catalog, Principal, Session, Statement
from treadle.model.states import Reason, StatementState
from treadle.service import Deps, Service
from treadle.service.delivery import Settle
from treadle.service.views import NewEndpoint, NewWorkspace, OnDisconnect, Submission
from treadle.store.errors import StoreUnavailable
from treadle.store.signals import Signals

ANN = Principal(project_id="p1", project_name="project", user_id="u1", user_name="ann")


class Clock:
    """No second passes but those that are slept."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


class Plant:
    """Catalogs as their server has them."""

    def __init__(self) -> None:
        self.made: set[str] = set()
        self.failures = 0

    async def provision(self, catalog: Catalog) -> None:
        self.made.add(catalog.id)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("gone")

    async def destroy(self, catalog: Catalog) -> None:
        self.made.discard(catalog.id)

    async def remove_files(self, workspace_id: str) -> None:
        """There are none."""


class Door:
    """The verbs over a store that fails."""

    def __init__(self, folder: Path) -> None:
        self.store, self.plant = Fragile(), Plant()
        ids = count()
        nothing: Any = None
        self.service = Service(
            Deps(
                store=self.store,
                signals=Signals(),
                clock=Clock(),
                new_id=lambda: f"id{next(ids)}",
                new_secret=lambda: "secret",
                settings=Settings(data_dir=folder, sync_wait=5),
                plant=self.plant,
                check_ready=nothing,
                metrics=Metrics(),
                look_seconds=0.001,
            )
        )

    async def session(self) -> Session:
        """A session of Ann's."""
        made = await new_session(self.store)
        workspace = self.store._workspaces[made.workspace_id]
        self.store._workspaces[workspace.id] = replace(workspace, project_id=ANN.project_id)
        return made

    @property
    def statement(self) -> Statement:
        """The one statement."""
        [found] = self.store._statements.values()
        return found


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """Nothing is there yet."""
    return Door(tmp_path)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["add_workspace", "add_catalog", "provision"])
async def test_no_half_of_a_workspace_stays(door: Door, method: str, when: str) -> None:
    """Whatever step the store is lost in: nothing of it is left, and the name is free for the next try."""
    if method == "provision":
        door.plant.failures = 1
    getattr(door.store, when)[method] = 1
    with pytest.raises(StoreUnavailable):
        await door.service.create_workspace(ANN, NewWorkspace(name="room"))
    await happens(lambda: not door.service.deps._behind)
    assert (door.store._workspaces, door.store._catalogs, door.plant.made) == ({}, {}, set())
    door.store.before.clear()
    door.store.after.clear()
    made = await door.service.create_workspace(ANN, NewWorkspace(name="room"))
    assert [one.workspace_id for one in await door.store.catalogs(made.id)] == [made.id]
    assert len(door.plant.made) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_no_endpoint_stays_that_could_not_be_made(door: Door, when: str) -> None:
    """Its name is free for the next try."""
    room = await door.service.create_workspace(ANN, NewWorkspace(name="room"))
    getattr(door.store, when)["add_endpoint"] = 1
    with pytest.raises(StoreUnavailable):
        await door.service.create_endpoint(ANN, room.id, NewEndpoint(name="duck"))
    await happens(lambda: not door.service.deps._behind)
    assert door.store._endpoints == {}
    await door.service.create_endpoint(ANN, room.id, NewEndpoint(name="duck"))


@pytest.mark.parametrize(
    ("named", "state"),
    [
        ({}, StatementState.CANCELLED),
        ({"statement_id": "mine"}, StatementState.QUEUED),
        ({"idempotency_key": "key"}, StatementState.QUEUED),
    ],
    ids=["unnamed", "chosen id", "key"],
)
async def test_a_statement_that_no_caller_can_name_does_not_run(
    door: Door, named: dict[str, Any], state: StatementState
) -> None:
    """Its caller got a 503; under a name they would find it."""
    session = await door.session()
    door.store.after["submit"] = 1
    door.store.before["request_cancels"] = 3
    with pytest.raises(StoreUnavailable):
        await door.service.execute(
            ANN, session.workspace_id, Submission(session_id=session.id, statement="SELECT 1", is_sync=False, **named)
        )
    await happens(lambda: not door.service.deps._behind)
    assert door.statement.state is state
    if state.final:
        assert door.statement.ending is not None
        assert (door.statement.ending.reason, door.statement.ending.actor) == (Reason.CLIENT_GONE, "ann")
        counted = 'treadle_statements_ended_total{reason="client_gone",state="cancelled"} 1.0'
        assert counted in door.service.deps.metrics.render()[1].decode().splitlines()


@pytest.mark.parametrize(
    ("policy", "delivered", "state"),
    [
        (OnDisconnect.CANCEL, False, StatementState.CANCELLED),
        (OnDisconnect.CANCEL, True, StatementState.QUEUED),
        (OnDisconnect.CONTINUE, False, StatementState.QUEUED),
    ],
)
async def test_a_statement_whose_caller_left_before_the_answer(
    door: Door, policy: OnDisconnect, delivered: bool, state: StatementState
) -> None:
    """The answer says that it has not ended yet: as much of it comes to its caller as to one who leaves earlier."""
    session = await door.session()
    settles: list[Settle] = []
    submission = Submission(session_id=session.id, statement="SELECT 1", is_sync=True, on_disconnect=policy)

    async def stay() -> None:
        await asyncio.get_running_loop().create_future()

    door.service.deps.settings = door.service.deps.settings.model_copy(update={"sync_wait": 0.0})
    await door.service.execute(ANN, session.workspace_id, submission, stay, settles.append)
    for settle in settles:
        settle(delivered)
    await happens(lambda: not door.service.deps._behind)
    assert door.statement.state is state
