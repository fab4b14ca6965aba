"""Recent races lost by the statements of a session: similar statements wait for their turn before they run.

A lost try is wasted work, and on a busy machine it delays the winner.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final

LASTS_SECONDS: Final = 10.0
"""Seconds for which further races are expected after a lost race, or after a turn that was waited for."""

SHORT_SECONDS: Final = 2.0
"""Longest try that makes later statements of its kind wait, in seconds."""

WAITED_SECONDS: Final = 0.02
"""Waiting time from which another session had the turn, in seconds."""


class Contention:
    """The kinds of statements, by their first word, that have recently lost races in this catalog."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def lost(self, text: str, seconds: float) -> None:
        """Record a lost race of a try that took ``seconds``."""
        if seconds < SHORT_SECONDS:
            self._renew(text)

    def waited(self, text: str, seconds: float) -> None:
        """Record that a statement waited ``seconds`` for its turn."""
        if seconds >= WAITED_SECONDS:
            self._renew(text)

    def expected(self, text: str) -> bool:
        """Check whether a statement would probably lose a race if it ran at once."""
        return self._until.get(_kind(text), 0.0) > self._clock()

    def _renew(self, text: str) -> None:
        self._until[_kind(text)] = self._clock() + LASTS_SECONDS


def _kind(text: str) -> str:
    return text.split(maxsplit=1)[0].lower()
