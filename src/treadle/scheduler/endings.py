"""Endings: written once, and tried again until they are written; whoever waits is told."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

import msgspec
import structlog

from treadle.model.entities import CancelIntent, Ending, Part, Session, Statement
from treadle.model.states import Reason, SessionStatus
from treadle.scheduler.context import Context
from treadle.store.errors import StoreUnavailable

log = structlog.get_logger("treadle.owner")
T = TypeVar("T")

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
OPEN: Final = frozenset({SessionStatus.CREATING, SessionStatus.WAITING, SessionStatus.RUNNING})


async def until_stored(context: Context, write: Callable[[], Awaitable[T]]) -> T:
    """Do it, and while the store does not answer do it again: an end that is known must be written."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await write()
        except StoreUnavailable as error:
            log.warning("store_unavailable", error=str(error))
            await context.clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


class Endings:
    """Writes the endings of one session and of its statements."""

    def __init__(self, context: Context, session: Session) -> None:
        self._context = context
        self._session = session

    async def finish(
        self, statement: Statement, owner: str, ending: Ending, before: tuple[Part, ...], parts: tuple[Part, ...]
    ) -> Statement:
        """Write the final state once and return the statement as it now is."""
        context = self._context
        expires = ending.finished_at + timedelta(seconds=min(context.settings.result_ttl, context.settings.record_ttl))
        written = await until_stored(context, lambda: context.store.finish(statement.id, owner, ending, parts, expires))
        if not written:
            stored = await until_stored(context, lambda: context.store.statement(statement.id))
            log.error("ending_refused", statement_id=statement.id, state=stored.state if stored else None)
            if stored is not None:
                return stored
        final = msgspec.structs.replace(
            statement, state=ending.state, ending=ending, parts=(*before, *parts), results_expire_at=expires
        )
        context.signals.ended(final)
        return final

    async def cancel_all(self, intent: CancelIntent) -> Sequence[str]:
        """Ask for the end of every unfinished statement of the session; returns their ids."""
        store = self._context.store
        ids = await until_stored(self._context, lambda: store.request_cancel_session(self._session.id, intent))
        await self._announce(ids)
        return ids

    async def cancel_queued(self, reason: Reason) -> None:
        """End what waits in the session; it never starts."""
        context = self._context
        intent = CancelIntent(requested_at=context.clock.now(), reason=reason, actor="system")
        ids = await until_stored(context, lambda: context.store.cancel_queued(self._session.id, intent))
        await self._announce(ids)

    async def end_session(self, status: SessionStatus, reason: Reason, message: str) -> None:
        """Write the session's end, end what waits in it, and tell whoever waits for it."""
        context = self._context
        ended = await until_stored(
            context,
            lambda: context.store.move_session(
                self._session.id, OPEN, status, reason=reason, message=message, ended_at=context.clock.now()
            ),
        )
        if ended is None:
            return
        log.info("session_ended", session_id=ended.id, status=status, reason=reason, message=message)
        await self.cancel_queued(Reason.SESSION_CLOSED if reason is Reason.USER else reason)
        context.signals.ended(ended)

    async def _announce(self, statement_ids: Sequence[str]) -> None:
        context = self._context
        for statement_id in statement_ids:
            if not context.signals.is_watched(statement_id):
                continue
            statement = await context.store.statement(statement_id)
            if statement is not None and statement.state.final:
                context.signals.ended(statement)
