"""A session's stay on its catalog: from the start of a statement until that, or its transaction, is over.

While it lasts nobody removes data files there, for nobody can tell which of them are left.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from treadle.model.entities import Catalog, Session
from treadle.model.maintenance import Moments
from treadle.scheduler.context import Context
from treadle.wire import Upkeep

TIDY_SECONDS: Final = 1.0
"""Seconds a verdict waits for the data files of an aborted write to be removed."""


class Stay:
    """The stays of one session, one after another; ``settings`` are the worker's own words about the session."""

    def __init__(self, context: Context, session: Session, catalog: Catalog) -> None:
        self._context = context
        self._keeper = context.keeper
        self._offload = context.stopping(session.user_id)
        self._session_id = session.id
        self._catalog = catalog

    def begin(self) -> None:
        """A statement is about to work on the catalog."""
        self._keeper.begin(self._catalog.id, self._session_id, self._context.clock.now())

    def end(self, settings: Mapping[str, str], *, lost: bool) -> "asyncio.Task[None] | None":
        """The statement is over; an open transaction stays, unless the worker is lost. What tidies now, if anything."""
        if not lost and in_transaction(settings):
            return None
        self._keeper.end(self._catalog.id, self._session_id)
        needed = self._keeper.needs(self._catalog.id)
        return self._context.spawn(self._keeper.tidy(self._catalog.id, self._offload)) if needed else None

    def upkeep(self) -> Upkeep:
        """The right to maintain the catalog now: what a session that works there may still need is kept."""
        busy_since, retention = self._keeper.busy_since(self._catalog.id), self._context.settings.file_retention
        return Upkeep(
            unused_before=Moments.of(self._context.clock.now(), busy_since, retention=retention, ttl=0).remove
        )

    async def lost(self, settings: Mapping[str, str]) -> None:
        """The worker is gone: an open transaction may have left what it wrote."""
        if in_transaction(settings):
            await self._keeper.littered(self._catalog, self._offload)
        self.end(settings, lost=True)

    async def tidy(self, settings: Mapping[str, str], *, lost: bool) -> None:
        """Remove the data files of an aborted write, at once if nobody else works on the catalog (C11).

        A catalog that does not answer holds no verdict up: the keeper goes on.
        """
        await self._keeper.littered(self._catalog, self._offload)
        tidying = self.end(settings, lost=lost)
        if tidying is not None:
            await asyncio.wait([tidying], timeout=TIDY_SECONDS)


def in_transaction(settings: Mapping[str, str]) -> bool:
    """Check whether a transaction is open or waits to be rolled back."""
    return settings.get("transaction", "none") != "none"
