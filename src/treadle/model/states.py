"""The life of a statement and of a session: the whole theory in one place.

Statement::

    queued --claim--> running --succeed--> succeeded
       |                 |-----fail------> failed
       |                 `----cancel-----> cancelled
       `------cancel----> cancelled     (also when its session ended before it could start)

A cancel request is an *intent beside the state* and never a state of its own. So is the commit
point: ``committing_at`` is set by compare-and-set only while no cancel is intended, and from then
on no interrupt is sent. Every change is a compare-and-set on the stored row, and "no row" is an
answer. A final state is written once and never changes (contract clause C1).

Session::

    CREATING --> WAITING --> RUNNING --> CLOSED | FAIL
"""

from enum import StrEnum
from typing import Final

from treadle.model.errors import IllegalTransition


class StatementState(StrEnum):
    """Where a statement stands, inside the service."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing can follow this state."""
        return self in FINAL


class StatementEvent(StrEnum):
    """What can happen to a statement."""

    CLAIM = "claim"
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"


TRANSITIONS: Final[dict[tuple[StatementState, StatementEvent], StatementState]] = {
    (StatementState.QUEUED, StatementEvent.CLAIM): StatementState.RUNNING,
    (StatementState.QUEUED, StatementEvent.CANCEL): StatementState.CANCELLED,
    (StatementState.RUNNING, StatementEvent.SUCCEED): StatementState.SUCCEEDED,
    (StatementState.RUNNING, StatementEvent.FAIL): StatementState.FAILED,
    (StatementState.RUNNING, StatementEvent.CANCEL): StatementState.CANCELLED,
}

FINAL: Final = frozenset({StatementState.SUCCEEDED, StatementState.FAILED, StatementState.CANCELLED})


def advance(state: StatementState, event: StatementEvent) -> StatementState:
    """The state that follows ``event``; raises `IllegalTransition` when the table has no such row."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"a {state} statement cannot {event}") from None


class SessionStatus(StrEnum):
    """The public words for a session (API reference §2.1)."""

    CREATING = "CREATING"
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    CLOSED = "CLOSED"
    FAIL = "FAIL"

    @property
    def final(self) -> bool:
        """Whether the session has ended."""
        return self in {SessionStatus.CLOSED, SessionStatus.FAIL}


class Reason(StrEnum):
    """Why a statement or a session was ended by something other than its own SQL (C14)."""

    USER = "user"
    OPERATOR = "operator"
    STATEMENT_TIMEOUT = "statement_timeout"
    SESSION_CLOSED = "session_closed"
    SESSION_IDLE = "session_idle"
    CLIENT_GONE = "client_gone"
    QUOTA = "quota"
    SHUTDOWN = "shutdown"
    OWNER_LOST = "owner_lost"
    WORKER_CRASHED = "worker_crashed"
    WAIT_TIMEOUT = "wait_timeout"
    QUEUE_TIMEOUT = "queue_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    SESSION_EXPIRED = "session_expired"


CANCEL_MESSAGES: Final[dict[Reason, str]] = {
    Reason.USER: "canceling statement due to user request",
    Reason.OPERATOR: "canceling statement due to operator request",
    Reason.STATEMENT_TIMEOUT: "canceling statement due to statement timeout",
    Reason.SESSION_CLOSED: "canceling statement due to session close",
    Reason.SESSION_IDLE: "canceling statement due to idle session timeout",
    Reason.CLIENT_GONE: "canceling statement due to client disconnect",
    Reason.QUOTA: "canceling statement due to quota",
    Reason.SHUTDOWN: "canceling statement due to service shutdown",
    Reason.OWNER_LOST: "canceling statement due to loss of its owner",
    Reason.WORKER_CRASHED: "canceling statement due to worker crash",
    Reason.WAIT_TIMEOUT: "canceling statement due to wait timeout",
    Reason.QUEUE_TIMEOUT: "canceling statement due to queue timeout",
    Reason.TOTAL_TIMEOUT: "canceling statement due to total timeout",
    Reason.SESSION_EXPIRED: "canceling statement due to end of session lifetime",
}

_ASKED: Final[dict[Reason, str]] = {
    Reason.USER: "canceled",
    Reason.OPERATOR: "canceled",
    Reason.SESSION_CLOSED: "closed",
}
"""What the actor did, for the reasons that a caller is behind."""


def cancel_message(reason: Reason, detail: str | None, actor: str | None = None) -> str:
    """Build the message of a cancelled statement: PostgreSQL's text, then who asked for it, and the detail.

    Clients look for PostgreSQL's text at the beginning.
    """
    who = f"{_ASKED[reason]} by {actor}" if actor and reason in _ASKED else ""
    return ": ".join(filter(None, (CANCEL_MESSAGES[reason], who, detail)))


SESSION_MESSAGES: Final[dict[Reason, str]] = {
    Reason.SESSION_IDLE: "it was idle for too long",
    Reason.SESSION_EXPIRED: "it was open for too long",
    Reason.CLIENT_GONE: "its opener left before the answer",
    Reason.WAIT_TIMEOUT: "it could not be opened in time",
}
"""Messages of sessions that were closed without a caller's request."""

SERVICE_LOST: Final = frozenset({Reason.OWNER_LOST, Reason.WORKER_CRASHED})
"""Failures that are the service's and not the SQL's: the record says ERROR."""


class Rung(StrEnum):
    """How far up the ladder a cancel had to go (C3, C14)."""

    DEQUEUED = "dequeued"
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"
    KILLED = "killed"
    TOO_LATE = "too_late"


class Effects(StrEnum):
    """What a statement left behind (C7)."""

    NONE = "none"
    COMMITTED = "committed"
    PARTIAL = "partial"
    UNKNOWN = "unknown"


class CancelOutcome(StrEnum):
    """The verdict of a cancel call, as the header ``X-Cancel-Outcome`` says it."""

    CANCELLED = "cancelled"
    ALREADY_CANCELLED = "already_cancelled"
    ALREADY_SUCCEEDED = "already_succeeded"
    ALREADY_FAILED = "already_failed"
    TOMBSTONED = "tombstoned"
    """There is no such statement yet; one submitted under that id is born cancelled (C15)."""
    WOULD_CANCEL = "would_cancel"
    """A dry run: it has not ended, and nothing was done to it."""
    NOT_FOUND = "not_found"
    """One of many: there is no such statement, or it does not match the other fields."""


class RecordStatus(StrEnum):
    """The public words for a statement in the history (API reference §2.2)."""

    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    SUCCESSFUL = "SUCCESSFUL"
    CANCELED = "CANCELED"
    FAILED = "FAILED"
    ERROR = "ERROR"


class PartStatus(StrEnum):
    """The public words for one statement of a script (API reference §2.2)."""

    TUPLES_OK = "PGRES_TUPLES_OK"
    COMMAND_OK = "PGRES_COMMAND_OK"
    FATAL_ERROR = "PGRES_FATAL_ERROR"


def request_status(state: StatementState, *, has_rows: bool) -> int:
    """The integer ``status`` of a whole request (API reference §2.2)."""
    match state:
        case StatementState.QUEUED:
            return 3
        case StatementState.RUNNING:
            return 1
        case StatementState.SUCCEEDED:
            return 0 if has_rows else 2
        case StatementState.FAILED:
            return -1
        case StatementState.CANCELLED:
            return 4


def record_status(state: StatementState, reason: Reason | None) -> RecordStatus:
    """The word for a statement in the history."""
    match state:
        case StatementState.QUEUED:
            return RecordStatus.SUBMITTED
        case StatementState.RUNNING:
            return RecordStatus.RUNNING
        case StatementState.SUCCEEDED:
            return RecordStatus.SUCCESSFUL
        case StatementState.FAILED:
            return RecordStatus.ERROR if reason in SERVICE_LOST else RecordStatus.FAILED
        case StatementState.CANCELLED:
            return RecordStatus.CANCELED


def cancel_outcome(before: StatementState, after: StatementState) -> CancelOutcome:
    """The verdict for a cancel that found ``before`` and ended in the final state ``after``."""
    match after:
        case StatementState.CANCELLED:
            return CancelOutcome.ALREADY_CANCELLED if before.final else CancelOutcome.CANCELLED
        case StatementState.SUCCEEDED:
            return CancelOutcome.ALREADY_SUCCEEDED
        case StatementState.FAILED:
            return CancelOutcome.ALREADY_FAILED
        case _:
            raise IllegalTransition(f"a {after} statement has no cancel outcome")
