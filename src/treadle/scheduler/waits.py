"""The statements that wait for their start, and since when: kept only where their time is limited."""

import heapq
from collections import Counter

from treadle.scheduler.deadlines import Deadline, TimeLimits, of_waiting


class Waits:
    """Who waits since when, in monotonic seconds; nothing is kept when nothing limits a wait."""

    def __init__(self, limits: TimeLimits) -> None:
        self._limits = limits
        self._since: dict[str, tuple[float, str]] = {}
        self._sessions: Counter[str] = Counter()
        self._queue: list[tuple[float, str, Deadline]] = []

    @property
    def limited(self) -> bool:
        """Whether a wait can be too long."""
        return self._limits.waits

    def knows(self, session_id: str) -> bool:
        """Whether a statement of the session is known to wait."""
        return session_id in self._sessions

    def heard(self, session_id: str, statement_id: str, since: float) -> None:
        """A statement waits; it is heard of once."""
        deadline = of_waiting(self._limits, since)
        if deadline is None or statement_id in self._since:
            return
        self._since[statement_id] = (since, session_id)
        self._sessions[session_id] += 1
        heapq.heappush(self._queue, (deadline.at, statement_id, deadline))

    def started(self, statement_id: str) -> float | None:
        """It waits no more; since when it did, None when it was not heard of."""
        since, session_id = self._since.pop(statement_id, (None, ""))
        if since is not None:
            self._sessions[session_id] -= 1
            if not self._sessions[session_id]:
                del self._sessions[session_id]
        return since

    def overdue(self, now: float) -> dict[Deadline, list[str]]:
        """Those whose time is over, by what ended it; they are not known any more."""
        found: dict[Deadline, list[str]] = {}
        while self._queue and self._queue[0][0] <= now:
            _, statement_id, deadline = heapq.heappop(self._queue)
            if self.started(statement_id) is not None:
                found.setdefault(deadline, []).append(statement_id)
        return found
