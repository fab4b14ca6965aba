"""How a session comes to life, or does not: worker, catalog, first word, status."""

from collections.abc import Callable
from typing import Final

import structlog

from treadle.model.entities import Catalog, Session
from treadle.model.errors import Unavailable
from treadle.model.states import Reason, SessionStatus
from treadle.scheduler.attaching import Attaching, Hand
from treadle.scheduler.context import Context
from treadle.scheduler.endings import Endings
from treadle.scheduler.lane import Lane
from treadle.scheduler.line import Line
from treadle.scheduler.ports import Workers

log = structlog.get_logger("treadle.owner")

UNOPENED = frozenset({SessionStatus.CREATING, SessionStatus.WAITING})
RETRY_FIRST: Final = 0.2
RETRY_MOST: Final = 10.0
"""Seconds between two tries to open a session: at first, and at most."""


class Opening:
    """Opens sessions on fresh workers."""

    def __init__(
        self,
        context: Context,
        line: "Line[Lane]",
        workers: Workers,
        on_idle: Callable[[], None],
        on_dead: Callable[[Lane], None],
    ) -> None:
        self._context = context
        self._line = line
        self._attaching = Attaching(context, workers)
        self._on_idle = on_idle
        self._on_dead = on_dead

    async def open(self, session: Session, warm_up: int = 0) -> Lane | None:
        """The lane of the session, or None when it could not be opened and has been failed.

        ``warm_up`` workers are kept attached to its catalog for the sessions to come.
        """
        catalog = await self._context.catalogs.of_session(session.workspace_id, session.instance_id, session.catalog)
        if catalog is None:
            await self._fail(session, "its catalog does not exist any more")
            return None
        try:
            hand = await self._host(session, catalog)
        except Unavailable as error:
            await self._fail(session, str(error))
            return None
        async with self._attaching.unless_kept(hand):
            opened = await self._context.store.move_session(
                session.id,
                UNOPENED,
                SessionStatus.RUNNING,
                owner=self._context.owner_id,
                worker=hand.name,
                opened_at=self._context.clock.now(),
            )
        if opened is None:
            await self._attaching.dismiss(hand)
            return None
        log.info("session_opened", session_id=session.id, pid=hand.worker.pid, worker=hand.name)
        settings = self._context.session_settings()
        lane = Lane(self._context, self._line, opened, catalog, hand.worker, settings, self._on_idle, self._on_dead)
        self._context.signals.ended(opened)
        self._attaching.keep_ahead(session, catalog, warm_up)
        return lane

    async def _host(self, session: Session, catalog: Catalog) -> Hand:
        """A worker that hosts the session, tried for as often as it says; raises `Unavailable` with the last reason."""
        left, pause = session.max_retry_times, RETRY_FIRST
        while True:
            try:
                return await self._attaching.host(session, catalog)
            except Unavailable as error:
                if left <= 0 or not await self._may_retry(session, pause):
                    raise
                log.warning("opening_retried", session_id=session.id, error=str(error), left=left)
            left, pause = left - 1, min(pause * 2, RETRY_MOST)

    async def _may_retry(self, session: Session, pause: float) -> bool:
        """Whether the session is still wanted after a pause, and its time to wait is not over."""
        context = self._context
        await context.clock.sleep(pause)
        if self._attaching.closed or (session.wait_deadline and session.wait_deadline <= context.clock.now()):
            return False
        current = await context.store.session(None, session.id)
        return current is not None and current.close_requested_at is None

    async def close(self) -> None:
        """Nothing is opened any more."""
        await self._attaching.close()

    async def _fail(self, session: Session, message: str) -> None:
        await self.abandon(session, SessionStatus.FAIL, Reason.WORKER_CRASHED, message)

    async def give_up(self, session: Session) -> None:
        """No slot came free in time."""
        await self.abandon(
            session, SessionStatus.FAIL, Reason.WAIT_TIMEOUT, "no slot came free within its wait_timeout"
        )

    async def abandon(self, session: Session, status: SessionStatus, reason: Reason, message: str) -> None:
        """End a session that never had a worker; what was queued in it never starts."""
        await Endings(self._context, session).end_session(status, reason, message)
