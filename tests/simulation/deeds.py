"""What engines, workers and catalogs really do, as they tell it, held against the record of that moment."""

from tests.simulation.ledger import RETRIES, Ledger
from tests.simulation.life import Life
from tests.simulation.scenario import Moment
from treadle.model.states import (
    StatementState,
)
from treadle.wire import Cancelled, Failed, Finished


class Deeds(Ledger):
    """Hears what is done."""

    def begins(self, statement_id: str, number: int, pid: int) -> None:
        """An engine starts to work on a part."""
        life = self.lives[statement_id]
        self._hold(
            "C10",
            life.row.session_id not in self._invalid,
            f"{statement_id} starts after its engine declared itself invalid",
        )
        self._hold("C12", number not in life.began, f"part {number} of {statement_id} runs twice")
        self._hold(
            "C6",
            life.vanished or life.row.state is StatementState.RUNNING,
            f"an engine starts {statement_id}, which is {life.row.state}",
        )
        self._hold("C7", number not in life.durable, f"part {number} of {statement_id} is durable, and runs again")
        self._hold("C16", life.losses[number] <= RETRIES, f"part {number} of {statement_id} runs again too often")
        life.began.add(number)
        life.engine = pid
        busy = [other for other in self.lives.values() if other.engine is not None]
        here = [other.id for other in busy if other.row.endpoint_id == life.row.endpoint_id]
        self._hold(
            "C11", len(here) <= self._limits.statements, f"more statements at once than the endpoint allows: {here}"
        )
        if number == 1:
            self._on_moment(Moment.EXECUTING, life.program)

    def leaves(self, statement_id: str) -> None:
        """The engine does nothing for it any more."""
        self.lives[statement_id].engine = None

    def asks(self, statement_id: str) -> None:
        """The worker asks to commit."""
        self._on_moment(Moment.ASKED, self.lives[statement_id].program)

    def commits(self, statement_id: str, number: int) -> None:
        """The engine begins a commit."""
        life = self.lives[statement_id]
        point = life.row.commit
        self._hold(
            "C7",
            point is not None and point.part == number,
            f"{statement_id} commits part {number} and its commit point is {point}",
        )
        self._on_moment(Moment.COMMITTING, life.program)

    def loses_race(self, statement_id: str, number: int) -> None:
        """The engine reports that a commit lost a race: its part may begin anew."""
        life = self.lives[statement_id]
        life.began.discard(number)
        life.losses[number] += 1
        self._on_moment(Moment.LOST, life.program)

    def endures(self, statement_id: str, number: int) -> None:
        """A commit is durable."""
        life = self.lives[statement_id]
        self._hold("C7", number not in life.durable, f"part {number} of {statement_id} is durable twice")
        life.durable.add(number)
        self._hold("C12", life.recorded, f"a commit of {statement_id} lands, which is not on record")
        self._hold("C2", not life.row.state.final, f"{statement_id} is {life.row.state}, and a commit of it lands")
        self._on_moment(Moment.COMMITTED, life.program)

    def struck(self, statement_id: str, *, committing: bool) -> None:
        """An interrupt reaches an engine that works on this statement."""
        life = self.lives[statement_id]
        self._hold(
            "C4", life.vanished or self._unwanted(life), f"an interrupt hits {statement_id}, which nobody cancels"
        )
        self._hold("C7", not committing, f"an interrupt hits {statement_id} inside its commit")

    def shot(self, statement_id: str, *, owner: str, hears: bool) -> None:
        """The owner kills a worker that has this statement; ``hears`` says that an interrupt would have done."""
        life = self.lives[statement_id]
        row = life.row
        fair = life.vanished or self._unwanted(life) or row.state.final or row.owner != owner
        self._hold("C4", fair, f"the worker of {statement_id} is killed, which nobody cancels")
        self._hold("C5", not hears, f"the worker of {statement_id} is killed, and no interrupt ever came to it")

    def _unwanted(self, life: Life) -> bool:
        """Whether somebody wants it stopped; one that the store refuses to record stops with its session."""
        session = self.sessions[life.row.session_id]
        refused = not life.recorded and (session.status.final or session.close_requested_at is not None)
        return life.row.cancel is not None or life.brought is not None or refused

    def says(self, word: Finished | Failed | Cancelled) -> None:
        """A worker's last word about a statement."""
        life = self.lives[word.statement_id]
        life.said = word
        session_id = life.row.session_id
        over = isinstance(word, Finished) and session_id in self._invalid
        self._hold("C10", not over, f"{life.id} succeeds after its engine declared itself invalid")
        if isinstance(word, Failed) and word.fatal:
            self._invalid.add(session_id)
        self._on_moment(Moment.SAID, life.program)

    def hears(self, word: Finished | Failed | Cancelled) -> None:
        """The last word has come to the owner."""
        self.lives[word.statement_id].heard = True

    def forget_words(self) -> None:
        """The owner is gone, and what it heard with it, and what it had not put on record."""
        for life in self.unfinished:
            life.heard = False
            life.lost = not life.recorded
        for life in self.lives.values():
            life.lost = life.lost or life.vanished

    def holds(self, statement_id: str) -> None:
        """A living worker is sent it."""
        life = self.lives[statement_id]
        life.held = life.sent = True

    def loses(self, statement_id: str) -> None:
        """The worker that was sent it is gone."""
        life = self.lives[statement_id]
        if life.held:
            life.died_at = self._clock()
        life.held = False
        life.engine = None
