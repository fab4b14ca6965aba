"""Time and randomness as the machine has them: the only place that reaches for them."""

import asyncio
import os
import secrets
import time
from datetime import UTC, datetime

from treadle.model.ids import uuid7


class SystemClock:
    """The machine's clocks; implements `treadle.model.ports.Clock`."""

    def now(self) -> datetime:
        """The wall clock, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def new_id() -> str:
    """A fresh time-ordered id."""
    return uuid7(time.time_ns() // 1_000_000, os.urandom(10))


def new_secret() -> str:
    """256 random bits as text: a token, a catalog's password."""
    return secrets.token_urlsafe(32)
