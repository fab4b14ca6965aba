"""Invalid instances: after a fatal error DuckDB refuses every statement, also ROLLBACK."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from treadle.engines.base import EngineError, EngineInvalid
from treadle.engines.duckdb.raised import raised

_SEVERE: Final = frozenset(("INTERNAL", "FATAL"))
"""The families of such errors; most of the former leave the instance as it was."""


@contextmanager
def validated(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Raise an error after which the instance is invalid as `EngineInvalid`, with its own state and words."""
    try:
        yield
    except EngineError as error:
        if not error.fatal and _may_be_fatal(error) and _is_invalid(connection):
            raise EngineInvalid(error.sql_state, error.message, error.position) from error
        raise


def _may_be_fatal(error: EngineError) -> bool:
    cause = error.__cause__
    while isinstance(cause, EngineError):
        cause = cause.__cause__
    return isinstance(cause, Exception) and raised(cause).kind in _SEVERE


def _is_invalid(connection: duckdb.DuckDBPyConnection) -> bool:
    """Ask the instance for nothing in particular; an aborted transaction answers with an error of its own."""
    try:
        connection.execute("SELECT 1")
    except duckdb.FatalException:
        return True
    except duckdb.Error:
        return False
    return False
