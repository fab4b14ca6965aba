"""What a statement is to the one who runs it."""

from enum import StrEnum
from functools import reduce
from typing import Final

import duckdb
import msgspec

from treadle.engines.duckdb.arguments import Deferred
from treadle.engines.duckdb.copy_statement import CopyTarget
from treadle.engines.duckdb.definitions import Definition
from treadle.engines.duckdb.edits import Edit, applied
from treadle.engines.duckdb.json_files import JsonSource
from treadle.engines.duckdb.settings import Change, Show


class Kind(StrEnum):
    """What a statement is to the one who runs it."""

    QUERY = "query"
    """Its rows can be streamed; it leaves no effects."""
    WRITE = "write"
    """It leaves effects and has to be committed."""
    UPKEEP = "upkeep"
    """A write that maintains the catalog: in a transaction of its own, and by those who have the right."""
    COMMAND = "command"
    """It leaves no effects beyond the session and has no rows."""
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    SET = "set"
    SHOW = "show"
    EXPLAIN = "explain"
    PREPARE = "prepare"
    EXECUTE = "execute"
    DEALLOCATE = "deallocate"
    UNPARSED = "unparsed"
    """It does not parse under the settings at the beginning of its script, which the script may change before it."""


class Effect(StrEnum):
    """By which a maintaining call that was committed is known to have changed the catalog."""

    SNAPSHOT = "snapshot"
    """By the snapshot it made."""
    ROWS = "rows"
    """By its rows: each of them is something that is gone."""
    ALWAYS = "always"
    NONE = "none"
    """It only looks."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One statement, judged, not yet run; implements `treadle.engines.base.Prepared`.

    ``statements`` run in order, the last one is the statement itself; those of a SET are the engine's
    share of it. ``tag`` is its command tag without counts, ``copy_to`` where a ``COPY … TO`` writes,
    ``copy_from`` where a ``COPY … FROM`` of JSON reads,
    ``setting`` what a SET or SHOW asks for, ``deferred`` the expressions in its text whose values are judged
    before it runs, ``analyzes`` whether it is an EXPLAIN ANALYZE, ``defines`` the table whose columns it makes or
    changes, ``effect`` that of maintenance. In the script the statement begins at the character ``start``, the text it
    was parsed from at ``origin``; ``steps`` are the edits that make the text that the engine runs of it, one after
    another.
    """

    kind: Kind
    text: str
    tag: str
    statements: tuple[duckdb.Statement, ...] = ()
    writes: bool = False
    returns_rows: bool = False
    copy_to: CopyTarget | None = None
    copy_from: JsonSource | None = None
    deferred: tuple[Deferred, ...] = ()
    setting: Change | Show | None = None
    defines: Definition | None = None
    analyzes: bool = False
    effect: Effect = Effect.SNAPSHOT
    start: int = 0
    origin: int = 0
    steps: tuple[tuple[Edit, ...], ...] = ()

    @property
    def ran(self) -> str:
        """The text that the engine runs."""
        return reduce(applied, self.steps, self.text)


PLAIN: Final = {
    "SELECT": (Kind.QUERY, "SELECT"),
    "INSERT": (Kind.WRITE, "INSERT 0"),
    "UPDATE": (Kind.WRITE, "UPDATE"),
    "DELETE": (Kind.WRITE, "DELETE"),
    "MERGE_INTO": (Kind.WRITE, "MERGE"),
}
"""The statements that need no look at their words: kind and tag by the type the parser gives them."""
