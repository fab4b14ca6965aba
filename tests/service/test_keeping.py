"""When asking for a statement renews its lease, over the store in memory and a clock that is set."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.store.things import OWNER, T0, new_session, statement
from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.entities import Statement
from treadle.service import Deps, Service
from treadle.store.memory import MemoryStore
from treadle.store.signals import Signals


class Clock:
    """A wall clock that may be set."""

    def __init__(self) -> None:
        self.wall = T0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class Room:
    """A running statement with a lease of 8 seconds, and whoever asks for it."""

    def __init__(self, folder: Path) -> None:
        nothing: Any = None
        self.clock, self.store = Clock(), MemoryStore()
        self.service = Service(
            Deps(
                store=self.store,
                signals=Signals(),
                clock=self.clock,
                new_id=nothing,
                new_secret=nothing,
                settings=Settings(data_dir=folder),
                plant=nothing,
                check_ready=nothing,
                metrics=Metrics(),
            )
        )

    async def leased(self) -> Statement:
        """The statement."""
        of = await new_session(self.store)
        made = statement(of, keepalive=8.0, lease_until=T0 + timedelta(seconds=8))
        stored = await self.store.submit(made, owner=OWNER)
        assert stored is not None
        return stored

    async def asked(self, made: Statement, after: float) -> float:
        """How many seconds the lease has when somebody asks ``after`` seconds by the wall clock."""
        self.clock.wall += timedelta(seconds=after)
        found = await self.service.look_at(made.id)
        assert found is not None
        current = await self.store.statement(made.id)
        assert current is not None
        assert current.lease_until is not None
        return (current.lease_until - self.clock.wall).total_seconds()


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A service without engines."""
    return Room(tmp_path)


async def test_a_lease_is_renewed_every_quarter_of_its_time(room: Room) -> None:
    """Whoever asks more often writes no more often."""
    made = await room.leased()
    left = [await room.asked(made, 0.5) for _ in range(10)]
    assert left == [7.5, 7.0, 6.5, 8.0, 7.5, 7.0, 6.5, 8.0, 7.5, 7.0]
    assert await room.asked(made, 7.0) == 8.0


@pytest.mark.parametrize("step", [-86_400.0, -1.0, -8.0, 8.0, 86_400.0])
async def test_a_step_of_the_clock_does_not_keep_a_lease_from_being_renewed(room: Room, step: float) -> None:
    """What was stored by another clock is renewed by this one within a quarter of its time."""
    made = await room.leased()
    await room.asked(made, step)
    left = [await room.asked(made, 0.5) for _ in range(8)]
    assert left.count(8.0) >= 1
    assert max(left) <= 8.0


async def test_only_unfinished_statements_with_a_lease_are_kept(room: Room) -> None:
    """Asking for any other writes nothing."""
    of = await new_session(room.store)
    plain = await room.store.submit(statement(of), owner=OWNER)
    assert plain is not None
    assert await room.service.look_at(plain.id) == plain
    assert await room.service.look_at("unknown") is None
