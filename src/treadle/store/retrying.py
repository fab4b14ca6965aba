"""Writes that must arrive: tried again until the store has taken them."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from treadle.model.ports import Clock
from treadle.store.errors import StoreUnavailable

log = structlog.get_logger("treadle.store")
T = TypeVar("T")

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0

LATE_PAUSES: Final = (0.0, 0.5, 2.0, 10.0)
"""Seconds before each look for a row whose insert failed: the server may have read it, and carry it out late."""


async def until_stored(clock: Clock, write: Callable[[], Awaitable[T]]) -> T:
    """Carry out ``write``, and again while the store does not answer."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await write()
        except StoreUnavailable as error:
            log.warning("store_unavailable", error=str(error))
            await clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


async def until_gone(clock: Clock, drop: Callable[[], Awaitable[bool]]) -> bool:
    """Have a row dropped whose insert failed with its effect unknown; True when there was one, as ``drop`` says."""
    for pause in LATE_PAUSES:
        await clock.sleep(pause)
        if await until_stored(clock, drop):
            return True
    return False
