"""The fence's striking thread, one look at a time under virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from tests.simulation.ground import Ground
from treadle.worker.fence import Fence

REPEAT_MOST: Final = 0.5
"""Seconds between two rounds of a strike that goes on: the real ones are closer, and tell nothing new."""


class Rounds:
    """A condition variable whose waiting ends the round: the striking thread, one look at a time."""

    class Over(Exception):
        """The striking thread waits."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._fence: Fence | None = None
        self._next: asyncio.TimerHandle | None = None
        self._pause = 0.0

    def drive(self, fence: Fence) -> None:
        """Be the fence's condition."""
        self._fence = fence
        cast(Any, fence)._changed = self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    def notify_all(self) -> None:
        """The striking thread wakes up soon."""
        self._pause = 0.0
        self._plan(self._ground.moment())

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """For whoever interrupts without the lock."""
        self._ground.later(seconds, call)

    def wait(self, seconds: float | None = None) -> None:
        """The round is over; the next comes after ``seconds``, or when somebody notifies."""
        if seconds is not None:
            self._pause = min(max(2 * self._pause, seconds), REPEAT_MOST)
            self._plan(self._pause)
        raise Rounds.Over

    def stop(self) -> None:
        """The process is gone."""
        if self._next is not None:
            self._next.cancel()
        self._fence = None

    def _plan(self, seconds: float) -> None:
        if self._next is not None:
            self._next.cancel()
        if self._fence is not None:
            self._next = self._ground.later(seconds, self._round)

    def _round(self) -> None:
        self._next = None
        try:
            if self._fence is not None:
                self._fence.strike_forever()
        except Rounds.Over:
            return
