"""Whether a commit has changed the catalog (C7): an UPDATE of nothing commits, and makes no snapshot."""

import contextlib
from enum import Enum
from typing import Final

import duckdb

from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.planned import Effect, Kind, Planned

_COUNTED: Final = frozenset(("INSERT 0", "UPDATE", "DELETE", "MERGE", "COPY"))


class _Known(Enum):
    """What the statements of a transaction tell of its changes by themselves."""

    NOTHING = "nothing"
    UNSURE = "unsure"
    CHANGED = "changed"


class Changes:
    """Watches the transactions of one session.

    Where their statements leave it open, the engine is asked for the last snapshot that this session
    made, before the commit and after it. A one-row INSERT pays for neither.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._con = connection
        self._known = _Known.NOTHING
        self._before: int | None = None
        self._temporary = False
        """Whether tables may lie outside of the catalog, where rows are counted as well."""

    def begin(self) -> None:
        """A transaction has begun."""
        self._known = _Known.NOTHING

    def look(self, planned: Planned) -> None:
        """A statement is about to run."""
        if (planned.kind is Kind.SET or planned.tag.startswith("CREATE")) and "temp" in planned.text.lower():
            self._temporary = True

    def note(self, planned: Planned, changed: int, *, alone: bool) -> None:
        """Record a write; ``changed`` are its rows, with ``alone`` a commit follows at once."""
        if planned.kind is Kind.UPKEEP and planned.effect is not Effect.SNAPSHOT:
            gone = planned.effect is Effect.ROWS and bool(changed)
            self._known = _Known.CHANGED if gone or planned.effect is Effect.ALWAYS else _Known.NOTHING
        elif planned.tag not in _COUNTED:
            self._known = _Known.UNSURE
        elif changed:
            # What was inserted may be deleted again in the same transaction.
            self._known = _Known.CHANGED if alone and not self._temporary else _Known.UNSURE

    def prepare(self, catalog: str) -> None:
        """The commit comes next; raises `duckdb.Error`."""
        if self._known is _Known.UNSURE:
            self._before = self._last(catalog)

    def made(self, catalog: str) -> bool:
        """Whether the commit that has just succeeded changed the catalog."""
        if self._known is _Known.UNSURE:
            # The commit is durable whatever becomes of the question.
            with contextlib.suppress(duckdb.Error):
                return self._last(catalog) != self._before
        return self._known is not _Known.NOTHING

    def _last(self, catalog: str) -> int | None:
        # Fetch all rows: a pending result would keep its transaction open in the metadata, with its locks.
        rows = self._con.execute(f"FROM {quoted(catalog)}.last_committed_snapshot()").fetchall()
        return rows[0][0] if rows else None
