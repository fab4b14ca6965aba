"""What a worker is given to do: one statement after another, each from the order to the last word about it."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from treadle.model.entities import CancelIntent, Part, Statement
from treadle.scheduler.commits import Commits
from treadle.scheduler.conclusion import Last, is_fatal
from treadle.scheduler.context import Context
from treadle.scheduler.ended_parts import EndedParts
from treadle.scheduler.endings import until_stored
from treadle.scheduler.inbox import Inbox
from treadle.scheduler.ladder import Ladder
from treadle.scheduler.limits import Limiter
from treadle.scheduler.ports import Worker
from treadle.scheduler.recording import Recording
from treadle.scheduler.run import Run
from treadle.scheduler.start import Start
from treadle.wire import (
    AtCommit,
    BeforeStart,
    Cancelled,
    CommitLost,
    Exceeded,
    Execute,
    Failed,
    Finished,
    FromWorker,
    Progress,
    SoFar,
    Upkeep,
)

log = structlog.get_logger("treadle.owner")


class Performer:
    """Has one worker perform the statements of its session."""

    def __init__(
        self,
        context: Context,
        worker: Worker,
        ladder: Ladder,
        recording: Recording,
        commits: Commits,
        limiter: Limiter,
        upkeep: Callable[[], Upkeep],
        settings: dict[str, str],
    ) -> None:
        self.settings = settings
        self.inbox = Inbox()
        self.run: Run | None = None
        self.sent = ""
        """The statement that was given to the worker last."""
        self._context = context
        self._worker = worker
        self._ladder = ladder
        self._recording = recording
        self._commits = commits
        self._limiter = limiter
        self._upkeep = upkeep

    def seconds(self, name: str) -> float:
        """A time-out as the session has it; 0 is none."""
        return float(self.settings.get(name, "0"))

    def hear(self, message: FromWorker | None) -> None:
        """The worker has said something; None when it is gone."""
        run = self.run
        match message:
            case SoFar():
                # It may come when its statement has ended: it is news of nothing then, and never an ending.
                if run is not None and run.id == message.statement_id:
                    run.gauge.told(message.part, message.percent, self._context.clock.monotonic())
                return
            case Finished() | Failed() | Cancelled() if run is not None and run.id == message.statement_id:
                # Whatever is still to be recorded before: there is nothing to stop any more.
                self._over(run)
        self.inbox.put(message)

    def _over(self, run: Run) -> None:
        self._limiter.disarm()
        run.ended.set()

    def begin(self, statement: Statement, *, on_record: bool) -> Run:
        """The statement is what runs from now on; it is on record or will soon be."""
        clock, now = self._context.clock, self._context.clock.monotonic()
        wall = clock.now()
        queued = (wall - statement.created_at).total_seconds()
        waited_since = self._context.waits.started(statement.id)
        start = Start(self._context, statement, on_record=on_record)
        submitted = now - max(queued, 0.0) if waited_since is None else waited_since
        self.run = Run(statement, start, submitted, now, wall)
        self._context.figures.statement_started(queued)
        return self.run

    def rest(self) -> None:
        """Nothing runs."""
        self.run = None

    async def perform(self, run: Run, intents: Iterable[CancelIntent | None]) -> Last:
        """Order it, and the stops asked for before, and listen up to the last word; None when the worker died."""
        statement = run.statement
        self._limiter.arm(run, self.seconds("statement_timeout"))
        self.sent = run.id
        self._worker.send(
            Execute(
                statement_id=run.id,
                content=statement.content,
                user_name=statement.user_name,
                bindings=statement.bindings,
                row_limit=statement.row_limit,
                as_file=statement.fetch_mode == "READ_OBS",
                upkeep=self._upkeep() if statement.may_maintain else None,
            )
        )
        self._recording.begin(run)
        for intent in intents:
            if intent is not None:
                self._ladder.stop(run, intent)
        last = await self._follow(run)
        self._over(run)
        self._commits.end_turn(run)
        if is_fatal(last):
            # Its engine answers nothing any more: the session ends here, and does not go on pretending.
            self._worker.kill()
            await self._death()
        elif run.killed and last is not None:
            # It answered in the moment it was killed: its session is lost all the same.
            await self._death()
        return last

    async def _follow(self, run: Run) -> Last:
        """Everything the worker says about the statement, up to its last word."""
        parts = EndedParts(lambda ended: self._record(run, ended))
        while True:
            message = await self._next(parts)
            if not isinstance(message, Progress):
                await parts.flush()  # later parts depend on the recorded ones
            match message:
                case Finished() | Failed() | Cancelled() as last:
                    self.settings = last.settings or self.settings
                    return last
                case BeforeStart(part=part):
                    await self._commits.expected(run, part)
                case AtCommit() as question:
                    await self._commits.asked(run, question)
                case CommitLost(part=part):
                    await self._commits.lost(run, part)
                case Progress() as progress:
                    await self._progress(run, parts, self.inbox.run_of(Progress, progress))
                case Exceeded(what=what):
                    self._limiter.exceeded(run, what)
                case None:
                    return None
                case unexpected:
                    log.error("unexpected_message", statement_id=run.id, message=type(unexpected).__name__)

    async def _next(self, parts: EndedParts) -> FromWorker | None:
        """Get the next message; record due parts meanwhile."""
        if parts.due is not None:
            try:
                async with asyncio.timeout_at(parts.due):
                    return await self.inbox.get()
            except TimeoutError:
                await parts.flush()
        return await self.inbox.get()

    async def _progress(self, run: Run, parts: EndedParts, news: Sequence[Progress]) -> None:
        """Record the progress of ended parts."""
        self._commits.end_turn(run)
        for progress in news:
            self.settings = progress.settings or self.settings
            run.next_part(progress.part, self._context.clock.monotonic())
        # The next part runs already: to stop it must not wait for the store.
        run.commit = None
        if not run.ended.is_set():
            self._limiter.arm(run, self.seconds("statement_timeout"))
            self._ladder.press(run)
        await parts.add([progress.part for progress in news])

    async def _record(self, run: Run, parts: Sequence[Part]) -> None:
        if await self._recording.start(run):
            store, owner_id = self._context.store, self._context.owner_id
            await until_stored(self._context, lambda: store.add_parts(run.id, owner_id, parts))

    async def _death(self) -> None:
        """Wait until the killed worker is gone; nothing it says meanwhile matters."""
        while await self.inbox.get() is not None:
            pass
