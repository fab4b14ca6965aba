"""The record of an intent that was brought to the owner before the store, and follows within milliseconds.

Most engines stop at once, and then one record is enough, that of the end, with the intent in it. So the
intent is written only when the statement has not stopped within `LATEST_SECONDS`, or as soon as anything
rests on it: a commit, a cancel of many, the close of the session. A crash of the gateway until then ends
the statement with its worker, so that nothing of it works on (C12).
"""

import asyncio
from typing import Final

from treadle.model.entities import CancelIntent
from treadle.scheduler.context import Context
from treadle.scheduler.endings import until_stored

LATEST_SECONDS: Final = 0.005


class Asking:
    """Whether one intent is on record, and how it gets there."""

    def __init__(self, context: Context, statement_id: str, intent: CancelIntent) -> None:
        self._context = context
        self._statement_id = statement_id
        self._writing: asyncio.Task[CancelIntent] | None = None
        self.intent = intent

    async def write(self) -> CancelIntent:
        """Have it on record; the intent that is there, which is an earlier one if there was one."""
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await asyncio.wait([self._writing])
        return self._writing.result()

    async def settled(self) -> CancelIntent:
        """The intent that counts, once a write under way is done."""
        return await self.write() if self._writing is not None else self.intent

    async def _write(self) -> CancelIntent:
        store = self._context.store
        stored = await until_stored(self._context, lambda: store.request_cancel(self._statement_id, self.intent))
        # Without a row, which a crash of the store took, it will be written with the end.
        return stored.cancel or self.intent if stored is not None else self.intent
