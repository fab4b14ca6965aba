"""Statements: every change is one compare-and-set in one round trip."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from treadle.model.entities import CancelIntent, CommitPoint, Ending, Part, Statement
from treadle.model.errors import IllegalTransition
from treadle.model.states import StatementState
from treadle.store.base import Page, RecordFilter
from treadle.store.errors import DuplicateId
from treadle.store.postgres.pool import PoolBase
from treadle.store.postgres.rows import encode, encode_parts, to_statement
from treadle.store.rules import check_ending, check_statement, record_state


class Statements(PoolBase):
    """The statements and their compare-and-sets."""

    async def submit(self, statement: Statement) -> bool:
        """Insert a queued statement; False when its session has ended or is asked to close.

        Raises `BadRequest` for text that PostgreSQL cannot keep (NUL).
        """
        if statement.state is not StatementState.QUEUED:
            raise IllegalTransition(f"a new statement is not {statement.state}")
        check_statement(statement)
        try:
            return await self._done(
                "statement_submit",
                statement.id,
                statement.workspace_id,
                statement.endpoint_id,
                statement.session_id,
                statement.content,
                statement.created_at,
                statement.database_name,
                encode(statement.bindings),
                statement.row_limit,
                statement.fetch_mode,
                statement.is_maintain,
                statement.source,
                statement.user_id,
                statement.user_name,
            )
        except asyncpg.UniqueViolationError:
            raise DuplicateId(statement.id) from None

    async def statement(self, statement_id: str) -> Statement | None:
        """The statement of that id."""
        row = await self._row("statement_get", statement_id)
        return to_statement(row) if row else None

    async def records(
        self, workspace_id: str | None, where: RecordFilter, page: Page, content_chars: int
    ) -> tuple[int, Sequence[Statement]]:
        """How many match, and one page, newest first; ``content`` is cut to ``content_chars``."""
        filters = (
            workspace_id,
            where.session_id,
            where.endpoint_id,
            where.statement_id,
            where.source,
            *record_state(where.status),
            where.started_from,
            where.finished_to,
        )
        total, rows = await self._page("records", filters, page.limit, page.offset, content_chars)
        return total, [to_statement(row) for row in rows]

    async def claim(self, session_id: str, owner: str, at: datetime) -> Statement | None:
        """The oldest queued statement of the session, moved to running; None when there is none."""
        row = await self._row("statement_claim", session_id, owner, at)
        return to_statement(row) if row else None

    async def request_cancel(self, statement_id: str, intent: CancelIntent) -> Statement | None:
        """One step: a queued statement becomes cancelled (rung ``dequeued``, effects ``none``);
        a running one gets the intent unless it has one; an ended one is returned as it is.

        Returns the statement after the step, or None when there is no such statement.
        """
        row = await self._row(
            "statement_request_cancel", statement_id, intent.requested_at, intent.reason, intent.actor
        )
        return to_statement(row) if row else None

    async def cancel_queued(self, session_id: str, intent: CancelIntent) -> Sequence[str]:
        """Cancel every queued statement of a session; returns their ids."""
        return await self._ids("statements_cancel_queued", session_id, intent.requested_at, intent.reason, intent.actor)

    async def request_cancel_session(self, session_id: str, intent: CancelIntent) -> Sequence[str]:
        """`request_cancel` for every unfinished statement of the session in one step; returns their ids."""
        return await self._ids(
            "statements_request_cancel_session", session_id, intent.requested_at, intent.reason, intent.actor
        )

    async def begin_commit(self, statement_id: str, owner: str, point: CommitPoint, at: datetime) -> bool:
        """Enter the commit point of a part, only while running, ours, and not asked to cancel."""
        return await self._done("statement_begin_commit", statement_id, owner, encode(point), at)

    async def add_part(self, statement_id: str, owner: str, part: Part) -> bool:
        """Append the outcome of a part of a running statement and leave its commit point.

        A part whose number is there already is not appended again, and the answer is the same.
        """
        return await self._done("statement_add_part", statement_id, owner, encode_parts([part]), part.number)

    async def finish(
        self,
        statement_id: str,
        owner: str,
        ending: Ending,
        parts: Sequence[Part],
        results_expire_at: datetime,
    ) -> bool:
        """Running to its final state, once. ``parts`` are appended to those already there.

        Raises `IllegalTransition` for an ending that no running statement can have.
        """
        check_ending(ending)
        return await self._done(
            "statement_finish",
            statement_id,
            owner,
            ending.state,
            ending.finished_at,
            ending.effects,
            ending.reason,
            ending.actor,
            ending.rung,
            ending.cancel_millis,
            encode_parts(parts),
            results_expire_at,
        )

    async def running(self) -> Sequence[Statement]:
        """Every running statement, oldest first, with ``content`` left empty."""
        return [to_statement(row) for row in await self._rows("statements_running")]

    async def queued_sessions(self) -> Sequence[str]:
        """The sessions that have queued statements."""
        return [row["session_id"] for row in await self._rows("queued_sessions")]

    async def expire_results(self, now: datetime, limit: int) -> Sequence[str]:
        """Statements whose results are over: marks at most ``limit`` and returns their ids."""
        return await self._swept("results_expire", now, limit)

    async def purge_records(self, before: datetime, limit: int) -> int:
        """Delete at most ``limit`` ended statements (and ended sessions without any) from before then.

        Returns how many statements were deleted.
        """
        purged = await self._swept("statements_purge", before, limit)
        await self._swept("sessions_purge", before, limit)
        return len(purged)
