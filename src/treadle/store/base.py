"""The seam of the store: what is remembered, and the compare-and-sets that change it.

Two implementations keep this contract, `treadle.store.postgres` and `treadle.store.memory`, and one
suite of tests runs over both. Every method that changes a state returns the row it changed, or
None: "no row" is an answer, not an accident. Times come in as arguments; the store has no clock.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from treadle.model.audit import By, Entry, Event
from treadle.model.entities import (
    CancelIntent,
    Catalog,
    CommitPoint,
    Ending,
    Endpoint,
    Part,
    Session,
    SessionEnd,
    Statement,
    Workspace,
)
from treadle.model.states import Reason, SessionStatus, StatementState
from treadle.store.directory import Directory
from treadle.store.filters import (
    AuditFilter,
    EndpointFilter,
    Page,
    RecordFilter,
    Scope,
    SessionFilter,
    WorkspaceFilter,
)


class Asked(msgspec.Struct, frozen=True):
    """A statement that was asked to stop: its state before, and the statement after, without its texts."""

    before: StatementState
    statement: Statement


class Lease(msgspec.Struct, frozen=True):
    """An unfinished statement that somebody must keep asking for, ``keepalive`` seconds apart at most."""

    statement_id: str
    session_id: str
    keepalive: float
    until: datetime


class Patience(msgspec.Struct, frozen=True):
    """A queued statement that may wait ``seconds`` for its start."""

    statement_id: str
    session_id: str
    since: datetime
    seconds: float


class DueResult(msgspec.Struct, frozen=True):
    """A statement whose result's time is over."""

    statement_id: str
    workspace_id: str


class CatalogName(msgspec.Struct, frozen=True):
    """How a catalog is found."""

    workspace_id: str
    instance_id: str
    name: str


class Wake(msgspec.Struct, frozen=True, kw_only=True):
    """A notice of a change that the owner should look at. Wakes are for speed; polling is decisive.

    With a statement and an intent: a cancel was requested. With a statement alone: it was submitted. With a session
    alone: it is new, or should close. With a catalog: maintenance is requested. With ``directory``: users' rights have
    changed.
    """

    session_id: str = ""
    catalog: CatalogName | None = None
    statement_id: str | None = None
    intent: CancelIntent | None = None
    directory: bool = False


class Finish(msgspec.Struct, frozen=True):
    """A final state has been written; ``cancel`` is the intent that was beside the state then."""

    cancel: CancelIntent | None


class Store(Directory, Protocol):
    """What must be remembered."""

    # -- workspaces, endpoints, catalogs ----------------------------------------------------
    async def add_workspace(self, workspace: Workspace, quota: int = 0) -> bool:
        """Add it; False when the project has a workspace of that name.

        Raises `BadRequest` for NUL, and `QuotaReached` when the project has ``quota`` workspaces already; 0 is any
        number.
        """

    async def change_workspace(
        self, workspace_id: str, *, name: str | None, description: str | None, metastore_id: str | None
    ) -> Workspace | None:
        """Change what is given; None when there is no such workspace. Raises `DuplicateName`."""

    async def workspace(self, workspace_id: str, project_id: str | None) -> Workspace | None:
        """The workspace, if it belongs to the project (None: to any, for operators)."""

    async def workspaces(
        self, project_id: str | None, where: WorkspaceFilter, page: Page
    ) -> tuple[int, Sequence[Workspace]]:
        """How many match, and one page of them, newest first."""

    async def drop_workspace(self, workspace_id: str) -> bool:
        """Delete a workspace that has no endpoints, with its catalogs; its records stay for their time."""

    async def add_endpoint(self, endpoint: Endpoint) -> bool:
        """Add it; False when the workspace has an endpoint of that name, or is gone."""

    async def endpoint(self, workspace_id: str, endpoint_id: str) -> Endpoint | None:
        """The endpoint, if it is in the workspace."""

    async def endpoint_named(self, workspace_id: str, name: str) -> Endpoint | None:
        """The endpoint of that name in the workspace."""

    async def endpoints_of(self, ids: Sequence[str]) -> Sequence[Endpoint]:
        """The endpoints of those ids, in no order."""

    async def change_endpoint(self, endpoint: Endpoint, since: datetime) -> bool:
        """Write it as it is now; False when it is gone or was changed ``since``. Raises `DuplicateName`."""

    async def endpoints(self, workspace_id: str, where: EndpointFilter, page: Page) -> tuple[int, Sequence[Endpoint]]:
        """How many match, and one page of them, newest first."""

    async def drop_endpoint(self, workspace_id: str, endpoint_id: str) -> bool:
        """Delete an endpoint; its sessions must have ended."""

    async def add_catalog(self, catalog: Catalog) -> bool:
        """Add it; False when the workspace has that name in that instance, or is gone."""

    async def catalog(self, workspace_id: str, instance_id: str, name: str) -> Catalog | None:
        """The catalog of that name in the metastore instance of the workspace."""

    async def catalogs(self, workspace_id: str) -> Sequence[Catalog]:
        """All catalogs of a workspace, by instance and name."""

    async def drop_catalog(self, catalog_id: str) -> bool:
        """Forget a catalog."""

    # -- sessions ---------------------------------------------------------------------------
    async def add_session(self, session: Session) -> None:
        """Remember a new session in ``CREATING``; raises `NotFound` unless its endpoint is there and runs."""

    async def answered(self, session_id: str) -> None:
        """Mark the session as answered: it stays open even if this gateway ends."""

    async def session(self, workspace_id: str | None, session_id: str, project_id: str | None = None) -> Session | None:
        """The session, if it is in the workspace (None: in any) of the project (None: of any)."""

    async def sessions(
        self, workspace_id: str | None, where: SessionFilter, page: Page
    ) -> tuple[int, Sequence[Session]]:
        """How many match, and one page of them, newest first."""

    async def count_open_sessions(self, project_id: str) -> int:
        """How many sessions of the project have not ended."""

    async def open_sessions(self, but: Sequence[str] = ()) -> Sequence[Session]:
        """Every session that has not ended, oldest first, without those of ``but`` that simply run."""

    async def move_session(
        self,
        session_id: str,
        expected: frozenset[SessionStatus],
        to: SessionStatus,
        *,
        owner: str | None = None,
        worker: str | None = None,
        reason: Reason | None = None,
        message: str = "",
        opened_at: datetime | None = None,
        ended_at: datetime | None = None,
    ) -> Session | None:
        """Compare and set the status; other values that are not given stay as they are.

        Raises `IllegalTransition` when a session that ends has no ``ended_at``, or one that goes on has.
        """

    async def request_close(self, session_id: str, at: datetime, actor: str, reason: Reason) -> Session | None:
        """Write the intent to close beside the status, once; None when the session has ended.

        The first intent stays; later ones return the session as it is.
        """

    # -- statements -------------------------------------------------------------------------
    async def submit(
        self,
        statement: Statement,
        *,
        project_id: str | None = None,
        owner: str | None = None,
        soft: bool = False,
        begun: bool = False,
    ) -> Statement | None:
        """Insert a queued statement; its endpoint and database are its session's.

        Returns it as it is stored: running at once under ``owner``, if one is given and no earlier
        statement of the session waits, or whatever waits if it has ``begun`` already. None when its
        session has ended, is asked to close or is not in the workspace of the project (None: of any).
        ``soft`` leaves it to the next change of the row to wait for the disk: for callers that answer only
        after that. Under a chosen id that was cancelled before (`entomb`) it is born cancelled. Raises
        `BadRequest` for text that PostgreSQL cannot keep (NUL), `DuplicateId` when the workspace has a
        statement of the chosen id, `DuplicateKey` when the user has one of the idempotency key there.
        """

    async def entomb(
        self, session: Session, statement_id: str, intent: CancelIntent, expires_at: datetime, most: int
    ) -> bool:
        """Cancel what will be submitted to the session under a chosen id, until ``expires_at``; the first intent stays.

        False when the workspace has a statement of that id already, or the session ``most`` tombstones.
        """

    async def statement(self, statement_id: str) -> Statement | None:
        """The statement of that id, which is ours and not a chosen one."""

    async def find_statement(self, workspace_id: str, public_id: str) -> Statement | None:
        """The statement of a workspace by the id the API shows."""

    async def keyed_statement(self, workspace_id: str, user_id: str, key: str) -> Statement | None:
        """The statement the user submitted in the workspace under an idempotency key."""

    async def statements(self, ids: Sequence[str]) -> Sequence[Statement]:
        """The statements of those ids, ours, without their texts and small results; in no order."""

    async def records(
        self, workspace_id: str | None, where: RecordFilter, page: Page, content_chars: int
    ) -> tuple[int, Sequence[Statement]]:
        """How many match, and one page, newest first; ``content`` is cut to ``content_chars``."""

    async def claim(self, session_id: str, owner: str, at: datetime) -> Statement | None:
        """The oldest queued statement of the session, moved to running; None when there is none."""

    async def request_cancel(
        self, statement_id: str, intent: CancelIntent, *, by: By | None = None
    ) -> Statement | None:
        """One step: a queued statement becomes cancelled (rung ``dequeued``, effects ``none``);
        a running one gets the intent unless it has one; an ended one is returned as it is.

        Returns the statement after the step, without its texts, or None when there is no such statement.
        """

    async def request_cancels(
        self, scope: Scope, intent: CancelIntent, *, dry_run: bool = False, by: By | None = None
    ) -> Sequence[Asked]:
        """`request_cancel` for every statement of the scope in one step, in the order of their submission.

        With ``dry_run`` nothing is changed, and the answer is what would be. ``by`` whom goes into the
        audit with the same step, for each that had not ended.
        """

    async def begin_commit(self, statement_id: str, owner: str, point: CommitPoint, at: datetime) -> bool:
        """Enter the commit point of a part, only while running, ours, and not asked to cancel."""

    async def leave_commit(self, statement_id: str, owner: str, part: int) -> bool:
        """Leave the commit point of a part whose commit has certainly failed, only while running and ours.

        Also True when it was left before. False at the commit point of another part.
        """

    async def add_parts(self, statement_id: str, owner: str, parts: Sequence[Part]) -> bool:
        """Append the outcomes of parts of a running statement, in their order, and leave its commit point.

        Parts that are there already are not appended again, and the answer is the same.
        """

    async def finish(
        self,
        statement_id: str,
        owner: str,
        ending: Ending,
        parts: Sequence[Part],
        results_expire_at: datetime,
        inline: bytes | None = None,
        profile: bytes | None = None,
        cancel: CancelIntent | None = None,
        session: SessionEnd | None = None,
    ) -> Finish | None:
        """Running to its final state, once. ``parts`` are appended to those already there.

        ``inline`` is a small result, ``profile`` what it took, both kept beside the record. ``cancel`` is
        the intent the owner knows of; one that is there already stays. An ending takes its reason from the
        intent that is there, if it has none of its own or the owner knew of another. ``session`` is the end
        of its session, which is written in the same step, unless that has ended: none of the two is seen alone.
        Raises `IllegalTransition` for an ending that no running statement can have.
        """

    async def restore(self, statement: Statement, session: SessionEnd | None = None) -> bool:
        """Write an ended statement whose row was lost before it was on disk; False when it is there.

        ``session`` is the end of its session, written in the same step, unless that has ended.
        """

    async def running(self) -> Sequence[Statement]:
        """Every running statement, oldest first, with ``content`` left empty."""

    async def queued_sessions(self) -> Sequence[str]:
        """The sessions that have queued statements."""

    async def waiting(self) -> Sequence[Patience]:
        """The queued statements that have a limit of their own to their wait."""

    async def renew_lease(self, statement_id: str, until: datetime) -> bool:
        """Let the lease of an unfinished statement run out later."""

    async def leases(self) -> Sequence[Lease]:
        """The leases of all unfinished statements that have one."""

    # -- time passes ------------------------------------------------------------------------
    async def due_results(self, now: datetime, limit: int) -> Sequence[DueResult]:
        """At most ``limit`` results whose time is over and that have not been marked, the longest due first."""

    async def expire_results(self, ids: Sequence[str]) -> None:
        """Mark the results of these statements as gone, and forget the small ones."""

    async def purge_records(self, before: datetime, limit: int) -> int:
        """Delete at most ``limit`` ended statements from before then; returns how many.

        Ended sessions that have no statement and are as old are deleted as well.
        """

    async def purge_tombstones(self, now: datetime) -> int:
        """Delete the cancels before a submit whose time is over; returns how many."""

    # -- audit ------------------------------------------------------------------------------
    async def add_audit(self, events: Sequence[Event]) -> None:
        """Write events, in their order."""

    async def audit(self, where: AuditFilter, limit: int) -> Sequence[Entry]:
        """The newest events that match, newest first, each with those attached to it."""

    async def purge_audit(self, before: datetime, limit: int) -> int:
        """Delete at most ``limit`` rows from before then; returns how many."""

    # -- wakes ------------------------------------------------------------------------------
    async def notify(self, wake: Wake) -> None:
        """Wake owners in other processes."""

    async def listen(self, callback: Callable[[Wake], None]) -> Callable[[], Awaitable[None]]:
        """Call back on every wake from another process; returns how to stop."""

    async def ping(self) -> None:
        """Raise if the store does not answer."""

    async def close(self) -> None:
        """Let go of connections."""
