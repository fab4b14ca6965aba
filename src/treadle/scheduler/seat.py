"""The seat of a lane: held for a statement that is being submitted."""

from typing import Protocol

from msgspec.structs import replace

from treadle.model.entities import Session, Statement
from treadle.store.rules import started


class Held(Protocol):
    """The lane, as its seat sees it."""

    @property
    def session(self) -> Session:
        """Its session."""

    def serves(self, workspace_id: str, project_id: str) -> bool:
        """Whether the session is known to be that project's."""

    def begin(self, statement: Statement, project_id: str, *, on_record: bool) -> None:
        """The seat is taken by a statement which starts now, and is on record or will soon be."""

    def unseat(self) -> None:
        """The seat stays empty."""


class LaneSeat:
    """An idle lane, held for one statement; implements `treadle.store.signals.Seat`."""

    def __init__(self, lane: Held, owner: str, project_id: str) -> None:
        self._lane = lane
        self._project_id = project_id
        self.owner = owner

    def take(self, statement: Statement) -> None:
        """It is stored, and running."""
        self._lane.begin(statement, self._project_id, on_record=True)

    def start(self, statement: Statement) -> bool:
        """Start it now, to be recorded soon; False where the store must be asked first whose session it is."""
        lane = self._lane
        if not lane.serves(statement.workspace_id, self._project_id):
            return False
        session = lane.session
        known = replace(statement, endpoint_id=session.endpoint_id, database_name=session.catalog)
        lane.begin(started(known, self.owner, statement.created_at), self._project_id, on_record=False)
        return True

    def release(self) -> None:
        """Nothing was stored that starts here."""
        self._lane.unseat()
