"""What a request made and could not answer for: half a workspace, an endpoint, a statement without a name."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.service.door import ANN, Door
from tests.service.fragile import happens
from treadle.model.states import Reason, StatementState
from treadle.service.delivery import Settle
from treadle.service.views import NewEndpoint, NewWorkspace, OnDisconnect, Submission
from treadle.store.errors import StoreUnavailable


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
