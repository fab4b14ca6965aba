"""What waits in a session, as far as its owner has heard: who came when, and whether some were never heard of.

The statements themselves are in the store; this says when to claim one, and keeps their place in the line.
"""

from collections import deque


class Arrivals:
    """Times of arrival (monotonic seconds), the oldest first."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        # The only one is no arrival but a look, for what may have been submitted before.
        self._looking = False
        # Whether statements may wait that were never heard of: claims go on until one finds nothing.
        self.unheard = True

    def __bool__(self) -> bool:
        return bool(self._times)

    @property
    def oldest(self) -> float | None:
        """When the oldest came; None when none is known."""
        return self._times[0] if self._times else None

    def add(self, now: float) -> None:
        """A statement has come; it takes the place of a look."""
        if self._looking:
            self._times.clear()
            self._looking = False
        self._times.append(now)

    def look(self, now: float) -> None:
        """One claim for what nobody has told of."""
        self.add(now)
        self._looking = True

    def take(self) -> None:
        """The oldest is about to be claimed."""
        self._times.popleft()
        self._looking = False
