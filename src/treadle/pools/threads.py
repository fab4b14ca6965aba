"""Threads for one kind of blocking work, independent of all other kinds.

They are daemons: a process exits without waiting for them.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from queue import SimpleQueue
from time import monotonic
from typing import Any, ParamSpec, Protocol, TypeVar

from treadle.metrics import Metrics
from treadle.pools.fair import FairQueue, Tenant

P = ParamSpec("P")
T = TypeVar("T")


class Offload(Protocol):
    """Runs blocking work outside the event loop, like `asyncio.to_thread`."""

    def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Run ``work`` and return its result."""


class _Job:
    """A job and the future of its result."""

    def __init__(self, tenant: Tenant, work: Callable[[], Any], result: "asyncio.Future[Any]") -> None:
        self.tenant = tenant
        self.work = work
        self.result = result
        self.asked = monotonic()


class Threads:
    """At most ``size`` threads, of which a tenant uses at most ``share``."""

    def __init__(self, name: str, size: int, share: int, figures: Metrics) -> None:
        self._name = name
        self._size = size
        self._figures = figures
        self._queue: FairQueue[_Job] = FairQueue(share)
        self._given: SimpleQueue[_Job] = SimpleQueue()
        self._started = 0
        self._busy = 0
        figures.pool_made(name)

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the service's own work in a thread."""
        return await self._run((), lambda: work(*args, **kwargs))

    def of(self, *tenant: str) -> Offload:
        """Get an `Offload` that runs work when it is the tenant's turn."""

        def offload(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
            return self._run(tenant, lambda: work(*args, **kwargs))

        return offload

    async def _run(self, tenant: Tenant, work: Callable[[], T]) -> T:
        """Run the work and return its result. If the caller disconnects while it waits, it is never started."""
        job = _Job(tenant, work, asyncio.get_running_loop().create_future())
        self._queue.push(tenant, job)
        self._begin()
        try:
            result: T = await job.result
        finally:
            self._queue.drop(tenant, job)
            self._count()
        return result

    def _begin(self) -> None:
        """Start waiting jobs on free threads."""
        while self._busy < self._size and (job := self._queue.pop()) is not None:
            self._figures.pool_waited(self._name, monotonic() - job.asked)
            self._busy += 1
            if self._busy > self._started:
                self._started += 1
                name = f"treadle-{self._name}-{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
            self._given.put(job)
        self._count()

    def _work(self) -> None:
        while True:
            job = self._given.get()
            result, error = None, None
            try:
                result = job.work()
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the loop is closed: no caller waits any more
                job.result.get_loop().call_soon_threadsafe(self._ended, job, result, error)
            del job, result, error

    def _ended(self, job: _Job, result: object, error: BaseException | None) -> None:
        self._busy -= 1
        self._queue.done(job.tenant)
        if not job.result.done():
            if error is not None:
                job.result.set_exception(error)
            else:
                job.result.set_result(result)
        self._begin()

    def _count(self) -> None:
        self._figures.pool_level(self._name, waiting=len(self._queue), running=self._busy)
