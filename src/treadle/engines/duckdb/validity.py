"""Invalid instances: after a fatal error DuckDB refuses every statement, also ROLLBACK."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from treadle.engines.base import EngineError, EngineInvalid

_SUSPICIOUS: Final = frozenset(("XX000", "XX001"))
_SEVERE: Final = re.compile(r"(INTERNAL|FATAL) Error")
"""Whatever state they are given; most of the former leave the instance as it was."""


@contextmanager
def validated(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Raise an error after which the instance is invalid as `EngineInvalid`, with its own state and words."""
    try:
        yield
    except EngineError as error:
        if not error.fatal and _may_be_fatal(error) and _is_invalid(connection):
            raise EngineInvalid(error.sql_state, error.message) from error
        raise


def _may_be_fatal(error: EngineError) -> bool:
    return error.sql_state in _SUSPICIOUS or _SEVERE.search(str(error.__cause__)) is not None


def _is_invalid(connection: duckdb.DuckDBPyConnection) -> bool:
    """Ask the instance for nothing in particular; an aborted transaction answers with an error of its own."""
    try:
        connection.execute("SELECT 1")
    except duckdb.FatalException:
        return True
    except duckdb.Error:
        return False
    return False
