"""Every way out of opening a session but a delivered answer closes it: the store in memory, and no owner."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.service.fragile import Fragile, happens
from tests.store.things import T0, catalog, endpoint, workspace
from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.entities import Principal, Session
from treadle.model.errors import SessionNotReady, TooMany
from treadle.model.states import Reason, SessionStatus
from treadle.service import Deps, Service
from treadle.service.delivery import Settle
from treadle.service.views import NewSession
from treadle.store.base import Wake
from treadle.store.errors import StoreUnavailable
from treadle.store.memory import MemoryStore
from treadle.store.signals import Signals

ANN = Principal(project_id="p1", project_name="project", user_id="u1", user_name="ann")
CREATING = frozenset({SessionStatus.CREATING})
OPEN = frozenset({SessionStatus.CREATING, SessionStatus.WAITING, SessionStatus.RUNNING})


class Clock:
    """Every look at it finds ``step`` seconds gone."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.step = 0.0

    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        self.seconds += self.step
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Door:
    """The verbs, and what an owner would see of their sessions."""

    def __init__(self, folder: Path) -> None:
        self.store, self.signals, self.clock = Fragile(), Signals(), Clock()
        self.wakes: list[Wake] = []
        self.signals.on_wake(self.wakes.append)
        self.settles: list[Settle] = []
        nothing: Any = None
        self.service = Service(
            Deps(
                store=self.store,
                signals=self.signals,
                clock=self.clock,
                new_id=lambda: "session",
                new_secret=nothing,
                settings=Settings(data_dir=folder),
                plant=nothing,
                check_ready=nothing,
                metrics=Metrics(),
                look_seconds=0.001,
            )
        )
        self.room = workspace()
        self.place = endpoint(self.room.id)

    async def furnish(self) -> None:
        assert await self.store.add_workspace(self.room)
        assert await self.store.add_endpoint(self.place)
        assert await self.store.add_catalog(catalog(self.room.id))

    async def open(self, *, leaving: Any = None, **fields: Any) -> Any:
        new = NewSession(endpoint_id=self.place.id, catalog="main", **fields)
        return await self.service.create_session(ANN, self.room.id, new, leaving, self.settles.append)

    @property
    def row(self) -> Session:
        """The one session."""
        return self.store._sessions["session"]

    async def is_closed(self, reason: Reason = Reason.CLIENT_GONE) -> None:
        """Assert that the session is soon to be closed, and that its owner is woken for it."""
        await happens(lambda: self.row.close_requested_at)
        assert (self.row.close_requested_by, self.row.reason) == ("ann", reason)
        assert not self.signals.is_opening("session")
        assert self.wakes[-1] == Wake(session_id="session")

    async def is_kept(self) -> None:
        """Assert that the session stays, whatever becomes of this gateway."""
        await happens(lambda: not self.signals.is_opening("session"))
        assert (self.row.unanswered, self.row.close_requested_at) == (False, None)

    async def runs(self) -> None:
        """The owner opens the session."""
        await happens(lambda: self.wakes)
        moved = await self.store.move_session("session", CREATING, SessionStatus.RUNNING, owner="me", opened_at=T0)
        assert moved is not None
        self.signals.ended(moved)


@pytest.fixture
async def door(tmp_path: Path) -> Door:
    """A workspace with one endpoint."""
    made = Door(tmp_path)
    await made.furnish()
    return made


async def test_a_session_whose_worker_took_too_long_is_closed(door: Door) -> None:
    """No caller could use it, or close it, should it open yet."""
    door.clock.step = 10.0
    with pytest.raises(SessionNotReady):
        await door.open()
    await door.is_closed(Reason.WAIT_TIMEOUT)


async def test_no_slot_in_time_is_too_many(door: Door) -> None:
    """The limit is named, with a time to try again after."""
    opening = asyncio.create_task(door.open())
    await happens(lambda: door.wakes)
    ended = await door.store.move_session(
        "session", OPEN, SessionStatus.FAIL, reason=Reason.WAIT_TIMEOUT, message="full", ended_at=T0
    )
    assert ended is not None
    door.signals.ended(ended)
    with pytest.raises(TooMany, match=f"limit:{door.place.max_sessions}") as refusal:
        await opening
    assert refusal.value.after == 5.0


@pytest.mark.parametrize(
    "trouble",
    [
        lambda store: store.after.update(add_session=1),
        lambda store: store.before.update(session=1),
        lambda store: store.before.update(session=1, request_close=7),
    ],
    ids=["insert without a reply", "look", "look and close"],
)
async def test_a_session_in_a_request_that_failed_is_closed(door: Door, trouble: Callable[[Fragile], None]) -> None:
    """As soon as the store takes it."""
    trouble(door.store)
    with pytest.raises(StoreUnavailable):
        await door.open()
    await door.is_closed()


async def test_an_insert_that_failed_leaves_nothing(door: Door) -> None:
    """Nor anything that waits for a row."""
    door.store.before.update(add_session=1)
    with pytest.raises(StoreUnavailable):
        await door.open()
    assert await MemoryStore.session(door.store, None, "session") is None
    assert not door.signals.is_opening("session")


async def test_a_session_whose_opener_leaves_is_closed(door: Door) -> None:
    """At once, not when the wait is over."""

    async def leave() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await door.open(leaving=leave)
    await door.is_closed()


async def test_a_session_in_a_request_that_was_broken_off_is_closed(door: Door) -> None:
    """As when the service goes down."""
    opening = asyncio.create_task(door.open())
    await happens(lambda: door.wakes)
    opening.cancel()
    with suppress(asyncio.CancelledError):
        await opening
    await door.is_closed()


@pytest.mark.parametrize("wait_timeout", [None, 300])
async def test_a_session_is_its_openers_when_the_answer_was_delivered(door: Door, wait_timeout: int | None) -> None:
    """Until then it depends on that; the store may be away meanwhile."""
    opening = asyncio.create_task(door.open(wait_timeout=wait_timeout))
    if wait_timeout is None:
        await door.runs()
    await opening
    assert door.signals.is_opening("session")
    door.store.before.update(answered=3)
    [settle] = door.settles
    settle(True)
    await door.is_kept()


@pytest.mark.parametrize("wait_timeout", [None, 300])
async def test_a_session_is_closed_when_the_answer_was_not_delivered(door: Door, wait_timeout: int | None) -> None:
    """Whether it runs already or waits."""
    opening = asyncio.create_task(door.open(wait_timeout=wait_timeout))
    if wait_timeout is None:
        await door.runs()
    await opening
    door.store.before.update(request_close=3)
    [settle] = door.settles
    settle(False)
    await door.is_closed()
