"""What the HTTP layer asks of the service: one method a verb.

Every method but those of `Callers` that find him out, and `Verbs.ready`, takes the caller first, and raises the
`treadle.model.errors.RequestError` that says what is wrong with the request.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from treadle.model.entities import Endpoint, Principal, Statement, Workspace
from treadle.model.identity import Project, TokenHolder
from treadle.model.states import RecordStatus, SessionStatus
from treadle.service.delivery import Delivery
from treadle.service.deps import Leaving
from treadle.service.logins import Login
from treadle.service.profiles import OperatorMetrics, QueryMetrics
from treadle.service.signatures import Signed
from treadle.service.views import (
    CancelEntry,
    CancelFilter,
    CancelReport,
    EndpointChange,
    NewEndpoint,
    NewSession,
    NewWorkspace,
    SessionView,
    StatementView,
    Submission,
)


class Callers(Protocol):
    """Who is calling, and what a caller may ask about himself."""

    async def authenticate(self, token: str | None) -> Principal:
        """Who holds the token; raises `Unauthorized`."""

    def knows(self, token: str | None) -> bool:
        """Whether nothing has to be found out about the token but whether it is still good."""

    def knows_key(self, access: str) -> bool:
        """The same of an access key."""

    def check_claim(self, access: str, at: datetime) -> None:
        """What of a signature can be refused before the body is there; raises `Unauthorized`."""

    async def digest(self, body: bytes) -> bytes:
        """The SHA-256 of a body whose sender is not known yet."""

    async def authenticate_signature(self, signed: Signed) -> Principal:
        """Who signed the request; raises `Unauthorized`, and `Forbidden` for a project he has nothing in."""

    async def log_in(self, login: Login) -> tuple[str, TokenHolder]:
        """A token for a name and a password, and what it stands for; raises `LoginRefused`."""

    async def show_token(self, p: Principal, token: str | None) -> TokenHolder:
        """What a token of the caller's own stands for."""

    async def drop_token(self, p: Principal, token: str | None) -> None:
        """End a token of the caller's own."""

    async def my_projects(self, p: Principal) -> Sequence[Project]:
        """The projects in which the caller may do something."""


class Verbs(Callers, Protocol):
    """The verbs of the service. Lists answer (how many match, one page of them)."""

    async def ready(self) -> None:
        """Return when requests can be served; raises `Unavailable` with the reason."""

    async def create_workspace(self, p: Principal, new: NewWorkspace) -> Workspace:
        """Make a workspace."""

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
        """The caller's workspaces; ``name`` is a part of the name."""

    async def update_workspace(
        self, p: Principal, workspace_id: str, *, name: str | None, description: str | None, metastore_id: str | None
    ) -> Workspace:
        """Change what is given."""

    async def delete_workspace(self, p: Principal, workspace_id: str) -> None:
        """Delete an empty workspace."""

    async def create_endpoint(self, p: Principal, workspace_id: str, new: NewEndpoint) -> Endpoint:
        """Make an endpoint."""

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
        """The endpoints of a workspace; ``name`` is a part of the name."""

    async def show_endpoint(self, p: Principal, workspace_id: str, endpoint_id: str) -> Endpoint:
        """One endpoint."""

    async def update_endpoint(
        self, p: Principal, workspace_id: str, endpoint_id: str, change: EndpointChange
    ) -> Endpoint:
        """Change what is given; new limits hold for what starts next."""

    async def delete_endpoint(self, p: Principal, workspace_id: str, endpoint_id: str) -> None:
        """Delete an endpoint; its sessions are closed and what runs on it is stopped."""

    async def create_session(
        self,
        p: Principal,
        workspace_id: str,
        new: NewSession,
        leaving: Leaving | None = None,
        delivery: Delivery | None = None,
    ) -> SessionView:
        """Open a session; without ``wait_timeout`` wait until it runs. It is kept only if the answer is delivered."""

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
        """The sessions of a workspace, with a ``marker`` those that come after the session of that id."""

    async def show_session(self, p: Principal, workspace_id: str, session_id: str) -> SessionView:
        """One session."""

    async def close_session(self, p: Principal, workspace_id: str, session_id: str) -> None:
        """Close a session and stop what runs in it."""

    async def execute(
        self,
        p: Principal,
        workspace_id: str,
        submission: Submission,
        leaving: Leaving | None = None,
        delivery: Delivery | None = None,
    ) -> StatementView:
        """Submit a statement; ``leaving`` raises when the caller has left, and so does the verb where that matters."""

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
        """The state of a statement and one page of its result, or with ``locate`` where its files are.

        ``wait`` is how many seconds its end is waited for.
        """

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
        """Return when the statement has stopped; with ``before_submit`` the statement may not exist yet.

        ``words`` are the caller's reason, here and below.
        """

    async def cancel_statements(
        self, p: Principal, workspace_id: str, where: CancelFilter, *, dry_run: bool, words: str | None = None
    ) -> Sequence[CancelEntry]:
        """Return when every statement that matches and was submitted so far has stopped."""

    async def cancel_session_statements(
        self, p: Principal, workspace_id: str, session_id: str, *, words: str | None = None
    ) -> CancelReport:
        """Return when every statement of the session submitted so far has stopped."""

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
        """The history of a session; with a ``marker`` as `records`."""

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
        """The history of a workspace.

        With a ``marker`` (empty at the beginning of the list) what comes after the statement the API
        shows under that id, and nothing is counted.
        """

    async def query_metrics(
        self, p: Principal, workspace_id: str, session_id: str, statement_id: str
    ) -> Sequence[QueryMetrics]:
        """What a statement took, an entry a part of a script."""

    async def operator_metrics(
        self, p: Principal, workspace_id: str, session_id: str, statement_id: str
    ) -> Sequence[OperatorMetrics]:
        """What the operators of a statement did, an entry a part of a script."""
