"""What both stores decide alike, without I/O: legal endings, refused texts, status words as columns."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from treadle.model.access import Action, resource_of
from treadle.model.audit import By, Entry, Event, Outcome
from treadle.model.entities import CancelIntent, Ending, Endpoint, Statement, Workspace
from treadle.model.errors import BadRequest, IllegalTransition
from treadle.model.grants import Reach
from treadle.model.states import (
    CancelOutcome,
    Effects,
    RecordStatus,
    Rung,
    SessionStatus,
    StatementEvent,
    StatementState,
    advance,
)

_EVENTS: Final = {
    StatementState.SUCCEEDED: StatementEvent.SUCCEED,
    StatementState.FAILED: StatementEvent.FAIL,
    StatementState.CANCELLED: StatementEvent.CANCEL,
}

_RECORDS: Final[dict[RecordStatus, tuple[StatementState, bool | None]]] = {
    RecordStatus.SUBMITTED: (StatementState.QUEUED, None),
    RecordStatus.RUNNING: (StatementState.RUNNING, None),
    RecordStatus.SUCCESSFUL: (StatementState.SUCCEEDED, None),
    RecordStatus.CANCELED: (StatementState.CANCELLED, None),
    RecordStatus.FAILED: (StatementState.FAILED, False),
    RecordStatus.ERROR: (StatementState.FAILED, True),
}


def asked(statement: Statement, intent: CancelIntent) -> Statement:
    """After a request to stop: a queued statement ends, a running one has the first intent, an ended one stays."""
    if statement.state is StatementState.QUEUED:
        ending = dequeued(statement, intent)
        return replace(statement, state=ending.state, cancel=intent, ending=ending)
    if statement.state is StatementState.RUNNING and statement.cancel is None:
        return replace(statement, cancel=intent)
    return statement


def dequeued(statement: Statement, intent: CancelIntent) -> Ending:
    """The ending of a statement that is cancelled before it starts (C6)."""
    return Ending(
        state=advance(StatementState.QUEUED, StatementEvent.CANCEL),
        finished_at=max(intent.requested_at, statement.created_at),
        effects=Effects.NONE,
        reason=intent.reason,
        actor=intent.actor,
        rung=Rung.DEQUEUED,
        cancel_millis=0.0,
        detail=intent.detail,
    )


def started(statement: Statement, owner: str | None, at: datetime) -> Statement:
    """A queued statement that starts; a claim on its way may meet one that was submitted after it."""
    state = advance(statement.state, StatementEvent.CLAIM)
    return replace(statement, state=state, owner=owner, started_at=max(at, statement.created_at))


def explained(ending: Ending, stored: CancelIntent | None, known: CancelIntent | None) -> Ending:
    """The ending with the reason of the stored intent, which its owner may not have heard of, or not first (C14)."""
    if stored is None or (ending.reason is not None and known is None):
        return ending
    rung = ending.rung if ending.reason is not None else Rung.TOO_LATE
    return replace(ending, reason=stored.reason, actor=stored.actor, rung=rung, detail=stored.detail)


def check_ending(ending: Ending) -> None:
    """Raise `IllegalTransition` unless a running statement can end so (C1, C7)."""
    event = _EVENTS.get(ending.state)
    if event is None:
        raise IllegalTransition(f"{ending.state} is not an ending")
    advance(StatementState.RUNNING, event)
    if ending.state is StatementState.CANCELLED and ending.effects is Effects.COMMITTED:
        raise IllegalTransition("a cancelled statement has not committed")


def check_move(to: SessionStatus, *, ended: bool) -> None:
    """Raise `IllegalTransition` unless a session that ends, and no other, is given its time."""
    if to.final is not ended:
        raise IllegalTransition(f"a session that is {to} {'has an' if to.final else 'has no'} end")


def record_state(status: RecordStatus | None) -> tuple[StatementState | None, bool | None]:
    """The stored state behind a public word, and whether the service lost it (None: either way)."""
    return _RECORDS[status] if status is not None else (None, None)


def light(statement: Statement) -> Statement:
    """The statement without its texts and small result."""
    return replace(
        statement,
        content="",
        bindings=(),
        inline=None,
        profile=None,
        tags=(),
        keepalive=None,
        lease_until=None,
        retry=None,
        name=None,
        type="SQL",
        wait_timeout=None,
        max_retry_times=None,
    )


def check_statement(statement: Statement) -> None:
    """Raise `BadRequest` when the statement holds text PostgreSQL cannot keep."""
    _check_text("statement", statement.content)
    _check_text("user_name", statement.user_name)
    _check_text("statement_name", statement.name or "")
    for tag in statement.tags:
        _check_text("tags", tag)
    for values in statement.bindings:
        for value in values:
            _check_text("bindings", value or "")


def check_workspace(workspace: Workspace) -> None:
    """Raise `BadRequest` when the workspace holds text PostgreSQL cannot keep."""
    _check_text("name", workspace.name)
    _check_text("description", workspace.description)
    _check_text("metastore_id", workspace.metastore_id)
    _check_text("enterprise_project_id", workspace.enterprise_project_id)
    for tag in workspace.tags:
        _check_text("tags", tag.key + tag.value)


def check_endpoint(endpoint: Endpoint) -> None:
    """Raise `BadRequest` when the endpoint holds text PostgreSQL cannot keep."""
    _check_text("name", endpoint.name)
    _check_text("description", endpoint.description)


def _check_text(field: str, text: str) -> None:
    if "\x00" in text:
        raise BadRequest("must not contain the NUL character", field=field)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadRequest("must be valid Unicode", field=field) from None


def pattern_of(within: Reach | None) -> str | None:
    """Where a caller may look, as a regular expression; None for everywhere."""
    return within.pattern if within is not None else None


def is_within(within: Reach | None, workspace_id: str, endpoint_id: str) -> bool:
    """Whether a caller may look there."""
    return within is None or re.search(within.pattern, resource_of(workspace_id, endpoint_id)) is not None


def cancel_event(statement: Statement, before: StatementState, by: By, intent: CancelIntent) -> Event:
    """What the audit says of a request to stop a statement that had not ended."""
    outcome = CancelOutcome.CANCELLED if before is StatementState.QUEUED else Outcome.REQUESTED
    return Event(
        at=intent.requested_at,
        by=by,
        action=Action.CANCEL,
        outcome=outcome,
        detail=intent.detail or "",
        workspace_id=statement.workspace_id,
        resource=f"statement:{statement.public_id}",
        key=cancel_key(statement.id),
    )


def cancel_key(statement_id: str) -> str:
    """What holds together the requests to stop one statement: one event, and those attached to it."""
    return f"cancel:{statement_id}"


def entries_of(events: Iterable[Event], attached: Iterable[Event]) -> Sequence[Entry]:
    """Events as they are read: with those attached to them, oldest first, and the outcome they were closed with."""
    by_key: dict[str, list[Event]] = {}
    for one in attached:
        by_key.setdefault(one.key, []).append(one)
    found = []
    for event in events:
        rows = by_key.get(event.key, []) if event.key else []
        others = [row for row in rows if not row.closes]
        closing = [row.outcome for row in rows if row.closes]
        told = replace(event, outcome=closing[-1]) if closing else event
        found.append(Entry(event=told, others=tuple(row.by for row in others[1:])))
    return found
