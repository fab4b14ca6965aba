"""What the engine's parser makes of one statement."""

import re
from collections.abc import Callable
from typing import Final

import duckdb

from treadle.engines.base import EngineError
from treadle.engines.duckdb.about import word_of
from treadle.engines.duckdb.errors import DuckDBError, translated
from treadle.engines.duckdb.excerpt import character
from treadle.engines.duckdb.raised import Raised

_SCANNED: Final = re.compile(r" at (?:or near \".*\"|end of input)\Z", re.DOTALL)
"""How the messages of the grammar itself end: it counts characters, all else in the engine counts bytes."""

_WRAPPING: Final = frozenset(("TRANSACTION", "SET"))


def parse(
    connection: duckdb.DuckDBPyConnection, sql: str, place: Callable[[int], int] | None = None
) -> tuple[duckdb.Statement, ...]:
    """Parse one statement into the engine's statements: helpers that define a type, then the statement itself.

    ``place`` maps a character of the text to one of the script; None for a generated text.

    The transaction that the engine wraps around a PIVOT (or its equivalent within a transaction) is removed: the
    statement does not decide about its commit.
    """
    try:
        with translated():
            statements = connection.extract_statements(sql)
    except DuckDBError as error:
        at = _place(sql, error.origin)
        if place is not None and at is not None:
            error.position = place(at) + 1
        raise
    if len(statements) > 1:
        statements = [statement for statement in statements if statement.type.name not in _WRAPPING]
    if not statements or any(statement.type.name != "CREATE" for statement in statements[:-1]):
        raise EngineError("0A000", "this statement is not supported")
    return tuple(statements)


def _place(sql: str, error: Raised) -> int | None:
    """The character, counted from 0, of an error found while parsing."""
    if error.offset is None:
        found = word_of(sql, error.message, error.name)
        return None if found is None else found[0]
    return error.offset if _SCANNED.search(error.message) else character(sql, error.offset)
