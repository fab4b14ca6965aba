"""A small in-memory service with fixed behaviour, for tests of the HTTP room alone.

It knows one workspace ``w1``, one endpoint ``e1``, one session ``s1`` and one statement ``t1``; every
other id is unknown. What was asked of it is kept in ``asked``.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tests.api.callers import CallersTwin
from tests.api.metering import MeteringTwin
from treadle.model.access import BUILT_IN
from treadle.model.columns import Column
from treadle.model.entities import (
    CancelIntent,
    Ending,
    Endpoint,
    Part,
    Principal,
    Statement,
    Workspace,
)
from treadle.model.errors import Forbidden, NotFound, RequestError, Unauthorized
from treadle.model.states import (
    CancelOutcome,
    Effects,
    PartStatus,
    Reason,
    RecordStatus,
    Rung,
    SessionStatus,
    StatementState,
)
from treadle.service.delivery import Delivery
from treadle.service.deps import Leaving
from treadle.service.views import (
    CancelEntry,
    CancelFilter,
    CancelReport,
    EndpointChange,
    Location,
    NewEndpoint,
    NewSession,
    NewWorkspace,
    PartView,
    SessionView,
    StatementView,
    Submission,
)

NOON = datetime(2026, 7, 13, 12, 0, 0, 125_000, UTC)
LATER = datetime(2026, 7, 13, 12, 0, 1, 625_000, UTC)

OPERATOR = Principal(project_id="p1", project_name="demo", user_id="u1", user_name="ada")
VIEWER = Principal(project_id="p1", project_name="demo", user_id="u2", user_name="eve", policies=(BUILT_IN["viewer"],))
TOKENS = {"operator-token": OPERATOR, "viewer-token": VIEWER}

SESSION = SessionView(
    session_id="s1",
    status=SessionStatus.RUNNING,
    create_time=NOON,
    endpoint_id="e1",
    endpoint_name="duck",
    user_name="ada",
)
COLUMN = Column(name="n", type=23, size=4, column_id=1, engine_type="INTEGER")
ROWS = PartView(
    statement_id="t1",
    status=PartStatus.TUPLES_OK,
    num_rows=2,
    row_count=2,
    page_count=1,
    columns=(COLUMN,),
    rows=b'[["1"],[null]]',
)
DONE = StatementView(status=0, session_id="s1", statement_id="t1", state=RecordStatus.SUCCESSFUL, results=(ROWS,))
RUNNING = StatementView(status=1, session_id="s1", statement_id="t1", state=RecordStatus.RUNNING)
CANCELLED = Statement(
    id="t1",
    workspace_id="w1",
    endpoint_id="e1",
    session_id="s1",
    content="SELECT 1; SELECT 2",
    created_at=NOON,
    state=StatementState.CANCELLED,
    database_name="main",
    user_name="ada",
    started_at=NOON,
    cancel=CancelIntent(requested_at=NOON, reason=Reason.USER, actor="ada"),
    ending=Ending(
        state=StatementState.CANCELLED,
        finished_at=LATER,
        effects=Effects.PARTIAL,
        reason=Reason.USER,
        actor="ada",
        rung=Rung.INTERRUPTED,
        cancel_millis=3.5,
    ),
    parts=(
        Part(number=1, status=PartStatus.TUPLES_OK, rows=1),
        Part(
            number=2,
            status=PartStatus.FATAL_ERROR,
            sql_state="57014",
            message="canceling statement due to user request",
        ),
    ),
)
QUEUED = Statement(
    id="t2", workspace_id="w1", endpoint_id="e1", session_id="s1", content="SELECT 3", created_at=NOON, user_name="ada"
)


class Twin(CallersTwin, MeteringTwin):
    """The verbs, without an engine behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, Any]] = []
        self.view = DONE
        self.report = CancelReport(
            state=RecordStatus.CANCELED, outcome=CancelOutcome.CANCELLED, rung=Rung.INTERRUPTED, millis=12.34
        )
        self.entries: Sequence[CancelEntry] = ()
        self.leaving: Leaving | None = None
        self.delivered: list[bool] = []
        self.failure: Exception | None = None
        self.unready: RequestError | None = None
        self.gate: asyncio.Event | None = None
        self.found = 1

    async def _ask(self, p: Principal, verb: str, arguments: Any, *ids: str) -> None:
        self.asked.append((verb, arguments))
        if self.gate:
            await self.gate.wait()
        if self.failure:
            raise self.failure
        if p == VIEWER and not verb.startswith(("list", "show", "records", "session_records")):
            raise Forbidden
        if set(ids) - {"w1", "e1", "s1", "t1"}:
            raise NotFound

    async def authenticate(self, token: str | None) -> Principal:
        if token not in TOKENS:
            raise Unauthorized
        return TOKENS[token]

    async def ready(self) -> None:
        if self.unready:
            raise self.unready

    async def create_workspace(self, p: Principal, new: NewWorkspace) -> Workspace:
        await self._ask(p, "create_workspace", new)
        return Workspace(id="w1", project_id="p1", name=new.name, created_at=NOON, create_user_name=p.user_name)

    async def list_workspaces(
        self,
        p: Principal,
        *,
        name: str | None,
        workspace_id: str | None,
        limit: int,
        offset: int,
        enterprise_project_id: str | None = None,
    ) -> tuple[int, Sequence[Workspace]]:
        await self._ask(p, "list_workspaces", (name, workspace_id, limit, offset, enterprise_project_id))
        return 7, [Workspace(id="w1", project_id="p1", name="analytics", created_at=NOON)]

    async def update_workspace(
        self, p: Principal, workspace_id: str, *, name: str | None, description: str | None, metastore_id: str | None
    ) -> Workspace:
        await self._ask(p, "update_workspace", (name, description, metastore_id), workspace_id)
        return Workspace(id="w1", project_id="p1", name=name or "analytics", created_at=NOON)

    async def delete_workspace(self, p: Principal, workspace_id: str) -> None:
        await self._ask(p, "delete_workspace", None, workspace_id)

    async def create_endpoint(self, p: Principal, workspace_id: str, new: NewEndpoint) -> Endpoint:
        await self._ask(p, "create_endpoint", new, workspace_id)
        return _endpoint(new.name)

    async def list_endpoints(
        self,
        p: Principal,
        workspace_id: str,
        *,
        name: str | None,
        endpoint_id: str | None,
        type: str | None,
        limit: int,
        offset: int,
        public: bool | None = None,
    ) -> tuple[int, Sequence[Endpoint]]:
        await self._ask(p, "list_endpoints", (name, endpoint_id, type, limit, offset, public), workspace_id)
        return 1, [_endpoint("duck")]

    async def update_endpoint(
        self, p: Principal, workspace_id: str, endpoint_id: str, change: EndpointChange
    ) -> Endpoint:
        await self._ask(p, "update_endpoint", change, workspace_id, endpoint_id)
        return _endpoint(change.name or "duck")

    async def show_endpoint(self, p: Principal, workspace_id: str, endpoint_id: str) -> Endpoint:
        await self._ask(p, "show_endpoint", None, workspace_id, endpoint_id)
        return _endpoint("duck")

    async def delete_endpoint(self, p: Principal, workspace_id: str, endpoint_id: str) -> None:
        await self._ask(p, "delete_endpoint", None, workspace_id, endpoint_id)

    async def create_session(
        self,
        p: Principal,
        workspace_id: str,
        new: NewSession,
        leaving: Leaving | None = None,
        delivery: Delivery | None = None,
    ) -> SessionView:
        await self._ask(p, "create_session", new, workspace_id)
        if delivery is not None:
            delivery(self.delivered.append)
        return SESSION

    async def list_sessions(
        self,
        p: Principal,
        workspace_id: str,
        *,
        endpoint_id: str | None,
        session_id: str | None,
        status: SessionStatus | None,
        start_time: datetime | None,
        end_time: datetime | None,
        limit: int,
        offset: int,
        endpoint_name: str | None = None,
        user_name: str | None = None,
        marker: str | None = None,
    ) -> tuple[int, Sequence[SessionView]]:
        filters: tuple[object, ...] = (endpoint_id, session_id, status, start_time, end_time, limit, offset)
        if marker is not None:
            filters += (endpoint_name, marker)
        await self._ask(p, "list_sessions", filters, workspace_id)
        return 1, [SESSION] * self.found

    async def show_session(self, p: Principal, workspace_id: str, session_id: str) -> SessionView:
        await self._ask(p, "show_session", None, workspace_id, session_id)
        return SESSION

    async def close_session(self, p: Principal, workspace_id: str, session_id: str) -> None:
        await self._ask(p, "close_session", None, workspace_id, session_id)

    async def execute(
        self,
        p: Principal,
        workspace_id: str,
        submission: Submission,
        leaving: Leaving | None = None,
        delivery: Delivery | None = None,
    ) -> StatementView:
        self.leaving = leaving
        await self._ask(p, "execute", submission, workspace_id, submission.session_id)
        return self.view

    async def show_result(
        self,
        p: Principal,
        workspace_id: str,
        session_id: str,
        statement_id: str,
        *,
        page_num: int,
        locate: bool,
        wait: float = 0.0,
        leaving: Leaving | None = None,
    ) -> StatementView:
        asked = (page_num, locate, wait) if wait else (page_num, locate)
        await self._ask(p, "show_result", asked, workspace_id, session_id, statement_id)
        return self.view

    async def cancel(
        self,
        p: Principal,
        workspace_id: str,
        session_id: str,
        statement_id: str,
        *,
        before_submit: bool = False,
        words: str | None = None,
    ) -> CancelReport:
        await self._ask(p, "cancel", words or before_submit or None, workspace_id, session_id, statement_id)
        return self.report

    async def cancel_statements(
        self, p: Principal, workspace_id: str, where: CancelFilter, *, dry_run: bool, words: str | None = None
    ) -> Sequence[CancelEntry]:
        await self._ask(p, "cancel_statements", (where, dry_run, words) if words else (where, dry_run), workspace_id)
        return self.entries

    async def cancel_session_statements(
        self, p: Principal, workspace_id: str, session_id: str, *, words: str | None = None
    ) -> CancelReport:
        await self._ask(p, "cancel_session_statements", words, workspace_id, session_id)
        return self.report

    async def session_records(
        self,
        p: Principal,
        workspace_id: str,
        session_id: str,
        *,
        statement_id: str | None,
        status: RecordStatus | None,
        tag: str | None,
        limit: int,
        offset: int,
        user_name: str | None = None,
        marker: str | None = None,
    ) -> tuple[int, Sequence[Statement]]:
        filters: tuple[object, ...] = (statement_id, status, tag, limit, offset)
        await self._ask(p, "session_records", filters + _given(marker), workspace_id, session_id)
        return 2, [QUEUED, CANCELLED]

    async def records(
        self,
        p: Principal,
        workspace_id: str,
        *,
        endpoint_id: str | None,
        statement_id: str | None,
        source: int | None,
        status: RecordStatus | None,
        start_time: datetime | None,
        end_time: datetime | None,
        tag: str | None,
        limit: int,
        offset: int,
        session_id: str | None = None,
        endpoint_name: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        statement_name: str | None = None,
        user_name: str | None = None,
        marker: str | None = None,
    ) -> tuple[int, Sequence[Statement]]:
        filters: tuple[object, ...] = (
            endpoint_id,
            statement_id,
            source,
            status,
            start_time,
            end_time,
            tag,
            limit,
            offset,
        )
        more = _given(session_id, endpoint_name, created_from, created_to, statement_name, marker)
        await self._ask(p, "records", filters + more, workspace_id)
        return 2, [QUEUED, CANCELLED]


LOCATED = StatementView(
    status=0,
    session_id="s1",
    statement_id="t1",
    state=RecordStatus.SUCCESSFUL,
    results=(
        PartView(
            statement_id="t1",
            status=PartStatus.TUPLES_OK,
            num_rows=2,
            columns=(COLUMN,),
            location=Location(endpoint="file://", bucket="results", prefix="t1/"),
        ),
    ),
)


def _given(*values: object) -> tuple[object, ...]:
    """What was said beyond version 1, if anything was."""
    return values if any(value is not None for value in values) else ()


def _endpoint(name: str) -> Endpoint:
    return Endpoint(
        id="e1",
        workspace_id="w1",
        name=name,
        created_at=NOON,
        updated_at=LATER,
        max_sessions=100,
        max_statements=100,
        owner_user_name="ada",
        config={"threads": 2},
    )
