"""Sessions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from treadle.model.entities import Session, SessionEnd
from treadle.model.errors import IllegalTransition, NotFound
from treadle.model.states import Reason, SessionStatus
from treadle.store.base import Page, SessionFilter
from treadle.store.errors import DuplicateId
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
        """Remember a new session in ``CREATING``; raises `NotFound` unless its endpoint is there and runs."""
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
        """Mark the session as answered: it stays open even if this gateway ends."""
        await self._done("session_answered", session_id)

    async def session(self, workspace_id: str | None, session_id: str, project_id: str | None = None) -> Session | None:
        """The session, if it is in the workspace (None: in any) of the project (None: of any)."""
        row = await self._row("session_get", workspace_id, session_id, project_id)
        return to_session(row) if row else None

    async def sessions(
        self, workspace_id: str | None, where: SessionFilter, page: Page
    ) -> tuple[int, Sequence[Session]]:
        """How many match, and one page of them, newest first."""
        filters = (
            workspace_id,
            where.endpoint_id,
            where.session_id,
            where.status,
            where.created_from,
            where.created_to,
            pattern_of(where.within),
            where.user_name,
        )
        total, rows = await self._page("sessions", filters, page, *self._after(page))
        return total, [to_session(row) for row in rows]

    async def count_open_sessions(self, project_id: str) -> int:
        """How many sessions of the project have not ended."""
        row = await self._row("sessions_open_count", project_id)
        return int(row["total"]) if row else 0

    async def open_sessions(self, but: Sequence[str] = ()) -> Sequence[Session]:
        """Every session that has not ended, oldest first, without those of ``but`` that simply run."""
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
        """Compare-and-set of the status; what is not given (None, no message) stays as it is.

        Raises `IllegalTransition` when a session that ends has no ``ended_at``, or another one has.
        """
        check_move(to, ended=ended_at is not None)
        statuses = [status for status in expected if not status.final]
        message = message.replace("\x00", "")
        row = await self._row(
            "session_move", session_id, statuses, to, owner, reason, message, ended_at, worker, opened_at
        )
        return to_session(row) if row else None

    async def request_close(self, session_id: str, at: datetime, actor: str, reason: Reason) -> Session | None:
        """Write the intent to close beside the status, once; None when the session has ended.

        The first intent stays; later ones return the session as it is.
        """
        row = await self._row("session_request_close", session_id, at, actor, reason)
        return to_session(row) if row else None
