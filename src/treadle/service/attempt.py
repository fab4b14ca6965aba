"""A call that stops something answers in time, whatever the store does, and says how far it has come (C18)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from treadle.model.errors import NotStopped


class Attempt:
    """One call that stops; ``late`` makes its error when its time is over, as far as it has come."""

    def __init__(self, late: Callable[[], NotStopped]) -> None:
        self.late = late


def not_recorded(what: str, seconds: float) -> NotStopped:
    """The time was over before it was known whether anything is on record."""
    return NotStopped(f"whether {what} was recorded is not known after {seconds:g} s; ask again")


@asynccontextmanager
async def in_time(seconds: float, late: Callable[[], NotStopped]) -> AsyncIterator[Attempt]:
    """Look up, write the intent and wait, all within ``seconds``; raises `NotStopped`."""
    attempt = Attempt(late)
    try:
        async with asyncio.timeout(seconds):
            yield attempt
    except TimeoutError:
        # A write that PostgreSQL has read by now takes effect all the same: the owner looks for intents.
        raise attempt.late() from None
