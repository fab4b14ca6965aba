"""The commit point, on the owner's side (C7). The store decides whether a commit or a cancel came first.

A commit that lost a race is certainly not durable. The statement leaves its commit point and the part is retried,
unless a stop is intended by then. A short part keeps its turn from the loss to its next commit, so that it wins then. A
part that is expected to lose gets its turn before it runs.
"""

import asyncio
from typing import Final

import structlog

from treadle.model.entities import Catalog, CommitPoint, Evidence
from treadle.model.ids import part_id
from treadle.scheduler.context import Context
from treadle.scheduler.endings import until_stored
from treadle.scheduler.ladder import Ladder
from treadle.scheduler.ports import Worker
from treadle.scheduler.recording import Recording
from treadle.scheduler.run import Run
from treadle.scheduler.turns import TURN_SECONDS
from treadle.wire import AtCommit, Commit, Retry

KEEP_SECONDS: Final = TURN_SECONDS
"""Seconds a part that is run again keeps its turn: as long as others wait for theirs."""

log = structlog.get_logger("treadle.owner")


class Commits:
    """Answers the worker of one session when it asks to commit."""

    def __init__(
        self, context: Context, catalog: Catalog, worker: Worker, ladder: Ladder, recording: Recording
    ) -> None:
        self._context = context
        self._catalog = catalog
        self._worker = worker
        self._ladder = ladder
        self._recording = recording
        # Ends the turn of a part that is run again and takes too long.
        self._kept: asyncio.TimerHandle | None = None

    async def expected(self, run: Run, part: int) -> None:
        """Run a part that would probably lose a race in its turn. A stop goes to the worker directly."""
        await self._hold_turn(run)
        run.tries.begin(self._context.clock.monotonic())
        self._worker.send(Retry(statement_id=run.id, part=part, granted=True))

    async def asked(self, run: Run, question: AtCommit) -> None:
        """Let it commit, or stop it."""
        self._release()
        run.tries.asks(self._context.clock.monotonic())
        if question.point.evidence is Evidence.CATALOG:
            await self._take_turn(run)
        await self._decide(run, question.point)

    async def lost(self, run: Run, part: int) -> None:
        """The commit of the part lost a race and is undone: have it run again, stop it, or let it fail."""
        again = await self._may_repeat(run, part)
        self._context.figures.commit_lost(again=again)
        log.info("commit_lost", statement_id=run.id, part=part, losses=run.tries.losses, again=again)
        if again and run.intent is not None:
            self._ladder.press(run)
            return
        if again and run.tries.worked < KEEP_SECONDS:
            await self._hold_turn(run)
        else:
            self.end_turn(run)
        run.tries.begin(self._context.clock.monotonic())
        self._worker.send(Retry(statement_id=run.id, part=part, granted=again))

    async def _may_repeat(self, run: Run, part: int) -> bool:
        """Whether the part may be run again; its commit point has been left then."""
        now = self._context.clock.monotonic()
        run.tries.loses(now)
        if not self._context.retries.allow(run.tries, now):
            return False
        # The engine's word is enough for a failure, not for a second try: that would write twice what is durable.
        if await self._context.catalogs.committed(self._catalog, part_id(run.id, part)) is not False:
            return False
        return await self._leave(run, part)

    async def _leave(self, run: Run, part: int) -> bool:
        """Leave the commit point: the part can be interrupted again."""
        store = self._context.store
        left = await until_stored(self._context, lambda: store.leave_commit(run.id, self._context.owner_id, part))
        if not left:
            if await until_stored(self._context, lambda: store.statement(run.id)) is not None:
                self._fence_off(run)
                return False
            await self._recording.renew(run)
        run.commit = None
        return True

    async def _take_turn(self, run: Run, *, patient: bool = False) -> None:
        if not run.turn:
            run.turn = await self._context.turns.take(self._catalog.id, run.asked, patient=patient)

    async def _hold_turn(self, run: Run) -> None:
        """Hold the turn for a whole try, or for the first `KEEP_SECONDS` of a longer one."""
        await self._take_turn(run, patient=True)
        self._kept = asyncio.get_running_loop().call_later(KEEP_SECONDS, self.end_turn, run)

    async def _decide(self, run: Run, point: CommitPoint) -> None:
        if not await self._recording.start(run):
            self._ladder.press(run)
            return
        await self._recording.intent(run)
        if run.intent is not None:
            self._ladder.press(run)
            return
        # From here the ladder sends nothing; the store decides which came first.
        store, clock = self._context.store, self._context.clock
        run.commit = point
        granted = await until_stored(
            self._context,
            lambda: store.begin_commit(run.id, self._context.owner_id, point, clock.now()),
        )
        if granted:
            self._worker.send(Commit(statement_id=run.id, part=point.part))
            return
        run.commit = None
        current = await until_stored(self._context, lambda: store.statement(run.id))
        if current is None:
            await self._recording.renew(run)
            await self._decide(run, point)
        elif current.cancel is not None:
            self._ladder.stop(run, current.cancel)
            self._ladder.press(run)
        else:
            self._fence_off(run)

    def _fence_off(self, run: Run) -> None:
        """It is not ours any more: whatever this worker does must not be committed."""
        log.error("fenced_off", statement_id=run.id)
        self._worker.kill()

    def _release(self) -> None:
        if self._kept is not None:
            self._kept.cancel()
            self._kept = None

    def end_turn(self, run: Run) -> None:
        """The next commit on the catalog may come."""
        self._release()
        if run.commit is not None and run.commit.evidence is Evidence.CATALOG:
            self._context.changes.note(self._catalog)
        if run.turn:
            run.turn = False
            self._context.turns.give(self._catalog.id)
