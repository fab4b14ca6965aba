"""Who may start: a pure function of what waits, what runs and what is allowed.

Nothing here awaits, reads a clock or touches a store; the owner carries out what it decides.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from treadle.model.entities import DEFAULT_PRIORITY


class Capacity(msgspec.Struct, frozen=True):
    """How many sessions and statements an endpoint may run at once; ``warm_up`` workers stand ready for it."""

    sessions: int
    statements: int
    warm_up: int = 0


class Waiting(msgspec.Struct, frozen=True):
    """A session that has no slot yet, and until when it may wait, in monotonic seconds."""

    session_id: str
    endpoint_id: str
    deadline: float | None = None
    priority: int = DEFAULT_PRIORITY


class Ready(msgspec.Struct, frozen=True):
    """A session that is idle and has a statement to run."""

    session_id: str
    endpoint_id: str
    priority: int = DEFAULT_PRIORITY


Queued = TypeVar("Queued", Waiting, Ready)


class Load(msgspec.Struct, frozen=True):
    """What an endpoint runs now."""

    sessions: int = 0
    statements: int = 0


class Plan(msgspec.Struct, frozen=True):
    """What to do now: sessions to open, to leave waiting, to give up; sessions that may run their next statement."""

    open: tuple[str, ...] = ()
    wait: tuple[str, ...] = ()
    give_up: tuple[str, ...] = ()
    start: tuple[str, ...] = ()


def plan(
    now: float,
    capacity: Mapping[str, Capacity],
    load: Mapping[str, Load],
    waiting: Sequence[Waiting],
    ready: Sequence[Ready],
) -> Plan:
    """The highest priority first, and within one first come, first served; for each endpoint on its own.

    An unknown endpoint has no room.
    """
    sessions: Counter[str] = Counter({endpoint: at.sessions for endpoint, at in load.items()})
    statements: Counter[str] = Counter({endpoint: at.statements for endpoint, at in load.items()})
    give_up = tuple(one.session_id for one in waiting if _is_over(one, now))
    opened, wait, start = [], [], []
    for session in _served(one for one in waiting if not _is_over(one, now)):
        room = capacity.get(session.endpoint_id)
        if room is not None and sessions[session.endpoint_id] < room.sessions:
            sessions[session.endpoint_id] += 1
            opened.append(session.session_id)
        else:
            wait.append(session.session_id)
    for lane in _served(ready):
        room = capacity.get(lane.endpoint_id)
        if room is not None and statements[lane.endpoint_id] < room.statements:
            statements[lane.endpoint_id] += 1
            start.append(lane.session_id)
    return Plan(tuple(opened), tuple(wait), give_up, tuple(start))


def _is_over(session: Waiting, now: float) -> bool:
    return session.deadline is not None and session.deadline <= now


def _served(those: Iterable[Queued]) -> list[Queued]:
    """In the order in which they are served: the sort is stable, so that within a priority the first came first."""
    return sorted(those, key=lambda one: -one.priority)
