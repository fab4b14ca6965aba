"""The line: which sessions have statements that wait, and how many run on each endpoint.

Kept up to date by the lanes themselves, so that to start a statement nobody looks at all sessions.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Place(Protocol):
    """A session, as the line sees it."""

    @property
    def endpoint_id(self) -> str:
        """Where it runs."""

    @property
    def waiting_since(self) -> float | None:
        """When the oldest statement that waits in it came, None when none waits."""


P = TypeVar("P", bound=Place)


class Line(Generic[P]):
    """Who waits and what runs."""

    def __init__(self) -> None:
        self._waiting: dict[int, P] = {}
        self._running: Counter[str] = Counter()

    @property
    def waiting(self) -> Sequence[P]:
        """The sessions with statements that wait, the longest wait first."""
        return sorted(self._waiting.values(), key=lambda place: place.waiting_since or 0.0)

    def running(self, endpoint_id: str) -> int:
        """How many statements run on an endpoint."""
        return self._running[endpoint_id]

    def note(self, place: P) -> None:
        """A session's waiting statements have changed."""
        if place.waiting_since is None:
            self._waiting.pop(id(place), None)
        else:
            self._waiting[id(place)] = place

    def leave(self, place: P) -> None:
        """The session has ended."""
        self._waiting.pop(id(place), None)

    def started(self, place: P) -> None:
        """A statement of the session has a slot."""
        self._running[place.endpoint_id] += 1

    def stopped(self, place: P) -> None:
        """Its slot is free."""
        self._running[place.endpoint_id] -= 1
