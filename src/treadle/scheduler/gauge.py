"""How far a running statement is: what its worker says, shown only as long as it can be trusted.

The number is the engine's, of the part that runs. It never falls: an engine that begins to count
anew works on something else within the same part, and then nothing is told of that part any more. It
is never 100 before the end, and unknown while the worker does not answer.
"""

import math
from typing import Final

FIRST_SECONDS: Final = 1.0
"""How long a statement runs before it is asked how far it is."""

EVERY_SECONDS: Final = 1.0
"""The least time between two questions."""

FRESH_SECONDS: Final = 3.0
"""How long an answer is believed."""

PATIENCE_SECONDS: Final = 10.0
"""How long an answer is waited for before the question is put again."""

MOST: Final = 99.9


class Gauge:
    """What is known of one statement; times are monotonic seconds."""

    def __init__(self, started: float) -> None:
        self._part = 1
        self._best = 0.0
        self._now: float | None = None
        self._trusted = True
        self._told_at = -math.inf
        self._next = started + FIRST_SECONDS

    def begin(self, part: int, now: float) -> None:
        """Part ``part`` begins."""
        self._part = part
        self._best = 0.0
        self._now = None
        self._trusted = True
        self._next = min(self._next, now + FIRST_SECONDS)

    def ask(self, now: float) -> bool:
        """Whether to ask now; one that does not answer is asked less often."""
        if now < self._next:
            return False
        self._next = now + PATIENCE_SECONDS
        return True

    def told(self, part: int, percent: float | None, now: float) -> None:
        """The worker's answer."""
        self._next = min(self._next, now + EVERY_SECONDS)
        if part != self._part:
            return
        self._told_at = now
        self._now = percent
        if percent is not None:
            self._trusted = self._trusted and percent >= self._best
            self._best = percent

    def percent(self, now: float) -> float | None:
        """Percent done, None when that is not known."""
        if self._now is None or not self._trusted or now - self._told_at > FRESH_SECONDS:
            return None
        return min(math.floor(self._now * 10) / 10, MOST)
