"""The owner: opens sessions, lets their statements start, brings intents to them.

It hears of work through wakes and finds what wakes missed by looking at the store. What to start is
decided by `treadle.scheduler.plan`; how a statement runs and stops is the lane's matter.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from treadle.model.entities import Endpoint, Session, Statement
from treadle.model.states import Reason, SessionStatus
from treadle.scheduler.context import Context
from treadle.scheduler.lane import Lane
from treadle.scheduler.opening import Opening
from treadle.scheduler.plan import Capacity, Load, Ready, Waiting, plan
from treadle.scheduler.ports import Workers
from treadle.scheduler.recovery import end_lost_statement
from treadle.store.base import Wake
from treadle.store.errors import StoreUnavailable

log = structlog.get_logger("treadle.owner")

BASE_MEMORY: Final = 256 * 2**20
"""Bytes a worker holds before its session does anything: programs and libraries, shared with the others."""


class Owner:
    """Runs every session of this gateway."""

    def __init__(self, context: Context, workers: Workers) -> None:
        self._context = context
        self._opening = Opening(context, workers, self._pump, self._lane_dead)
        self._lanes: dict[str, Lane] = {}
        self._waiting: dict[str, Session] = {}
        self._opens: dict[str, str] = {}
        self._capacity: dict[str, Capacity] = {}
        self._poller: asyncio.Task[None] | None = None
        self._unlisten: Callable[[], Awaitable[None]] | None = None
        self._stopping = False
        self._suspects: frozenset[str] = frozenset()

    @property
    def lanes(self) -> Sequence[Lane]:
        """The open sessions."""
        return tuple(self._lanes.values())

    async def start(self) -> None:
        """Begin to hear and to look."""
        self._context.signals.on_wake(self.on_wake)
        self._unlisten = await self._context.store.listen(self.on_wake)
        self._poller = asyncio.create_task(self._poll_forever(), name="owner-poll")

    async def stop(self, seconds: float) -> None:
        """End every session within ``seconds``; what is left then is killed by the caller."""
        self._stopping = True
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
        if self._unlisten is not None:
            await self._unlisten()
        closings = [
            asyncio.create_task(lane.close(SessionStatus.CLOSED, Reason.SHUTDOWN, "system", "the service went down"))
            for lane in self.lanes
        ]
        if closings:
            await asyncio.wait(closings, timeout=seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._context.settle()

    # -- hearing ----------------------------------------------------------------------------

    def on_wake(self, wake: Wake) -> None:
        """Something was written: act at once where that needs no look at the store."""
        lane = self._lanes.get(wake.session_id)
        if wake.statement_id is None:
            if not self._stopping:
                self._context.spawn(self._look_at(wake.session_id))
        elif lane is not None and wake.intent is not None:
            lane.stop(wake.statement_id, wake.intent)
        elif lane is not None:
            lane.expect()
            if not lane.busy:
                self._pump()

    async def _look_at(self, session_id: str) -> None:
        session = await self._context.store.session(None, session_id)
        if session is not None:
            await self._attend(session)
            self._pump()

    async def _attend(self, session: Session) -> None:
        """Bring what we do for a session in line with what its row says."""
        if session.status.final:
            self._waiting.pop(session.id, None)
        elif session.close_requested_at is not None:
            await self._close(session)
        elif session.id in self._opens or session.id in self._lanes:
            return
        elif session.status is not SessionStatus.RUNNING:
            if session.id not in self._waiting:
                await self._learn_capacity(session)
            self._waiting[session.id] = session
        elif session.owner == self._context.owner_id:
            # Its opening was stored, but the answer was lost: nothing runs it.
            await self._opening.abandon(session, SessionStatus.FAIL, Reason.OWNER_LOST, "its opening was lost")

    async def _learn_capacity(self, session: Session) -> None:
        endpoint = await self._context.store.endpoint(session.workspace_id, session.endpoint_id)
        if endpoint is not None:
            self._capacity[endpoint.id] = capacity_of(endpoint)

    async def _close(self, session: Session) -> None:
        reason = session.reason or Reason.USER
        actor = session.close_requested_by or "system"
        lane = self._lanes.get(session.id)
        if lane is not None:
            if not lane.closing:
                self._context.spawn(lane.close(SessionStatus.CLOSED, reason, actor))
        elif session.id not in self._opens:
            self._waiting.pop(session.id, None)
            await self._opening.abandon(session, SessionStatus.CLOSED, reason, "")

    # -- starting ---------------------------------------------------------------------------

    def _pump(self) -> None:
        """Carry out what the plan says."""
        if self._stopping:
            return
        decided = plan(
            self._context.clock.now(),
            self._capacity,
            self._load(),
            [Waiting(s.id, s.endpoint_id, s.wait_deadline) for s in self._waiting.values()],
            self._ready(),
        )
        for session_id in decided.start:
            self._lanes[session_id].start()
        for session_id in decided.open:
            session = self._waiting.pop(session_id)
            self._opens[session_id] = session.endpoint_id
            self._context.spawn(self._open(session))
        for session_id in decided.give_up:
            session = self._waiting.pop(session_id)
            self._context.spawn(self._opening.give_up(session))
        for session_id in decided.wait:
            session = self._waiting[session_id]
            if session.status is SessionStatus.CREATING:
                self._context.spawn(self._mark_waiting(session))

    def _ready(self) -> list[Ready]:
        """The sessions whose next statement may start, in the order those statements came."""
        line = [
            (lane.waiting_since, lane.session)
            for lane in self._lanes.values()
            if lane.waiting_since is not None and not lane.busy and not lane.closing
        ]
        line.sort(key=lambda place: place[0])
        return [Ready(session.id, session.endpoint_id) for _, session in line]

    def _load(self) -> dict[str, Load]:
        sessions: dict[str, int] = {}
        statements: dict[str, int] = {}
        for lane in self._lanes.values():
            endpoint = lane.session.endpoint_id
            sessions[endpoint] = sessions.get(endpoint, 0) + 1
            statements[endpoint] = statements.get(endpoint, 0) + lane.busy
        for endpoint in self._opens.values():
            sessions[endpoint] = sessions.get(endpoint, 0) + 1
        return {endpoint: Load(count, statements.get(endpoint, 0)) for endpoint, count in sessions.items()}

    async def _mark_waiting(self, session: Session) -> None:
        moved = await self._context.store.move_session(
            session.id, frozenset({SessionStatus.CREATING}), SessionStatus.WAITING
        )
        if moved is not None and session.id in self._waiting:
            self._waiting[session.id] = moved

    async def _open(self, session: Session) -> None:
        try:
            lane = await self._opening.open(session)
        finally:
            self._opens.pop(session.id, None)
        if lane is not None:
            self._lanes[session.id] = lane
            current = await self._context.store.session(None, session.id)
            if current is not None:
                await self._attend(current)
        self._pump()

    def _lane_dead(self, lane: Lane) -> None:
        if self._lanes.get(lane.session.id) is lane:
            del self._lanes[lane.session.id]
        self._pump()

    # -- looking ----------------------------------------------------------------------------

    async def _poll_forever(self) -> None:
        while True:
            await self._context.clock.sleep(self._context.settings.poll_interval)
            try:
                await self._look()
            except StoreUnavailable as error:
                log.warning("store_unavailable", error=str(error))
            except Exception:
                log.exception("look_failed")

    async def _look(self) -> None:
        """The truth, for whatever a wake did not tell."""
        for session in await self._context.store.open_sessions():
            await self._attend(session)
        for session_id in await self._context.store.queued_sessions():
            lane = self._lanes.get(session_id)
            if lane is not None and lane.waiting_since is None:
                lane.recheck()
        await self._check_running(await self._context.store.running())
        for lane in self.lanes:
            self._check_lane(lane)
        self._pump()

    async def _check_running(self, running: Sequence[Statement]) -> None:
        ours = [statement for statement in running if statement.owner == self._context.owner_id]
        for statement in ours:
            lane = self._lanes.get(statement.session_id)
            if lane is not None and statement.cancel is not None:
                lane.stop(statement.id, statement.cancel)
        # A row that says "running" while no lane runs it was claimed by a call whose answer was lost.
        # Two looks in a row, so that a statement between claim and start is not taken for one.
        orphans = frozenset(s.id for s in ours if not self._is_known(s))
        for statement in ours:
            if statement.id in orphans & self._suspects:
                await end_lost_statement(self._context, statement)
        self._suspects = orphans

    def _is_known(self, statement: Statement) -> bool:
        lane = self._lanes.get(statement.session_id)
        return lane is not None and lane.running == statement.id

    def _check_lane(self, lane: Lane) -> None:
        """Deadlines and caps of a session, kept outside the engine (C16)."""
        if lane.idle_limit and lane.idle_seconds > lane.idle_limit and lane.waiting_since is None and not lane.closing:
            self._context.spawn(self._close_idle(lane))
        elif lane.running is not None and lane.worker.memory() > self._memory_bound():
            self._context.spawn(lane.cancel(lane.running, Reason.QUOTA))

    def _memory_bound(self) -> int:
        return int(self._context.settings.worker_memory) * 3 // 2 + BASE_MEMORY

    async def _close_idle(self, lane: Lane) -> None:
        session = await self._context.store.request_close(
            lane.session.id, self._context.clock.now(), "system", Reason.SESSION_IDLE
        )
        if session is not None:
            await self._attend(session)


def capacity_of(endpoint: Endpoint) -> Capacity:
    """What an endpoint allows."""
    return Capacity(sessions=endpoint.max_sessions, statements=endpoint.max_statements)
