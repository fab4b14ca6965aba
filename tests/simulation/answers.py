"""What callers are told, held against what is true at that moment."""

from collections.abc import Callable, Iterable

from tests.simulation.ledger import Ledger
from tests.simulation.life import Life
from treadle.model.states import (
    CancelOutcome,
    PartStatus,
    Rung,
    SessionStatus,
    StatementState,
)
from treadle.service.views import CancelReport, StatementView


class Answers(Ledger):
    """Hears what is answered."""

    def told_cancelled(self, statement_id: str, report: CancelReport, part: int) -> None:
        """A cancel was answered 200."""
        life = self.lives[statement_id]
        row = life.row
        if part and report.outcome is CancelOutcome.ALREADY_SUCCEEDED and part <= len(row.parts):
            return
        self._hold("C2", row.state.final, f"the cancel of {statement_id} is answered, and it is {row.state}")
        self._hold("C2", life.engine is None, f"the cancel of {statement_id} is answered, and its engine works")
        cancelled = report.outcome in (CancelOutcome.CANCELLED, CancelOutcome.ALREADY_CANCELLED)
        self._hold(
            "C9",
            cancelled == (row.state is StatementState.CANCELLED),
            f"{statement_id} is {row.state}, and its cancel is answered {report.outcome}",
        )
        if report.rung is Rung.KILLED and cancelled and life.sent:
            session = self.sessions[row.session_id]
            ended = session.status.final or session.close_requested_at is not None or self.stopping
            self._hold("C10", ended, f"the worker of session {session.id} was killed, and it goes on")

    def submits(self, program: int, *, keyed: bool, leaving: bool) -> None:
        """A client begins to submit."""
        if keyed:
            self._keyed.add(program)
        if leaving:
            self._leaving.add(program)

    def gives_up(self, program: int) -> None:
        """A submit was answered that the store cannot be reached: what came of it may be cancelled."""
        self._leaving.add(program)

    def told_entombed(self, public_id: str) -> None:
        """A cancel that came before its submit was kept for it."""
        self.entombed.add(public_id)
        life = self._public.get(public_id)
        dead = life is None or life.row.state is StatementState.CANCELLED
        self._hold("C15", dead, f"{public_id} was cancelled before its submit, and lives")

    def unnamed(self, program: int) -> Life | None:
        """What runs of a program and is not on record: nobody knows its id yet."""
        running = (life for life in self.unfinished if life.program == program and not life.recorded)
        return next(running, None)

    def covered(self, matches: Callable[[Life], bool]) -> list[Life]:
        """What a cancel of many that begins now must stop: what is on record, and what runs."""
        return [life for life in self.lives.values() if (life.recorded or life.sent) and matches(life)]

    def told_all_cancelled(self, lives: Iterable[Life]) -> None:
        """A cancel of many was answered 200: so stands what was submitted before it."""
        for life in lives:
            stopped = life.gone or (life.recorded and life.row.state.final and life.engine is None)
            self._hold("C15", stopped, f"the cancel of many is answered, and {life.id} is {life.row.state}")

    def told_not_stopped(self, statement_id: str, seconds: float, trouble: float, timeout: float) -> None:
        """A cancel was answered 408."""
        life = self.lives[statement_id]
        self._hold("C18", seconds >= timeout - 1e-6 or life.vanished, f"408 for {statement_id} after {seconds:.3f} s")
        allowed = self._bound + self.trouble.until(self._clock()) - trouble
        self._hold("C18", allowed > timeout or life.vanished, f"408 for {statement_id}, and there was no trouble")
        # While the store is away the owner alone has it, and the answer says so.
        recorded = life.row.cancel is not None or life.row.state.final
        kept = recorded or life.vanished or self.trouble.at(self._clock())
        self._hold("C18", kept, f"408 for {statement_id}, and the intent is gone")

    def told_result(self, view: StatementView, page: int, page_rows: int) -> None:
        """A page was shown."""
        life = self._public[view.statement_id.split("_")[0]]
        self._hold("C12", life.recorded, f"{life.id} is shown, and not on record")
        life.answered = True
        if view.results is None:
            return
        self._hold("C17", life.row.state.final, f"{life.id} is {life.row.state}, and results are shown")
        for result in view.results:
            if result.status is not PartStatus.TUPLES_OK:
                continue
            number = int(result.statement_id.split("_")[1]) if "_" in result.statement_id else 1
            rows = life.plan.steps[number - 1].rows
            on_page = max(0, min(page_rows, rows - (result.page_no - 1) * page_rows))
            self._hold(
                "C17",
                (result.num_rows, result.row_count) == (rows, on_page),
                f"page {page} of {result.statement_id} has {result.row_count} of {result.num_rows} rows, not {on_page}",
            )

    def told_closed(self, session_id: str, *, had_ended: bool) -> None:
        """The close of a session was answered 200."""
        session = self.sessions[session_id]
        self._hold("C11", session.status.final, f"session {session_id} is answered as closed, and is {session.status}")
        if had_ended:
            return
        for life in self.lives.values():
            if life.row.session_id == session_id and not life.gone:
                # In a session that failed by itself nothing starts any more, and its record may follow.
                over = not life.held and (life.sent or session.status is SessionStatus.FAIL)
                ended = life.row.state is not StatementState.RUNNING or over
                stopped = ended and life.engine is None
                self._hold("C11", stopped, f"session {session_id} is closed, and {life.id} is {life.row.state}")
