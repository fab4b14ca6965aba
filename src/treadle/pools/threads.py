"""Threads for one kind of blocking work, which no other kind can use up.

They are daemons: a process that ends waits for none of them, whatever they do.
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
    """Does blocking work beside the event loop, as `asyncio.to_thread` does."""

    def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """The result of ``work`` when it is there."""


class _Job:
    """Some work, and who waits for it."""

    def __init__(self, tenant: Tenant, work: Callable[[], Any], result: "asyncio.Future[Any]") -> None:
        self.tenant = tenant
        self.work = work
        self.result = result
        self.asked = monotonic()


class Threads:
    """At most ``size`` threads, of which one tenant has at most ``share``."""

    def __init__(self, name: str, size: int, share: int, figures: Metrics) -> None:
        self._name = name
        self._size = size
        self._figures = figures
        self._queue: FairQueue[_Job] = FairQueue(share)
        self._given: SimpleQueue[_Job] = SimpleQueue()
        self._started = 0
        self._busy = 0

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the service's own work in a thread."""
        return await self._run((), lambda: work(*args, **kwargs))

    def of(self, *tenant: str) -> Offload:
        """Does a tenant's work in a thread, when it is the tenant's turn."""

        def offload(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
            return self._run(tenant, lambda: work(*args, **kwargs))

        return offload

    async def _run(self, tenant: Tenant, work: Callable[[], T]) -> T:
        """The result of the work. If the caller leaves while it waits, it is never begun."""
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
        """Give away what may start now."""
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
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
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
