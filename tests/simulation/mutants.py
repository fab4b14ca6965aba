"""Deliberate faults in the code under test, and within how many seeds the simulation finds each.

A mutant replaces methods of the shipped classes while a run lasts. It shows what the simulation is
worth: a fault of its kind does not pass. ``within`` is about three times the most that was needed from
any of several first seeds, and 40 at least, for a change of the code shifts what a seed meets.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import Mock, patch

import msgspec
from msgspec.structs import replace

from tests.simulation.worker import Worker
from treadle.model.entities import CancelIntent, Ending
from treadle.model.states import CancelOutcome, Effects, Reason, RecordStatus, Rung, StatementState
from treadle.scheduler import conclusion, lane, owner, performing, recovery
from treadle.scheduler.aftermath import Aftermath
from treadle.scheduler.commits import Commits
from treadle.scheduler.conclusion import Conclusion
from treadle.scheduler.endings import Endings
from treadle.scheduler.keeper import Keeper
from treadle.scheduler.ladder import Ladder
from treadle.scheduler.line import Line
from treadle.scheduler.opening import UNOPENED
from treadle.scheduler.owner import Owner
from treadle.scheduler.plan import Capacity
from treadle.scheduler.recording import Recording
from treadle.scheduler.retries import Retries
from treadle.scheduler.start import Start
from treadle.scheduler.verdict import judge
from treadle.service.cancel import Cancels
from treadle.service.unanswered import Unanswered
from treadle.service.views import CancelReport
from treadle.store.base import Finish
from treadle.store.memory import MemoryStore
from treadle.wire import Cancel, Commit
from treadle.worker.fence import REPEAT_SECONDS, Fence

Change = tuple[Any, str, Any]

LATE_SECONDS: Final = 0.02


class Mutant(msgspec.Struct, frozen=True, kw_only=True):
    """A fault: what it is, what it replaces, and in how many seeds it must be found.

    A ``rare`` one needs a coincidence of three things: to find it takes minutes.
    """

    about: str
    changes: Callable[[], Sequence[Change]]
    within: int
    rare: bool = False


@contextmanager
def mutated(name: str | None) -> Iterator[None]:
    """The fault of that name is there; without a name there is none."""
    with ExitStack() as undo:
        for place, attribute, value in MUTANTS[name].changes() if name else ():
            undo.enter_context(patch.object(place, attribute, value))
        yield


async def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _claims_at_request() -> Sequence[Change]:
    stop = Cancels._stop

    async def claim(self: Any, attempt: Any, statement: Any, intent: CancelIntent, *args: Any, **kwargs: Any) -> Any:
        store, now = self.deps.store, self.deps.clock.now()
        if statement.state is StatementState.RUNNING and statement.owner:
            ending = Ending(
                state=StatementState.CANCELLED,
                finished_at=now,
                reason=intent.reason,
                actor=intent.actor,
                rung=Rung.INTERRUPTED,
            )
            await store.finish(statement.id, statement.owner, ending, (), now)
        return await stop(self, attempt, statement, intent, *args, **kwargs)

    return [(Cancels, "_stop", claim)]


def _answers_early() -> Sequence[Change]:
    stop = Cancels._stop

    async def answer(self: Any, *args: Any, **kwargs: Any) -> CancelReport:
        waiting = asyncio.create_task(stop(self, *args, **kwargs))
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait([waiting], timeout=0.1)
        return CancelReport(state=RecordStatus.CANCELED, outcome=CancelOutcome.CANCELLED, rung=Rung.INTERRUPTED)

    return [(Cancels, "_stop", answer)]


def _interrupts_late() -> Sequence[Change]:
    def strike_forever(self: Any) -> None:
        with self._changed:
            while True:
                if self._current in self._wanted and not self._shielded:
                    self._changed.later(LATE_SECONDS, self._interrupt)
                    self._changed.wait(REPEAT_SECONDS)
                else:
                    self._changed.wait()

    return [(Fence, "strike_forever", strike_forever)]


def _forgets_early_cancels() -> Sequence[Change]:
    def cancel(self: Any, statement_id: str) -> None:
        with self._changed:
            if self._current == statement_id:
                self._wanted.add(statement_id)
                self._changed.notify_all()

    return [(Fence, "cancel", cancel)]


def _unguarded_ending() -> Sequence[Change]:
    def ours(self: Any, statement_id: str, owner: str) -> Any:
        return self._statements.get(statement_id)

    return [(MemoryStore, "_ours", ours)]


def _interrupts_commits() -> Sequence[Change]:
    return [
        (Fence, "shield", Mock(return_value=True)),
        (Ladder, "press", lambda self, run: run.intent and self._worker.send(Cancel(statement_id=run.id))),
    ]


def _grants_commits_itself() -> Sequence[Change]:
    async def at_commit(self: Any, run: Any, question: Any) -> None:
        run.commit = question.point
        self._worker.send(Commit(statement_id=run.id, part=question.point.part))

    return [(Commits, "asked", at_commit)]


def _commits_after_intent() -> Sequence[Change]:
    begin = MemoryStore.begin_commit

    async def begin_commit(self: Any, statement_id: str, *args: Any) -> bool:
        row = self._statements.get(statement_id)
        if row is None or row.state.final:
            return False
        self._statements[statement_id] = replace(row, cancel=None)
        granted = await begin(self, statement_id, *args)
        self._statements[statement_id] = replace(self._statements[statement_id], cancel=row.cancel)
        return granted

    return [(MemoryStore, "begin_commit", begin_commit)]


def _never_kills() -> Sequence[Change]:
    async def climb(self: Any, run: Any) -> None:
        self.press(run)
        await run.ended.wait()

    return [(Ladder, "_climb", climb)]


def _kills_at_once() -> Sequence[Change]:
    async def climb(self: Any, run: Any) -> None:
        self.press(run)
        self._worker.kill()

    return [(Ladder, "_climb", climb)]


def _keeps_the_commit_point() -> Sequence[Change]:
    async def stay(self: Any, run: Any, part: int) -> bool:
        return True

    return [(Commits, "_leave", stay)]


def _believes_lost_races() -> Sequence[Change]:
    async def credulous(self: Any, run: Any, part: int) -> bool:
        run.tries.loses(self._context.clock.monotonic())
        return bool(await self._leave(run, part))

    return [(Commits, "_may_repeat", credulous)]


def _never_asks_the_catalog() -> Sequence[Change]:
    return [(conclusion, "judge", lambda seen: judge(replace(seen, asked=False)))]


def _believes_the_cancel() -> Sequence[Change]:
    def credulous(seen: Any) -> Any:
        verdict = judge(seen)
        if seen.cancel is None or verdict.ending.state is StatementState.CANCELLED:
            return verdict
        ending = replace(verdict.ending, state=StatementState.CANCELLED, effects=Effects.NONE, rung=Rung.INTERRUPTED)
        return replace(verdict, ending=ending)

    return [(conclusion, "judge", credulous)]


def _recovery_runs_again() -> Sequence[Change]:
    async def again(context: Any, statement: Any) -> None:
        rows = context.store._memory.statements
        row = replace(rows[statement.id], state=StatementState.QUEUED, owner=None)
        rows[statement.id] = row

    return [(recovery, "end_lost_statement", again)]


def _recovery_ignores_commits() -> Sequence[Change]:
    end = recovery.end_lost_statement

    async def ignorant(context: Any, statement: Any, **how: Any) -> None:
        await end(context, replace(statement, commit=None), **how)

    return [(recovery, "end_lost_statement", ignorant), (owner, "end_lost_statement", ignorant)]


def _session_cancel_skips_queued() -> Sequence[Change]:
    async def only_running(self: Any, p: Any, workspace_id: str, session_id: str) -> CancelReport:
        found = [one for one in await self.deps.store.running() if one.session_id == session_id]
        await asyncio.gather(*(self.stop(statement, p.user_name, Reason.USER) for statement in found))
        return CancelReport(state=RecordStatus.CANCELED, outcome=CancelOutcome.CANCELLED)

    return [(Cancels, "cancel_session_statements", only_running)]


def _forgets_who_asked() -> Sequence[Change]:
    learn = Conclusion.learn_intent

    async def forgetful(self: Any, run: Any) -> None:
        run.asking = None
        await learn(self, run)

    return [(Conclusion, "learn_intent", forgetful)]


def _loses_endings() -> Sequence[Change]:
    finish = MemoryStore.finish

    async def forgetful(self: Any, statement_id: str, *args: Any, **kwargs: Any) -> Finish | None:
        if statement_id[-1] in "37":
            return Finish(None)
        return await finish(self, statement_id, *args, **kwargs)

    return [(MemoryStore, "finish", forgetful)]


def _commits_off_record() -> Sequence[Change]:
    at_commit = Commits.asked

    async def rash(self: Any, run: Any, question: Any) -> None:
        if run.start.on_record:
            await at_commit(self, run, question)
        else:
            run.commit = question.point
            self._worker.send(Commit(statement_id=run.id, part=question.point.part))

    return [(Commits, "asked", rash)]


def _skips_restore() -> Sequence[Change]:
    finish = Endings.finish

    async def careless(
        self: Any, statement: Any, owner: str, ending: Ending, *args: Any, on_record: bool = True, **what: Any
    ) -> Any:
        if on_record:
            return await finish(self, statement, owner, ending, *args, **what)
        final = replace(statement, state=ending.state, ending=ending)
        self._context.signals.ended(final)
        return final

    return [(Endings, "finish", careless)]


def _ends_sessions_later() -> Sequence[Change]:
    finish = Endings.finish

    async def alone(self: Any, *args: Any, session: Any = None, **what: Any) -> Any:
        return await finish(self, *args, **what)

    return [(Endings, "finish", alone)]


def _fails_sessions_later() -> Sequence[Change]:
    fail = Conclusion.fail_session

    async def later(self: Any, run: Any, last: Any) -> None:
        asyncio.get_running_loop().call_later(LATE_SECONDS, lambda: self._context.spawn(fail(self, run, last)))

    return [(Conclusion, "fail_session", later)]


def _trusts_invalid_engines() -> Sequence[Change]:
    return [(place, "is_fatal", lambda _: False) for place in (conclusion, lane, performing)]


def _records_after_what_waits() -> Sequence[Change]:
    submit = MemoryStore.submit

    async def polite(self: Any, statement: Any, *, begun: bool = False, **options: Any) -> Any:
        return await submit(self, statement, **options)

    return [(MemoryStore, "submit", polite)]


def _forgets_deaths() -> Sequence[Change]:
    attend = Worker.attend

    def deaf(self: Any, hear: Any) -> None:
        self._mourned = False
        attend(self, hear)

    return [(Worker, "attend", deaf)]


def _waits_twice() -> Sequence[Change]:
    async def attend(self: Any, session: Any) -> None:
        if session.status in UNOPENED and session.close_requested_at is None:
            if session.id not in (*self._opens, *self._lanes):
                if session.id not in self._waiting:
                    await self._learn_capacity(session)
                self._waiting.see(session)
        else:
            await careful(self, session)

    careful = Owner._attend
    return [(Owner, "_attend", attend)]


def _no_room_limit() -> Sequence[Change]:
    return [(owner, "capacity_of", lambda endpoint: Capacity(sessions=endpoint.max_sessions, statements=99))]


def _newest_first() -> Sequence[Change]:
    queued = MemoryStore._queued
    return [(MemoryStore, "_queued", lambda self, session_id: queued(self, session_id)[::-1])]


MUTANTS: Final[dict[str, Mutant]] = {
    "claims-at-request": Mutant(
        about="CANCELED is written when it is asked for", changes=_claims_at_request, within=40
    ),
    "answers-early": Mutant(about="a cancel is answered before the record", changes=_answers_early, within=40),
    "interrupts-late": Mutant(
        about="between the fence's question and its interrupt is time", changes=_interrupts_late, within=250
    ),
    "fence-stays-open": Mutant(
        about="interrupts go on while a statement is undone",
        changes=lambda: [(Fence, "leave", Mock())],
        within=40,
    ),
    "forgets-early-cancels": Mutant(
        about="a cancel that comes before its part begins is forgotten", changes=_forgets_early_cancels, within=1100
    ),
    "unguarded-ending": Mutant(about="endings without compare-and-set", changes=_unguarded_ending, within=600),
    "interrupts-commits": Mutant(about="interrupts are sent into a commit", changes=_interrupts_commits, within=90),
    "grants-commits-itself": Mutant(
        about="the owner lets a commit pass without the store", changes=_grants_commits_itself, within=40
    ),
    "commits-after-intent": Mutant(
        about="a commit begins though a cancel is intended", changes=_commits_after_intent, within=400
    ),
    "keeps-the-commit-point": Mutant(
        about="a part that is run again is still at its commit point", changes=_keeps_the_commit_point, within=3000
    ),
    "believes-lost-races": Mutant(
        about="a part is run again without a look whether its commit is durable",
        changes=_believes_lost_races,
        within=200,
    ),
    "forgets-lost-races": Mutant(
        about="a worker that lost a race is not answered", changes=lambda: [(Commits, "lost", _nothing)], within=120
    ),
    "runs-again-for-ever": Mutant(
        about="a part that always loses is never given up",
        changes=lambda: [(Retries, "allow", lambda *_: True)],
        within=1000,
    ),
    "never-kills": Mutant(about="the ladder ends with the interrupt", changes=_never_kills, within=1000),
    "kills-at-once": Mutant(about="the ladder begins with the kill", changes=_kills_at_once, within=40),
    "forgets-who-asked": Mutant(
        about="an intent that only the owner knows is not on the record", changes=_forgets_who_asked, within=250
    ),
    "commits-what-is-to-stop": Mutant(
        about="a commit does not wait for an intent that only the owner knows",
        changes=lambda: [(Recording, "intent", _nothing)],
        within=400,
    ),
    "strikes-once": Mutant(
        about="nothing follows the first strike",
        changes=lambda: [(Recording, "_intent_late", lambda *_: None)],
        within=2500,
    ),
    "never-asks-the-catalog": Mutant(
        about="a commit whose reply was lost is not looked up", changes=_never_asks_the_catalog, within=75
    ),
    "believes-the-cancel": Mutant(
        about="whatever was to be cancelled is recorded as cancelled", changes=_believes_the_cancel, within=90
    ),
    "recovery-runs-again": Mutant(
        about="what a lost owner left is queued again", changes=_recovery_runs_again, within=260
    ),
    "recovery-ignores-commits": Mutant(
        about="recovery does not look up commits", changes=_recovery_ignores_commits, within=2900
    ),
    "no-recovery": Mutant(
        about="nothing is recovered", changes=lambda: [(recovery, "end_lost_statement", _nothing)], within=260
    ),
    "no-cut-off": Mutant(
        about="a dead worker's backends live on", changes=lambda: [(Aftermath, "cut_off", _nothing)], within=400
    ),
    "no-look": Mutant(
        about="the owner hears wakes and never looks", changes=lambda: [(Owner, "_look", _nothing)], within=40
    ),
    "session-cancel-skips-queued": Mutant(
        about="cancel of a session leaves what waits", changes=_session_cancel_skips_queued, within=100
    ),
    "queue-outlives-session": Mutant(
        about="what waits in an ended session stays", changes=lambda: [(Endings, "cancel_queued", _nothing)], within=40
    ),
    "loses-endings": Mutant(about="some endings are not written", changes=_loses_endings, within=40),
    "keeps-slots": Mutant(
        about="slots of ended statements stay taken",
        changes=lambda: [(Line, "stopped", Mock())],
        within=40,
    ),
    "commits-off-record": Mutant(
        about="a commit begins before its statement is on record", changes=_commits_off_record, within=450
    ),
    "skips-restore": Mutant(
        about="what ended before it was on record is not recorded", changes=_skips_restore, within=1350
    ),
    "records-late": Mutant(
        about="a statement that goes on is recorded with its end only",
        changes=lambda: [(Start, "within", Mock())],
        within=1500,
    ),
    "cancels-only-the-recorded": Mutant(
        about="a cancel of many covers what is on record only",
        changes=lambda: [(Owner, "_put_on_record", _nothing)],
        within=500,
    ),
    "ends-sessions-later": Mutant(
        about="a statement ends with its worker, and its closing or lost session after it",
        changes=_ends_sessions_later,
        within=60,
    ),
    "fails-sessions-later": Mutant(
        about="a statement ends with its worker, and its session fails after it",
        changes=_fails_sessions_later,
        within=80,
    ),
    "trusts-invalid-engines": Mutant(
        about="a session goes on with an engine that has declared itself invalid",
        changes=_trusts_invalid_engines,
        within=80,
    ),
    "keeps-undelivered-sessions": Mutant(
        about="a session whose opener has no answer is kept by the request that opened it",
        changes=lambda: [(Unanswered, "_close", _nothing)],
        within=900,
    ),
    "opens-for-the-departed": Mutant(
        about="a session that waits is opened also when the request for it was lost",
        changes=lambda: [(Owner, "_is_disowned", _nothing)],
        within=2500,
    ),
    "records-after-what-waits": Mutant(
        about="what runs is recorded as waiting when another waits",
        changes=_records_after_what_waits,
        within=6000,
        rare=True,
    ),
    "forgets-deaths": Mutant(
        about="a worker that dies before its session has heard of it is not missed",
        changes=_forgets_deaths,
        within=12000,
        rare=True,
    ),
    "waits-twice": Mutant(
        about="a session that is looked at twice waits on when it has opened",
        changes=_waits_twice,
        within=20000,
        rare=True,
    ),
    "no-room-limit": Mutant(about="an endpoint runs more than it allows", changes=_no_room_limit, within=210),
    "newest-first": Mutant(about="a session's statements start out of order", changes=_newest_first, within=45),
    "leaves-files": Mutant(
        about="data files of aborted writes stay", changes=lambda: [(Keeper, "tidy", _nothing)], within=40
    ),
    "forgets-litter": Mutant(
        about="a new gateway does not know which catalogs have left data files",
        changes=lambda: [(Keeper, "recall", _nothing)],
        within=8000,
        rare=True,
    ),
}
