"""One open session on the owner's side: its worker, the statement that runs, and how that is stopped.

A lane runs statements one after another. It writes states; intents come to it (`stop`). The ladder
of a stop: tell the worker, which interrupts again and again; past the grace kill it; a statement in
its commit is not interrupted, only waited for and, past the grace, killed and looked up.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from treadle.model.entities import CancelIntent, Catalog, Evidence, Part, Session, Statement
from treadle.model.states import (
    Effects,
    Reason,
    SessionStatus,
)
from treadle.scheduler.aftermath import Aftermath
from treadle.scheduler.context import Context
from treadle.scheduler.endings import Endings, until_stored
from treadle.scheduler.ports import Worker
from treadle.scheduler.report import report
from treadle.scheduler.run import Run
from treadle.scheduler.verdict import Seen, judge
from treadle.wire import (
    AtCommit,
    Cancel,
    Cancelled,
    Close,
    Commit,
    Execute,
    Failed,
    Finished,
    FromWorker,
    Progress,
)

OVERDUE_SECONDS: Final = 3.0
"""Seconds from a kill to the record, with the grace before it the bound of C3."""

log = structlog.get_logger("treadle.owner")


class Lane:
    """One session, one worker, one statement at a time."""

    def __init__(
        self,
        context: Context,
        session: Session,
        catalog: Catalog,
        worker: Worker,
        settings: dict[str, str],
        on_idle: Callable[[], None],
        on_dead: Callable[["Lane"], None],
    ) -> None:
        self.session = session
        self.worker = worker
        self._closing: tuple[SessionStatus, Reason, str] | None = None
        # When the statements that wait in this session were heard of; they keep their place in the line.
        self._arrivals: deque[float] = deque([context.clock.monotonic()])
        # Whether statements may wait that were never heard of: claims go on until one finds nothing.
        self._unheard = True
        self._context = context
        self._catalog = catalog
        self._aftermath = Aftermath(context, session, catalog)
        self._endings = Endings(context, session)
        self._settings = settings
        self._on_idle = on_idle
        self._on_dead = on_dead
        self._inbox: asyncio.Queue[FromWorker | None] = asyncio.Queue()
        self._busy: asyncio.Task[None] | None = None
        self._run: Run | None = None
        self._dead = False
        self._timer: asyncio.TimerHandle | None = None
        self.idle_since = context.clock.monotonic()
        worker.attend(self._hear)

    # -- what the owner asks ----------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a statement runs, or is being claimed."""
        return self._busy is not None

    @property
    def waiting_since(self) -> float | None:
        """When the oldest statement that waits here came, as far as was heard; None when none is known."""
        return self._arrivals[0] if self._arrivals else None

    def expect(self) -> None:
        """A statement has been submitted to the session."""
        self._arrivals.append(self._context.clock.monotonic())

    def recheck(self) -> None:
        """The store has statements of the session that nobody told of."""
        self._unheard = True
        self.expect()

    @property
    def closing(self) -> bool:
        """Whether the session is being ended on purpose."""
        return self._closing is not None

    @property
    def running(self) -> str | None:
        """The id of the statement that runs."""
        return self._run.id if self._run else None

    @property
    def idle_seconds(self) -> float:
        """How long the session has had nothing to do."""
        return 0.0 if self.busy else self._context.clock.monotonic() - self.idle_since

    @property
    def idle_limit(self) -> int:
        """The session's ``session_timeout`` in seconds; 0 is none."""
        return int(self._settings.get("session_timeout", "0"))

    def start(self) -> None:
        """Claim and run the next statement."""
        self._arrivals.popleft()
        self._context.keeper.begin(self._catalog.id, self.session.id)
        self._busy = asyncio.create_task(self._work(), name=f"lane-{self.session.id}")

    def stop(self, statement_id: str, intent: CancelIntent) -> None:
        """Climb the ladder for the statement, if it is the one that runs; once."""
        run = self._run
        if run is None or run.id != statement_id or run.intent is not None or run.ended.is_set():
            return
        run.intent = intent
        run.asked.set()
        run.asked_at = self._context.clock.monotonic()
        log.info("cancel_requested", statement_id=run.id, reason=intent.reason, actor=intent.actor)
        run.ladder = asyncio.create_task(self._climb(run), name=f"ladder-{run.id}")

    async def close(self, status: SessionStatus, reason: Reason, actor: str, message: str = "") -> None:
        """Stop everything, end the worker, write the session's end."""
        if self.closing or self._dead:
            return
        self._closing = (status, reason, message)
        stop_reason = Reason.SESSION_CLOSED if reason in (Reason.USER, Reason.OPERATOR) else reason
        intent = CancelIntent(requested_at=self._context.clock.now(), reason=stop_reason, actor=actor)
        for statement_id in await self._endings.cancel_all(intent):
            self.stop(statement_id, intent)
        if self._busy is not None:
            await asyncio.wait([self._busy])
        if self._dead:
            return
        self._dead = True
        self.worker.send(Close())
        await self._wait_or_kill(self._context.settings.cancel_grace)
        self._leave_catalog()
        await self._endings.end_session(status, reason, message)
        self._on_dead(self)

    # -- running ----------------------------------------------------------------------------

    def _hear(self, message: FromWorker | None) -> None:
        if message is None and self._busy is None:
            if not self._dead:
                self._busy = asyncio.create_task(self._worker_lost())
            return
        self._inbox.put_nowait(message)

    async def _work(self) -> None:
        try:
            statement = await self._context.store.claim(
                self.session.id, self._context.owner_id, self._context.clock.now()
            )
            if statement is None:
                self._unheard = False
            else:
                await self._perform(statement)
                if self._unheard and not self._arrivals:
                    self.expect()
            if not self._dead and not self._inbox.empty():
                # It died right after its last word, or before it could be given another statement.
                await self._worker_lost()
        except Exception:
            # The store did not answer the claim, or an ending could not be cleared up after: the
            # owner's next looks at the store find what no lane runs.
            log.exception("work_failed", session_id=self.session.id)
        finally:
            self._busy = None
            self._run = None
            self._leave_catalog()
            self.idle_since = self._context.clock.monotonic()
            if not self._dead:
                self._on_idle()

    async def _perform(self, statement: Statement) -> None:
        clock = self._context.clock
        run = self._run = Run(statement, clock.monotonic())
        self._context.figures.statement_started((clock.now() - statement.created_at).total_seconds())
        self._arm(run)
        self.worker.send(
            Execute(
                statement_id=run.id,
                content=statement.content,
                user_name=statement.user_name,
                bindings=statement.bindings[0] if statement.bindings else None,
                row_limit=statement.row_limit,
            )
        )
        last = await self._follow(run)
        self._disarm()
        self._end_turn(run)
        run.ended.set()
        await self._end(run, last)

    async def _follow(self, run: Run) -> Finished | Failed | Cancelled | None:
        """Everything the worker says about the statement, up to its last word; None when it died."""
        while True:
            match await self._inbox.get():
                case AtCommit() as question:
                    await self._at_commit(run, question)
                case Progress() as progress:
                    await self._progress(run, progress)
                case Finished() | Failed() | Cancelled() as last:
                    self._settings = last.settings or self._settings
                    return last
                case None:
                    return None
                case unexpected:
                    log.error("unexpected_message", statement_id=run.id, message=type(unexpected).__name__)

    async def _at_commit(self, run: Run, question: AtCommit) -> None:
        if question.point.evidence is Evidence.CATALOG:
            run.turn = await self._context.turns.take(self._catalog.id, run.asked)
        # From here the ladder sends nothing; the store decides which came first.
        store, clock = self._context.store, self._context.clock
        run.commit = question.point
        granted = await until_stored(
            self._context,
            lambda: store.begin_commit(run.id, self._context.owner_id, question.point, clock.now()),
        )
        if granted:
            self.worker.send(Commit(statement_id=run.id, part=question.point.part))
            return
        run.commit = None
        intent = await self._stored_intent(run)
        if intent is not None:
            self.stop(run.id, intent)
            self._press(run)
        else:
            # Not ours any more: whatever this worker does must not be committed.
            log.error("fenced_off", statement_id=run.id)
            self.worker.kill()

    def _end_turn(self, run: Run) -> None:
        if run.turn:
            run.turn = False
            self._context.turns.give(self._catalog.id)

    async def _progress(self, run: Run, progress: Progress) -> None:
        self._end_turn(run)
        self._settings = progress.settings or self._settings
        run.before.append(progress.part)
        await until_stored(
            self._context,
            lambda: self._context.store.add_part(run.id, self._context.owner_id, progress.part),
        )
        run.commit = None
        self._arm(run)
        self._press(run)

    # -- stopping ---------------------------------------------------------------------------

    def _press(self, run: Run) -> None:
        """The intent is level-triggered: said again whenever something changed."""
        if run.intent is not None and run.commit is None:
            self.worker.send(Cancel(statement_id=run.id))

    async def _climb(self, run: Run) -> None:
        settings = self._context.settings
        self._press(run)
        try:
            async with asyncio.timeout(settings.cancel_grace):
                await run.ended.wait()
        except TimeoutError:
            log.warning("worker_killed", statement_id=run.id, session_id=self.session.id, pid=self.worker.pid)
            self.worker.kill()
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

    def _arm(self, run: Run) -> None:
        """Start the clock of ``statement_timeout`` for the part that begins now."""
        self._disarm()
        seconds = float(self._settings.get("statement_timeout", "0"))
        if seconds > 0:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._timed_out, run)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timed_out(self, run: Run) -> None:
        self._context.spawn(self.cancel(run.id, Reason.STATEMENT_TIMEOUT))

    async def cancel(self, statement_id: str, reason: Reason) -> None:
        """A cancel of the service's own: the same intent on the same path."""
        intent = CancelIntent(requested_at=self._context.clock.now(), reason=reason, actor="system")
        store = self._context.store
        stored = await until_stored(self._context, lambda: store.request_cancel(statement_id, intent))
        if stored is not None and stored.cancel is not None:
            self.stop(statement_id, stored.cancel)

    # -- ending -----------------------------------------------------------------------------

    async def _end(self, run: Run, last: Finished | Failed | Cancelled | None) -> None:
        """From the last word, or the death, to the record."""
        died = last is None
        if died or isinstance(last, Cancelled):
            run.intent = run.intent or await self._stored_intent(run)
        if died:
            self._dead = True
            await self._aftermath.cut_off()
            if not self.closing:
                # First, so that nothing more can be submitted when the cancel is answered.
                await self._fail_session(run)
        if died or (isinstance(last, Failed | Cancelled) and last.wrote):
            await self._tidy()
        part = last.part if isinstance(last, Finished | Failed) else None
        verdict = judge(await self._seen(run, part, died=died))
        if died:
            await self._aftermath.clear_files(run.id, len(run.before) + 1)
        final = await self._endings.finish(
            run.statement, self._context.owner_id, verdict.ending, tuple(run.before), verdict.parts
        )
        run.recorded.set()
        report(self._context, run, final)
        if died:
            # Whoever closes the session is answered when its statement is on record.
            if self.closing:
                await self._fail_session(run)
            self._on_dead(self)

    async def _tidy(self) -> None:
        """Remove the data files of the aborted write, at once if nobody else works on the catalog (C11)."""
        self._context.keeper.littered(self._catalog)
        self._leave_catalog()
        await self._context.keeper.tidy(self._catalog.id)

    def _leave_catalog(self) -> None:
        """The statement works on the catalog no more; an open transaction still does."""
        if self._dead or self._settings.get("transaction", "none") == "none":
            keeper = self._context.keeper
            keeper.end(self._catalog.id, self.session.id)
            if keeper.needs(self._catalog.id):
                self._context.spawn(keeper.tidy(self._catalog.id))

    async def _seen(self, run: Run, part: Part | None, *, died: bool) -> Seen:
        commit = run.commit
        lost_reply = commit is not None and (died or (part is not None and part.effects is Effects.UNKNOWN))
        clock = self._context.clock
        return Seen(
            before=tuple(run.before),
            last=part,
            died=died,
            asked=lost_reply,
            durable=await self._aftermath.durable(run.id, commit) if lost_reply and commit else None,
            more=commit is not None and not commit.last,
            cancel=run.intent,
            cancel_millis=_millis(clock.monotonic() - run.asked_at) if run.asked_at is not None else None,
            now=clock.now(),
        )

    async def _stored_intent(self, run: Run) -> CancelIntent | None:
        current = await until_stored(self._context, lambda: self._context.store.statement(run.id))
        return current.cancel if current is not None else None

    async def _fail_session(self, run: Run | None) -> None:
        """The worker is gone: the session fails and says why (C10), unless it was to end anyway."""
        if self._closing is not None:
            await self._endings.end_session(*self._closing)
            return
        if run is not None and run.intent is not None:
            reason, message = run.intent.reason, f"its worker was killed to stop statement {run.id}"
        else:
            reason, message = Reason.WORKER_CRASHED, "its worker died"
        await self._endings.end_session(SessionStatus.FAIL, reason, message)

    async def _worker_lost(self) -> None:
        """The worker died while nothing ran."""
        self._dead = True
        await self._aftermath.cut_off()
        self._leave_catalog()
        await self._fail_session(None)
        self._on_dead(self)

    async def _wait_or_kill(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.worker.buried()
        except TimeoutError:
            self.worker.kill()
            await self.worker.buried()


def _millis(seconds: float) -> float:
    return round(seconds * 1000, 3)
