"""The selection of rows: filters and pages of lists, and the scope of a cancel."""

from datetime import datetime

import msgspec

from treadle.model.grants import Reach
from treadle.model.states import RecordStatus, SessionStatus, StatementState


class Place(msgspec.Struct, frozen=True):
    """A place in a list that is sorted newest first."""

    created_at: datetime
    id: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which slice of a list: ``limit`` rows after the first ``offset``, of those that come ``after`` a place.

    An uncounted page has the total 0, which saves the count.
    """

    limit: int = 10
    offset: int = 0
    after: Place | None = None
    counted: bool = True


class SessionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the session list; None means any. ``within`` is where the caller may look.

    ``known`` leaves out ended sessions whose id no answer has named: their request was refused, or its caller had gone.
    """

    endpoint_id: str | None = None
    session_id: str | None = None
    status: SessionStatus | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    within: Reach | None = None
    user_name: str | None = None
    known: bool = False


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the statement records; None means any.

    ``started_from`` compares with the start (or, before it, the creation) of a statement and
    ``finished_to`` with its end, as the API documentation has them for version 1; for version 2 both bounds
    are those of the creation. ``statement_id`` is the one the API shows.
    ``within`` is where the caller may look.
    """

    session_id: str | None = None
    endpoint_id: str | None = None
    statement_id: str | None = None
    source: int | None = None
    status: RecordStatus | None = None
    started_from: datetime | None = None
    finished_to: datetime | None = None
    tag: str | None = None
    within: Reach | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    name: str | None = None
    user_name: str | None = None


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the audit; None means any. ``action`` is whole, or what follows its last colon."""

    since: datetime | None = None
    until: datetime | None = None
    user_name: str | None = None
    action: str | None = None
    workspace_id: str | None = None


class EndpointFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the endpoint list; ``name`` is a case-insensitive part of the name."""

    endpoint_id: str | None = None
    name: str | None = None
    type: str | None = None


class WorkspaceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the workspace list; ``name`` is a case-insensitive part of the name."""

    workspace_id: str | None = None
    name: str | None = None
    enterprise_project_id: str | None = None


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which statements a cancel is meant for: those that match every field given.

    ``ids`` are ours or, with a workspace, those the API shows; ended statements are among them.
    Without ids only unfinished ones are. ``tags`` are tags a statement must have, all of them; ``within``
    is where the caller may cancel.
    """

    ids: tuple[str, ...] | None = None
    workspace_id: str | None = None
    session_id: str | None = None
    endpoint_id: str | None = None
    tags: tuple[str, ...] = ()
    user_name: str | None = None
    state: StatementState | None = None
    submitted_before: datetime | None = None
    within: Reach | None = None
