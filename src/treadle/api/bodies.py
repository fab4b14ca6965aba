"""Request bodies and query parameters, as documented. Reading them is `treadle.api.reading`."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta

from treadle.api.fields import (
    CHOSEN_ID,
    DOCUMENTED,
    END,
    AnyId,
    CatalogName,
    EnterpriseProjectId,
    InstanceId,
    Limit,
    Moment,
    Name,
    NamePart,
    Offset,
    PlainId,
    StatementId,
    Tag,
    Tags,
    Text,
)
from treadle.model.states import RecordStatus, SessionStatus
from treadle.model.words import MOST_REASON
from treadle.service.views import OnDisconnect

ALL_ENTERPRISE_PROJECTS: Final = "all_granted_eps"


class Nothing(msgspec.Struct, frozen=True):
    """No body, or an object whose fields do not matter; no query parameters."""


class LakeFormationConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Which catalog of which metastore instance a session works on."""

    instance_id: InstanceId
    catalog: CatalogName


class CreateSession(msgspec.Struct, frozen=True, kw_only=True):
    """The body of CreateSqlSession."""

    endpoint_id: PlainId
    lake_formation_config: LakeFormationConfig
    wait_timeout: (
        Annotated[
            int,
            Meta(
                ge=300,
                le=7200,
                description="Seconds to wait for a free slot. Given: the session is created asynchronously.",
            ),
        ]
        | None
    ) = None


class FetchMode(StrEnum):
    """Rows in the reply, or the place of the result files."""

    DEFAULT = "DEFAULT"
    READ_OBS = "READ_OBS"


class Unfinished(StrEnum):
    """The states that have an end before them."""

    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"


class ExecuteStatement(msgspec.Struct, frozen=True, kw_only=True):
    """The body of ExecuteSqlStatement."""

    statement: Annotated[
        str, Meta(max_length=10_000_000, description="One SQL statement, or several separated by `;`.")
    ]
    session_id: PlainId
    limit: Annotated[int, Meta(ge=1, le=2_147_483_647, description="Rows returned at most.")] | None = None
    bindings: Annotated[
        tuple[Annotated[tuple[str | None, ...], Meta(max_length=10_000)], ...],
        Meta(
            max_length=10_000,
            description="Sets of parameter values: what changes rows is run once for each, in one transaction.",
        ),
    ] = ()
    is_sync: Annotated[bool, Meta(description="Wait for the end, for a while.")] = True
    is_maintain_statement: Annotated[bool, Meta(description="Whether it comes from the operations channel.")] = False
    resultset_fetch_mode: FetchMode = FetchMode.DEFAULT
    statement_id: (
        Annotated[
            str,
            Meta(
                pattern=rf"^[A-Za-z0-9_-]{{1,64}}{END}",
                description=(
                    "An id of your own choice: 1-64 letters, digits, hyphens and underscores, not ending in `_` and a "
                    "number, new in its workspace. Also as header `X-Statement-Id`."
                ),
                extra_json_schema={"allOf": [{"pattern": CHOSEN_ID}]},
            ),
        ]
        | None
    ) = None
    tags: Annotated[
        Tags,
        Meta(description="Names to find and to cancel it by. Also as header `X-Statement-Tags`, parted by commas."),
    ] = ()
    on_disconnect: OnDisconnect | None = None
    keepalive: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=86_400,
                description=(
                    "Seconds: it is cancelled when nobody has asked for its state or result for so long before its end."
                ),
            ),
        ]
        | None
    ) = None


Reason = Annotated[
    str,
    Meta(
        max_length=MOST_REASON,
        description=(
            f"The reason in words, at most {MOST_REASON} characters, shown in the record, in the message of the "
            "statement and in the audit. Line breaks and other control characters become blanks; NUL is refused."
        ),
    ),
]


class CancelStatement(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a cancel, which may be absent; other fields do not matter."""

    reason: Reason | None = None


class CancelStatements(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of CancelSqlStatements: a statement is meant when it matches every field that is given.

    A misspelt field is refused: ignored, it would let the cancel mean more than its caller does.
    """

    statement_ids: (
        Annotated[
            tuple[StatementId, ...],
            Meta(
                max_length=10_000, description="Statements by their ids, ended ones too. Without: all unfinished ones."
            ),
        ]
        | None
    ) = None
    session_id: PlainId | None = None
    endpoint_id: PlainId | None = None
    tags: Annotated[Tags, Meta(description="Tags it must have, all of them.")] = ()
    user_name: Annotated[str, Meta(min_length=1, max_length=256, description="Who submitted it.")] | None = None
    status: Unfinished | None = None
    submitted_before: Moment | None = None
    reason: Reason | None = None
    dry_run: Annotated[bool, Meta(description="Only tell which statements would be cancelled.")] = False


class ResourceTag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag of a workspace."""

    key: Annotated[str, Meta(min_length=1, max_length=128)]
    value: Text = ""


class CreateWorkspace(msgspec.Struct, frozen=True, kw_only=True):
    """The body of CreateWorkspace."""

    name: Name
    description: Text = ""
    metastore_id: InstanceId = "default"
    enterprise_project_id: EnterpriseProjectId = "0"
    tags: Annotated[tuple[ResourceTag, ...], Meta(max_length=20)] = ()


class UpdateWorkspace(msgspec.Struct, frozen=True, kw_only=True):
    """The body of UpdateWorkspace; what is not given stays."""

    name: Name | None = None
    description: Text | None = None
    metastore_id: InstanceId | None = None


class DpuResource(msgspec.Struct, frozen=True, kw_only=True):
    """What a SQL endpoint reserves."""

    spec_code: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            description="The memory and threads of each worker; one of those that ListSpecs shows.",
        ),
    ]
    warm_up_num: Annotated[
        int, Meta(ge=0, le=1_000, description="Workers kept attached for sessions to come; `max_num` at most.")
    ] = 0
    max_num: Annotated[int, Meta(ge=1, le=1_000_000, description="Statements that run at once.")] | None = None


class ReservedResource(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint reserves: of the documented kinds the one that concerns SQL."""

    dpu: DpuResource | None = None


Config = Annotated[
    dict[str, Any],
    Meta(
        description=(
            "`engine` (duckdb, or another one of the operator's), `max_sessions` and `max_statements` that run at "
            "once, and `paused`: an endpoint that takes no new sessions. The rest is kept."
        ),
        extra_json_schema={"allOf": [{"$ref": "#/components/schemas/EndpointConfig"}]},
    ),
]


class CreateEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The body of CreateEndpoint: the documented fields that concern SQL."""

    name: Name
    type: Literal["sql"]
    description: Text = ""
    reserved_resource: ReservedResource = ReservedResource()
    config: Config = {}


class UpdateEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The body of UpdateEndpoint; what is not given stays."""

    name: Name | None = None
    description: Text | None = None
    reserved_resource: ReservedResource = ReservedResource()
    config: Config | None = None


class EndpointConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the service understands of an endpoint's ``config``."""

    engine: Annotated[str, Meta(pattern=rf"^[a-z][a-z0-9_-]{{0,31}}{END}")] = "duckdb"
    max_sessions: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    max_statements: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    paused: bool = False


class EndpointType(StrEnum):
    """The documented types of endpoints."""

    SERVICE = "service"
    RAY = "ray"
    INFERENCE = "inference"
    JOB = "job"
    RAY_SERVICE = "ray_service"
    SQL = "sql"
    CONTAINER_JOB = "container_job"
    NOTEBOOK = "notebook"


class Visibility(StrEnum):
    """Who can see an endpoint."""

    PRIVATE = "PRIVATE"
    PUBLIC = "PUBLIC"
    ALL = "ALL"


UserName = Annotated[str, Meta(min_length=1, max_length=256, description="The name of its user.")]


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """Which slice of a list."""

    limit: Limit = 10
    offset: Offset = 0


class WorkspacesQuery(Paging, frozen=True, kw_only=True):
    """The filters of ListWorkspaces."""

    name: NamePart | None = None
    id: AnyId | None = None
    enterprise_project_id: Annotated[
        str, Meta(pattern=rf"^[A-Za-z0-9_-]{{1,64}}{END}", description="`all_granted_eps` stands for any.")
    ] = ALL_ENTERPRISE_PROJECTS


class EndpointsQuery(Paging, frozen=True, kw_only=True):
    """The filters of ListEndpoints."""

    name: NamePart | None = None
    endpoint_id: AnyId | None = None
    type: EndpointType | None = None
    visibility: Visibility = Visibility.ALL


class SessionsQuery(Paging, frozen=True, kw_only=True):
    """The filters of ListSqlSessions."""

    endpoint_id: AnyId | None = None
    status: SessionStatus | None = None
    session_id: AnyId | None = None
    start_time: Moment | None = None
    end_time: Moment | None = None
    user_name: UserName | None = None


class ResultQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query parameters of ShowSqlStatementResult.

    ``documented_pages`` is the largest documented page number; results of more pages have them under larger numbers.
    """

    documented_pages: ClassVar[int] = 65_535

    page_num: Annotated[
        int,
        Meta(ge=1, le=2_147_483_647, description="The page of the result.", extra_json_schema={DOCUMENTED: 65_535}),
    ] = 1
    is_enable_obs_path: Annotated[bool, Meta(description="The place of the result files instead of rows.")] = False
    wait: Annotated[
        int,
        Meta(ge=0, le=3_600, description="Seconds to wait for the end of the statement; `max_wait` (60) at most."),
    ] = 0


class CancelQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of CancelSqlStatement."""

    before_submit: Annotated[
        bool,
        Meta(
            description=(
                "The cancel may come before the submit under that id: then 200, and the submit is born cancelled. "
                "Also as header `X-Cancel-Before-Submit`."
            )
        ),
    ] = False


class SessionRecordsQuery(Paging, frozen=True, kw_only=True):
    """The filters of ListSessionStatementRecords."""

    statement_id: StatementId | None = None
    status: RecordStatus | None = None
    tag: Tag | None = None
    user_name: UserName | None = None


class RecordsQuery(Paging, frozen=True, kw_only=True):
    """The filters of ListStatementRecords."""

    endpoint_id: AnyId | None = None
    statement_id: StatementId | None = None
    source: Annotated[int, Meta(ge=0, le=1, description="0 API, 1 console.")] | None = None
    start_time: Moment | None = None
    end_time: Moment | None = None
    status: RecordStatus | None = None
    tag: Tag | None = None
    user_name: UserName | None = None
