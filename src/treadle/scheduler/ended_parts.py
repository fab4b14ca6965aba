"""The parts of a script that have ended and are not on record yet.

A record is written whole whenever parts are added to it, so that one write for each of many short parts would take
a time that grows with the square of their number. Writing therefore takes a tenth of the time at most.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from treadle.model.entities import Part

SHARE: Final = 0.1
"""Share of the time that writing may take."""

LATEST_SECONDS: Final = 5.0
"""Most seconds between two writes, however slow the store is."""


class EndedParts:
    """Collects the ended parts of one run, and writes them in groups."""

    def __init__(self, write: Callable[[Sequence[Part]], Awaitable[None]]) -> None:
        self._write = write
        self._parts: list[Part] = []
        self._due = 0.0

    @property
    def due(self) -> float | None:
        """When to write, as the loop counts time; None while there is nothing to write."""
        return self._due if self._parts else None

    async def add(self, parts: Sequence[Part]) -> None:
        """Take parts in, and write everything if it is time."""
        self._parts.extend(parts)
        if asyncio.get_running_loop().time() >= self._due:
            await self.flush()

    async def flush(self) -> None:
        """Write what is collected."""
        if not self._parts:
            return
        parts, self._parts = self._parts, []
        time = asyncio.get_running_loop().time
        began = time()
        await self._write(parts)
        ended = time()
        self._due = ended + min((ended - began) * (1 / SHARE - 1), LATEST_SECONDS)
