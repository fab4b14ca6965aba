"""One gateway process, as shipped: service, owner, recovery and sweeper over scripted surroundings."""

import asyncio
import contextvars
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from tests.simulation.lake import Catalogs
from tests.simulation.loop import GROUP, Group
from tests.simulation.pools import pools
from tests.simulation.store import LossySignals, Reached
from tests.simulation.worker import Hiring
from treadle.metrics import Metrics
from treadle.scheduler.context import Context
from treadle.scheduler.owner import Owner
from treadle.scheduler.recovery import recover
from treadle.scheduler.sweeper import sweep_forever
from treadle.service import Deps, Service
from treadle.store.base import Store

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)

_METRICS: Final = Metrics()


class Clock:
    """The time of one gateway; implements `treadle.model.ports.Clock`."""

    def __init__(self, world: "World", group: Group) -> None:
        self._world = world
        self._group = group

    def now(self) -> datetime:
        """The wall clock, which may jump."""
        return EPOCH + timedelta(seconds=self._world.loop.time() + self._world.skew)

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._world.loop.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        if self._group.dead:
            raise asyncio.CancelledError
        await asyncio.sleep(seconds)


class Gateway:
    """One gateway process, composed as `treadle.app.Gateway` composes it."""

    def __init__(self, world: "World") -> None:
        self.group = Group()
        self.owner_id = world.new_id()
        self._world = world
        self._inside = contextvars.copy_context()
        self._inside.run(GROUP.set, self.group)
        store = cast(Store, Reached(world.memory, self.group))
        self.signals = LossySignals(world.memory, self.group)
        self.workers = Hiring(world.ground, self.group, self._inside, self.owner_id)
        catalogs = Catalogs(world.lake, store)
        clock = Clock(world, self.group)
        self.context = Context(
            owner_id=self.owner_id,
            store=store,
            signals=self.signals,
            clock=clock,
            new_id=world.new_id,
            settings=world.settings,
            catalogs=catalogs,
            figures=_METRICS,
        )
        self.service = Service(
            Deps(
                store=store,
                signals=self.signals,
                clock=clock,
                new_id=world.new_id,
                new_secret=world.new_id,
                settings=world.settings,
                plant=catalogs,
                check_ready=_ready,
                metrics=_METRICS,
                pools=pools(world.settings, _METRICS),
            )
        )
        self.owner = Owner(self.context, self.workers)
        self.ready = False
        self._duty: asyncio.Task[None] | None = None

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run it in this process."""
        return self._inside.copy().run(self._world.loop.create_task, work)

    async def start(self) -> None:
        """Recover what an earlier one left, and begin."""
        await recover(self.context)
        await self.owner.start()
        self._duty = asyncio.create_task(sweep_forever(self.context))
        self.ready = True

    async def stop(self) -> None:
        """Stop in good order."""
        self.service.close()
        await self.owner.stop(self._world.settings.shutdown_grace)
        await self.service.deps.abandon()
        if self._duty is not None:
            self._duty.cancel()
        for worker in self.workers.alive:
            worker.kill()
        for worker in self.workers.alive:
            await worker.buried()
        self.ready = False


async def _ready() -> None:
    return
