"""What of a run is on record: its start, and a stop that was asked for here; both may follow what they tell of."""

import asyncio

import structlog

from treadle.model.entities import CancelIntent
from treadle.model.states import Reason
from treadle.scheduler import asking
from treadle.scheduler.asking import Asking
from treadle.scheduler.context import Context
from treadle.scheduler.endings import until_stored
from treadle.scheduler.ladder import Ladder
from treadle.scheduler.run import Run

log = structlog.get_logger("treadle.owner")


class Recording:
    """Puts on record what a run of one session rests on, at the latest when something is to rest on it."""

    def __init__(self, context: Context, ladder: Ladder) -> None:
        self._context = context
        self._ladder = ladder

    def begin(self, run: Run) -> None:
        """The run has begun: its start follows in a few milliseconds, unless it is over by then."""
        run.start.within(lambda: self._context.spawn(self._start_late(run)))

    def strike(self, run: Run, intent: CancelIntent) -> None:
        """Stop it at once; the intent follows with the end, or in a few milliseconds."""
        run.asking = Asking(self._context, run.id, intent)
        self._ladder.strike(run, intent)
        asyncio.get_running_loop().call_later(asking.LATEST_SECONDS, self._intent_late, run)

    async def start(self, run: Run) -> bool:
        """Have its start on record; what the store refuses is stopped: its session is about to end."""
        return self._kept(run, await run.start.write())

    async def renew(self, run: Run) -> bool:
        """Have on record again what a crash of the store took: the start, ended parts, a stop that was asked for."""
        log.warning("record_renewed", statement_id=run.id)
        return self._kept(run, await run.start.renew(lambda: self._continue(run)))

    async def _continue(self, run: Run) -> None:
        """What came after the start."""
        context = self._context
        if run.before:
            await until_stored(context, lambda: context.store.add_parts(run.id, context.owner_id, run.before))
        intent = run.intent or (run.asking.intent if run.asking is not None else None)
        if intent is not None:
            await until_stored(context, lambda: context.store.request_cancel(run.id, intent))

    def _kept(self, run: Run, on_record: bool) -> bool:
        if not on_record:
            now = self._context.clock.now()
            self._ladder.stop(run, CancelIntent(requested_at=now, reason=Reason.SESSION_CLOSED, actor="system"))
        return on_record

    async def intent(self, run: Run) -> None:
        """Have a stop that was asked for here on record, and climb on."""
        if run.asking is not None and await self.start(run):
            self._ladder.stop(run, await run.asking.write())

    async def _start_late(self, run: Run) -> None:
        await self.start(run)

    def _intent_late(self, run: Run) -> None:
        if not run.ended.is_set():
            self._context.spawn(self.intent(run))
