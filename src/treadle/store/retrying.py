"""Retries writes until the store has accepted them."""

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
"""Seconds before each check for a row whose insert failed: the server may execute it late."""


async def until_stored(clock: Clock, write: Callable[[], Awaitable[T]]) -> T:
    """Retry ``write`` until the store is available."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await write()
        except StoreUnavailable as error:
            log.warning("store_unavailable", error=str(error))
            await clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


async def until_gone(clock: Clock, drop: Callable[[], Awaitable[bool]]) -> bool:
    """Drop a row whose insert failed with its effect unknown; True when ``drop`` has found one."""
    for pause in LATE_PAUSES:
        await clock.sleep(pause)
        if await until_stored(clock, drop):
            return True
    return False
