"""Turns for parsing large bodies: one at a time, each followed by an equal pause in which other tasks can run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from treadle.pools.fair import FairQueue, Tenant

LARGE: Final = 2**18
"""Bytes from which a body is large: parsing it takes a millisecond or more."""

LONGEST_PAUSE: Final = 0.2
"""Longest pause between two turns, in seconds."""


class Turns:
    """Grants one turn at a time, with tenants in rotation."""

    def __init__(self) -> None:
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue(1)
        self._taken = False

    @asynccontextmanager
    async def turn(self, tenant: Tenant) -> AsyncIterator[None]:
        """Wait for a turn and hold it during the block."""
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
