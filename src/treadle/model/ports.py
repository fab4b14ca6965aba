"""What the service takes from outside and never reaches for: time, randomness."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

NewId = Callable[[], str]
"""Makes a fresh workspace, endpoint, session or statement id."""


class Clock(Protocol):
    """Time, passed in so that a simulated one can take its place."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC: for records."""

    def monotonic(self) -> float:
        """Seconds that never go back: for durations and deadlines."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
