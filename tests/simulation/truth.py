"""The truth of a run, kept by what really happens, and the clauses of the contract held against it.

Nothing here believes the record: the scripted engines, workers and catalogs tell what they did, and
each change of a row is judged by that at the very moment it is made.
"""

from itertools import takewhile
from typing import Final

from tests.simulation.answers import Answers
from tests.simulation.deeds import Deeds
from tests.simulation.ledger import SLACK
from tests.simulation.life import Life
from tests.simulation.scenario import Moment, tag_of
from treadle.model.entities import CancelIntent, Ending, Session, Statement
from treadle.model.states import (
    SERVICE_LOST,
    TRANSITIONS,
    Effects,
    Reason,
    Rung,
    SessionStatus,
    StatementState,
)
from treadle.scheduler.start import LATEST_SECONDS
from treadle.wire import Cancelled, Failed

_NEXT: Final = frozenset((before, after) for (before, _), after in TRANSITIONS.items())


class Truth(Deeds, Answers):
    """Hears what happens, sees what is written, and says what does not fit."""

    # -- what is written --------------------------------------------------------------------

    def see(self, statements: dict[str, Statement], sessions: dict[str, Session]) -> None:
        """Look at the rows after a change."""
        self._rows = sessions
        for row in statements.values():
            life = self.lives.get(row.id)
            if life is None:
                self._born(row)
            elif not life.recorded:
                self._recorded(life, row)
            elif life.row is not row:
                before, life.row, life.vanished = life.row, row, False
                self._changed(life, before, row)
        if len(statements) != len(self.lives):
            for life in self.lives.values():
                life.vanished = life.recorded and life.id not in statements
        for session in sessions.values():
            known = self.sessions.get(session.id)
            if known is not session:
                self.sessions[session.id] = session
                if known is None:
                    self.on_session(session)
                else:
                    self._session_changed(known, session)

    def _born(self, row: Statement) -> None:
        number = int(row.content.split()[1])
        life = self.lives[row.id] = Life(row, number, self._programs[number], self._clock())
        life.first = number not in self.ids or self.lives[self.ids[number]].vanished
        self.ids[number] = row.id
        self._public[row.public_id] = life
        self._hold("C9", number not in self._keyed or life.first, f"{row.id} is submitted again under its key")
        dead = row.state is StatementState.CANCELLED
        self._hold("C1", dead or not row.state.final, f"{row.id} was born {row.state}")
        self._hold("C15", dead or row.public_id not in self.entombed, f"{row.id} lives, and was cancelled before")
        self._hold("C15", not dead or row.public_id in self.asked, f"{row.id} was born dead, and nobody asked for it")
        self._on_moment(Moment.SUBMITTED, number)
        if row.state is StatementState.RUNNING:
            self._claimed(life)

    def starts(self, row: Statement) -> None:
        """A statement starts, and is not on record yet; ``row`` is what its record will be."""
        number = int(row.content.split()[1])
        life = self.lives[row.id] = self._public[row.id] = Life(row, number, self._programs[number], self._clock())
        life.recorded = False
        life.trouble_then = self.trouble.until(self._clock())
        self._on_moment(Moment.SUBMITTED, number)
        self._claimed(life)

    def _recorded(self, life: Life, row: Statement) -> None:
        took = self._clock() - life.born_at
        # One that the store refuses is stopped, and recorded with its end.
        usual = self._bound if self._unwanted(life) else SLACK
        allowed = LATEST_SECONDS + usual + self.trouble.until(self._clock()) - life.trouble_then
        self._hold("C12", took <= allowed, f"{life.id} is on record {took:.3f} s after its start")
        before, life.row, life.recorded, life.lost = life.row, row, True, False
        self.ids[life.program] = row.id
        self._changed(life, before, row)

    def _changed(self, life: Life, before: Statement, row: Statement) -> None:
        if before.state.final:
            self._hold("C1", _verdict(before) == _verdict(row), f"{row.id} ended as {before.state} and changed")
            return
        if before.state is not row.state:
            self._hold("C1", (before.state, row.state) in _NEXT, f"{row.id} went from {before.state} to {row.state}")
        self._hold("C1", row.parts[: len(before.parts)] == before.parts, f"{row.id} lost a part")
        if row.commit is not None and before.commit != row.commit:
            self._hold("C5", before.cancel is None, f"{row.id} enters a commit, and its cancel was asked for before")
        if row.commit is not None and before.commit != row.commit:
            self._hold("C5", life.brought is None, f"{row.id} enters a commit, and its owner was told to stop it")
        if before.cancel is not None:
            self._hold("C14", before.cancel == row.cancel, f"the intent of {row.id} changed")
        elif row.cancel is not None and life.brought is None:
            self._intended(life, row.cancel)
        if row.state is StatementState.RUNNING and before.state is StatementState.QUEUED:
            self._claimed(life)
        if row.state.final:
            self._ended(life, before, row)
            self._on_moment(Moment.ENDED, life.program)

    def _claimed(self, life: Life) -> None:
        life.claimed_at = self._clock()
        earlier = [
            other.id
            for other in takewhile(lambda other: other is not life, self.lives.values())
            if other.row.session_id == life.row.session_id
            and other.row.state is StatementState.QUEUED
            and not other.vanished
            and (life.recorded or self._known(other))
        ]
        self._hold("order", not earlier, f"{life.id} started before {earlier}, which came earlier")
        self._on_moment(Moment.CLAIMED, life.program)

    def _known(self, life: Life) -> bool:
        """Whether the owner must know that it waits: its submit was answered, and no wake is lost."""
        return life.answered and not self._patience

    def brought(self, statement_id: str, intent: CancelIntent) -> None:
        """An intent comes to the owner, who stops the statement and puts the intent on record."""
        life = self.lives[statement_id]
        if life.brought is None and life.row.cancel is None:
            life.brought = intent
            self._intended(life, intent)

    def _intended(self, life: Life, intent: CancelIntent) -> None:
        life.intended_at = self._clock()
        life.trouble_then = self.trouble.until(self._clock())
        self._hold("C14", intent.actor, f"the intent of {life.id} has no actor")
        causes = {life.id, life.row.public_id, life.row.session_id, tag_of(life.program)}
        if intent.reason is Reason.USER:
            self._hold("C15", self.asked & causes, f"nobody asked to cancel {life.id}")
        if intent.reason is Reason.QUOTA and life.claimed_at is not None:
            large = any(step.rows > self._limits.result_rows > 0 for step in life.plan.steps)
            self._hold("C16", life.plan.hog or large, f"{life.id} is stopped for memory it does not use")
        if intent.reason is Reason.CLIENT_GONE and life.claimed_at is not None:
            self._hold("C16", life.program in self._leaving, f"the client of {life.id} is said to be gone")
        since = self._clock() - life.born_at
        for reason, limit in (
            (Reason.QUEUE_TIMEOUT, self._limits.queue_timeout),
            (Reason.TOTAL_TIMEOUT, self._limits.total_timeout),
        ):
            early = intent.reason is reason and not self.stepped and since < limit - SLACK
            self._hold("C16", not early, f"{life.id} is stopped by {reason} after {since:.3f} s")
        if intent.reason is Reason.STATEMENT_TIMEOUT and life.claimed_at is not None:
            spent = self._clock() - life.claimed_at
            self._hold(
                "C16", 0 < self._limits.statement_timeout <= spent + 1e-6, f"{life.id} timed out after {spent:.3f} s"
            )
        self._on_moment(Moment.INTENDED, life.program)

    def _session_changed(self, before: Session, row: Session) -> None:
        if row.close_requested_at is not None and before.close_requested_at is None:
            gone = row.reason is Reason.CLIENT_GONE and row.id in self.answered and not before.unanswered
            self._hold("C16", not gone, f"session {row.id} is to be closed for its opener, who had the answer")
        times = [at for at in (row.created_at, row.opened_at, row.ended_at) if at is not None]
        self._hold("C14", times == sorted(times), f"session {row.id} was created, opened and ended at {times}")
        if before.status.final:
            self._hold("C10", before.status is row.status, f"session {row.id} ended as {before.status} and changed")
        elif row.status.final:
            self._hold("C14", row.reason, f"session {row.id} ended without a reason")
        else:
            ways = {SessionStatus.CREATING: 0, SessionStatus.WAITING: 1, SessionStatus.RUNNING: 2}
            self._hold("C10", ways[before.status] <= ways[row.status], f"session {row.id} went back to {row.status}")

    # -- the verdict ------------------------------------------------------------------------

    def _ended(self, life: Life, before: Statement, row: Statement) -> None:
        ending = row.ending
        if ending is None:
            self.wrong("C14", f"{row.id} is {row.state} and has no ending")
            return
        self._hold("C1", ending.state is row.state, f"{row.id} is {row.state} and its ending says {ending.state}")
        self._hold("C2", life.engine is None, f"{row.id} is {row.state} while worker {life.engine} works on it")
        times = (row.created_at, row.started_at or row.created_at, ending.finished_at)
        self._hold("C14", times == tuple(sorted(times)), f"{row.id} was submitted, started and ended at {times}")
        invalid = life.heard and isinstance(life.said, Failed) and life.said.fatal
        died = invalid or ending.rung is Rung.KILLED or (ending.reason in SERVICE_LOST and life.sent)
        session = self._rows[row.session_id]
        self._hold("C10", session.status.final or not died, f"{row.id} ended with its worker, and {session.id} goes on")
        self._effects(life, ending)
        self._why(life, row, ending)
        if row.state is StatementState.CANCELLED:
            self._cancelled(life, before, ending)
        elif row.state is StatementState.SUCCEEDED:
            self._hold("C7", life.done, f"{row.id} is succeeded and was not done")
            self._hold("C17", len(row.parts) == len(life.plan.steps), f"{row.id} is succeeded and lacks parts")
        else:
            self._hold(
                "C7",
                not life.whole or ending.effects is Effects.UNKNOWN,
                f"{row.id} is failed and was done",
            )
        self._soon(life)

    def _effects(self, life: Life, ending: Ending) -> None:
        kept = bool(life.durable)
        expected = {
            Effects.NONE: not kept,
            Effects.COMMITTED: kept and ending.state is StatementState.SUCCEEDED,
            Effects.PARTIAL: kept and ending.state is not StatementState.SUCCEEDED,
            Effects.UNKNOWN: ending.state is StatementState.FAILED and self._untellable(life),
        }[ending.effects]
        self._hold(
            "C7",
            expected,
            f"{life.id} is {ending.state} with effects {ending.effects}; durable are its parts {sorted(life.durable)}",
        )

    def _untellable(self, life: Life) -> bool:
        return self.cloudy or any(step.kind == "append" for step in life.plan.steps)

    def _why(self, life: Life, row: Statement, ending: Ending) -> None:
        if row.cancel is not None and ending.reason in (None, *SERVICE_LOST) and not self._heard(life):
            return
        if ending.reason in SERVICE_LOST and life.died_at is not None and life.died_at <= (life.intended_at or 0.0):
            return  # it was dead before anybody asked: to say so is true
        if row.cancel is not None:
            same = (ending.reason, ending.actor) == (row.cancel.reason, row.cancel.actor)
            self._hold("C14", same and ending.rung, f"{row.id}: {ending.reason}, {ending.actor}, {ending.rung}")
        elif ending.reason in SERVICE_LOST:
            self._hold("C14", not life.held, f"{row.id} is said to be lost ({ending.reason}), and its worker lives")
        else:
            self._hold("C14", life.brought is None, f"the intent of {row.id} is not on record")
            self._hold("C14", ending.reason is None, f"{row.id} ended for {ending.reason}, which nobody asked for")

    def _heard(self, life: Life) -> bool:
        """Whether the owner must have heard of the intent."""
        since = self._clock() - (life.intended_at or 0.0)
        return since > self._patience + SLACK + self.trouble.until(self._clock()) - life.trouble_then

    def _cancelled(self, life: Life, before: Statement, ending: Ending) -> None:
        row = life.row
        self._hold("C14", row.cancel, f"{row.id} is cancelled and nobody asked for it")
        self._hold("C7", not life.whole, f"{row.id} is cancelled and was done")
        match ending.rung:
            case Rung.DEQUEUED:
                # A claim whose answer was lost leaves one that is running on record and never began.
                self._hold("C6", not life.began, f"{row.id} is said to be dequeued, and began")
            case Rung.INTERRUPTED:
                stopped = isinstance(life.said, Cancelled | Failed)
                self._hold("C2", stopped, f"{row.id}: the engine never said that it stopped")
            case Rung.KILLED:
                self._hold("C2", not life.held, f"{row.id} is said to be killed, and its worker lives")
            case _:
                self.wrong("C14", f"{row.id} is cancelled with rung {ending.rung}")

    def _soon(self, life: Life) -> None:
        if life.intended_at is None:
            return
        took = self._clock() - life.intended_at
        allowed = self._bound + self.trouble.until(self._clock()) - life.trouble_then
        self._hold("C3", took <= allowed, f"{life.id} ended {took:.3f} s after the intent, {allowed:.3f} allowed")

    # -- the end ----------------------------------------------------------------------------

    def check_lost(self) -> None:
        """Of a statement whose gateway died before it was on record nothing is left."""
        for life in self.lives.values():
            left = life.lost and (life.engine is not None or life.durable)
            self._hold("C12", not left, f"{life.id} was lost before it was on record, and left something")
            told = life.lost or not (life.vanished and life.began)
            self._hold("C12", told, f"{life.id} ran, its gateway lived, and it is not on record")

    def overdue(self) -> list[Life]:
        """The statements that should have stopped long ago."""
        now = self._clock()
        total = self.trouble.until(now)
        return [
            life
            for life in self.unfinished
            if life.intended_at is not None and now - life.intended_at > self._bound + total - life.trouble_then
        ]


def _verdict(row: Statement) -> tuple[object, ...]:
    return row.state, row.ending, row.parts, row.cancel
