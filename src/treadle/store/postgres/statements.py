"""Statements: every change is one compare-and-set in one round trip."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg
from msgspec.structs import replace

from treadle.model.audit import By
from treadle.model.entities import CancelIntent, CommitPoint, Ending, Part, Session, SessionEnd, Statement
from treadle.model.errors import IllegalTransition
from treadle.model.states import Reason, StatementState
from treadle.store.base import Asked, DueResult, Finish, Lease, Patience
from treadle.store.errors import DuplicateId, DuplicateKey
from treadle.store.filters import Page, RecordFilter, Scope
from treadle.store.postgres.pool import PoolBase
from treadle.store.postgres.rows import encode, encode_parts, to_intent, to_statement
from treadle.store.postgres.sessions import ended
from treadle.store.rules import asked, check_ending, check_statement, pattern_of, record_state, started
from treadle.store.sql import sql

if TYPE_CHECKING:
    from asyncpg import Record

    from treadle.store.postgres.connections import Connection


class Statements(PoolBase):
    """The statements and their compare-and-sets."""

    async def submit(
        self,
        statement: Statement,
        *,
        project_id: str | None = None,
        owner: str | None = None,
        soft: bool = False,
        begun: bool = False,
    ) -> Statement | None:
        if statement.state is not StatementState.QUEUED:
            raise IllegalTransition(f"a new statement is not {statement.state}")
        check_statement(statement)
        try:
            if statement.chosen_id is not None:
                return await self._submit_chosen(statement, statement.chosen_id, project_id, owner)
            row = await self._row(
                "statement_submit",
                *_submitted(statement, project_id, owner, begun=begun),
                pool=self._soft if soft and statement.retry is None and statement.keepalive is None else None,
            )
        except asyncpg.UniqueViolationError as error:
            raise _duplicate(statement, error) from None
        return _stored(statement, owner, row)

    async def _submit_chosen(
        self, statement: Statement, chosen_id: str, project_id: str | None, owner: str | None
    ) -> Statement | None:
        """`submit` under an id of the client's, in turn with `entomb`."""
        async with self._acquired() as connection, connection.transaction():
            await connection.fetchrow(sql("tombstone_lock"), statement.session_id)
            if await connection.fetchrow(sql("statement_find"), statement.workspace_id, chosen_id) is not None:
                await self._refuse(connection, statement, chosen_id, project_id)
                return None
            grave = statement.session_id, chosen_id
            cancelled = await connection.fetchrow(sql("tombstone_find"), *grave, statement.created_at)
            starter = owner if cancelled is None else None
            row = await connection.fetchrow(sql("statement_submit"), *_submitted(statement, project_id, starter))
            stored = _stored(statement, starter, row)
            if cancelled is None or stored is None:
                return stored
            intent = CancelIntent(
                requested_at=cancelled["requested_at"],
                reason=Reason(cancelled["reason"]),
                actor=cancelled["actor"],
                detail=cancelled["detail"],
            )
            await connection.fetch(sql("statements_request_cancel"), *_scoped(Scope(ids=(stored.id,)), intent))
            await connection.fetchrow(sql("tombstone_drop"), *grave)
            return asked(stored, intent)

    async def _refuse(
        self, connection: "Connection", statement: Statement, chosen_id: str, project_id: str | None
    ) -> None:
        """What a submit under an id that is taken comes to: whose session is not his is not told that it is."""
        place = statement.workspace_id, statement.session_id, project_id
        session = await connection.fetchrow(sql("session_get"), *place)
        if session is None or session["ended_at"] is not None or session["close_requested_at"] is not None:
            return
        retry = statement.retry
        keyed = statement.workspace_id, statement.user_id, retry.key if retry else None
        if retry is not None and await connection.fetchrow(sql("statement_keyed"), *keyed) is not None:
            raise DuplicateKey(retry.key)
        raise DuplicateId(chosen_id)

    async def entomb(
        self, session: Session, statement_id: str, intent: CancelIntent, expires_at: datetime, most: int
    ) -> bool:
        async with self._acquired() as connection, connection.transaction():
            await connection.fetchrow(sql("tombstone_lock"), session.id)
            if await connection.fetchrow(sql("statement_find"), session.workspace_id, statement_id) is not None:
                return False
            await connection.fetchrow(sql("tombstones_drop_expired"), session.id, intent.requested_at)
            values = (intent.requested_at, intent.reason, intent.actor, expires_at, most, intent.detail)
            return await connection.fetchrow(sql("tombstone_add"), session.id, statement_id, *values) is not None

    async def statement(self, statement_id: str) -> Statement | None:
        row = await self._row("statement_get", statement_id)
        return to_statement(row) if row else None

    async def find_statement(self, workspace_id: str, public_id: str) -> Statement | None:
        row = await self._row("statement_find", workspace_id, public_id)
        return to_statement(row) if row else None

    async def keyed_statement(self, workspace_id: str, user_id: str, key: str) -> Statement | None:
        row = await self._row("statement_keyed", workspace_id, user_id, key)
        return to_statement(row) if row else None

    async def statements(self, ids: Sequence[str]) -> Sequence[Statement]:
        return [to_statement(row) for row in await self._rows("statements_get", ids)]

    async def records(
        self, workspace_id: str | None, where: RecordFilter, page: Page, content_chars: int
    ) -> tuple[int, Sequence[Statement]]:
        filters = (
            workspace_id,
            where.session_id,
            where.endpoint_id,
            where.statement_id,
            where.source,
            *record_state(where.status),
            where.started_from,
            where.finished_to,
            where.tag,
            where.created_from,
            where.created_to,
            where.name,
            pattern_of(where.within),
            where.user_name,
        )
        total, rows = await self._page("records", filters, page, *self._after(page), content_chars)
        return total, [to_statement(row) for row in rows]

    async def claim(self, session_id: str, owner: str, at: datetime) -> Statement | None:
        row = await self._row("statement_claim", session_id, owner, at)
        return to_statement(row) if row else None

    async def request_cancel(
        self, statement_id: str, intent: CancelIntent, *, by: By | None = None
    ) -> Statement | None:
        for one in await self.request_cancels(Scope(ids=(statement_id,)), intent, by=by):
            return one.statement
        return None

    async def request_cancels(
        self, scope: Scope, intent: CancelIntent, *, dry_run: bool = False, by: By | None = None
    ) -> Sequence[Asked]:
        rows = await self._rows("statements_request_cancel", *_scoped(scope, intent, dry_run=dry_run, by=by))
        return [Asked(StatementState(row["before"]), to_statement(row)) for row in rows]

    async def begin_commit(self, statement_id: str, owner: str, point: CommitPoint, at: datetime) -> bool:
        return await self._done("statement_begin_commit", statement_id, owner, encode(point), at)

    async def leave_commit(self, statement_id: str, owner: str, part: int) -> bool:
        return await self._done("statement_leave_commit", statement_id, owner, part)

    async def add_parts(self, statement_id: str, owner: str, parts: Sequence[Part]) -> bool:
        return await self._done("statement_add_parts", statement_id, owner, encode_parts(parts), parts[-1].number)

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
        row = await self._row_and_session(
            session,
            "statement_finish",
            statement_id,
            owner,
            *_outcome(ending),
            encode_parts(parts),
            results_expire_at,
            inline,
            ending.detail,
            profile,
            *_columns(cancel),
        )
        return Finish(to_intent(row)) if row else None

    async def restore(self, statement: Statement, session: SessionEnd | None = None) -> bool:
        ending = statement.ending
        if ending is None:
            raise IllegalTransition("only an ended statement is restored")
        check_ending(ending)
        cancel = statement.cancel
        row = await self._row_and_session(
            session,
            "statement_restore",
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
            statement.may_maintain,
            statement.source,
            statement.user_id,
            statement.user_name,
            statement.owner,
            statement.started_at,
            cancel.requested_at if cancel else None,
            cancel.reason if cancel else None,
            cancel.actor if cancel else None,
            *_outcome(ending),
            encode_parts(statement.parts),
            statement.parts[-1].number if statement.parts else 0,
            statement.results_expire_at,
            statement.inline,
            statement.tags or None,
            cancel.detail if cancel else None,
            ending.detail,
            statement.name,
            statement.type,
            statement.wait_timeout,
            statement.max_retry_times,
            statement.profile,
        )
        return row is not None

    async def _row_and_session(self, end: SessionEnd | None, name: str, *args: Any) -> "Record | None":
        """The first row of a statement that ends one, with the end of its session in the same transaction."""
        if end is None:
            return await self._row(name, *args)
        async with self._acquired() as connection, connection.transaction():
            await connection.fetchrow(sql("session_move"), *ended(end))
            return await connection.fetchrow(sql(name), *args)

    async def running(self) -> Sequence[Statement]:
        return [to_statement(row) for row in await self._rows("statements_running")]

    async def queued_sessions(self) -> Sequence[str]:
        return [row["session_id"] for row in await self._rows("queued_sessions")]

    async def waiting(self) -> Sequence[Patience]:
        return [Patience(*row) for row in await self._rows("statements_waiting")]

    async def renew_lease(self, statement_id: str, until: datetime) -> bool:
        return await self._done("statement_renew_lease", statement_id, until)

    async def leases(self) -> Sequence[Lease]:
        return [Lease(*row) for row in await self._rows("statements_leased")]

    async def due_results(self, now: datetime, limit: int) -> Sequence[DueResult]:
        async with self._acquired(self._lists) as connection:
            return [DueResult(*row) for row in await connection.fetch(sql("results_due"), now, limit)]

    async def expire_results(self, ids: Sequence[str]) -> None:
        await self._swept("results_expire", ids)

    async def purge_records(self, before: datetime, limit: int) -> int:
        purged = await self._swept("statements_purge", before, limit)
        await self._swept("sessions_purge", before, limit)
        return len(purged)

    async def purge_tombstones(self, now: datetime) -> int:
        return len(await self._swept("tombstones_purge", now))


def _submitted(
    statement: Statement, project_id: str | None, owner: str | None, *, begun: bool = False
) -> tuple[object, ...]:
    """The arguments of ``statement_submit``."""
    retry = statement.retry
    return (
        statement.id,
        statement.workspace_id,
        statement.session_id,
        statement.content,
        statement.created_at,
        encode(statement.bindings),
        statement.row_limit,
        statement.fetch_mode,
        statement.may_maintain,
        statement.source,
        statement.user_id,
        statement.user_name,
        owner,
        project_id,
        statement.chosen_id,
        statement.tags or None,
        retry.key if retry else None,
        retry.digest if retry else None,
        statement.keepalive,
        statement.lease_until,
        begun,
        statement.name,
        statement.type,
        statement.wait_timeout,
        statement.max_retry_times,
    )


def _stored(statement: Statement, owner: str | None, row: "Record | None") -> Statement | None:
    """The statement as ``statement_submit`` stored it."""
    if row is None:
        return None
    stored = replace(statement, endpoint_id=row["endpoint_id"], database_name=row["database_name"])
    return stored if row["state"] == StatementState.QUEUED else started(stored, owner, statement.created_at)


def _scoped(scope: Scope, intent: CancelIntent, *, dry_run: bool = False, by: By | None = None) -> tuple[object, ...]:
    """The arguments of ``statements_request_cancel``."""
    return (
        scope.ids,
        scope.workspace_id,
        scope.session_id,
        scope.endpoint_id,
        scope.tags or None,
        scope.user_name,
        scope.state,
        scope.submitted_before,
        not dry_run,
        intent.requested_at,
        intent.reason,
        intent.actor,
        intent.detail,
        pattern_of(scope.within),
        *((by.project_id, by.user_id, by.user_name, by.address, by.request_id) if by else (None,) * 5),
    )


def _outcome(ending: Ending) -> tuple[object, ...]:
    """An ending as columns."""
    return (
        ending.state,
        ending.finished_at,
        ending.effects,
        ending.reason,
        ending.actor,
        ending.rung,
        ending.cancel_millis,
    )


def _columns(cancel: CancelIntent | None) -> tuple[object, ...]:
    """An intent as columns."""
    return (cancel.requested_at, cancel.reason, cancel.actor, cancel.detail) if cancel else (None,) * 4


def _duplicate(statement: Statement, error: asyncpg.UniqueViolationError) -> DuplicateId | DuplicateKey:
    if statement.retry is not None and error.constraint_name == "statements_idempotency":
        return DuplicateKey(statement.retry.key)
    return DuplicateId(statement.public_id)
