"""The audit: rows that are added and never changed."""

from collections.abc import Sequence
from datetime import datetime

from treadle.model.audit import Entry, Event
from treadle.store.filters import AuditFilter
from treadle.store.memory.tables import Tables, among
from treadle.store.rules import entries_of


class Audit(Tables):
    """What was done, by whom."""

    async def add_audit(self, events: Sequence[Event]) -> None:
        self._audit.extend(events)

    async def audit(self, where: AuditFilter, limit: int) -> Sequence[Entry]:
        first: dict[str, Event] = {}
        users: dict[str, set[str]] = {}
        for event in self._audit:
            if event.key and not event.closes:
                first.setdefault(event.key, event)
                users.setdefault(event.key, set()).add(event.by.user_name)
        found = [
            event
            for event in reversed(self._audit)
            if not event.closes
            and (not event.key or first[event.key] is event)
            and _matches(where, event, users.get(event.key, {event.by.user_name}))
        ][:limit]
        return entries_of(found, [event for event in self._audit if event.key])

    async def purge_audit(self, before: datetime, limit: int) -> int:
        over = sorted((event for event in self._audit if event.at < before), key=lambda event: event.at)[:limit]
        gone = set(map(id, over))
        self._audit = [event for event in self._audit if id(event) not in gone]
        return len(over)


def _matches(where: AuditFilter, event: Event, users: set[str]) -> bool:
    return (
        (where.since is None or event.at >= where.since)
        and (where.until is None or event.at < where.until)
        and (where.user_name is None or where.user_name in users)
        and (where.action is None or event.action == where.action or event.action.endswith(f":{where.action}"))
        and among(where.workspace_id, event.workspace_id)
    )
