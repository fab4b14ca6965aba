"""Turns for the commits on one catalog.

Of many commits that race on a catalog one wins and the others retry, which costs the square of their number. A turn is
no lock: it is waited for `TURN_SECONDS` at most, so that a hanging commit does not block others for long, and a commit
without a turn is equally correct. Parts that would lose without a turn wait longer, as long as turns are released at
all.
"""

import asyncio
from collections import defaultdict
from typing import Final

TURN_SECONDS: Final = 2.0


class Turns:
    """Who may commit now, for each catalog."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        # Counts released turns.
        self._over: defaultdict[str, int] = defaultdict(int)

    async def take(self, catalog_id: str, hurry: asyncio.Event, *, patient: bool = False) -> bool:
        """Wait for a turn, until ``hurry`` is set or patience ends; True when it must be given back."""
        lock = self._locks.setdefault(catalog_id, asyncio.Lock())
        if not lock.locked():
            return await lock.acquire()
        turn, hurried = asyncio.create_task(lock.acquire()), asyncio.create_task(hurry.wait())
        while True:
            over = self._over[catalog_id]
            await asyncio.wait({turn, hurried}, timeout=TURN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            moves = patient and self._over[catalog_id] != over
            if turn.done() or hurried.done() or not moves:
                break
        hurried.cancel()
        if turn.done():
            return True
        turn.cancel()
        return False

    def give(self, catalog_id: str) -> None:
        """The turn is over."""
        self._over[catalog_id] += 1
        self._locks[catalog_id].release()
