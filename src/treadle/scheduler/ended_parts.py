"""The ended parts of a script that are not persisted yet.

Each write stores the whole record, so that a write for each of many short parts would take time that grows with the
square of their number. Writing therefore takes a tenth of the time at most.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from treadle.model.entities import Part

SHARE: Final = 0.1
"""Share of the time that may be spent on writing."""

LATEST_SECONDS: Final = 5.0
"""Maximum seconds between two writes, even with a slow store."""


class EndedParts:
    """Collects the ended parts of one run, and writes them in groups."""

    def __init__(self, write: Callable[[Sequence[Part]], Awaitable[None]]) -> None:
        self._write = write
        self._parts: list[Part] = []
        self._due = 0.0

    @property
    def due(self) -> float | None:
        """The loop time of the next write; None without parts to write."""
        return self._due if self._parts else None

    async def add(self, parts: Sequence[Part]) -> None:
        """Add parts, and write all parts if a write is due."""
        self._parts.extend(parts)
        if asyncio.get_running_loop().time() >= self._due:
            await self.flush()

    async def flush(self) -> None:
        """Write the collected parts."""
        if not self._parts:
            return
        parts, self._parts = self._parts, []
        time = asyncio.get_running_loop().time
        began = time()
        await self._write(parts)
        ended = time()
        self._due = ended + min((ended - began) * (1 / SHARE - 1), LATEST_SECONDS)
