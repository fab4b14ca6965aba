"""Request bodies and query parameters of version 2, where they differ from those of version 1."""

from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from treadle.api import bodies
from treadle.api.fields import CODE, END, AnyId, CatalogName, Limit, Marker, StatementId
from treadle.model.entities import DEFAULT_PRIORITY
from treadle.model.states import RecordStatus, SessionStatus

EndpointName = Annotated[str, Meta(min_length=1, max_length=128, description="The name of an endpoint.")]
Seconds = Annotated[
    int, Meta(ge=1, le=2_147_483_647, description="Seconds since 1970-01-01T00:00:00Z: the bound of the creation.")
]
Patience = Annotated[int, Meta(ge=300, le=86_400, description="Seconds to wait in the queue at most.")]
StatementName = Annotated[
    str,
    Meta(
        pattern=rf"^[A-Za-z0-9_\u4e00-\u9fff-]{{1,64}}{END}",
        description="1-64 letters, digits, Chinese characters, hyphens and underscores.",
    ),
]


class CatalogContext(msgspec.Struct, frozen=True, kw_only=True):
    """Which catalog a session works on."""

    catalog_name: CatalogName


class CreateAuraSession(msgspec.Struct, frozen=True, kw_only=True):
    """The body of CreateAuraSqlSession."""

    endpoint_name: EndpointName
    catalog_context: CatalogContext
    agency_name: Annotated[str, Meta(max_length=256, description="Taken and not used: there are no agencies.")] = ""
    wait_timeout: (
        Annotated[
            int,
            Meta(
                ge=300,
                le=86_400,
                description="Seconds to wait for a free slot. Given: the session is created asynchronously.",
            ),
        ]
        | None
    ) = None
    max_retry_times: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=2_147_483_647,
                description="How often an opening that failed is tried again, while it may wait.",
            ),
        ]
        | None
    ) = None
    priority: Annotated[
        int,
        Meta(
            ge=1, le=9, description="Whose sessions and statements get a free slot of the endpoint first; 9 is first."
        ),
    ] = DEFAULT_PRIORITY
    cpu: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=48_000,
                description="Thousandths of an engine thread, rounded up; without it as the endpoint is set.",
                extra_json_schema={CODE: "INVALID_PARAMETER"},
            ),
        ]
        | None
    ) = None
    memory: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=393_216,
                description="MiB of memory, 128 at least; without it as the endpoint is set.",
                extra_json_schema={CODE: "INVALID_PARAMETER"},
            ),
        ]
        | None
    ) = None


class StatementType(StrEnum):
    """What a statement is said to be; both are treated alike."""

    SQL = "SQL"
    JOB = "JOB"


class ExecuteAuraStatement(bodies.ExecuteStatement, frozen=True, kw_only=True):
    """The body of ExecuteAuraSqlStatement: that of version 1 within narrower bounds, and more."""

    statement: Annotated[
        str, Meta(min_length=1, max_length=10_000_000, description="One SQL statement, or several separated by `;`.")
    ]
    bindings: Annotated[
        tuple[Annotated[tuple[Annotated[str, Meta(max_length=500)] | None, ...], Meta(max_length=200)], ...],
        Meta(max_length=1, description="The parameter values."),
    ] = ()
    wait_timeout: Patience | None = None
    max_retry_times: (
        Annotated[int, Meta(ge=1, le=6_000, description="Kept: a statement that could not start was never tried.")]
        | None
    ) = None
    statement_type: StatementType = StatementType.SQL
    statement_name: StatementName | None = None


class AuraResultQuery(bodies.ResultQuery, frozen=True, kw_only=True):
    """The parameters of ShowAuraSqlStatementResult."""

    documented_pages: ClassVar[int] = 2_147_483_647

    page_num: Annotated[int, Meta(ge=1, le=2_147_483_647, description="The page of the result.")] = 1


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """Which slice of a list."""

    limit: Limit = 10
    marker: Marker = ""


class AuraSessionsQuery(Marked, frozen=True, kw_only=True):
    """The filters of ListAuraSqlSessions."""

    endpoint_name: EndpointName | None = None
    endpoint_id: AnyId | None = None
    session_id: AnyId | None = None
    status: SessionStatus | None = None
    start_time: Seconds | None = None
    end_time: Seconds | None = None
    user_name: bodies.UserName | None = None


class AuraSessionRecordsQuery(Marked, frozen=True, kw_only=True):
    """The filters of ListAuraSessionStatementRecords."""

    statement_id: StatementId | None = None
    status: RecordStatus | None = None
    user_name: bodies.UserName | None = None


class AuraRecordsQuery(Marked, frozen=True, kw_only=True):
    """The filters of ListAuraStatementRecords."""

    endpoint_name: EndpointName | None = None
    endpoint_id: AnyId | None = None
    session_id: AnyId | None = None
    statement_id: StatementId | None = None
    statement_name: StatementName | None = None
    source: Annotated[int, Meta(ge=0, le=1, description="0 API, 1 console.")] | None = None
    status: RecordStatus | None = None
    start_time: Seconds | None = None
    end_time: Seconds | None = None
    user_name: bodies.UserName | None = None
