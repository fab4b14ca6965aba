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
    """A text that does not parse under the settings at the beginning of its script, but may parse later."""


class Effect(StrEnum):
    """The evidence that a committed maintenance call has changed the catalog."""

    SNAPSHOT = "snapshot"
    """The call has made a snapshot."""
    ROWS = "rows"
    """The call has returned rows; each is a removed object."""
    ALWAYS = "always"
    NONE = "none"
    """The call only reads."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One checked statement, not yet run; implements `treadle.engines.base.Prepared`.

    ``statements`` run in order, the last one is the statement itself; those of a SET are the engine's share of it.
    ``tag`` is its command tag without counts, ``copy_to`` the target of a ``COPY … TO``, ``copy_from`` the source of a
    ``COPY … FROM`` of JSON, ``setting`` the setting of a SET or SHOW, ``deferred`` the expressions in its text whose
    values are checked before it runs, ``analyzes`` whether it is an EXPLAIN ANALYZE, ``defines`` the table whose
    columns it creates or changes, ``effect`` the evidence of a maintenance call. In the script the statement begins at
    the character ``start``, the text it was parsed from at ``origin``; ``steps`` are the successive edits from its text
    to the text that runs.
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
