"""Leases: a statement that somebody must keep asking for is cancelled when nobody does (C16).

The time of the renewal is a fact of the store and only compared for being another one: how long ago it
was is measured here, by the monotonic clock. So a step of the wall clock ends no lease. Whoever asks soon
after a renewal leaves no trace in the store: a lease holds for that much longer, and never ends early.
"""

import math

import msgspec

from treadle.model.entities import LEASE_RENEWAL_SHARE, CancelIntent
from treadle.model.states import CancelOutcome, Reason, Rung
from treadle.scheduler.context import Context
from treadle.store.base import Lease, Wake


class _Seen(msgspec.Struct, frozen=True):
    """A lease as it was seen last, and until when it holds in monotonic seconds."""

    lease: Lease
    holds_until: float


class Leases:
    """The leases of the statements that have not ended, those that wait included."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: dict[str, _Seen] = {}

    async def look(self) -> None:
        """Learn what was renewed, and cancel what was not; costs one empty answer where nobody has a lease."""
        context = self._context
        leases = await context.store.leases()
        now = context.clock.monotonic()
        self._seen = {lease.statement_id: self._renewed(lease, now) for lease in leases}
        for one in [one for one in self._seen.values() if one.holds_until <= now]:
            await self._end(one.lease)
            self._seen[one.lease.statement_id] = _Seen(one.lease, math.inf)

    def _renewed(self, lease: Lease, now: float) -> _Seen:
        before = self._seen.get(lease.statement_id)
        if before is not None and before.lease == lease:
            return before
        return _Seen(lease, now + lease.keepalive * (1 + LEASE_RENEWAL_SHARE))

    async def _end(self, lease: Lease) -> None:
        context = self._context
        intent = CancelIntent(
            requested_at=context.clock.now(),
            reason=Reason.CLIENT_GONE,
            actor="system",
            detail=f"no request for the statement within keepalive ({lease.keepalive:,.12g} s)",
        )
        stopped = await context.store.request_cancel(lease.statement_id, intent)
        if stopped is None:
            return
        ending = stopped.ending
        if ending is not None and ending.rung is Rung.DEQUEUED and ending.reason is Reason.CLIENT_GONE:
            context.signals.ended(stopped)
            context.figures.statement_ended(stopped.state, ending.reason, None)
            context.figures.cancel_ended(Rung.DEQUEUED, CancelOutcome.CANCELLED, 0.0)
        elif stopped.cancel is not None and ending is None:
            context.signals.wake(Wake(session_id=stopped.session_id, statement_id=stopped.id, intent=stopped.cancel))
