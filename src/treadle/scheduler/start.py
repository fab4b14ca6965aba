"""The record of a start, which may follow the start itself by a few milliseconds.

A statement that somebody waits for and that ends at once needs one record, of its end. So its start is
written only when it is not over within `LATEST_SECONDS`, or as soon as anything rests on it: a commit, a
finished part, a limit, a cancel of many, the close of its session. Until then nobody but its waiting
caller knows of it, nothing of it can be durable, and a crash of the gateway ends it with its worker.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from treadle.model.entities import Statement
from treadle.scheduler.context import Context
from treadle.scheduler.endings import until_stored
from treadle.store.errors import DuplicateId

LATEST_SECONDS: Final = 0.005


class Start:
    """Whether the start of one statement is on record, and how it gets there."""

    def __init__(self, context: Context, statement: Statement, *, on_record: bool) -> None:
        self._context = context
        self._statement = statement
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.on_record = on_record
        self.refused = False

    def within(self, late: Callable[[], object]) -> None:
        """Call ``late`` when the statement is still not on record after `LATEST_SECONDS`."""
        if not self.on_record:
            self._timer = asyncio.get_running_loop().call_later(LATEST_SECONDS, late)

    def over(self) -> None:
        """The statement has ended: what is not on record by now is recorded with its end."""
        if self._timer is not None:
            self._timer.cancel()

    async def write(self) -> bool:
        """Have it on record; False when the store refuses it: its session has ended or is asked to."""
        if not self.on_record and not self.refused:
            if self._writing is None:
                self._writing = asyncio.create_task(self._write())
            await asyncio.wait([self._writing])
        return self.on_record

    async def renew(self, also: Callable[[], Awaitable[object]]) -> bool:
        """Write it again, and ``also`` what belongs to it: a crash of the store took the row before it was on disk.

        False when the store refuses it.
        """
        if self._writing is None or self._writing.done():
            self.on_record = False
            self._writing = asyncio.create_task(self._write(also))
        return await self.write()

    async def settled(self) -> bool:
        """Whether it is on record, once a write under way is done."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        return self.on_record

    async def _write(self, also: Callable[[], Awaitable[object]] | None = None) -> None:
        stored = await self._stored()
        if stored and also is not None:
            await also()
        self.on_record, self.refused = stored, not stored

    async def _stored(self) -> bool:
        store, statement = self._context.store, self._statement
        queued = statement.as_submitted()
        try:
            stored = await until_stored(
                self._context, lambda: store.submit(queued, owner=self._context.owner_id, soft=True, begun=True)
            )
        except DuplicateId:
            return True  # by a first call whose answer was lost
        if stored is None:
            # Refused, unless a first call, whose answer was lost, came before its session was asked to end.
            stored = await until_stored(self._context, lambda: store.statement(statement.id))
        return stored is not None
