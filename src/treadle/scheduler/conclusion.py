"""From a worker's last word, or its death, to the record of the statement."""

import asyncio

import msgspec

from treadle.model.entities import Part, Session, SessionEnd, Statement
from treadle.model.states import Effects, Reason, SessionStatus
from treadle.scheduler.aftermath import Aftermath
from treadle.scheduler.context import Context
from treadle.scheduler.endings import Endings, until_stored
from treadle.scheduler.report import report
from treadle.scheduler.run import Run
from treadle.scheduler.verdict import Seen, judge
from treadle.wire import Cancelled, Failed, Finished

Last = Finished | Failed | Cancelled | None
"""The last word about a statement; None when its worker died."""


class Conclusion:
    """Writes the endings of the statements of one session."""

    def __init__(self, context: Context, session: Session, aftermath: Aftermath) -> None:
        self._context = context
        self._aftermath = aftermath
        self._endings = Endings(context, session)

    async def learn_intent(self, run: Run) -> None:
        """Read from the store whether a stop was asked for, if nobody told."""
        if run.intent is None and run.asking is not None:
            run.intent = await run.asking.settled()
        if run.intent is None:
            current = await until_stored(self._context, lambda: self._context.store.statement(run.id))
            run.intent = current.cancel if current is not None else None

    async def write(self, run: Run, last: Last, session: SessionEnd | None = None) -> Statement:
        """Judge, and write the final state; with it ``session``, the end of a session that ends with it."""
        part = last.part if isinstance(last, Finished | Failed) else None
        died = run.killed or last is None
        verdict = judge(await self._seen(run, part, died=died))
        if (died or is_fatal(last)) and not isinstance(last, Finished):
            await self._aftermath.clear_files(run.id, len(run.before) + 1)
        run.start.over()
        on_record = await run.start.settled()
        final = await self._endings.finish(
            msgspec.structs.replace(run.statement, cancel=run.intent),
            self._context.owner_id,
            verdict.ending,
            tuple(run.before),
            verdict.parts,
            last.inline if isinstance(last, Finished) else None,
            last.rows if isinstance(last, Finished) else None,
            profile=last.profile if last is not None else None,
            on_record=on_record,
            session=session,
        )
        run.recorded.set()
        # Whoever waits for the end is answered first.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, report, self._context, run, final)
        return final

    async def fail_session(self, run: Run | None, last: Last) -> None:
        """Write that the session has lost its worker, and by which statement if it was killed for one."""
        if run is not None and is_fatal(last):
            message = f"its engine declared itself unusable in statement {run.statement.public_id}"
            await self._endings.end_session(SessionStatus.FAIL, Reason.WORKER_CRASHED, message)
        elif run is not None and run.intent is not None:
            message = f"its worker was killed to stop statement {run.statement.public_id}"
            await self._endings.end_session(SessionStatus.FAIL, run.intent.reason, message)
        else:
            await self._endings.end_session(SessionStatus.FAIL, Reason.WORKER_CRASHED, "its worker died")

    async def _seen(self, run: Run, part: Part | None, *, died: bool) -> Seen:
        commit = run.commit
        told = part is not None and part.effects is not Effects.UNKNOWN
        lost_reply = commit is not None and not told and (died or part is not None)
        durable = await self._aftermath.durable(run.id, commit) if lost_reply and commit else None
        now = self._context.clock.monotonic()
        return Seen(
            before=tuple(run.before),
            last=part,
            died=died,
            asked=lost_reply,
            durable=durable,
            more=commit is not None and not commit.last,
            cancel=run.intent,
            cancel_millis=_millis(now - run.asked_at) if run.asked_at is not None else None,
            now=run.dated(now),
        )


def is_fatal(last: Last) -> bool:
    """Whether the engine answers nothing any more."""
    return isinstance(last, Failed) and last.fatal


def _millis(seconds: float) -> float:
    return round(seconds * 1000, 3)
