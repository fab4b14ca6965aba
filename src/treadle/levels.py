"""What the figures tell that nobody reports: how much there is of everything, counted when somebody asks."""

import structlog

from treadle.metrics import Metrics
from treadle.model.states import RecordStatus
from treadle.scheduler.context import Context
from treadle.scheduler.owner import Owner
from treadle.scheduler.processes import ForkedWorkers
from treadle.store.errors import StoreUnavailable
from treadle.store.filters import Page, RecordFilter

log = structlog.get_logger("treadle.levels")


class Levels:
    """Counts, and renders the figures; not more often than the owner looks at the store."""

    def __init__(self, context: Context, metrics: Metrics, owner: Owner, workers: ForkedWorkers) -> None:
        self._context = context
        self._metrics = metrics
        self._owner = owner
        self._workers = workers
        self._counted: float | None = None

    async def scrape(self) -> tuple[str, bytes]:
        """Content type and text of the figures; without the store its levels are those of the last time."""
        now = self._context.clock.monotonic()
        if self._counted is None or now >= self._counted + self._context.settings.poll_interval:
            self._counted = now
            try:
                await self._count()
            except StoreUnavailable as error:
                log.warning("store_unavailable", error=str(error))
        return self._metrics.render()

    async def _count(self) -> None:
        # With many workers this is some milliseconds of reading, which nobody has to wait for.
        memory = await self._context.filing(self._workers.memory)
        warm = self._workers.warm
        self._metrics.workers(warm=warm, busy=len(self._workers.alive) - warm, memory_bytes=memory)
        self._metrics.sessions(self._owner.sessions)
        queued, _ = await self._context.store.records(
            None, RecordFilter(status=RecordStatus.SUBMITTED), Page(limit=1), 0
        )
        running = sum(lane.running is not None for lane in self._owner.lanes)
        self._metrics.statements(queued=queued, running=running)
