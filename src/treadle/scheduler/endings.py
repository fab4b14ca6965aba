"""Endings: written once, and tried again until they are written; whoever waits is told."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

import msgspec
import structlog

from treadle.model.entities import CancelIntent, Ending, Part, Session, SessionEnd, Statement
from treadle.model.states import Reason, SessionStatus, StatementState
from treadle.scheduler.context import Context
from treadle.store import retrying
from treadle.store.base import Asked
from treadle.store.filters import Scope
from treadle.store.retrying import FIRST_PAUSE, LONGEST_PAUSE
from treadle.store.rules import explained

log = structlog.get_logger("treadle.owner")
T = TypeVar("T")

OPEN: Final = frozenset({SessionStatus.CREATING, SessionStatus.WAITING, SessionStatus.RUNNING})
FOR_ALL: Final = frozenset(
    {
        Reason.SESSION_IDLE,
        Reason.SESSION_EXPIRED,
        Reason.SHUTDOWN,
        Reason.OWNER_LOST,
        Reason.WORKER_CRASHED,
        Reason.WAIT_TIMEOUT,
    }
)
"""Why a session may end that is as true for each statement that waits in it; the rest is told of another statement."""


async def until_stored(context: Context, write: Callable[[], Awaitable[T]]) -> T:
    """Do it, and while the store does not answer do it again: an end that is known must be written."""
    return await retrying.until_stored(context.clock, write)


def told_of_session(reason: Reason | None) -> Reason:
    """Why a statement ends that waited in a session which ended for ``reason``."""
    return reason if reason in FOR_ALL else Reason.SESSION_CLOSED


async def until_done(context: Context, end: Callable[[], Awaitable[None]]) -> None:
    """Carry out an end, and again while it fails: a session whose worker is gone must not go on in the store.

    ``end`` finds what it has done before done.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return await end()
        except Exception:
            log.exception("ending_failed")
            await context.clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


class Endings:
    """Writes the endings of one session and of its statements."""

    def __init__(self, context: Context, session: Session) -> None:
        self._context = context
        self._session = session

    async def finish(
        self,
        statement: Statement,
        owner: str,
        ending: Ending,
        before: tuple[Part, ...],
        parts: tuple[Part, ...],
        inline: bytes | None = None,
        rows: bytes | None = None,
        *,
        profile: bytes | None = None,
        on_record: bool = True,
        session: SessionEnd | None = None,
    ) -> Statement:
        """Write the final state once and return the statement as it now is.

        With one that is not ``on_record`` yet, everything about it is written. ``session`` is the end of the
        session, for one that ends with the statement: `end_session` follows, for those who wait.
        """
        context = self._context
        # Whatever wall clock dates the end, the result is there for its whole time from now on.
        ended = max(ending.finished_at, context.clock.now())
        expires = ended + timedelta(seconds=min(context.settings.result_ttl, context.settings.record_ttl))
        final = msgspec.structs.replace(
            statement,
            state=ending.state,
            ending=ending,
            parts=(*before, *parts),
            results_expire_at=expires,
            inline=inline,
            rows=rows,
            profile=profile,
        )
        if not on_record and await until_stored(context, lambda: context.store.restore(final, session)):
            context.signals.ended(final)
            return final
        written = await until_stored(
            context,
            lambda: context.store.finish(
                statement.id, owner, ending, parts, expires, inline, profile, statement.cancel, session
            ),
        )
        if written is None:
            final = await self._stored_or_restored(final, session)
        elif written.cancel is not None:
            told = explained(ending, written.cancel, final.cancel)
            final = msgspec.structs.replace(final, cancel=written.cancel, ending=told)
        context.signals.ended(final)
        return final

    async def _stored_or_restored(self, final: Statement, session: SessionEnd | None) -> Statement:
        """Whatever was written before; when there is nothing, a crash of the store took the row: write it anew."""
        store = self._context.store
        stored = await until_stored(self._context, lambda: store.statement(final.id))
        if stored is not None:
            log.error("ending_refused", statement_id=final.id, state=stored.state)
            return stored
        log.warning("record_restored", statement_id=final.id)
        await until_stored(self._context, lambda: store.restore(final, session))
        return final

    async def cancel_all(self, intent: CancelIntent) -> Sequence[tuple[str, CancelIntent]]:
        """Ask for the end of every unfinished statement of the session; their ids and the intents they have now."""
        asked = await self._cancel(Scope(session_id=self._session.id), intent)
        return [(one.statement.id, one.statement.cancel or intent) for one in asked]

    async def cancel_queued(self, reason: Reason) -> None:
        """End what waits in the session; it never starts."""
        intent = CancelIntent(requested_at=self._context.clock.now(), reason=reason, actor="system")
        await self._cancel(Scope(session_id=self._session.id, state=StatementState.QUEUED), intent)

    async def _cancel(self, scope: Scope, intent: CancelIntent) -> Sequence[Asked]:
        context = self._context
        asked = await until_stored(context, lambda: context.store.request_cancels(scope, intent))
        for one in asked:
            if one.statement.state.final:
                context.signals.ended(one.statement)
        return asked

    def of_session(self, status: SessionStatus, reason: Reason, message: str) -> SessionEnd:
        """Its end as it can be written with that of a statement."""
        now = self._context.clock.now()
        return SessionEnd(session_id=self._session.id, status=status, reason=reason, message=message, ended_at=now)

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
            # It has ended before, perhaps by a call whose answer was lost: what waits in it ends all the same.
            ended = await until_stored(context, lambda: context.store.session(None, self._session.id))
            if ended is None or not ended.status.final:
                return
        log.info("session_ended", session_id=ended.id, status=ended.status, reason=ended.reason, message=ended.message)
        await self.cancel_queued(told_of_session(reason))
        context.signals.ended(ended)
