"""Large bodies are understood one at a time, and after each the event loop is everybody else's for as long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from treadle.pools.fair import FairQueue, Tenant

LARGE: Final = 2**18
"""Bytes of a body from which on it is large: it takes a millisecond and more."""

LONGEST_PAUSE: Final = 0.2
"""Seconds between two turns, at most."""


class Turns:
    """One turn at a time, tenant after tenant."""

    def __init__(self) -> None:
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue(1)
        self._taken = False

    @asynccontextmanager
    async def turn(self, tenant: Tenant) -> AsyncIterator[None]:
        """Wait for a turn, and hold it."""
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        self._queue.push(tenant, ready)
        self._next()
        began = loop.time()
        try:
            await ready
            began = loop.time()
            yield
        finally:
            if not self._queue.drop(tenant, ready):
                loop.call_later(min(loop.time() - began, LONGEST_PAUSE), self._over, tenant)

    def _over(self, tenant: Tenant) -> None:
        self._taken = False
        self._queue.done(tenant)
        self._next()

    def _next(self) -> None:
        if not self._taken and (ready := self._queue.pop()) is not None:
            self._taken = True
            if not ready.done():
                ready.set_result(None)
