"""One open session on the owner's side: its worker, and the statement that runs on it.

A lane runs statements one after another. It writes states; intents come to it (`stop`) and climb
the ladder. A statement comes to it in one of two ways: claimed from the store, or through a seat,
which holds the idle session for a statement that is being submitted.
"""

import asyncio
from collections.abc import Callable

import structlog

from treadle.model.entities import CancelIntent, Catalog, Session, Statement
from treadle.model.precedence import Work
from treadle.model.states import Reason, SessionStatus
from treadle.scheduler.aftermath import Aftermath
from treadle.scheduler.arrivals import Arrivals
from treadle.scheduler.commits import Commits
from treadle.scheduler.conclusion import Conclusion, Last, is_fatal
from treadle.scheduler.context import Context
from treadle.scheduler.deadlines import Deadline, of_session
from treadle.scheduler.deaths import log_death
from treadle.scheduler.endings import Endings, told_of_session, until_done, until_stored
from treadle.scheduler.ladder import Ladder
from treadle.scheduler.limits import Limiter
from treadle.scheduler.line import Line
from treadle.scheduler.performing import Performer
from treadle.scheduler.ports import Worker
from treadle.scheduler.recording import Recording
from treadle.scheduler.recovery import Closing, end_orphans
from treadle.scheduler.run import Run
from treadle.scheduler.seat import LaneSeat
from treadle.scheduler.stay import Stay, in_transaction
from treadle.wire import Cancelled, Close, Failed, FromWorker

log = structlog.get_logger("treadle.owner")


class Lane:
    """One session, one worker, one statement at a time."""

    def __init__(
        self,
        context: Context,
        line: "Line[Lane]",
        session: Session,
        catalog: Catalog,
        worker: Worker,
        settings: dict[str, str],
        on_idle: Callable[[], None],
        on_dead: Callable[["Lane"], None],
    ) -> None:
        self.session = session
        self.catalog_id = catalog.id
        self.worker = worker
        self._closing: Closing | None = None
        self._arrivals = Arrivals()
        self._context = context
        self._line = line
        self._stay = Stay(context, session, catalog)
        self._aftermath = Aftermath(context, session, catalog)
        self._endings = Endings(context, session)
        self._conclusion = Conclusion(context, session, self._aftermath)
        self._ladder = Ladder(context, worker)
        self._recording = Recording(context, self._ladder)
        commits = Commits(context, catalog, worker, self._ladder, self._recording)
        self.limiter = Limiter(context, self.stop, self._recording.start)
        upkeep = self._stay.upkeep
        self._performer = Performer(
            context, worker, self._ladder, self._recording, commits, self.limiter, upkeep, settings
        )
        self._on_idle = on_idle
        self._on_dead = on_dead
        self._slot = False
        # Whose session it is, once the store has accepted a statement of theirs.
        self._project_id = ""
        self._seat: asyncio.Future[None] | None = None
        # A statement has taken its seat and is about to be what runs.
        self._beginning: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        # Intents that came before their statement was heard of: between its start in the store and here.
        self._early: dict[str, CancelIntent] = {}
        self._dead = False
        self._opened = self.idle_since = context.clock.monotonic()
        # What was submitted before the session opened is looked for, from the place of the first one heard of.
        self._arrivals.look(self._opened)
        line.note(self)
        worker.attend(self._hear)

    # -- what the owner asks ----------------------------------------------------------------

    @property
    def endpoint_id(self) -> str:
        """Where it runs."""
        return self.session.endpoint_id

    @property
    def busy(self) -> bool:
        """Whether a statement runs, is being claimed, or has a seat, or none ever will: the worker is gone."""
        return self._slot or self._dead

    @property
    def waiting_since(self) -> float | None:
        """When the oldest statement that waits here came, as far as was heard; None when none is known."""
        return self._arrivals.oldest

    def expect(self) -> None:
        """A statement has been submitted to the session."""
        if not self._dead:
            self._arrivals.add(self._context.clock.monotonic())
            self._line.note(self)

    def recheck(self) -> None:
        """The store has statements of the session that nobody told of."""
        self._arrivals.unheard = True
        self.expect()

    @property
    def closing(self) -> bool:
        """Whether the session is being ended on purpose."""
        return self._closing is not None

    @property
    def running(self) -> str | None:
        """The id of the statement that runs."""
        return self.current.id if self.current else None

    @property
    def current(self) -> Run | None:
        """The statement that runs."""
        return self._performer.run

    @property
    def work(self) -> Work | None:
        """The current work on the catalog, None without any."""
        run, open_ = self.current, in_transaction(self._performer.settings)
        if run is None:
            return Work(in_transaction=True) if open_ else None
        seconds = self._context.clock.monotonic() - run.began
        return Work(text=run.statement.content, seconds=seconds, losses=run.tries.losses, in_transaction=open_)

    def touch(self) -> None:
        """Somebody reads results of the session: it is not idle."""
        self.idle_since = self._context.clock.monotonic()

    def progress(self, statement_id: str) -> float | None:
        """Percent done of the statement, if it runs here and that is known."""
        run = self.current
        return run.gauge.percent(self._context.clock.monotonic()) if run and run.id == statement_id else None

    def deadline(self) -> Deadline | None:
        """Until when the session may stay open."""
        idle_since = None if self.busy or self._arrivals else self.idle_since
        return of_session(self._context.limits, self._performer.seconds("session_timeout"), self._opened, idle_since)

    def start(self) -> None:
        """Claim and run the next statement."""
        self._arrivals.take()
        self._line.note(self)
        self._occupy()
        self._task = asyncio.create_task(self._work(None, claim=True), name=f"lane-{self.session.id}")

    def offer(self, project_id: str) -> "LaneSeat | None":
        """A seat, if the session is idle and nothing waits in it."""
        waiting = self._arrivals or self._arrivals.unheard
        if waiting or self._slot or self._task is not None or self.closing or self._dead:
            return None
        self._occupy()
        self._seat = asyncio.get_running_loop().create_future()
        return LaneSeat(self, self._context.owner_id, project_id)

    def serves(self, workspace_id: str, project_id: str) -> bool:
        """Whether the session is known to be that project's: the store has said so once."""
        return self.session.workspace_id == workspace_id and self._project_id == project_id

    def begin(self, statement: Statement, project_id: str, *, on_record: bool) -> None:
        """The seat is taken by a statement which starts now, and is on record or will soon be."""
        self._project_id = project_id
        self._beginning = asyncio.get_running_loop().create_future()
        self._rise()
        work = self._work(statement, claim=False, on_record=on_record)
        self._task = asyncio.create_task(work, name=f"lane-{self.session.id}")

    async def put_on_record(self) -> None:
        """Have what runs here on record, so that whoever looks at the store finds it."""
        if self._beginning is not None:
            await asyncio.wait([self._beginning])
        run = self.current
        if run is None:
            return
        if not await self._recording.start(run):
            # Refused, and therefore being stopped: it is on record with its end.
            if self._task is not None:
                await asyncio.wait([self._task])
        elif not run.ended.is_set():
            await self._recording.intent(run)

    async def renew(self, statement_id: str) -> None:
        """Put the statement that runs here on record again, if it is that one."""
        run = self.current
        if run is not None and run.id == statement_id and not run.ended.is_set():
            await self._recording.renew(run)

    @property
    def recorded(self) -> str | None:
        """The id of the statement that runs and is on record, or was."""
        run = self.current
        return run.id if run is not None and run.start.on_record and not run.ended.is_set() else None

    def unseat(self) -> None:
        """The seat stays empty."""
        self._rise()
        if self._performer.inbox:
            self._task = asyncio.create_task(self._work(None, claim=False))
        else:
            self._vacate()

    def stop(self, statement_id: str, intent: CancelIntent) -> None:
        """Climb the ladder for the statement, if it is the one that runs or the one that is about to."""
        if self.current is not None and self.current.id == statement_id:
            self._ladder.stop(self.current, intent)
        elif self._slot and self.current is None:
            self._early[statement_id] = intent

    def stop_here(self, statement_id: str, intent: CancelIntent) -> str | None:
        """Stop the statement the API shows under that id if it runs here and is not in its commit; its own id then.

        The intent goes on record with the end, or soon.
        """
        run = self.current
        if run is None or run.statement.public_id != statement_id or run.commit is not None or run.ended.is_set():
            return None
        if run.asking is None and run.intent is None:
            self._recording.strike(run, intent)
        return run.id

    async def close(self, status: SessionStatus, reason: Reason, actor: str, message: str = "") -> None:
        """Stop everything, end the worker, write the session's end."""
        if self.closing or self._dead:
            return
        self._closing = (status, reason, message)
        if self._seat is not None:
            # What is being submitted is stored then, or refused.
            await asyncio.wait([self._seat])
        await self.put_on_record()
        now, detail = self._context.clock.now(), message if reason is Reason.SESSION_EXPIRED else None
        intent = CancelIntent(requested_at=now, reason=told_of_session(reason), actor=actor, detail=detail)
        for statement_id, stored in await self._endings.cancel_all(intent):
            self.stop(statement_id, stored)
        if self.current is not None:
            # A crash of the store may have taken its row.
            self.stop(self.current.id, intent)
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._dead:
            return
        self._dead = True
        self.worker.send(Close())
        await self._wait_or_kill(self._context.settings.cancel_grace)
        await until_done(self._context, self._end_session)

    # -- slots ------------------------------------------------------------------------------

    def _occupy(self) -> None:
        self._slot = True
        self._line.started(self)
        # Before the statement can start.
        self._stay.begin()

    def _vacate(self) -> None:
        self._slot = False
        self._line.stopped(self)
        self._early.clear()
        self._stay.end(self._performer.settings, lost=self._dead)
        self.idle_since = self._context.clock.monotonic()
        if not self._dead:
            self._on_idle()

    def _rise(self) -> None:
        if self._seat is not None:
            self._seat.set_result(None)
            self._seat = None

    # -- running ----------------------------------------------------------------------------

    def _hear(self, message: FromWorker | None) -> None:
        if message is None and not self._slot and self._task is None:
            if not self._dead:
                self._dead = True
                self._task = asyncio.create_task(self._worker_lost())
            return
        self._performer.hear(message)

    async def _work(self, statement: Statement | None, *, claim: bool, on_record: bool = True) -> None:
        try:
            if claim:
                statement = await self._claim()
            if statement is not None:
                await self._perform(statement, on_record=on_record)
                if self._arrivals.unheard and not self._arrivals:
                    self.expect()
            if not self._dead and self._performer.inbox:
                # It died right after its last word, or before it could be given another statement.
                await self._worker_lost()
        except Exception:
            # The store did not answer the claim, or an ending could not be cleared up after: the
            # owner's next looks at the store find what no lane runs.
            log.exception("work_failed", session_id=self.session.id)
        finally:
            self._task = None
            self._performer.rest()
            self._vacate()

    async def _claim(self) -> Statement | None:
        context = self._context
        claimed = await context.store.claim(self.session.id, context.owner_id, context.clock.now())
        if claimed is None:
            self._arrivals.unheard = False
        return claimed

    async def _perform(self, statement: Statement, *, on_record: bool) -> None:
        run = self._performer.begin(statement, on_record=on_record)
        if self._beginning is not None:
            self._beginning.set_result(None)
            self._beginning = None
        last = await self._performer.perform(run, (statement.cancel, self._early.pop(run.id, None)))
        await self._end(run, last)

    # -- ending -----------------------------------------------------------------------------

    async def _end(self, run: Run, last: Last) -> None:
        """From the last word, or the death, to the record."""
        if run.killed or last is None or is_fatal(last):
            if last is None and not run.killed:
                self._warn_of_death(run)
            self._dead = True
            await until_done(self._context, lambda: self._end_both(run, last))
            return
        if isinstance(last, Cancelled) or run.asking is not None:
            await self._conclusion.learn_intent(run)
        if isinstance(last, Failed | Cancelled) and last.wrote:
            await self._stay.tidy(self._performer.settings, lost=False)
        await self._conclusion.write(run, last)

    async def _end_both(self, run: Run, last: Last) -> None:
        """The worker is gone: the statement never seems to have ended in a session that goes on."""
        await self._conclusion.learn_intent(run)
        await self._aftermath.cut_off()
        if not self.closing:
            # First, so that nothing more can be submitted when the cancel is answered.
            await self._conclusion.fail_session(run, last)
        await self._stay.tidy(self._performer.settings, lost=True)
        if self._closing is None:
            await self._conclusion.write(run, last)
        else:
            # In one step: who closes the session is answered when its statement is on record as well.
            await self._end_orphans(self._closing, but=run.id)
            await self._conclusion.write(run, last, self._endings.of_session(*self._closing))
            await self._endings.end_session(*self._closing)
        self._bury()

    async def _end_orphans(self, closing: Closing, but: str = "") -> None:
        """End what else is on record as running here."""
        context, sent = self._context, self._performer.sent
        await until_stored(context, lambda: end_orphans(context, self.session.id, sent, closing, but=but))

    async def _end_session(self) -> None:
        """The worker is gone, and nothing ran."""
        await self._stay.lost(self._performer.settings)
        if self._closing is not None:
            await self._end_orphans(self._closing)
            await self._endings.end_session(*self._closing)
        else:
            await self._conclusion.fail_session(None, None)
        self._bury()

    async def _worker_lost(self) -> None:
        """The worker died while nothing ran."""
        self._warn_of_death(None)
        self._dead = True
        await until_done(self._context, self._aftermath.cut_off)
        await until_done(self._context, self._end_session)

    def _warn_of_death(self, run: Run | None) -> None:
        """Log an unexpected death of the worker, during a statement or between two."""
        during = {"statement_id": run.id, "public_id": run.statement.public_id} if run is not None else {}
        log_death(self.worker, session_id=self.session.id, **during)

    def _bury(self) -> None:
        self._line.leave(self)
        self._on_dead(self)

    async def _wait_or_kill(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.worker.buried()
        except TimeoutError:
            self.worker.kill()
            await self.worker.buried()
