"""What the verbs take and give back: values the HTTP layer turns into JSON and nothing else."""

from datetime import datetime

import msgspec

from treadle.model.columns import Column
from treadle.model.states import CancelOutcome, PartStatus, RecordStatus, Rung, SessionStatus


class NewWorkspace(msgspec.Struct, frozen=True, kw_only=True):
    """What a workspace is made from."""

    name: str
    description: str = ""
    metastore_id: str = "default"
    enterprise_project_id: str = "0"


class NewEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint is made from; a limit of None is the service's default."""

    name: str
    type: str = "sql"
    engine: str = "duckdb"
    description: str = ""
    max_sessions: int | None = None
    max_statements: int | None = None
    config: dict[str, object] = {}
    reserved_resource: dict[str, object] = {}


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is made from. ``wait_timeout`` in seconds makes the creation asynchronous."""

    endpoint_id: str
    instance_id: str
    catalog: str
    wait_timeout: int | None = None


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session as lists and show have it."""

    session_id: str
    status: SessionStatus
    create_time: datetime
    endpoint_id: str
    endpoint_name: str
    message: str = ""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as it is submitted. ``bindings`` are the parameter values of the first set."""

    session_id: str
    statement: str
    limit: int | None = None
    bindings: tuple[tuple[str | None, ...], ...] = ()
    is_sync: bool = True
    is_maintain_statement: bool = False
    fetch_mode: str = "DEFAULT"
    source: int = 0


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
    columns: tuple[Column, ...] = ()
    rows: bytes = b"[]"
    location: Location | None = None


class StatementView(msgspec.Struct, frozen=True, kw_only=True):
    """One StatementResponse; ``results`` is None while there is nothing to show."""

    status: int
    session_id: str
    statement_id: str
    state: RecordStatus
    results: tuple[PartView, ...] | None = None


class CancelReport(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of a cancel, for the headers. Times in milliseconds."""

    state: RecordStatus
    outcome: CancelOutcome
    rung: Rung | None = None
    millis: float = 0.0
