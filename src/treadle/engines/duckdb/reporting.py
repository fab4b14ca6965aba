"""Errors in the words and the places of the caller's script: the last step before they leave the engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from treadle.engines.base import Conflict, EngineError, Interrupted
from treadle.engines.duckdb.discretion import Discretion
from treadle.engines.duckdb.edits import original
from treadle.engines.duckdb.errors import RAISED, DuckDBError, LostError, Refusal, translate
from treadle.engines.duckdb.excerpt import excerpt
from treadle.engines.duckdb.locating import Locator
from treadle.engines.duckdb.planned import Planned
from treadle.engines.duckdb.showing import shown_name
from treadle.engines.duckdb.vocabulary import Vocabulary
from treadle.engines.duckdb.wording import shortened, without_suggestions
from treadle.wire import Attach

_UNREACHABLE: Final = "08006"
_NO_TABLE: Final = "42P01"
_INSIDE: Final = ("pg_", "duckdb_", "sqlite_", "pragma_", "ducklake_", "postgres_", "force_", "_")
"""How the names begin that the engine has for itself: no caller means one of them by a name that is nearly the same."""


class Reported(EngineError):
    """An error as the caller reads it."""


class Reporter:
    """Reports the errors of one session; ``script`` is the text its statements stand in."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, vocabulary: Vocabulary) -> None:
        self.locator = Locator(connection)
        self.script = ""
        self._refused = vocabulary.refused | vocabulary.uncallable
        self._discretion = Discretion()

    def attach(self, order: Attach) -> None:
        """Learn which places a message may not mention."""
        self.locator.attach(order.catalog.metadata_name)
        self._discretion = Discretion(order)

    @contextmanager
    def reported(self, planned: Planned | None = None) -> Iterator[None]:
        """Raise what the engine and this adapter raise as `report` returns it."""
        try:
            yield
        except RAISED as error:
            found = self.report(translate(error), planned)
            if found is error:
                raise
            raise found from error

    def report(self, error: EngineError, planned: Planned | None) -> EngineError:
        """Convert the error for the caller; interrupts, lost races and lost sessions are unchanged."""
        if isinstance(error, Reported | Interrupted | Conflict | LostError):
            return error
        message = error.message
        position = error.position
        if error.sql_state == _NO_TABLE and planned is not None and (name := shown_name(planned.text)) is not None:
            return Reported("42704", f'unrecognized configuration parameter "{name}"')
        if isinstance(error, DuckDBError):
            message = self._words(error, planned)
            if position is None and planned is not None:
                position = self.locator.find(self.script, planned, error.origin, error.shift)
        elif position is None and planned is not None:
            position = _place(error, planned) or self.locator.mention(planned, message)
        if position is not None:
            message = f"{message}\n\n{excerpt(self.script, position)}"
        return Reported(error.sql_state, message, position)

    def _words(self, error: DuckDBError, planned: Planned | None) -> str:
        if error.sql_state == _UNREACHABLE:
            return "the catalog is out of reach"
        message = self._discretion.reword(error.message, planned.copy_to if planned else None)
        return shortened(without_suggestions(message, self._is_useless))

    def _is_useless(self, name: str) -> bool:
        lowered = name.lower()
        return lowered in self._refused or lowered.startswith(_INSIDE)


def _place(error: EngineError, planned: Planned) -> int | None:
    """Get the position of a refusal in the script; characters count from 1."""
    if not isinstance(error, Refusal):
        return None
    at = original(planned.steps, error.at) if error.ran else error.at
    return planned.start + at + 1
