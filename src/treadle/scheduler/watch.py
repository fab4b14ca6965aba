"""The watch: looks at every open session a few times a second, and at nothing but memory of its own.

What it enforces is kept outside the engine (C16): how long statements may wait, how long sessions may
be idle and open, how much memory a worker may hold. It also asks long statements how far they are.
"""

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from treadle.model.entities import CancelIntent, Session, Statement
from treadle.model.states import CancelOutcome, Reason, Rung, StatementState
from treadle.scheduler.context import Context
from treadle.scheduler.deadlines import Deadline
from treadle.scheduler.endings import until_stored
from treadle.scheduler.lane import Lane
from treadle.scheduler.quantities import size
from treadle.store.filters import Scope
from treadle.wire import HowFar

log = structlog.get_logger("treadle.owner")

WATCH_SECONDS: Final = 0.25

BASE_MEMORY: Final = 256 * 2**20
"""Bytes a worker holds before its session does anything: programs and libraries, shared with the others."""


class Watch:
    """Carries out the limits that no event reminds of."""

    def __init__(
        self, context: Context, lanes: Callable[[], Sequence[Lane]], on_close: Callable[[Session], None]
    ) -> None:
        self._context = context
        self._lanes = lanes
        self._on_close = on_close
        self._closing: set[str] = set()

    async def forever(self) -> None:
        """Look, again and again."""
        while True:
            await self._context.clock.sleep(WATCH_SECONDS)
            try:
                self.look()
            except Exception:
                log.exception("watch_failed")

    def look(self) -> None:
        """One look."""
        now = self._context.clock.monotonic()
        for deadline, statement_ids in self._context.waits.overdue(now).items():
            self._context.spawn(self._dequeue(statement_ids, deadline))
        for lane in self._lanes():
            over = lane.deadline()
            if over is not None and over.at <= now:
                self._close(lane, over.reason)
            elif lane.current is not None:
                self._measure(lane, now)

    async def _dequeue(self, statement_ids: Sequence[str], deadline: Deadline) -> None:
        """End those that still wait; what has started meanwhile is not touched."""
        context = self._context
        intent = CancelIntent(
            requested_at=context.clock.now(), reason=deadline.reason, actor="system", detail=deadline.detail
        )
        scope = Scope(ids=tuple(statement_ids), state=StatementState.QUEUED)
        for asked in await until_stored(context, lambda: context.store.request_cancels(scope, intent)):
            context.signals.ended(asked.statement)
            self._report(asked.statement, intent)

    def _report(self, statement: Statement, intent: CancelIntent) -> None:
        figures = self._context.figures
        figures.statement_ended(statement.state, intent.reason, None)
        figures.cancel_ended(Rung.DEQUEUED, CancelOutcome.CANCELLED, 0.0)
        log.info(
            "statement_dequeued",
            statement_id=statement.id,
            session_id=statement.session_id,
            reason=intent.reason,
            detail=intent.detail,
        )

    def _close(self, lane: Lane, reason: Reason) -> None:
        if not lane.closing and lane.session.id not in self._closing:
            self._closing.add(lane.session.id)
            self._context.spawn(self._request_close(lane.session.id, reason))

    async def _request_close(self, session_id: str, reason: Reason) -> None:
        context = self._context
        try:
            session = await until_stored(
                context, lambda: context.store.request_close(session_id, context.clock.now(), "system", reason)
            )
            if session is not None:
                self._on_close(session)
        finally:
            self._closing.discard(session_id)

    def _measure(self, lane: Lane, now: float) -> None:
        run = lane.current
        if run is None or run.intent is not None:
            return
        given, usual = lane.session.memory, int(self._context.settings.worker_memory)
        bound = (given or usual) * 3 // 2 + BASE_MEMORY
        if lane.worker.memory() > bound:
            lane.limiter.passed(run, Reason.QUOTA, _beyond_memory(given, usual, bound))
        elif run.gauge.ask(now):
            lane.worker.send(HowFar(statement_id=run.id))


def _beyond_memory(given: int | None, usual: int, bound: int) -> str:
    """Name the limit that a worker has passed, and its bound, which leaves room around the engine's own."""
    limit = f"memory of the session ({size(given)})" if given else f"worker_memory ({size(usual)})"
    return f"worker took more than {size(bound)}, the bound for {limit}"
