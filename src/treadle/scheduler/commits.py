"""The commit point: the owner's side of it (C7). The store decides whether a commit or a cancel came first."""

import structlog

from treadle.model.entities import Catalog, CommitPoint, Evidence
from treadle.scheduler.context import Context
from treadle.scheduler.endings import until_stored
from treadle.scheduler.ladder import Ladder
from treadle.scheduler.ports import Worker
from treadle.scheduler.recording import Recording
from treadle.scheduler.run import Run
from treadle.wire import AtCommit, Commit

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

    async def asked(self, run: Run, question: AtCommit) -> None:
        """Let it commit, or stop it."""
        if question.point.evidence is Evidence.CATALOG:
            run.turn = await self._context.turns.take(self._catalog.id, run.asked)
        await self._decide(run, question.point)

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
            # Not ours any more: whatever this worker does must not be committed.
            log.error("fenced_off", statement_id=run.id)
            self._worker.kill()

    def end_turn(self, run: Run) -> None:
        """The next commit on the catalog may come."""
        if run.commit is not None and run.commit.evidence is Evidence.CATALOG:
            self._context.changes.note(self._catalog)
        if run.turn:
            run.turn = False
            self._context.turns.give(self._catalog.id)
