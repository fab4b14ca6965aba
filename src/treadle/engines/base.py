"""The seam of an engine, small enough to read in a minute.

An adapter lives in a worker process and hosts one session. `execute` runs in the executing thread;
`interrupt` is called from another thread and only while the very statement that should stop is the
one running (the worker holds the fence). An adapter never decides a verdict: it says what happened.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import msgspec
import pyarrow as pa

from treadle.model.columns import Column
from treadle.model.entities import Evidence
from treadle.model.profile import Measured
from treadle.wire import Attach, Open, Upkeep


class EngineError(Exception):
    """The engine said no. ``sql_state`` is the SQLSTATE, the message is for the caller.


    ``position`` is the character of the script that the error is about, counted from 1; None where it is about none.
    """

    fatal = False
    """Whether the engine answers nothing any more: its session ends with the statement."""

    def __init__(self, sql_state: str, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.sql_state = sql_state
        self.message = message
        self.position = position


class Interrupted(EngineError):
    """The engine's own word that it stopped because it was told to."""

    def __init__(self, message: str = "interrupted") -> None:
        super().__init__("57014", message)


class Conflict(EngineError):
    """A commit that lost a race against another transaction: certainly nothing of it is durable."""

    def __init__(self, message: str) -> None:
        super().__init__("40001", message)


class EngineInvalid(EngineError):
    """An error after which the engine refuses every statement, also ROLLBACK."""

    fatal = True


def disk_error(error: OSError) -> EngineError:
    """What the caller may know of a disk that takes no more; the error's own text would tell where our files lie."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return EngineError("53100" if full else "58030", os.strerror(error.errno) if error.errno else "input/output error")


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """A result set: its columns and its batches, which stream from the engine; for a write, the number of rows.

    ``commits``: `Engine.commit` or `Engine.rollback` must follow once the batches are consumed; ``repeatable``:
    `Engine.rollback` undoes the whole statement, so that it may run again; ``private``: the commit changes only the
    session, such as its temporary tables.
    """

    columns: tuple[Column, ...]
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    changed: int = 0
    commits: bool = False
    repeatable: bool = False
    private: bool = False


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command without rows: its tag (``INSERT 0 5``) and the number of changed rows.

    ``commits``: `Engine.commit` or `Engine.rollback` must follow; ``repeatable``: `Engine.rollback` undoes the whole
    statement, so that it may run again; ``private``: the commit changes only the session, such as its temporary tables.
    """

    tag: str
    changed: int = 0
    commits: bool = False
    repeatable: bool = False
    private: bool = False


class Prepared(Protocol):
    """One statement of a script, parsed and judged, not yet run."""

    @property
    def text(self) -> str:
        """Its SQL."""

    @property
    def writes(self) -> bool:
        """Whether it leaves effects of its own when no transaction is open."""


P = TypeVar("P", bound=Prepared)


class Engine(Protocol[P]):
    """One session of an engine."""

    def attach(self, order: Attach) -> tuple[str, ...]:
        """Attach the catalog and lock the engine down; returns the tables that this session could not bring up to date.
        Raises `EngineError`.
        """

    def open(self, order: Open) -> None:
        """Make the session ready on what is attached, which may have been long ago; raises `EngineError`."""

    def permit(self, upkeep: Upkeep | None) -> None:
        """Take the right to maintain the catalog, or None without it; it holds for what is split next."""

    def split(self, script: str) -> Sequence[P]:
        """Split a script into checked statements; raises `EngineError` (42601, 42501, ...), and `Interrupted`."""

    def execute(
        self, prepared: P, marker: str, bindings: Sequence[Sequence[str | None]] | None, row_limit: int | None
    ) -> Rows | Command:
        """Run one statement up to, not including, the commit of what it wrote.

        With several sets of ``bindings`` it runs once for each, and what it changed is added.
        ``marker`` is put beside the commit, so that a commit whose reply was lost can be found.
        """

    def evidence(self) -> tuple[Evidence, str]:
        """Where the truth about the coming commit will lie, and the staged path if that is a file."""

    def commit(self) -> bool:
        """Make the effects of the last `execute` durable, and return whether there were any; never interrupted.

        Raises `Conflict` when another transaction was first, another `EngineError` when it may be durable.
        """

    def rollback(self) -> None:
        """Undo the effects of the last `execute`, files included; a transaction the caller had
        opened is left aborted, waiting for his ``ROLLBACK``.
        """

    def interrupt(self) -> None:
        """Ask whatever runs to stop; forgotten by the engine when nothing runs."""

    def progress(self) -> float | None:
        """Percent done of what runs, None when unknown."""

    def measured(self) -> Measured:
        """What is known of the work since the last `split` or `execute`; its rows are drained, or it has failed."""

    def settings(self) -> dict[str, str]:
        """What the owner must know: ``statement_timeout`` and ``session_timeout`` in seconds, and
        ``transaction``: ``none``, ``open`` or ``aborted``.
        """

    def trim(self, least: int) -> None:
        """Give memory that a stopped statement used back to the system, if it is ``least`` bytes or more."""

    def close(self) -> None:
        """Let go of everything."""
