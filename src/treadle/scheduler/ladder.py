"""The ladder of a stop: tell the worker, which interrupts again and again; past the grace kill it (C3).

A statement in its commit is not interrupted, only waited for and, past the grace, killed and looked up.
"""

import asyncio
from typing import Final

import structlog

from treadle.model.entities import CancelIntent
from treadle.scheduler.context import Context
from treadle.scheduler.ports import Worker
from treadle.scheduler.run import Run
from treadle.wire import Cancel

OVERDUE_SECONDS: Final = 3.0
"""Seconds from a kill to the record, with the grace before it the bound of C3."""

log = structlog.get_logger("treadle.owner")


class Ladder:
    """Stops what runs on one worker."""

    def __init__(self, context: Context, worker: Worker) -> None:
        self._context = context
        self._worker = worker

    def stop(self, run: Run, intent: CancelIntent) -> None:
        """Climb for this statement, once."""
        if run.intent is not None or run.ended.is_set():
            return
        run.intent = intent
        self._tell(run, intent)
        run.ladder = asyncio.create_task(self._climb(run), name=f"ladder-{run.id}")

    def strike(self, run: Run, intent: CancelIntent) -> None:
        """Tell the worker at once, before the intent is on record."""
        self._worker.send(Cancel(statement_id=run.id))
        self._tell(run, intent)

    def _tell(self, run: Run, intent: CancelIntent) -> None:
        """Note that a stop is asked for, once."""
        if run.asked_at is not None:
            return
        run.asked_at = self._context.clock.monotonic()
        run.asked.set()
        log.info(
            "cancel_requested", statement_id=run.id, reason=intent.reason, actor=intent.actor, detail=intent.detail
        )

    def press(self, run: Run) -> None:
        """The intent is level-triggered: said again whenever something changed."""
        if run.intent is not None and run.commit is None:
            self._worker.send(Cancel(statement_id=run.id))

    async def _climb(self, run: Run) -> None:
        self.press(run)
        try:
            async with asyncio.timeout(self._context.settings.cancel_grace):
                await run.ended.wait()
        except TimeoutError:
            if run.ended.is_set():
                return  # in the same moment: what it said stands, and the worker lives
            log.warning("worker_killed", statement_id=run.id, session_id=run.session_id, pid=self._worker.pid)
            run.killed = True
            self._worker.kill()
            await self._watch_overdue(run)

    async def _watch_overdue(self, run: Run) -> None:
        """A killed statement must be on record soon; beyond the bound somebody should know (C19)."""
        try:
            async with asyncio.timeout(OVERDUE_SECONDS):
                await run.recorded.wait()
        except TimeoutError:
            log.error("cancel_overdue", statement_id=run.id)
            self._context.overdue(+1)
            await run.recorded.wait()
            self._context.overdue(-1)
