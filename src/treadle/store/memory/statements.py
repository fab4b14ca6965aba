"""Statements and their compare-and-sets."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from treadle.model.entities import CancelIntent, CommitPoint, Ending, Part, Statement
from treadle.model.errors import IllegalTransition
from treadle.model.states import StatementState
from treadle.store.base import Page, RecordFilter
from treadle.store.errors import DuplicateId
from treadle.store.memory.tables import Tables, among, newest
from treadle.store.rules import check_ending, check_statement, dequeued


class Statements(Tables):
    """The statements and their compare-and-sets."""

    async def submit(self, statement: Statement) -> bool:
        """Insert a queued statement; False when its session has ended or is asked to close.

        Raises `BadRequest` for text that PostgreSQL cannot keep (NUL).
        """
        if statement.state is not StatementState.QUEUED:
            raise IllegalTransition(f"a new statement is not {statement.state}")
        check_statement(statement)
        session = self._sessions.get(statement.session_id)
        if session is None or session.status.final or session.close_requested_at is not None:
            return False
        if statement.id in self._statements:
            raise DuplicateId(statement.id)
        self._statements[statement.id] = statement
        return True

    async def statement(self, statement_id: str) -> Statement | None:
        """The statement of that id."""
        return self._statements.get(statement_id)

    async def records(
        self, workspace_id: str | None, where: RecordFilter, page: Page, content_chars: int
    ) -> tuple[int, Sequence[Statement]]:
        """How many match, and one page, newest first; ``content`` is cut to ``content_chars``."""
        total, found = newest(
            self._statements.values(),
            lambda one: among(workspace_id, one.workspace_id) and _matches(where, one),
            page,
        )
        return total, [replace(one, content=one.content[:content_chars]) for one in found]

    async def claim(self, session_id: str, owner: str, at: datetime) -> Statement | None:
        """The oldest queued statement of the session, moved to running; None when there is none."""
        waiting = self._queued(session_id)
        if not waiting:
            return None
        claimed = replace(waiting[0], state=StatementState.RUNNING, owner=owner, started_at=at)
        self._statements[claimed.id] = claimed
        return claimed

    async def request_cancel(self, statement_id: str, intent: CancelIntent) -> Statement | None:
        """One step: a queued statement becomes cancelled (rung ``dequeued``, effects ``none``);
        a running one gets the intent unless it has one; an ended one is returned as it is.

        Returns the statement after the step, or None when there is no such statement.
        """
        statement = self._statements.get(statement_id)
        if statement is None:
            return None
        if statement.state is StatementState.QUEUED:
            ending = dequeued(intent)
            statement = replace(statement, state=ending.state, cancel=intent, ending=ending)
        elif statement.state is StatementState.RUNNING and statement.cancel is None:
            statement = replace(statement, cancel=intent)
        self._statements[statement_id] = statement
        return statement

    async def cancel_queued(self, session_id: str, intent: CancelIntent) -> Sequence[str]:
        """Cancel every queued statement of a session; returns their ids."""
        ids = [one.id for one in self._queued(session_id)]
        for statement_id in ids:
            await self.request_cancel(statement_id, intent)
        return ids

    async def request_cancel_session(self, session_id: str, intent: CancelIntent) -> Sequence[str]:
        """`request_cancel` for every unfinished statement of the session in one step; returns their ids."""
        unfinished = (one for one in self._statements.values() if one.session_id == session_id)
        ids = [one.id for one in unfinished if not one.state.final]
        for statement_id in ids:
            await self.request_cancel(statement_id, intent)
        return ids

    async def begin_commit(self, statement_id: str, owner: str, point: CommitPoint, at: datetime) -> bool:
        """Enter the commit point of a part, only while running, ours, and not asked to cancel."""
        statement = self._ours(statement_id, owner)
        if statement is None or statement.cancel is not None:
            return False
        self._statements[statement_id] = replace(statement, committing_at=at, commit=point)
        return True

    async def add_part(self, statement_id: str, owner: str, part: Part) -> bool:
        """Append the outcome of a part of a running statement and leave its commit point.

        A part whose number is there already is not appended again, and the answer is the same.
        """
        statement = self._ours(statement_id, owner)
        if statement is None:
            return False
        known = statement.parts and statement.parts[-1].number >= part.number
        parts = statement.parts if known else (*statement.parts, part)
        self._statements[statement_id] = replace(statement, parts=parts, committing_at=None, commit=None)
        return True

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
        statement = self._ours(statement_id, owner)
        if statement is None:
            return False
        self._statements[statement_id] = replace(
            statement,
            state=ending.state,
            ending=ending,
            parts=(*statement.parts, *parts),
            results_expire_at=results_expire_at,
        )
        return True

    async def running(self) -> Sequence[Statement]:
        """Every running statement, oldest first, with ``content`` left empty."""
        found = [replace(one, content="") for one in self._all(lambda one: one.state is StatementState.RUNNING)]
        return sorted(found, key=lambda one: one.started_at or one.created_at)

    async def queued_sessions(self) -> Sequence[str]:
        """The sessions that have queued statements."""
        return sorted({one.session_id for one in self._all(lambda one: one.state is StatementState.QUEUED)})

    async def expire_results(self, now: datetime, limit: int) -> Sequence[str]:
        """Statements whose results are over: marks at most ``limit`` and returns their ids."""
        due = [
            (one.results_expire_at, one.id)
            for one in self._statements.values()
            if one.results_expire_at is not None and one.results_expire_at <= now and one.id not in self._expired
        ]
        ids = [statement_id for _, statement_id in sorted(due)[:limit]]
        self._expired.update(ids)
        return ids

    async def purge_records(self, before: datetime, limit: int) -> int:
        """Delete at most ``limit`` ended statements (and ended sessions without any) from before then.

        Returns how many statements were deleted.
        """
        ended = [(one.ending.finished_at, one.id) for one in self._statements.values() if one.ending]
        purged = [statement_id for at, statement_id in sorted(ended) if at < before][:limit]
        for statement_id in purged:
            del self._statements[statement_id]
            self._expired.discard(statement_id)
        with_statements = {one.session_id for one in self._statements.values()}
        over = [(one.ended_at, one.id) for one in self._sessions.values() if one.ended_at and one.ended_at < before]
        for _, session_id in [pair for pair in sorted(over) if pair[1] not in with_statements][:limit]:
            del self._sessions[session_id]
        return len(purged)

    def _all(self, matches: Callable[[Statement], bool]) -> list[Statement]:
        """In the order of their submission."""
        return [one for one in self._statements.values() if matches(one)]

    def _queued(self, session_id: str) -> list[Statement]:
        return self._all(lambda one: one.session_id == session_id and one.state is StatementState.QUEUED)

    def _ours(self, statement_id: str, owner: str) -> Statement | None:
        """The statement, if it runs and this owner runs it."""
        statement = self._statements.get(statement_id)
        if statement is None or statement.state is not StatementState.RUNNING or statement.owner != owner:
            return None
        return statement


def _matches(where: RecordFilter, one: Statement) -> bool:
    started = one.started_at or one.created_at
    finished = one.ending.finished_at if one.ending else None
    return (
        among(where.session_id, one.session_id)
        and among(where.endpoint_id, one.endpoint_id)
        and among(where.statement_id, one.id)
        and among(where.source, one.source)
        and among(where.status, one.record_status)
        and (where.started_from is None or started >= where.started_from)
        and (where.finished_to is None or (finished is not None and finished <= where.finished_to))
    )
