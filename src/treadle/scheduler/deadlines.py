"""Deadlines: when a limit of time ends a statement or a session; pure (C16).

Times are monotonic seconds, limits are seconds, and a limit of 0 is none. What a session has set for
itself only counts within what the operator allows, so that no SQL disarms a limit of the operator's.
"""

from collections.abc import Iterable

import msgspec

from treadle.config import Settings
from treadle.model.states import Reason


class TimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's: ``statement`` and ``idle`` are the most a session may set for itself."""

    queue: float = 0.0
    total: float = 0.0
    statement: float = 0.0
    idle: float = 0.0
    life: float = 0.0

    @classmethod
    def of(cls, settings: Settings) -> "TimeLimits":
        """Those of the service."""
        return cls(
            queue=settings.queue_timeout,
            total=settings.total_timeout,
            statement=settings.max_statement_timeout,
            idle=settings.max_session_timeout,
            life=settings.max_session_seconds,
        )

    @property
    def waits(self) -> bool:
        """Whether a statement that waits can run out of time."""
        return self.queue > 0 or self.total > 0


class Deadline(msgspec.Struct, frozen=True):
    """The moment at which something is to be stopped, why, and which limit that is, in words."""

    at: float
    reason: Reason
    detail: str


def of_waiting(limits: TimeLimits, submitted: float, asked: float = 0.0) -> Deadline | None:
    """Until when a statement may wait for its start; ``asked`` is its own ``wait_timeout``."""
    waiting = _within(asked, limits.queue)
    waiting_limit = "wait_timeout" if waiting == asked else "queue_timeout"
    return _first(
        _after(submitted, waiting, Reason.QUEUE_TIMEOUT, f"statement waited longer than {waiting_limit}"),
        _of_total(limits, submitted),
    )


def of_running(limits: TimeLimits, asked: float, submitted: float, began: float) -> Deadline | None:
    """Until when the part that ``began`` may run; ``asked`` is the session's own ``statement_timeout``."""
    seconds = _within(asked, limits.statement)
    limit = "statement_timeout" if seconds == asked else "max_statement_timeout"
    return _first(
        _after(began, seconds, Reason.STATEMENT_TIMEOUT, f"statement ran longer than {limit}"),
        _of_total(limits, submitted),
    )


def of_session(limits: TimeLimits, asked: float, opened: float, idle_since: float | None) -> Deadline | None:
    """Until when a session may stay open; ``asked`` is its own ``session_timeout``, None says it is busy."""
    idle = None
    if idle_since is not None:
        seconds = _within(asked, limits.idle)
        limit = "session_timeout" if seconds == asked else "max_session_timeout"
        idle = _after(idle_since, seconds, Reason.SESSION_IDLE, f"session was idle longer than {limit}")
    what = "session was open longer than max_session_seconds"
    return _first(idle, _after(opened, limits.life, Reason.SESSION_EXPIRED, what))


def _of_total(limits: TimeLimits, submitted: float) -> Deadline | None:
    return _after(submitted, limits.total, Reason.TOTAL_TIMEOUT, "statement waited and ran longer than total_timeout")


def _within(asked: float, most: float) -> float:
    """The shorter of two limits, where 0 is none."""
    return min(asked, most) if asked > 0 and most > 0 else max(asked, most)


def _after(start: float, seconds: float, reason: Reason, what: str) -> Deadline | None:
    if seconds <= 0:
        return None
    return Deadline(start + seconds, reason, f"{what} ({seconds:,.12g} s)")


def _first(*deadlines: Deadline | None) -> Deadline | None:
    """The earliest; of two at the same moment the one named first."""
    known: Iterable[Deadline] = (deadline for deadline in deadlines if deadline is not None)
    return min(known, key=lambda deadline: deadline.at, default=None)
