"""Response bodies, as documented: the names, the order, what may be absent."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from treadle.model.entities import EndpointStatus
from treadle.model.states import CancelOutcome, Effects, PartStatus, Reason, RecordStatus, Rung, SessionStatus

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""ISO-8601, UTC, milliseconds, ending in Z."""

Rows = Annotated[
    msgspec.Raw,
    Meta(
        description="Values in PostgreSQL text form; NULL is null.",
        extra_json_schema={"type": "array", "items": {"type": "array", "items": {"type": ["string", "null"]}}},
    ),
]
"""Finished JSON, spliced in without being decoded."""


Position = Annotated[
    int,
    Meta(ge=1, description="The character of the submitted text that the error is about, counted from 1."),
]


Percent = Annotated[float, Meta(ge=0, le=100, description="Percent done while it runs; null when not known.")]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The root of the response bodies."""


class StatementResultColumn(Reply, frozen=True, kw_only=True):
    """One column, as in PostgreSQL's RowDescription."""

    name: str
    table_id: int
    column_id: int
    format: int
    type: int
    size: int
    type_mod: int


class StatementResultSet(Reply, frozen=True, kw_only=True):
    """Columns, and the rows of one page."""

    columns: tuple[StatementResultColumn, ...]
    rows: Rows


class StatementResult(Reply, frozen=True, kw_only=True):
    """The outcome of one statement: with a page of rows, or with the place of its files."""

    status: PartStatus
    statement_id: str
    num_rows: int
    row_count: int
    page_no: int
    page_count: int
    err_code: str
    sql_state: str
    message: str
    position: Position | UnsetType = UNSET
    result_set: StatementResultSet | UnsetType = UNSET
    obs_endpoint: str | UnsetType = UNSET
    obs_bucket_name: str | UnsetType = UNSET
    obs_file_path_prefix: str | UnsetType = UNSET
    schema: tuple[StatementResultColumn, ...] | UnsetType = UNSET


class StatementResponse(Reply, frozen=True, kw_only=True):
    """A submitted request; no results while it is queued or running."""

    status: Literal[-1, 0, 1, 2, 3, 4]
    session_id: str
    statement_id: str
    progress: Percent | UnsetType | None = UNSET
    results: tuple[StatementResult, ...] | UnsetType = UNSET


class SqlSession(Reply, frozen=True, kw_only=True):
    """A session and how it stands."""

    session_id: str
    status: SessionStatus
    message: str | UnsetType = UNSET


class EndpointReference(Reply, frozen=True, kw_only=True):
    """Which endpoint."""

    endpoint_id: str
    endpoint_name: str


class SqlSessionInfo(Reply, frozen=True, kw_only=True):
    """A session in a list."""

    session_id: str
    status: SessionStatus
    create_time: Time
    endpoint_info: EndpointReference
    user_name: str


class SqlSessions(Reply, frozen=True, kw_only=True):
    """A page of sessions; ``total`` counts all that match."""

    sessions: tuple[SqlSessionInfo, ...]
    total: int


class PartRecord(Reply, frozen=True, kw_only=True):
    """One statement of a script, in the history."""

    statement_id: str
    status: PartStatus
    rows: int
    sql_state: str
    effects: Effects


class SessionStatementRecord(Reply, frozen=True, kw_only=True):
    """A statement in the history of its session; unknown fields are absent. ``duration`` is in milliseconds."""

    statement_id: str
    statement_content: str
    create_time: Time
    status: RecordStatus
    user_name: str
    duration: str | UnsetType = UNSET
    effects: Effects | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET
    actor: str | UnsetType = UNSET
    rung: Rung | UnsetType = UNSET
    cancel_requested_at: Time | UnsetType = UNSET
    cancel_millis: float | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    progress: Percent | UnsetType | None = UNSET
    sql_state: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    position: Position | UnsetType = UNSET
    part_count: int | UnsetType = UNSET
    parts: tuple[PartRecord, ...] | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    statement_name: str | UnsetType = UNSET


class StatementRecord(Reply, frozen=True, kw_only=True):
    """A statement in the history of its workspace; what is not known is absent.

    ``duration`` is milliseconds; the DPU figures are those of metered use, of which there is none.
    """

    id: str
    workspace_id: str
    endpoint_id: str
    session_id: str
    database_name: str
    statement_content: str
    dpu_duration: str
    duration: str | UnsetType = UNSET
    dpu_cost: str
    status: RecordStatus
    user_name: str
    create_time: Time
    start_time: Time | UnsetType = UNSET
    finish_time: Time | UnsetType = UNSET
    effects: Effects | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET
    actor: str | UnsetType = UNSET
    rung: Rung | UnsetType = UNSET
    cancel_requested_at: Time | UnsetType = UNSET
    cancel_millis: float | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    progress: Percent | UnsetType | None = UNSET
    sql_state: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    position: Position | UnsetType = UNSET
    part_count: int | UnsetType = UNSET
    parts: tuple[PartRecord, ...] | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    statement_name: str | UnsetType = UNSET


class SessionStatementRecords(Reply, frozen=True, kw_only=True):
    """A page of a session's history; ``total`` counts all that match."""

    records: tuple[SessionStatementRecord, ...]
    total: int


class StatementRecords(Reply, frozen=True, kw_only=True):
    """A page of a workspace's history; ``total`` counts all that match."""

    total: int
    records: tuple[StatementRecord, ...]


class CancelledStatement(Reply, frozen=True, kw_only=True):
    """What became of one of many; ``millis`` from the arrival of the call to the confirmed stop.

    ``state`` is the word of the record. One that was not found has neither session nor state.
    """

    statement_id: str
    session_id: str | UnsetType = UNSET
    state: RecordStatus | UnsetType = UNSET
    outcome: CancelOutcome
    rung: Rung | UnsetType = UNSET
    millis: float


class CancelledStatements(Reply, frozen=True, kw_only=True):
    """One outcome a statement; ``total`` counts them."""

    total: int
    dry_run: bool
    outcomes: tuple[CancelledStatement, ...]


class TagInfo(Reply, frozen=True, kw_only=True):
    """A tag of a workspace."""

    key: str
    value: str


class WorkspaceInfo(Reply, frozen=True, kw_only=True):
    """A workspace."""

    id: str
    name: str
    description: str
    create_time: Time
    create_domain_name: str
    create_user_name: str
    metastore_id: str
    access_url: str
    enterprise_project_id: str
    tags: tuple[TagInfo, ...]


class Workspaces(Reply, frozen=True, kw_only=True):
    """A page of workspaces; ``total`` counts all that match."""

    total: int
    workspaces: tuple[WorkspaceInfo, ...]


class EndpointOwner(Reply, frozen=True, kw_only=True):
    """Who made an endpoint."""

    domain_name: str
    domain_id: str
    user_name: str
    user_id: str


class EndpointUrl(Reply, frozen=True, kw_only=True):
    """Where the API of an endpoint is."""

    name: Literal["ApiInvoke"] = "ApiInvoke"
    address: str
    type: Literal["PRIVATE"] = "PRIVATE"


class EndpointInfo(Reply, frozen=True, kw_only=True):
    """An endpoint; ``config`` and ``urls`` only when it is shown alone."""

    visibility: Literal["PRIVATE"] = "PRIVATE"
    id: str
    name: str
    type: str
    status: EndpointStatus
    description: str
    create_time: Time
    update_time: Time
    owner: EndpointOwner
    reserved_resource: dict[str, Any]
    config: dict[str, Any] | UnsetType = UNSET
    urls: tuple[EndpointUrl, ...] | UnsetType = UNSET
    engine: str
    max_sessions: int
    max_statements: int


class Endpoints(Reply, frozen=True, kw_only=True):
    """A page of endpoints; ``total`` counts all that match."""

    total: int
    endpoints: tuple[EndpointInfo, ...]


class Deleted(Reply, frozen=True, kw_only=True):
    """What is being deleted."""

    id: str


class Feature(Reply, frozen=True, kw_only=True):
    """Whether the service has something."""

    key: str
    value: Literal["true", "false"]


class Features(Reply, frozen=True, kw_only=True):
    """What the service has and has not."""

    configs: tuple[Feature, ...]
    total: int


class Spec(Reply, frozen=True, kw_only=True):
    """A specification of workers; ``memory`` in bytes."""

    spec_code: str
    resource_type: Literal["DPU"] = "DPU"
    memory: int
    threads: int


class Specs(Reply, frozen=True, kw_only=True):
    """The specifications an endpoint may reserve."""

    total: int
    spec_codes: tuple[Spec, ...]


class Health(Reply, frozen=True, kw_only=True):
    """How the service stands."""

    status: Literal["ok", "ready"]
