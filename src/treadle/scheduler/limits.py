"""The limits of what runs in one session: passing one is a cancel, on the same path as every other (C16)."""

import asyncio
from collections.abc import Awaitable, Callable

from treadle.model.entities import CancelIntent
from treadle.model.states import Reason
from treadle.scheduler.context import Context
from treadle.scheduler.deadlines import Deadline, of_running
from treadle.scheduler.endings import until_stored
from treadle.scheduler.quantities import size
from treadle.scheduler.run import Run
from treadle.wire import Excess


class Limiter:
    """Cancels the statement that passes a limit, once."""

    def __init__(
        self,
        context: Context,
        stop: Callable[[str, CancelIntent], None],
        put_on_record: Callable[[Run], Awaitable[bool]],
    ) -> None:
        self._context = context
        self._stop = stop
        self._put_on_record = put_on_record
        self._timer: asyncio.TimerHandle | None = None

    def arm(self, run: Run, statement_timeout: float) -> None:
        """Start the one clock for the part that begins now."""
        self.disarm()
        deadline = of_running(self._context.limits, statement_timeout, run.submitted, run.began)
        if deadline is not None:
            seconds = max(deadline.at - self._context.clock.monotonic(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._timed_out, run, deadline)

    def disarm(self) -> None:
        """Nothing runs that could take too long."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timed_out(self, run: Run, deadline: Deadline) -> None:
        self.passed(run, deadline.reason, deadline.detail)

    def exceeded(self, run: Run, what: Excess) -> None:
        """Its result is too large."""
        settings = self._context.settings
        rows = f"result has more rows than max_result_rows ({settings.max_result_rows:,})"
        data = f"result is larger than max_result_bytes ({size(settings.max_result_bytes)})"
        self.passed(run, Reason.QUOTA, rows if what is Excess.ROWS else data)

    def passed(self, run: Run, reason: Reason, detail: str) -> None:
        """The statement has passed a limit, which ``detail`` names."""
        if not run.limited:
            run.limited = True
            self._context.spawn(self._cancel(run, reason, detail))

    async def _cancel(self, run: Run, reason: Reason, detail: str) -> None:
        context = self._context
        await self._put_on_record(run)
        intent = CancelIntent(requested_at=context.clock.now(), reason=reason, actor="system", detail=detail)
        stored = await until_stored(context, lambda: context.store.request_cancel(run.id, intent))
        # A crash of the store may have taken the row: what runs is stopped all the same.
        self._stop(run.id, stored.cancel or intent if stored is not None else intent)
