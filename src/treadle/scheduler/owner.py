"""The owner: opens sessions, lets their statements start, brings intents to them.

It hears of work through wakes and finds what wakes missed by looking at the store. What to start is
decided by `treadle.scheduler.plan`; how a statement runs and stops is the lane's matter.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from treadle.model.entities import CancelIntent, Endpoint, Session, Statement
from treadle.model.precedence import Work
from treadle.model.states import SESSION_MESSAGES, Reason, RecordStatus, SessionStatus
from treadle.scheduler.context import Context
from treadle.scheduler.lane import Lane
from treadle.scheduler.leases import Leases
from treadle.scheduler.line import Line
from treadle.scheduler.lobby import Lobby
from treadle.scheduler.opening import Opening
from treadle.scheduler.plan import Capacity, Load, Ready, plan
from treadle.scheduler.ports import Workers
from treadle.scheduler.recovery import end_lost_statement
from treadle.scheduler.seat import LaneSeat
from treadle.scheduler.watch import Watch
from treadle.store.base import CatalogName, Wake
from treadle.store.errors import StoreUnavailable
from treadle.store.filters import Page, RecordFilter

log = structlog.get_logger("treadle.owner")

LEAST_SETTLING: Final = 1.0
"""Seconds of a stop that are left for what runs beside, however long the sessions took."""

GOING_DOWN: Final = "the service went down"


class Owner:
    """Runs every session of this gateway."""

    def __init__(self, context: Context, workers: Workers) -> None:
        self._context = context
        self._line: Line[Lane] = Line()
        self._opening = Opening(context, self._line, workers, self._pump, self._lane_dead)
        self._lanes: dict[str, Lane] = {}
        self._waiting = Lobby(context.clock)
        self._opens: dict[str, str] = {}
        self._capacity: dict[str, Capacity] = {}
        self._watch = Watch(context, lambda: self.lanes, self._on_close)
        self._duties: list[asyncio.Task[None]] = []
        self._unlisten: Callable[[], Awaitable[None]] | None = None
        self._stopping = False
        self._suspects: frozenset[str] = frozenset()
        self._unlisted: frozenset[str] = frozenset()
        self._leases = Leases(context)

    @property
    def lanes(self) -> Sequence[Lane]:
        """The open sessions."""
        return tuple(self._lanes.values())

    def works(self, catalog_id: str) -> Sequence[Work]:
        """Yield the work of the open sessions on a catalog."""
        works = (lane.work for lane in self.lanes if lane.catalog_id == catalog_id)
        return tuple(work for work in works if work is not None)

    @property
    def sessions(self) -> Counter[SessionStatus]:
        """How many sessions are in each status, of those that have not ended."""
        unopened = Counter(session.status for session in self._waiting.sessions)
        return unopened + Counter({SessionStatus.RUNNING: len(self._lanes), SessionStatus.CREATING: len(self._opens)})

    async def start(self) -> None:
        """Begin to hear and to look."""
        self._context.signals.on_wake(self.on_wake)
        self._context.signals.on_seat(self._seat)
        self._context.signals.on_record(self._put_on_record)
        self._context.signals.on_serves(self._serves)
        self._context.signals.on_stop(self._stop_here)
        self._context.signals.on_touch(self._touch)
        self._context.signals.on_progress(self._progress)
        self._unlisten = await self._context.store.listen(self.on_wake)
        self._duties = [
            asyncio.create_task(self._poll_forever(), name="owner-poll"),
            asyncio.create_task(self._watch.forever(), name="owner-watch"),
        ]

    async def stop(self, seconds: float) -> None:
        """End every session within ``seconds``; what is left then is killed by the caller."""
        self._stopping = True
        for duty in self._duties:
            duty.cancel()
        await asyncio.gather(*self._duties, return_exceptions=True)
        if self._unlisten is not None:
            await self._unlisten()
        deadline = self._context.clock.monotonic() + seconds
        closings = [
            asyncio.create_task(lane.close(SessionStatus.CLOSED, Reason.SHUTDOWN, "system", GOING_DOWN))
            for lane in self.lanes
        ]
        if closings:
            await asyncio.wait(closings, timeout=seconds)
        await self._opening.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(deadline - self._context.clock.monotonic(), LEAST_SETTLING)):
                await self._context.settle()

    # -- hearing ----------------------------------------------------------------------------

    def on_wake(self, wake: Wake) -> None:
        """Something was written: act at once where that needs no look at the store."""
        if wake.directory:
            return
        if wake.catalog is not None:
            self._context.spawn(self._maintain(wake.catalog))
            return
        lane = self._lanes.get(wake.session_id)
        if wake.statement_id is not None and wake.intent is None:
            self._context.waits.heard(wake.session_id, wake.statement_id, self._context.clock.monotonic())
        if wake.statement_id is None:
            if not self._stopping:
                self._context.spawn(self._look_at(wake.session_id))
        elif lane is not None and wake.intent is not None:
            lane.stop(wake.statement_id, wake.intent)
        elif lane is not None:
            lane.expect()
            if not lane.busy:
                self._pump()

    def _touch(self, session_id: str) -> None:
        """Somebody reads results of the session."""
        lane = self._lanes.get(session_id)
        if lane is not None:
            lane.touch()

    def _progress(self, session_id: str, statement_id: str) -> float | None:
        lane = self._lanes.get(session_id)
        return lane.progress(statement_id) if lane is not None else None

    async def _maintain(self, name: CatalogName) -> None:
        catalog = await self._context.catalogs.of_session(name.workspace_id, name.instance_id, name.name)
        if catalog is not None:
            self._context.changes.want(catalog)

    async def _look_at(self, session_id: str) -> None:
        session = await self._context.store.session(None, session_id)
        if session is not None:
            await self._attend(session)
            self._pump()

    async def _attend(self, session: Session) -> None:
        """Bring what we do for a session in line with what its row says."""
        if session.status.final:
            self._waiting.leave(session.id)
        elif session.close_requested_at is not None:
            await self._close(session)
        elif session.id in self._opens or session.id in self._lanes:
            return
        elif session.status is not SessionStatus.RUNNING:
            if await self._is_disowned(session):
                await self._disown(session)
                return
            if session.id not in self._waiting:
                await self._learn_capacity(session)
            if session.id not in self._opens and session.id not in self._lanes:
                # Else it was opened meanwhile: another look at it came first.
                self._waiting.see(session)
        elif session.owner == self._context.owner_id:
            # Its opening was stored, but the answer was lost: nothing runs it.
            await self._opening.abandon(session, SessionStatus.FAIL, Reason.OWNER_LOST, "its opening was lost")

    async def _is_disowned(self, session: Session) -> bool:
        """Check whether the request that opens the session ended without an answer, here or in an earlier gateway."""
        if not session.unanswered or self._context.signals.is_opening(session.id):
            return False
        # The row may have been read before the request ended; a row that is read now is decisive.
        current = await self._context.store.session(None, session.id)
        return current is not None and current.unanswered and not current.status.final

    async def _disown(self, session: Session) -> None:
        """Close a session that no caller knows."""
        now = self._context.clock.now()
        asked = await self._context.store.request_close(session.id, now, session.user_name, Reason.CLIENT_GONE)
        if asked is not None:
            await self._close(asked)

    async def _learn_capacity(self, session: Session) -> None:
        endpoint = await self._context.store.endpoint(session.workspace_id, session.endpoint_id)
        if endpoint is not None:
            self._capacity[endpoint.id] = capacity_of(endpoint)

    async def _close(self, session: Session) -> None:
        reason = session.reason or Reason.USER
        actor = session.close_requested_by or "system"
        message = SESSION_MESSAGES.get(reason, "")
        lane = self._lanes.get(session.id)
        if lane is not None:
            if not lane.closing:
                if (over := lane.deadline()) is not None and over.reason is reason:
                    message = over.detail
                self._context.spawn(lane.close(SessionStatus.CLOSED, reason, actor, message))
        elif session.id not in self._opens:
            self._waiting.leave(session.id)
            await self._opening.abandon(session, SessionStatus.CLOSED, reason, message)

    # -- starting ---------------------------------------------------------------------------

    async def _put_on_record(self) -> None:
        await asyncio.gather(*(lane.put_on_record() for lane in self.lanes if lane.busy))
        recorded = self._recorded()
        if recorded:
            found = await self._context.store.statements(tuple(recorded))
            lost = recorded.keys() - {one.id for one in found}
            await asyncio.gather(*(recorded[statement_id].renew(statement_id) for statement_id in lost))

    def _serves(self, session_id: str, workspace_id: str, project_id: str) -> bool:
        lane = self._lanes.get(session_id)
        return lane is not None and lane.serves(workspace_id, project_id)

    def _stop_here(self, session_id: str, statement_id: str, intent: CancelIntent) -> str | None:
        lane = self._lanes.get(session_id)
        return lane.stop_here(statement_id, intent) if lane is not None else None

    def _seat(self, session_id: str, project_id: str) -> LaneSeat | None:
        """The session for the next statement, if that may start at once: nobody waits for the slot it takes."""
        lane = self._lanes.get(session_id)
        if lane is None or self._stopping:
            return None
        room = self._capacity.get(lane.endpoint_id)
        if room is None or self._line.running(lane.endpoint_id) >= room.statements:
            return None
        return lane.offer(project_id)

    def _pump(self) -> None:
        """Carry out what the plan says."""
        line = self._line.waiting
        if self._stopping or not (self._waiting or line):
            return
        decided = plan(
            self._context.clock.monotonic(),
            self._capacity,
            self._load(),
            self._waiting.waiting,
            [
                Ready(lane.session.id, lane.endpoint_id, lane.session.priority)
                for lane in line
                if not lane.busy and not lane.closing
            ],
        )
        for session_id in decided.start:
            self._lanes[session_id].start()
        for session_id in decided.open:
            session = self._waiting.take(session_id)
            self._opens[session_id] = session.endpoint_id
            self._context.spawn(self._open(session))
        for session_id in decided.give_up:
            session = self._waiting.take(session_id)
            self._context.spawn(self._opening.give_up(session))
        for session_id in decided.wait:
            session = self._waiting.session(session_id)
            if session.status is SessionStatus.CREATING:
                self._context.spawn(self._mark_waiting(session))

    def _load(self) -> dict[str, Load]:
        sessions = Counter([*(lane.endpoint_id for lane in self._lanes.values()), *self._opens.values()])
        return {endpoint: Load(count, self._line.running(endpoint)) for endpoint, count in sessions.items()}

    async def _mark_waiting(self, session: Session) -> None:
        moved = await self._context.store.move_session(
            session.id, frozenset({SessionStatus.CREATING}), SessionStatus.WAITING
        )
        if moved is not None and session.id in self._waiting:
            self._waiting.see(moved)

    async def _open(self, session: Session) -> None:
        try:
            lane = await self._opening.open(session, self._warm_up(session.endpoint_id))
            if lane is not None:
                self._lanes[session.id] = lane
        finally:
            self._opens.pop(session.id, None)
            self._pump()
        if lane is not None and self._stopping:
            await lane.close(SessionStatus.CLOSED, Reason.SHUTDOWN, "system", GOING_DOWN)
        elif lane is not None:
            current = await self._context.store.session(None, session.id)
            if current is not None:
                await self._attend(current)

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
        for session in await self._context.store.open_sessions(but=tuple(self._lanes)):
            await self._attend(session)
        for session_id in await self._context.store.queued_sessions():
            await self._learn_waits(session_id)
            lane = self._lanes.get(session_id)
            if lane is not None and lane.waiting_since is None:
                lane.recheck()
        await self._learn_limits()
        await self._check_running(await self._context.store.running())
        await self._leases.look()
        self._pump()

    def _warm_up(self, endpoint_id: str) -> int:
        """How many workers stand ready for the endpoint."""
        room = self._capacity.get(endpoint_id)
        return room.warm_up if room is not None else 0

    async def _learn_limits(self) -> None:
        """What nobody is woken for: endpoints whose limits have changed, statements that limit their own wait."""
        context = self._context
        for endpoint in await context.store.endpoints_of(tuple(self._capacity)):
            self._capacity[endpoint.id] = capacity_of(endpoint)
        for one in await context.store.waiting():
            age = (context.clock.now() - one.since).total_seconds()
            since = context.clock.monotonic() - max(age, 0.0)
            context.waits.heard(one.session_id, one.statement_id, since, one.seconds)

    async def _learn_waits(self, session_id: str) -> None:
        """Statements that wait and were never heard of: the wall clock says since when, for want of a better one."""
        waits, clock = self._context.waits, self._context.clock
        if not waits.limited or waits.knows(session_id):
            return
        where = RecordFilter(session_id=session_id, status=RecordStatus.SUBMITTED)
        _, found = await self._context.store.records(None, where, Page(limit=1000), 0)
        for statement in found:
            age = (clock.now() - statement.created_at).total_seconds()
            waits.heard(session_id, statement.id, clock.monotonic() - max(age, 0.0))

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
                await end_lost_statement(self._context, statement, unsent=statement.session_id in self._lanes)
        self._suspects = orphans
        await self._check_recorded(frozenset(s.id for s in ours))

    async def _check_recorded(self, running: frozenset[str]) -> None:
        """A row that was not waited for to be on disk may be lost in a crash of the store, while its statement runs."""
        recorded = self._recorded()
        lost = frozenset(recorded.keys() - running)
        for statement_id in lost & self._unlisted:
            await recorded[statement_id].renew(statement_id)
        self._unlisted = lost

    def _recorded(self) -> dict[str, Lane]:
        return {found: lane for lane in self.lanes if (found := lane.recorded)}

    def _is_known(self, statement: Statement) -> bool:
        lane = self._lanes.get(statement.session_id)
        return lane is not None and lane.running == statement.id

    def _on_close(self, session: Session) -> None:
        """A limit has ended the session: its intent to close is stored."""
        self._context.spawn(self._attend(session))


def capacity_of(endpoint: Endpoint) -> Capacity:
    """What an endpoint allows."""
    return Capacity(sessions=endpoint.max_sessions, statements=endpoint.max_statements, warm_up=endpoint.warm_up)
