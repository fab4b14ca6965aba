"""BEGIN, COMMIT and ROLLBACK of a session: its settings follow, and each commit carries its statement's id."""

import duckdb

from treadle.engines.base import Command, EngineError
from treadle.engines.duckdb import conflicts
from treadle.engines.duckdb.changes import Changes
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.planned import Planned
from treadle.engines.duckdb.settings_in_engine import EngineSettings
from treadle.engines.duckdb.transaction import State, Transaction


class TransactionControl:
    """The transaction of a session together with what begins and ends with it."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        transaction: Transaction,
        settings: EngineSettings,
        changes: Changes,
    ) -> None:
        self._con = connection
        self._transaction = transaction
        self._settings = settings
        self._changes = changes
        self.user = ""
        """Name of the user, written beside each commit."""

    def begin(self, planned: Planned) -> Command:
        """Execute the user's BEGIN."""
        if self._transaction.state is State.NONE:  # of a second one PostgreSQL only warns
            self._transaction.begin(planned.statements[-1])
            self._settings.session = self._settings.session.begin_transaction()
            self._changes.begin()
        return Command(tag="BEGIN")

    def prepare_commit(self, catalog: str, marker: str) -> Command:
        """Execute the user's COMMIT up to, not including, the commit; a transaction that is aborted is rolled back."""
        if self._transaction.state is State.ABORTED:
            return self.roll_back()
        if self._transaction.state is State.NONE:
            return Command(tag="COMMIT")  # PostgreSQL only warns
        self.mark(catalog, marker)
        self._transaction.to_commit = True
        return Command(tag="COMMIT", commits=True)

    def mark(self, catalog: str, marker: str) -> None:
        """Write the statement's id beside the coming commit: it is how a lost commit is found again (C7)."""
        self._changes.prepare(catalog)
        self._con.execute(
            f"CALL {quoted(catalog)}.set_commit_message(?, ?, extra_info => ?)",
            [self.user, "treadle", marker],
        )

    def commit(self, catalog: str, metadata: str) -> bool:
        """Commit, and return whether that changed the catalog.

        As in PostgreSQL, a commit that fails takes the user's changes of settings back.
        """
        unit = "transaction" if self._transaction.state is State.OPEN else "statement"
        try:
            with conflicts.recognised(self._con, metadata, unit):
                self._transaction.commit()
        except (duckdb.Error, EngineError):
            self._settings.adopt(self._settings.session.roll_back())
            raise
        changed = self._changes.made(catalog)
        self._settings.adopt(self._settings.session.commit())
        return changed

    def roll_back(self) -> Command:
        """Execute the user's ROLLBACK."""
        if self._transaction.state is not State.NONE:  # without one PostgreSQL only warns
            self._transaction.roll_back()
            self._settings.adopt(self._settings.session.roll_back())
        return Command(tag="ROLLBACK")

    def abandon(self) -> None:
        """Undo a statement that failed; a transaction that its user opened is left aborted."""
        self._transaction.abandon()
        if self._transaction.state is State.ABORTED:
            # An aborted transaction takes no SET: its ROLLBACK comes first.
            self._settings.adopt(self._settings.session.roll_back(), later=True)
        else:
            self._settings.settle()
