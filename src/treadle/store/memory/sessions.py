"""Sessions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from treadle.model.entities import EndpointStatus, Session, SessionEnd
from treadle.model.errors import IllegalTransition, NotFound
from treadle.model.states import Reason, SessionStatus
from treadle.store.errors import DuplicateId
from treadle.store.filters import Page, SessionFilter
from treadle.store.memory.tables import Tables, among, newest
from treadle.store.rules import check_move, is_within

_RUNNING: Final = EndpointStatus.RUNNING


class Sessions(Tables):
    """The sessions and their compare-and-sets."""

    async def add_session(self, session: Session) -> None:
        if session.status is not SessionStatus.CREATING:
            raise IllegalTransition(f"a new session is not {session.status}")
        endpoint = self._endpoints.get(session.endpoint_id)
        if endpoint is None or endpoint.workspace_id != session.workspace_id or endpoint.status is not _RUNNING:
            raise NotFound("no such endpoint")
        if session.id in self._sessions:
            raise DuplicateId(session.id)
        self._sessions[session.id] = session

    async def answered(self, session_id: str) -> None:
        if (session := self._sessions.get(session_id)) is not None and session.unanswered:
            self._sessions[session_id] = replace(session, unanswered=False)

    async def session(self, workspace_id: str | None, session_id: str, project_id: str | None = None) -> Session | None:
        session = self._sessions.get(session_id)
        if session is None or not among(workspace_id, session.workspace_id):
            return None
        if project_id is None:
            return session
        workspace = self._workspaces.get(session.workspace_id)
        return session if workspace is not None and workspace.project_id == project_id else None

    async def sessions(
        self, workspace_id: str | None, where: SessionFilter, page: Page
    ) -> tuple[int, Sequence[Session]]:
        return newest(
            self._sessions.values(),
            lambda one: (
                among(workspace_id, one.workspace_id)
                and among(where.endpoint_id, one.endpoint_id)
                and among(where.session_id, one.id)
                and among(where.status, one.status)
                and (where.created_from is None or one.created_at >= where.created_from)
                and (where.created_to is None or one.created_at <= where.created_to)
                and is_within(where.within, one.workspace_id, one.endpoint_id)
                and among(where.user_name, one.user_name)
                and not (where.known and one.unanswered and one.status.final)
            ),
            page,
        )

    async def count_open_sessions(self, project_id: str) -> int:
        rooms = {one.id for one in self._workspaces.values() if one.project_id == project_id}
        return sum(one.workspace_id in rooms and not one.status.final for one in self._sessions.values())

    async def open_sessions(self, but: Sequence[str] = ()) -> Sequence[Session]:
        left_out = frozenset(but)
        found = [
            one
            for one in self._sessions.values()
            if not one.status.final and not (one.id in left_out and _simply_runs(one))
        ]
        return sorted(found, key=lambda one: (one.created_at, one.id))

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
        check_move(to, ended=ended_at is not None)
        session = self._sessions.get(session_id)
        if session is None or session.status.final or session.status not in expected:
            return None
        self._sessions[session_id] = moved = replace(
            session,
            status=to,
            owner=session.owner if owner is None else owner,
            worker=session.worker if worker is None else worker,
            reason=session.reason if reason is None else reason,
            message=message.replace("\x00", "") or session.message,
            ended_at=session.ended_at if ended_at is None else _after_all(ended_at, session),
            opened_at=session.opened_at if opened_at is None else max(opened_at, session.created_at),
            unanswered=session.unanswered and to is not SessionStatus.RUNNING,
        )
        return moved

    async def request_close(self, session_id: str, at: datetime, actor: str, reason: Reason) -> Session | None:
        session = self._sessions.get(session_id)
        if session is None or session.status.final:
            return None
        if session.close_requested_at is None:
            asked_at = max(at, session.created_at)
            session = replace(session, close_requested_at=asked_at, close_requested_by=actor, reason=reason)
            self._sessions[session_id] = session
        return session


def ended(one: Session, end: SessionEnd) -> Session:
    """The session with its end; one that has ended before stays as it is."""
    check_move(end.status, ended=True)
    if one.status.final:
        return one
    return replace(
        one,
        status=end.status,
        reason=end.reason,
        message=end.message.replace("\x00", "") or one.message,
        ended_at=_after_all(end.ended_at, one),
    )


def _simply_runs(one: Session) -> bool:
    return one.status is SessionStatus.RUNNING and one.close_requested_at is None


def _after_all(at: datetime, one: Session) -> datetime:
    """The time of its end, whatever the wall clock was set to meanwhile."""
    return max(at, one.created_at, one.opened_at or at, one.close_requested_at or at)
