"""What of a run is on record: its start, and a stop that was asked for here; both may follow what they tell of."""

import asyncio

from treadle.model.entities import CancelIntent
from treadle.model.states import Reason
from treadle.scheduler import asking
from treadle.scheduler.asking import Asking
from treadle.scheduler.context import Context
from treadle.scheduler.ladder import Ladder
from treadle.scheduler.run import Run


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
        if await run.start.write():
            return True
        now = self._context.clock.now()
        self._ladder.stop(run, CancelIntent(requested_at=now, reason=Reason.SESSION_CLOSED, actor="system"))
        return False

    async def intent(self, run: Run) -> None:
        """Have a stop that was asked for here on record, and climb on."""
        if run.asking is not None and await self.start(run):
            self._ladder.stop(run, await run.asking.write())

    async def _start_late(self, run: Run) -> None:
        await self.start(run)

    def _intent_late(self, run: Run) -> None:
        if not run.ended.is_set():
            self._context.spawn(self.intent(run))
