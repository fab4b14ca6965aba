"""DuckDB's errors as `EngineError`: the one border where they are translated."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb
import msgspec
import pyarrow as pa

from treadle.engines.base import EngineError, Interrupted, disk_error
from treadle.engines.duckdb.raised import INTERRUPT, Raised, raised
from treadle.engines.duckdb.sqlstates import sql_state_of
from treadle.engines.duckdb.wording import message_of

_INTERRUPTED: Final = re.compile(r"INTERRUPT Error|Interrupted!")


class Insertion(msgspec.Struct, frozen=True):
    """Text of ours within a statement, where it runs: ``length`` bytes, before the byte ``at`` of the caller's text."""

    at: int
    length: int

    def place(self, offset: int) -> int | None:
        """The offset in the caller's text of one in the text that ran; None within what was inserted."""
        if offset < self.at:
            return offset
        return offset - self.length if offset >= self.at + self.length else None


class Refusal(EngineError):
    """A refusal of this adapter with its position.

    ``at`` is a character of the original statement, counted from 0; with ``ran`` of the text that ran.
    """

    def __init__(self, sql_state: str, message: str, at: int, *, ran: bool = False) -> None:
        super().__init__(sql_state, message)
        self.at = at
        self.ran = ran


class DuckDBError(EngineError):
    """An error of the engine: what it raised, and where in the text it ran.

    ``shift`` is the number of bytes that stood before the caller's statement in that text; None where the text is
    the one the statement was parsed from.
    """

    def __init__(self, origin: Raised, shift: int | None = None, position: int | None = None) -> None:
        super().__init__(sql_state_of(origin), message_of(origin), position)
        self.origin = origin
        self.shift = shift


class WrappedInterrupt(Interrupted):
    """An error that repeats the engine's text of an interrupt; ``error`` applies if no cancel was sent."""

    def __init__(self, error: EngineError) -> None:
        super().__init__()
        self.error = error


class LostError(EngineError):
    """The engine stopped because of an error, and passed on only that it had stopped."""

    def __init__(self) -> None:
        super().__init__("58000", "the engine stopped the statement on an error and did not keep its words")


RAISED: Final = (EngineError, duckdb.Error, pa.ArrowException, OSError, MemoryError, RuntimeError, ValueError)
"""What comes out of the engine, its client and Arrow, translated or not."""


def translate(error: Exception, shift: int | None = None) -> EngineError:
    """The error as an `EngineError`, which it may be already; ``shift`` as in `DuckDBError`."""
    if isinstance(error, EngineError):
        return error
    if isinstance(error, MemoryError | pa.ArrowMemoryError):
        return EngineError("53200", "out of memory")
    if isinstance(error, OSError) and error.errno is not None:
        return disk_error(error)
    told = raised(error)
    if told.kind == INTERRUPT:
        return Interrupted()
    found = DuckDBError(told, shift)
    return WrappedInterrupt(found) if _INTERRUPTED.search(told.message) else found


@contextmanager
def placed(insertion: Insertion | None) -> Iterator[None]:
    """Raise what a statement raises that runs with an insertion with its place in the caller's text."""
    try:
        yield
    except RAISED as error:
        found = translate(error, None if insertion is None else 0)
        if insertion is not None and isinstance(found, DuckDBError) and found.origin.offset is not None:
            found = DuckDBError(msgspec.structs.replace(found.origin, offset=insertion.place(found.origin.offset)), 0)
        if found is error:
            raise
        raise found from error


@contextmanager
def unplaced() -> Iterator[None]:
    """Raise the engine's errors about generated text without their positions in it."""
    try:
        yield
    except duckdb.Error as error:
        found = translate(error)
        if isinstance(found, DuckDBError):
            found = DuckDBError(msgspec.structs.replace(found.origin, offset=None))
        raise found from error


@contextmanager
def translated(shift: int | None = None) -> Iterator[None]:
    """Raise what DuckDB and Arrow raise as `EngineError`; ``shift`` as in `DuckDBError`."""
    try:
        yield
    except EngineError:
        raise
    except RAISED as error:
        raise translate(error, shift) from error
