"""Leases, over the store in memory and a clock of the test's own."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.store.things import OWNER, T0, new_session, statement
from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.entities import Session, Statement
from treadle.model.states import Reason, StatementState
from treadle.scheduler.context import Context
from treadle.scheduler.leases import Leases
from treadle.service import Deps
from treadle.service.results import Results
from treadle.store.base import Wake
from treadle.store.memory import MemoryStore
from treadle.store.signals import Signals


class Clock:
    """A wall clock that may be set, and a monotonic one that may not."""

    def __init__(self) -> None:
        self.wall = T0
        self.seconds = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)


class Room:
    """A session with statements, and the leases that are looked at."""

    def __init__(self, folder: Path) -> None:
        self.store, self.clock, self.signals = MemoryStore(), Clock(), Signals()
        self.wakes: list[Wake] = []
        self.signals.on_wake(self.wakes.append)
        nothing: Any = None
        context = Context(
            owner_id=OWNER,
            store=self.store,
            signals=self.signals,
            clock=self.clock,
            new_id=lambda: "",
            settings=Settings(data_dir=folder),
            catalogs=nothing,
            figures=Metrics(),
        )
        self.leases = Leases(context)
        self.deps = Deps(
            store=self.store,
            signals=self.signals,
            clock=self.clock,
            new_id=nothing,
            new_secret=nothing,
            settings=context.settings,
            plant=nothing,
            check_ready=nothing,
            metrics=Metrics(),
        )

    async def leased(self, of: Session, keepalive: float | None, owner: str | None = OWNER) -> Statement:
        """A statement of a session, running with an owner, with a lease from now on."""
        until = self.clock.wall + timedelta(seconds=keepalive) if keepalive else None
        made = await self.store.submit(statement(of, keepalive=keepalive, lease_until=until), owner=owner)
        assert made is not None
        return made

    async def renew(self, made: Statement) -> None:
        """Somebody asks for it."""
        assert made.keepalive is not None
        assert await self.store.renew_lease(made.id, self.clock.wall + timedelta(seconds=made.keepalive))

    async def now(self, made: Statement) -> Statement:
        """The statement as it is stored."""
        found = await self.store.statement(made.id)
        assert found is not None
        return found


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A store, a clock and nobody's leases."""
    return Room(tmp_path)


async def test_a_lease_holds_as_long_as_it_is_renewed(room: Room) -> None:
    """Then the running statement is asked to stop, once, and its owner is woken."""
    of = await new_session(room.store)
    made = await room.leased(of, 10.0)
    forever = await room.leased(of, None, owner=None)
    for _ in range(20):
        await room.leases.look()
        room.clock.passes(6)
        await room.renew(made)
    assert (await room.now(made)).cancel is None
    await room.leases.look()
    room.clock.passes(12.6)
    for _ in range(3):
        await room.leases.look()
    asked = (await room.now(made)).cancel
    assert asked is not None
    assert (asked.reason, asked.actor) == (Reason.CLIENT_GONE, "system")
    assert room.wakes == [Wake(session_id=of.id, statement_id=made.id, intent=asked)]
    assert (await room.now(forever)).cancel is None


async def test_what_waits_is_dequeued_and_whoever_waits_for_it_is_told(room: Room) -> None:
    """Nothing is left for an owner to do."""
    made = await room.leased(await new_session(room.store), 10.0, owner=None)
    with room.signals.watch(made.id) as told:
        await room.leases.look()
        room.clock.passes(12.6)
        await room.leases.look()
        assert told.done()
    assert (await room.now(made)).state is StatementState.CANCELLED
    assert room.wakes == []


@pytest.mark.parametrize("step", [-86_400.0, -5.0, 5.0, 86_400.0])
async def test_a_step_of_the_wall_clock_ends_no_lease_and_keeps_none(room: Room, step: float) -> None:
    """Only the time that really passed counts."""
    made = await room.leased(await new_session(room.store), 10.0)
    await room.leases.look()
    room.clock.wall += timedelta(seconds=step)
    room.clock.passes(12.4)
    await room.leases.look()
    assert (await room.now(made)).cancel is None
    room.clock.passes(0.2)
    await room.leases.look()
    assert (await room.now(made)).cancel is not None


async def test_whoever_asks_within_its_time_keeps_a_lease(room: Room) -> None:
    """Also when the time before was asked for so soon after a renewal that none was written."""
    made = await room.leased(await new_session(room.store), 10.0)
    service = Results(room.deps)
    for _ in range(5):
        for seconds in (2.4, 9.9):
            await room.leases.look()
            room.clock.passes(seconds)
            await room.leases.look()
            assert (await room.now(made)).cancel is None
            await service.look_at(made.id)
    await room.leases.look()
    room.clock.passes(12.6)
    await room.leases.look()
    assert (await room.now(made)).cancel is not None


async def test_a_restarted_service_grants_a_whole_lease(room: Room) -> None:
    """It cannot know how long nobody could ask."""
    made = await room.leased(await new_session(room.store), 10.0)
    room.clock.passes(3600)
    await room.leases.look()
    room.clock.passes(9)
    await room.leases.look()
    assert (await room.now(made)).cancel is None
