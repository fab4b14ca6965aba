"""Statements and their compare-and-sets."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from treadle.model.audit import By
from treadle.model.entities import CancelIntent, CommitPoint, Ending, Part, Session, SessionEnd, Statement
from treadle.model.errors import IllegalTransition
from treadle.model.states import StatementState
from treadle.store.base import Asked, DueResult, Finish, Lease, Patience
from treadle.store.errors import DuplicateId, DuplicateKey
from treadle.store.filters import Page, RecordFilter, Scope
from treadle.store.memory.sessions import ended
from treadle.store.memory.tables import Tables, among, newest
from treadle.store.rules import asked, cancel_event, check_ending, check_statement, explained, is_within, light, started


class Statements(Tables):
    """The statements and their compare-and-sets."""

    async def submit(
        self,
        statement: Statement,
        *,
        project_id: str | None = None,
        owner: str | None = None,
        soft: bool = False,  # noqa: ARG002 (memory has no disk to wait for)
        begun: bool = False,
    ) -> Statement | None:
        if statement.state is not StatementState.QUEUED:
            raise IllegalTransition(f"a new statement is not {statement.state}")
        check_statement(statement)
        session = self._sessions.get(statement.session_id)
        if session is None or session.status.final or session.close_requested_at is not None:
            return None
        if session.workspace_id != statement.workspace_id or not self._is_in(session.workspace_id, project_id):
            return None
        self._refuse_duplicate(statement)
        stored = replace(statement, endpoint_id=session.endpoint_id, database_name=session.catalog)
        grave = self._tombstones.get((session.id, statement.chosen_id or ""))
        if grave is not None and grave[1] > statement.created_at:
            del self._tombstones[session.id, stored.public_id]
            stored = asked(stored, grave[0])
        elif owner is not None and (begun or not self._queued(session.id)):
            stored = started(stored, owner, statement.created_at)
        self._statements[stored.id] = stored
        return stored

    def _refuse_duplicate(self, new: Statement) -> None:
        if new.id in self._statements:
            raise DuplicateId(new.id)
        if new.retry is not None and self._keyed(new.workspace_id, new.user_id, new.retry.key) is not None:
            raise DuplicateKey(new.retry.key)
        if new.chosen_id is not None and self._found(new.workspace_id, new.chosen_id) is not None:
            raise DuplicateId(new.chosen_id)

    async def entomb(
        self, session: Session, statement_id: str, intent: CancelIntent, expires_at: datetime, most: int
    ) -> bool:
        if self._found(session.workspace_id, statement_id) is not None:
            return False
        graves, now = self._tombstones, intent.requested_at
        for grave in [grave for grave, (_, until) in graves.items() if grave[0] == session.id and until <= now]:
            del graves[grave]
        key = session.id, statement_id
        if sum(other[0] == session.id for other in graves if other != key) >= most:
            return False
        first, until = graves.get(key, (intent, expires_at))
        graves[key] = first, max(until, expires_at)
        return True

    async def statement(self, statement_id: str) -> Statement | None:
        return self._statements.get(statement_id)

    async def find_statement(self, workspace_id: str, public_id: str) -> Statement | None:
        return self._found(workspace_id, public_id)

    async def keyed_statement(self, workspace_id: str, user_id: str, key: str) -> Statement | None:
        return self._keyed(workspace_id, user_id, key)

    async def statements(self, ids: Sequence[str]) -> Sequence[Statement]:
        return [light(self._statements[one]) for one in ids if one in self._statements]

    async def records(
        self, workspace_id: str | None, where: RecordFilter, page: Page, content_chars: int
    ) -> tuple[int, Sequence[Statement]]:
        total, found = newest(
            self._statements.values(),
            lambda one: among(workspace_id, one.workspace_id) and _matches(where, one),
            page,
        )
        return total, [
            replace(one, content=one.content[:content_chars], inline=None, retry=None, profile=None) for one in found
        ]

    async def claim(self, session_id: str, owner: str, at: datetime) -> Statement | None:
        waiting = self._queued(session_id)
        if not waiting:
            return None
        claimed = started(waiting[0], owner, at)
        self._statements[claimed.id] = claimed
        return claimed

    async def request_cancel(
        self, statement_id: str, intent: CancelIntent, *, by: By | None = None
    ) -> Statement | None:
        for one in await self.request_cancels(Scope(ids=(statement_id,)), intent, by=by):
            return one.statement
        return None

    async def request_cancels(
        self, scope: Scope, intent: CancelIntent, *, dry_run: bool = False, by: By | None = None
    ) -> Sequence[Asked]:
        ids = set(scope.ids or ())
        found = []
        for before in self._all(lambda one: _is_meant(scope, ids, one)):
            after = asked(before, intent)
            if not dry_run:
                self._statements[after.id] = after
                if by is not None and not before.state.final:
                    self._audit.append(cancel_event(before, before.state, by, intent))
            found.append(Asked(before.state, light(after)))
        return found

    async def begin_commit(self, statement_id: str, owner: str, point: CommitPoint, at: datetime) -> bool:
        statement = self._ours(statement_id, owner)
        if statement is None or statement.cancel is not None:
            return False
        self._statements[statement_id] = replace(statement, committing_at=at, commit=point)
        return True

    async def leave_commit(self, statement_id: str, owner: str, part: int) -> bool:
        statement = self._ours(statement_id, owner)
        if statement is None or (statement.commit is not None and statement.commit.part != part):
            return False
        self._statements[statement_id] = replace(statement, committing_at=None, commit=None)
        return True

    async def add_parts(self, statement_id: str, owner: str, parts: Sequence[Part]) -> bool:
        statement = self._ours(statement_id, owner)
        if statement is None:
            return False
        known = statement.parts and statement.parts[-1].number >= parts[-1].number
        after = statement.parts if known else (*statement.parts, *parts)
        self._statements[statement_id] = replace(statement, parts=after, committing_at=None, commit=None)
        return True

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
        check_ending(ending)
        self._end_session(session)
        statement = self._ours(statement_id, owner)
        if statement is None:
            return None
        self._statements[statement_id] = replace(
            statement,
            state=ending.state,
            ending=explained(ending, statement.cancel, cancel),
            cancel=statement.cancel or cancel,
            parts=(*statement.parts, *parts),
            results_expire_at=results_expire_at,
            inline=inline,
            profile=profile,
        )
        return Finish(statement.cancel or cancel)

    async def restore(self, statement: Statement, session: SessionEnd | None = None) -> bool:
        if statement.ending is None:
            raise IllegalTransition("only an ended statement is restored")
        check_ending(statement.ending)
        self._end_session(session)
        if statement.id in self._statements:
            return False
        self._statements[statement.id] = statement
        return True

    async def running(self) -> Sequence[Statement]:
        found = [replace(one, content="") for one in self._all(lambda one: one.state is StatementState.RUNNING)]
        return sorted(found, key=lambda one: one.started_at or one.created_at)

    async def queued_sessions(self) -> Sequence[str]:
        return sorted({one.session_id for one in self._all(lambda one: one.state is StatementState.QUEUED)})

    async def waiting(self) -> Sequence[Patience]:
        return [
            Patience(one.id, one.session_id, one.created_at, one.wait_timeout)
            for one in self._all(lambda one: one.state is StatementState.QUEUED)
            if one.wait_timeout is not None
        ]

    async def renew_lease(self, statement_id: str, until: datetime) -> bool:
        statement = self._statements.get(statement_id)
        if statement is None or statement.state.final or statement.keepalive is None:
            return False
        self._statements[statement_id] = replace(statement, lease_until=until)
        return True

    async def leases(self) -> Sequence[Lease]:
        return [
            Lease(one.id, one.session_id, one.keepalive, one.lease_until)
            for one in self._all(lambda one: not one.state.final)
            if one.keepalive is not None and one.lease_until is not None
        ]

    async def due_results(self, now: datetime, limit: int) -> Sequence[DueResult]:
        due = [
            (one.results_expire_at, one.id, one.workspace_id)
            for one in self._statements.values()
            if one.results_expire_at is not None and one.results_expire_at <= now and one.id not in self._expired
        ]
        return [DueResult(statement_id, workspace_id) for _, statement_id, workspace_id in sorted(due)[:limit]]

    async def expire_results(self, ids: Sequence[str]) -> None:
        for statement_id in self._statements.keys() & set(ids):
            self._expired.add(statement_id)
            self._statements[statement_id] = replace(self._statements[statement_id], inline=None)

    async def purge_records(self, before: datetime, limit: int) -> int:
        ended = [
            (one.ending.finished_at, one.id)
            for one in self._statements.values()
            if one.ending and (one.results_expire_at is None or one.id in self._expired)
        ]
        purged = [statement_id for at, statement_id in sorted(ended) if at < before][:limit]
        for statement_id in purged:
            del self._statements[statement_id]
            self._expired.discard(statement_id)
        with_statements = {one.session_id for one in self._statements.values()}
        over = [(one.ended_at, one.id) for one in self._sessions.values() if one.ended_at and one.ended_at < before]
        for _, session_id in [pair for pair in sorted(over) if pair[1] not in with_statements][:limit]:
            del self._sessions[session_id]
        return len(purged)

    async def purge_tombstones(self, now: datetime) -> int:
        over = [grave for grave, (_, until) in self._tombstones.items() if until <= now]
        for grave in over:
            del self._tombstones[grave]
        return len(over)

    def _end_session(self, end: SessionEnd | None) -> None:
        if end is not None and end.session_id in self._sessions:
            self._sessions[end.session_id] = ended(self._sessions[end.session_id], end)

    def _found(self, workspace_id: str, public_id: str) -> Statement | None:
        ours = self._statements.get(public_id)
        if ours is not None and ours.chosen_id is None and ours.workspace_id == workspace_id:
            return ours
        chosen = self._all(lambda one: one.chosen_id == public_id and one.workspace_id == workspace_id)
        return chosen[0] if chosen else None

    def _keyed(self, workspace_id: str, user_id: str, key: str) -> Statement | None:
        for one in self._statements.values():
            if one.retry and (one.workspace_id, one.user_id, one.retry.key) == (workspace_id, user_id, key):
                return one
        return None

    def _is_in(self, workspace_id: str, project_id: str | None) -> bool:
        workspace = self._workspaces.get(workspace_id)
        return project_id is None or (workspace is not None and workspace.project_id == project_id)

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
        and among(where.statement_id, one.public_id)
        and among(where.source, one.source)
        and among(where.status, one.record_status)
        and (where.started_from is None or started >= where.started_from)
        and (where.finished_to is None or (finished is not None and finished <= where.finished_to))
        and (where.tag is None or where.tag in one.tags)
        and is_within(where.within, one.workspace_id, one.endpoint_id)
        and (where.created_from is None or one.created_at >= where.created_from)
        and (where.created_to is None or one.created_at <= where.created_to)
        and among(where.name, one.name)
        and among(where.user_name, one.user_name)
    )


def _is_meant(scope: Scope, ids: set[str], one: Statement) -> bool:
    if scope.ids is None:
        meant = not one.state.final
    else:
        meant = (one.id if scope.workspace_id is None else one.public_id) in ids
    return (
        meant
        and among(scope.workspace_id, one.workspace_id)
        and among(scope.session_id, one.session_id)
        and among(scope.endpoint_id, one.endpoint_id)
        and among(scope.user_name, one.user_name)
        and among(scope.state, one.state)
        and set(scope.tags) <= set(one.tags)
        and (scope.submitted_before is None or one.created_at < scope.submitted_before)
        and is_within(scope.within, one.workspace_id, one.endpoint_id)
    )
