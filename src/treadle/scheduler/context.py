"""What every part of the scheduler is given: the store, time, settings, figures, a way to run things."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from treadle.config import Settings
from treadle.model.ports import Clock, NewId
from treadle.pools.threads import Offload
from treadle.results.layout import workspace_folder
from treadle.scheduler.changes import Changes
from treadle.scheduler.deadlines import TimeLimits
from treadle.scheduler.keeper import Keeper
from treadle.scheduler.marks import Marks
from treadle.scheduler.ports import Catalogs, Figures
from treadle.scheduler.retries import Retries
from treadle.scheduler.turns import Turns
from treadle.scheduler.waits import Waits
from treadle.store.base import Store
from treadle.store.signals import Signals

log = structlog.get_logger("treadle.owner")


class Context:
    """The scheduler's surroundings; nothing in the scheduler reaches for anything else."""

    def __init__(
        self,
        *,
        owner_id: str,
        store: Store,
        signals: Signals,
        clock: Clock,
        new_id: NewId,
        settings: Settings,
        catalogs: Catalogs,
        figures: Figures,
        stopping: Callable[[str], Offload] = lambda _: asyncio.to_thread,
        attaching: Offload = asyncio.to_thread,
        filing: Offload = asyncio.to_thread,
    ) -> None:
        self.owner_id = owner_id
        self.store = store
        self.signals = signals
        self.clock = clock
        self.new_id = new_id
        self.settings = settings
        self.catalogs = catalogs
        self.figures = figures
        self.stopping = stopping
        """For a user, runs the blocking work that the end of their statements waits for."""
        self.attaching = attaching
        """Runs the blocking work that the opening of a session waits for."""
        self.filing = filing
        """Runs blocking work with files and folders that no request waits for."""
        self.keeper = Keeper(catalogs, Marks(settings.data_dir / "littered"), filing)
        self.turns = Turns()
        self.retries = Retries(most=settings.commit_retries, seconds=settings.commit_retry_time)
        self.changes = Changes()
        self.limits = TimeLimits.of(settings)
        self.waits = Waits(self.limits)
        self._overdue = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    def results_dir(self, workspace_id: str) -> Path:
        """Where the results of a workspace live."""
        return workspace_folder(self.settings.data_dir, workspace_id)

    def session_settings(self) -> dict[str, str]:
        """What sessions begin with, until their SQL says otherwise."""
        return {
            "statement_timeout": str(self.settings.statement_timeout),
            "session_timeout": str(self.settings.session_timeout),
        }

    def copy_dirs(self, workspace_id: str) -> tuple[Path, ...]:
        """The folders a workspace's SQL may use, its own first."""
        return (self.settings.data_dir / "files" / workspace_id, *self.settings.copy_dirs)

    def overdue(self, change: int) -> None:
        """A cancel is beyond its bound (+1), or settled after all (-1)."""
        self._overdue += change
        self.figures.cancel_overdue(self._overdue)

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something beside; its failure is logged, never lost."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("background_failure", exc_info=task.exception())

    async def settle(self) -> None:
        """Wait for everything that runs beside."""
        while self._tasks:
            await asyncio.wait(self._tasks)
