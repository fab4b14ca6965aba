"""What the verbs take and give back: values the HTTP layer turns into JSON and nothing else."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from treadle.model.columns import Column
from treadle.model.entities import DEFAULT_PRIORITY, Label
from treadle.model.states import CancelOutcome, PartStatus, RecordStatus, Rung, SessionStatus


class NewWorkspace(msgspec.Struct, frozen=True, kw_only=True):
    """What a workspace is made from."""

    name: str
    description: str = ""
    metastore_id: str = "default"
    enterprise_project_id: str = "0"
    tags: tuple[Label, ...] = ()


class Dpu(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint reserves: the specification of each worker, how many stand ready, statements at once."""

    spec_code: str
    warm_up_num: int = 0
    max_num: int | None = None


class NewEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint is made from; a limit of None is the service's default."""

    name: str
    type: str = "sql"
    engine: str = "duckdb"
    description: str = ""
    max_sessions: int | None = None
    max_statements: int | None = None
    config: dict[str, object] = {}
    dpu: Dpu | None = None


class EndpointChange(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint is changed to; what is None stays."""

    name: str | None = None
    description: str | None = None
    config: dict[str, object] | None = None
    dpu: Dpu | None = None


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is made from. ``wait_timeout`` in seconds makes the creation asynchronous.

    The endpoint is told by its id or, else, its name. Without an instance the catalog is the one of its
    name in the workspace's own metastore or, else, in the one every workspace has. ``cpu`` is in
    millicores and ``memory`` in MiB, None as the endpoint is set.
    """

    endpoint_id: str | None = None
    endpoint_name: str = ""
    instance_id: str | None = None
    catalog: str
    wait_timeout: int | None = None
    max_retry_times: int = 0
    priority: int = DEFAULT_PRIORITY
    cpu: int | None = None
    memory: int | None = None

    @property
    def endpoint_field(self) -> str:
        """The field of the request that tells the endpoint."""
        return "endpoint_name" if self.endpoint_id is None else "endpoint_id"

    @property
    def catalog_field(self) -> str:
        """The field of the request that tells the catalog."""
        return "catalog_context.catalog_name" if self.instance_id is None else "lake_formation_config.catalog"


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session as lists and show have it."""

    session_id: str
    status: SessionStatus
    create_time: datetime
    endpoint_id: str
    endpoint_name: str
    user_name: str
    message: str = ""


class OnDisconnect(StrEnum):
    """What becomes of a statement whose caller leaves while it waits for the result."""

    CONTINUE = "continue"
    CANCEL = "cancel"


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as it is submitted. ``bindings`` are sets of parameter values.

    ``statement_id`` is an id of the client's own choice. ``keepalive`` is the seconds within which
    somebody must ask for the statement again and again, else it is cancelled. ``on_disconnect`` None
    is as the service is set. ``idempotency_key`` makes the submit safe to repeat. ``wait_timeout`` is
    the seconds it may wait for its start; ``name``, ``type`` and ``max_retry_times`` are kept.
    """

    session_id: str
    statement: str
    limit: int | None = None
    bindings: tuple[tuple[str | None, ...], ...] = ()
    is_sync: bool = True
    is_maintain_statement: bool = False
    fetch_mode: str = "DEFAULT"
    source: int = 0
    statement_id: str | None = None
    tags: tuple[str, ...] = ()
    keepalive: float | None = None
    on_disconnect: OnDisconnect | None = None
    idempotency_key: str | None = None
    name: str | None = None
    type: str = "SQL"
    wait_timeout: int | None = None
    max_retry_times: int | None = None


LEFT_OUT: Final = "the rows are left out"
"""How the message of a part begins that has rows and does not show them."""


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where the Arrow files of a result are, instead of its rows."""

    endpoint: str
    bucket: str
    prefix: str


class PartView(msgspec.Struct, frozen=True, kw_only=True):
    """One StatementResult. ``rows`` is the finished JSON array of the page's rows."""

    statement_id: str
    status: PartStatus
    num_rows: int = 0
    row_count: int = 0
    page_no: int = 1
    page_count: int = 0
    err_code: str = "0"
    sql_state: str = "00000"
    message: str = ""
    position: int | None = None
    columns: tuple[Column, ...] = ()
    rows: bytes | memoryview = b"[]"
    location: Location | None = None

    def without_rows(self, why: str) -> "PartView":
        """The same without its rows; a part that shows none stays as it is."""
        if not self.row_count:
            return self
        return replace(self, rows=b"[]", row_count=0, message=f"{LEFT_OUT}: {why}")


class StatementView(msgspec.Struct, frozen=True, kw_only=True):
    """One StatementResponse; ``results`` is None while there is nothing to show, ``progress`` is the
    percent done while it runs and that is known.
    """

    status: int
    session_id: str
    statement_id: str
    state: RecordStatus
    results: tuple[PartView, ...] | None = None
    progress: float | None = None

    def without_rows(self, why: str) -> "StatementView":
        """The same without the rows, for a caller that cannot be given them now."""
        return replace(self, results=tuple(part.without_rows(why) for part in self.results or ()))


class CancelReport(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of a cancel, for the headers. Times in milliseconds."""

    state: RecordStatus
    outcome: CancelOutcome
    rung: Rung | None = None
    millis: float = 0.0


class CancelFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which statements of a workspace to cancel: those that match every field given.

    Without ``statement_ids`` those that have not ended; ``tags`` are tags a statement must have, all of them.
    """

    statement_ids: tuple[str, ...] | None = None
    session_id: str | None = None
    endpoint_id: str | None = None
    tags: tuple[str, ...] = ()
    user_name: str | None = None
    status: RecordStatus | None = None
    submitted_before: datetime | None = None


class CancelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one statement of a bulk cancel; one that was not found has no session and no state."""

    statement_id: str
    outcome: CancelOutcome
    session_id: str | None = None
    state: RecordStatus | None = None
    rung: Rung | None = None
    millis: float = 0.0
