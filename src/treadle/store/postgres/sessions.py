"""Sessions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from treadle.model.entities import Session, SessionEnd
from treadle.model.errors import IllegalTransition, NotFound
from treadle.model.states import Reason, SessionStatus
from treadle.store.errors import DuplicateId
from treadle.store.filters import Page, SessionFilter
from treadle.store.postgres.pool import PoolBase
from treadle.store.postgres.rows import to_session
from treadle.store.rules import check_move, pattern_of

UNENDED: Final = [status for status in SessionStatus if not status.final]


def ended(end: SessionEnd) -> tuple[object, ...]:
    """The arguments of ``session_move`` that end a session, whatever its status is."""
    check_move(end.status, ended=True)
    message = end.message.replace("\x00", "")
    return end.session_id, UNENDED, end.status, None, end.reason, message, end.ended_at, None, None


class Sessions(PoolBase):
    """The sessions and their compare-and-sets."""

    async def add_session(self, session: Session) -> None:
        if session.status is not SessionStatus.CREATING:
            raise IllegalTransition(f"a new session is not {session.status}")
        try:
            added = await self._done(
                "session_add",
                session.id,
                session.workspace_id,
                session.endpoint_id,
                session.instance_id,
                session.catalog,
                session.created_at,
                session.user_id,
                session.user_name,
                session.wait_deadline,
                session.owner,
                session.priority,
                session.threads,
                session.memory,
                session.max_retry_times,
                session.unanswered,
            )
        except asyncpg.UniqueViolationError:
            raise DuplicateId(session.id) from None
        if not added:
            raise NotFound("no such endpoint")

    async def answered(self, session_id: str) -> None:
        await self._done("session_answered", session_id)

    async def session(self, workspace_id: str | None, session_id: str, project_id: str | None = None) -> Session | None:
        row = await self._row("session_get", workspace_id, session_id, project_id)
        return to_session(row) if row else None

    async def sessions(
        self, workspace_id: str | None, where: SessionFilter, page: Page
    ) -> tuple[int, Sequence[Session]]:
        filters = (
            workspace_id,
            where.endpoint_id,
            where.session_id,
            where.status,
            where.created_from,
            where.created_to,
            pattern_of(where.within),
            where.user_name,
            where.known,
        )
        total, rows = await self._page("sessions", filters, page, *self._after(page))
        return total, [to_session(row) for row in rows]

    async def count_open_sessions(self, project_id: str) -> int:
        row = await self._row("sessions_open_count", project_id)
        return int(row["total"]) if row else 0

    async def open_sessions(self, but: Sequence[str] = ()) -> Sequence[Session]:
        return [to_session(row) for row in await self._rows("sessions_open", list(but))]

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
        statuses = [status for status in expected if not status.final]
        message = message.replace("\x00", "")
        row = await self._row(
            "session_move", session_id, statuses, to, owner, reason, message, ended_at, worker, opened_at
        )
        return to_session(row) if row else None

    async def request_close(self, session_id: str, at: datetime, actor: str, reason: Reason) -> Session | None:
        row = await self._row("session_request_close", session_id, at, actor, reason)
        return to_session(row) if row else None
