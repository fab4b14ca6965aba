"""The audit: rows that are added and never changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from treadle.model.audit import By, Entry, Event
from treadle.store.filters import AuditFilter
from treadle.store.postgres.pool import PoolBase
from treadle.store.rules import entries_of
from treadle.store.sql import sql

if TYPE_CHECKING:
    from asyncpg import Record


class Audit(PoolBase):
    """What was done, by whom."""

    async def add_audit(self, events: Sequence[Event]) -> None:
        rows = [
            (
                one.at,
                one.by.project_id,
                one.by.user_id,
                one.by.user_name,
                one.by.address,
                one.by.request_id,
                one.action,
                one.outcome,
                one.workspace_id,
                one.resource,
                one.detail,
                one.key,
                one.closes,
                one.times,
            )
            for one in events
        ]
        if rows:
            async with self._acquired(self._lists) as connection:
                await connection.execute(sql("audit_add"), *map(list, zip(*rows, strict=True)))

    async def audit(self, where: AuditFilter, limit: int) -> Sequence[Entry]:
        filters = (where.since, where.until, where.user_name, where.action, where.workspace_id)
        async with self._acquired(self._lists) as connection:
            found = [_to_event(row) for row in await connection.fetch(sql("audit_page"), *filters, limit)]
            keys = [event.key for event in found if event.key]
            attached = [_to_event(row) for row in await connection.fetch(sql("audit_keyed"), keys)] if keys else []
        return entries_of(found, attached)

    async def purge_audit(self, before: datetime, limit: int) -> int:
        async with self._acquired(self._lists) as connection, connection.transaction():
            await connection.fetchrow(sql("audit_may_purge"), before)
            return len(await connection.fetch(sql("audit_purge"), before, limit))


def _to_event(row: "Record") -> Event:
    """A row of ``audit``."""
    return Event(
        at=row["at"],
        by=By(
            project_id=row["project_id"],
            user_id=row["user_id"],
            user_name=row["user_name"],
            address=row["address"],
            request_id=row["request_id"],
        ),
        action=row["action"],
        outcome=row["outcome"],
        workspace_id=row["workspace_id"],
        resource=row["resource"],
        detail=row["detail"],
        key=row["key"],
        closes=row["closes"],
        times=row["times"],
    )
