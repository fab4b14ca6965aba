"""Which statements of a session lose races these days: they wait for their turn before they run, not after.

A try that loses has worked in vain, and on a busy machine it takes the time of the one that wins.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final

LASTS_SECONDS: Final = 10.0
"""Seconds for which a race is expected again after one that was lost, or a turn that was waited for."""

SHORT_SECONDS: Final = 2.0
"""A try that took longer does not make others wait for the next of its kind."""

WAITED_SECONDS: Final = 0.02
"""A turn that took so long to come was somebody else's."""


class Contention:
    """The kinds of statements, by their first word, that others of the catalog have overtaken lately."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def lost(self, text: str, seconds: float) -> None:
        """A try of ``seconds`` has lost a race."""
        if seconds < SHORT_SECONDS:
            self._renew(text)

    def waited(self, text: str, seconds: float) -> None:
        """The turn of a statement came after ``seconds``."""
        if seconds >= WAITED_SECONDS:
            self._renew(text)

    def expected(self, text: str) -> bool:
        """Whether a statement would probably lose a race, if it ran at once."""
        return self._until.get(_kind(text), 0.0) > self._clock()

    def _renew(self, text: str) -> None:
        self._until[_kind(text)] = self._clock() + LASTS_SECONDS


def _kind(text: str) -> str:
    return text.split(maxsplit=1)[0].lower()
