"""The things the service remembers, as immutable values."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from treadle.model.access import BUILT_IN, Policy
from treadle.model.columns import Column
from treadle.model.states import (
    SERVICE_LOST,
    Effects,
    PartStatus,
    Reason,
    RecordStatus,
    Rung,
    SessionStatus,
    StatementState,
    record_status,
    request_status,
)

LEASE_RENEWAL_SHARE: Final = 1 / 4
"""The share of a lease's time within which requests do not renew it again."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, and what he may do in the project he speaks for.

    Without a project (its id and name are empty) he may ask about himself only.
    """

    project_id: str
    project_name: str
    user_id: str
    user_name: str
    domain_id: str = "default"
    domain_name: str = "default"
    policies: tuple[Policy, ...] = (BUILT_IN["operator"],)


class Label(msgspec.Struct, frozen=True):
    """A tag of a workspace."""

    key: str
    value: str = ""


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's room: endpoints, catalogs and sessions live in it."""

    id: str
    project_id: str
    name: str
    created_at: datetime
    description: str = ""
    metastore_id: str = "default"
    enterprise_project_id: str = "0"
    create_user_name: str = ""
    tags: tuple[Label, ...] = ()


class EndpointStatus(StrEnum):
    """How an endpoint stands: only a running one takes new sessions, an inactive one is paused by its operator."""

    RUNNING = "RUNNING"
    INACTIVE = "INACTIVE"
    DELETING = "DELETING"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where sessions run: an engine and its limits.

    ``max_sessions`` and ``max_statements`` are the sessions and statements that may run at once.
    ``threads`` and ``memory`` (bytes) are those of each worker, None as the service is set;
    ``warm_up`` is how many workers are kept attached for sessions to come.
    """

    id: str
    workspace_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    type: str = "sql"
    status: EndpointStatus = EndpointStatus.RUNNING
    engine: str = "duckdb"
    description: str = ""
    max_sessions: int
    max_statements: int
    config: dict[str, object] = {}
    reserved_resource: dict[str, object] = {}
    owner_user_id: str = ""
    owner_user_name: str = ""
    threads: int | None = None
    memory: int | None = None
    warm_up: int = 0


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """A DuckLake catalog: a metadata database under a role of its own, and a folder of Parquet."""

    id: str
    workspace_id: str
    instance_id: str
    name: str
    created_at: datetime
    database: str
    role: str
    password: str
    data_path: str


DEFAULT_PRIORITY = 5
"""Of a session that does not say."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session on an endpoint. ``owner`` is the gateway that runs it; ``worker`` identifies its worker to other
    servers.

    ``priority`` is 1 to 9, the highest is served first. ``threads`` and ``memory`` (bytes) are the limits of its
    worker, None for the service's settings. A failed opening is retried ``max_retry_times`` times. ``unanswered``: the
    session does not run yet, and the request that opens it has had no answer. ``endpoint_name`` is that of a deleted
    endpoint.
    """

    id: str
    workspace_id: str
    endpoint_id: str
    instance_id: str
    catalog: str
    status: SessionStatus
    created_at: datetime
    user_id: str = ""
    user_name: str = ""
    wait_deadline: datetime | None = None
    owner: str | None = None
    worker: str | None = None
    close_requested_at: datetime | None = None
    close_requested_by: str | None = None
    reason: Reason | None = None
    message: str = ""
    ended_at: datetime | None = None
    priority: int = DEFAULT_PRIORITY
    threads: int | None = None
    memory: int | None = None
    max_retry_times: int = 0
    opened_at: datetime | None = None
    unanswered: bool = False
    endpoint_name: str = ""


class SessionEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ends, where that is written together with the end of a statement."""

    session_id: str
    status: SessionStatus
    reason: Reason
    message: str
    ended_at: datetime


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one statement of a request (the only one, or number n of a script).

    ``rows`` counts the rows of the result, or the rows a command changed. ``position`` is the character of the
    request's text that the error is about, counted from 1.
    """

    number: int
    status: PartStatus
    rows: int = 0
    columns: tuple[Column, ...] = ()
    sql_state: str = "00000"
    message: str = ""
    position: int | None = None
    effects: Effects = Effects.NONE

    @property
    def failed(self) -> bool:
        """Whether the engine, or a cancel, ended this part with an error."""
        return self.status is PartStatus.FATAL_ERROR


class CancelIntent(msgspec.Struct, frozen=True, kw_only=True):
    """A request to stop, beside the state: who, why, when.

    ``detail`` says more of the reason, for people: which limit, and how much of it.
    """

    requested_at: datetime
    reason: Reason
    actor: str
    detail: str | None = None


class Evidence(StrEnum):
    """Where the truth about a commit lies when its reply is lost."""

    CATALOG = "catalog"
    """The catalog has a snapshot with the part's marker, or it has not."""
    FILE = "file"
    """The staged output is still there, or it was published."""
    NOBODY = "nobody"
    """It takes many steps that leave no trace: after a death nobody can tell."""


class CommitPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The point of no return of part ``part``, beside the state.

    ``last`` says that no part follows; ``staged`` is the path of the staged output when the
    evidence is a file.
    """

    part: int
    last: bool = True
    evidence: Evidence = Evidence.CATALOG
    staged: str = ""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a statement ended: written once with the final state (C1, C7, C14).

    ``detail`` is the detail of the cancel that was asked for.
    """

    state: StatementState
    finished_at: datetime
    effects: Effects = Effects.NONE
    reason: Reason | None = None
    actor: str | None = None
    rung: Rung | None = None
    cancel_millis: float | None = None
    detail: str | None = None


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a submit safe to repeat: the client's key, and the digest of what was submitted under it."""

    key: str
    digest: bytes


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A submitted request: one SQL statement or a script of many.

    ``id`` is ours, fresh and unknown to whoever chose an id of its own: that one is ``chosen_id``, unique
    in its workspace, and what the API shows. ``keepalive`` is the seconds of its lease, which runs
    out at ``lease_until`` unless somebody asks for the statement. ``wait_timeout`` is the seconds it may
    wait for its start; ``may_maintain`` says that its caller has the right to maintain the workspace's catalogs;
    ``name``, ``type`` and ``max_retry_times`` are kept as the caller said them.
    """

    id: str
    workspace_id: str
    endpoint_id: str
    session_id: str
    content: str
    created_at: datetime
    state: StatementState = StatementState.QUEUED
    database_name: str = ""
    bindings: tuple[tuple[str | None, ...], ...] = ()
    row_limit: int | None = None
    fetch_mode: str = "DEFAULT"
    may_maintain: bool = False
    source: int = 0
    user_id: str = ""
    user_name: str = ""
    owner: str | None = None
    started_at: datetime | None = None
    committing_at: datetime | None = None
    commit: CommitPoint | None = None
    cancel: CancelIntent | None = None
    ending: Ending | None = None
    parts: tuple[Part, ...] = ()
    results_expire_at: datetime | None = None
    inline: bytes | None = None
    """A small result, kept beside the record; lists leave it out."""
    rows: bytes | None = None
    """The same as JSON, for whoever waits for the end; not kept."""
    profile: bytes | None = None
    """Where its time and memory went, as `treadle.model.profile` encodes it; lists leave it out."""
    progress: float | None = None
    """Percent done, while it runs and its owner knows; not stored."""
    chosen_id: str | None = None
    tags: tuple[str, ...] = ()
    keepalive: float | None = None
    lease_until: datetime | None = None
    retry: Retry | None = None
    name: str | None = None
    type: str = "SQL"
    wait_timeout: float | None = None
    max_retry_times: int | None = None

    @property
    def public_id(self) -> str:
        """The id the API shows."""
        return self.chosen_id or self.id

    @property
    def nameless(self) -> bool:
        """Whether nobody but its caller can speak of it before its submit is answered."""
        return self.chosen_id is None and self.retry is None and self.keepalive is None

    def as_submitted(self) -> "Statement":
        """As it was before it started."""
        return msgspec.structs.replace(self, state=StatementState.QUEUED, owner=None, started_at=None)

    @property
    def has_rows(self) -> bool:
        """Whether any part produced a result set."""
        return any(part.status is PartStatus.TUPLES_OK for part in self.parts)

    @property
    def status(self) -> int:
        """The public integer of the whole request."""
        return request_status(self.state, has_rows=self.has_rows)

    @property
    def record_status(self) -> RecordStatus:
        """The public word in the history."""
        return record_status(self.state, self.ending.reason if self.ending else None)

    @property
    def lost(self) -> bool:
        """Whether the service, not the SQL, made it fail."""
        return self.ending is not None and self.ending.reason in SERVICE_LOST
