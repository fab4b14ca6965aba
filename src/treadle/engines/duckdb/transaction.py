"""The transaction of a session: its user's, or one of ours around a statement of its own."""

import contextlib
from enum import Enum

import duckdb


class State(Enum):
    """The transaction of the session, as its user sees it."""

    NONE = "none"
    OPEN = "open"
    ABORTED = "aborted"


class Transaction:
    """What is open on a connection, as the engine has it also after an interrupt."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._con = connection
        self.state = State.NONE
        self.implicit = False
        """Whether one of ours may be open."""
        self.to_commit = False
        """Whether `commit` has something to do."""

    def begin(self, statement: duckdb.Statement) -> None:
        """The user's BEGIN."""
        self.open(statement)
        self.implicit = False
        self.state = State.OPEN

    def open(self, begin: "duckdb.Statement | str" = "BEGIN TRANSACTION") -> None:
        """One of ours."""
        # Beforehand: a BEGIN that raises, because it was interrupted, may have opened one all the same.
        self.implicit = True
        self._con.execute(begin)

    def commit(self) -> None:
        """COMMIT; the transaction is over also when that fails, as in PostgreSQL."""
        try:
            self._con.execute("COMMIT")
        except duckdb.Error:
            with contextlib.suppress(duckdb.Error):
                self._con.execute("ROLLBACK")
            raise
        finally:
            self.state = State.NONE
            self.implicit = False
            self.to_commit = False

    def end_reading(self) -> None:
        """COMMIT of a query's transaction of ours; that the catalog has gone meanwhile takes nothing from its rows."""
        if not self.implicit:
            return
        try:
            self._con.execute("COMMIT")
        except duckdb.InterruptException:
            raise  # `abandon` finds what there is to undo
        except duckdb.Error:
            self._roll_back()
        else:
            self.implicit = False

    def abandon(self) -> None:
        """A statement has failed: ours is undone, the user's is left aborted."""
        if self.implicit:
            with contextlib.suppress(duckdb.InterruptException):
                self._roll_back()
        elif self.state is State.OPEN:
            self.state = State.ABORTED
        self.to_commit = False

    def open_anew(self) -> None:
        """Undo one of ours, and open another."""
        self._roll_back()
        self.open()

    def roll_back(self) -> None:
        """The user's ROLLBACK; raises where it was interrupted."""
        self._roll_back()
        self.state = State.NONE

    def _roll_back(self) -> None:
        """ROLLBACK; the transaction is over also when there was none, or its catalog is out of reach.

        Not when it was interrupted: that leaves it open, and is raised.
        """
        try:
            self._con.execute("ROLLBACK")
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            pass
        self.implicit = False
