"""The statements that wait for their start, and since when: kept only where their time is limited."""

import heapq
from collections import Counter

import msgspec

from treadle.scheduler.deadlines import Deadline, TimeLimits, of_waiting


class _Wait(msgspec.Struct, frozen=True):
    """Since when a statement waits, and for how many seconds it may by its own wish; 0 is any."""

    since: float
    session_id: str
    seconds: float


class Waits:
    """Who waits since when, in monotonic seconds; nothing is kept when nothing limits a wait."""

    def __init__(self, limits: TimeLimits) -> None:
        self._limits = limits
        self._waiting: dict[str, _Wait] = {}
        self._sessions: Counter[str] = Counter()
        self._queue: list[tuple[float, str, Deadline]] = []

    @property
    def limited(self) -> bool:
        """Whether any wait can be too long, whatever a statement says itself."""
        return self._limits.waits

    def knows(self, session_id: str) -> bool:
        """Whether a statement of the session is known to wait."""
        return session_id in self._sessions

    def heard(self, session_id: str, statement_id: str, since: float, seconds: float = 0.0) -> None:
        """A statement waits, ``seconds`` at most if it says so; it is heard of once, and once of what it says."""
        known = self._waiting.get(statement_id)
        if known is not None:
            if seconds == known.seconds or not seconds:
                return
            since = known.since
        deadline = of_waiting(self._limits, since, seconds)
        if deadline is None:
            return
        self._waiting[statement_id] = _Wait(since, session_id, seconds)
        self._sessions[session_id] += known is None
        # One that was known has an entry already: whichever comes first ends it, the other finds nothing.
        heapq.heappush(self._queue, (deadline.at, statement_id, deadline))

    def started(self, statement_id: str) -> float | None:
        """It waits no more; since when it did, None when it was not heard of."""
        wait = self._waiting.pop(statement_id, None)
        if wait is None:
            return None
        self._sessions[wait.session_id] -= 1
        if not self._sessions[wait.session_id]:
            del self._sessions[wait.session_id]
        return wait.since

    def overdue(self, now: float) -> dict[Deadline, list[str]]:
        """Those whose time is over, by what ended it; they are not known any more."""
        found: dict[Deadline, list[str]] = {}
        while self._queue and self._queue[0][0] <= now:
            _, statement_id, deadline = heapq.heappop(self._queue)
            if self.started(statement_id) is not None:
                found.setdefault(deadline, []).append(statement_id)
        return found
