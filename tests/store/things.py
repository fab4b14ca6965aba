"""Values the tests of the store are made of."""

import uuid
from datetime import UTC, datetime, timedelta

from treadle.model.entities import CancelIntent, Catalog, Ending, Endpoint, Session, Statement, Workspace
from treadle.model.states import Effects, Reason, SessionStatus, StatementState
from treadle.store.base import Store

T0 = datetime(2026, 7, 13, 8, 0, 0, 123456, tzinfo=UTC)
OWNER = "gateway-1"


def at(seconds: float) -> datetime:
    """That many seconds after the beginning."""
    return T0 + timedelta(seconds=seconds)


def new_id() -> str:
    """A fresh id."""
    return str(uuid.uuid4())


def workspace(**changes: object) -> Workspace:
    """A workspace of project ``p1``."""
    values = {"id": new_id(), "project_id": "p1", "name": f"ws-{new_id()}", "created_at": T0} | changes
    return Workspace(**values)  # type: ignore[arg-type]


def endpoint(workspace_id: str, **changes: object) -> Endpoint:
    """An endpoint of a workspace."""
    values = {
        "id": new_id(),
        "workspace_id": workspace_id,
        "name": f"ep-{new_id()}",
        "created_at": T0,
        "updated_at": T0,
        "max_sessions": 3,
        "max_statements": 4,
        "config": {"a": [1, {"b": None}]},
    } | changes
    return Endpoint(**values)  # type: ignore[arg-type]


def catalog(workspace_id: str, **changes: object) -> Catalog:
    """A catalog of a workspace."""
    identity = new_id()
    values = {
        "id": identity,
        "workspace_id": workspace_id,
        "instance_id": "default",
        "name": "main",
        "created_at": T0,
        "database": f"lake_{identity.replace('-', '')}",
        "role": f"lake_{identity.replace('-', '')}",
        "password": "lake-password",
        "data_path": f"/nowhere/{identity}/",
    } | changes
    return Catalog(**values)  # type: ignore[arg-type]


def session(place: Endpoint, **changes: object) -> Session:
    """A new session on an endpoint."""
    values = {
        "id": new_id(),
        "workspace_id": place.workspace_id,
        "endpoint_id": place.id,
        "instance_id": "default",
        "catalog": "main",
        "status": SessionStatus.CREATING,
        "created_at": T0,
        "user_id": "u1",
        "user_name": "ann",
    } | changes
    return Session(**values)  # type: ignore[arg-type]


def statement(of: Session, **changes: object) -> Statement:
    """A new statement of a session."""
    values = {
        "id": new_id(),
        "workspace_id": of.workspace_id,
        "endpoint_id": of.endpoint_id,
        "session_id": of.id,
        "content": "SELECT 'é', $1",
        "database_name": of.catalog,
        "created_at": T0,
        "bindings": (("1", None),),
        "user_id": "u1",
        "user_name": "ann",
    } | changes
    return Statement(**values)  # type: ignore[arg-type]


def intent(
    seconds: float = 5.0, reason: Reason = Reason.USER, actor: str = "ann", detail: str | None = None
) -> CancelIntent:
    """An intent to cancel."""
    return CancelIntent(requested_at=at(seconds), reason=reason, actor=actor, detail=detail)


def ending(state: StatementState = StatementState.SUCCEEDED, **changes: object) -> Ending:
    """An ending."""
    effects = Effects.NONE if state is StatementState.CANCELLED else Effects.COMMITTED
    values = {"state": state, "finished_at": at(9), "effects": effects} | changes
    return Ending(**values)  # type: ignore[arg-type]


async def new_endpoint(store: Store) -> Endpoint:
    """An endpoint that is stored."""
    room = workspace()
    place = endpoint(room.id)
    assert await store.add_workspace(room)
    assert await store.add_endpoint(place)
    return place


async def new_session(store: Store) -> Session:
    """A running session that is stored."""
    made = session(await new_endpoint(store))
    await store.add_session(made)
    opened = await store.move_session(made.id, frozenset({SessionStatus.CREATING}), SessionStatus.RUNNING, owner=OWNER)
    assert opened is not None
    return opened


async def new_statement(store: Store, of: Session, **changes: object) -> Statement:
    """A queued statement that is stored."""
    made = statement(of, **changes)
    assert await store.submit(made)
    return made


async def new_running(store: Store, of: Session, **changes: object) -> Statement:
    """A running statement that is stored."""
    await new_statement(store, of, **changes)
    claimed = await store.claim(of.id, OWNER, at(1))
    assert claimed is not None
    return claimed
