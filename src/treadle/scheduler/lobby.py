"""The sessions that wait for a slot, and until when.

How long one may still wait is read off the wall clock once, when it is first seen; from then on only
monotonic seconds count, so that nobody is given up because the wall clock is set.
"""

from collections.abc import Iterable

import msgspec

from treadle.model.entities import Session
from treadle.model.ports import Clock
from treadle.scheduler.plan import Waiting


class _Guest(msgspec.Struct):
    session: Session
    deadline: float | None


class Lobby:
    """Sessions without a slot, in the order in which they were first seen."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guests: dict[str, _Guest] = {}

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._guests

    def __bool__(self) -> bool:
        return bool(self._guests)

    @property
    def sessions(self) -> Iterable[Session]:
        """Those that wait."""
        return (guest.session for guest in self._guests.values())

    @property
    def waiting(self) -> list[Waiting]:
        """The same for the plan."""
        return [
            Waiting(guest.session.id, guest.session.endpoint_id, guest.deadline, guest.session.priority)
            for guest in self._guests.values()
        ]

    def see(self, session: Session) -> None:
        """It waits, as its row now says."""
        guest = self._guests.get(session.id)
        if guest is not None:
            guest.session = session
        else:
            self._guests[session.id] = _Guest(session, self._deadline(session))

    def session(self, session_id: str) -> Session:
        """The row of one that waits; raises `KeyError`."""
        return self._guests[session_id].session

    def take(self, session_id: str) -> Session:
        """It waits no more; raises `KeyError`."""
        return self._guests.pop(session_id).session

    def leave(self, session_id: str) -> None:
        """It waits no more, if it did."""
        self._guests.pop(session_id, None)

    def _deadline(self, session: Session) -> float | None:
        until = session.wait_deadline
        if until is None:
            return None
        left = min(until - self._clock.now(), until - session.created_at).total_seconds()
        return self._clock.monotonic() + max(left, 0.0)
