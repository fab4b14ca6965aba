"""Errors after which the instance answers nothing, told apart from those that leave it as it was."""

from typing import cast

import duckdb
import pytest

from treadle.engines.base import EngineError, EngineInvalid
from treadle.engines.duckdb.errors import translated
from treadle.engines.duckdb.validity import validated
from treadle.worker.script import CommitFailed

INTERNAL = duckdb.InternalException("INTERNAL Error: Attempted to dereference shared_ptr that is NULL!")
FATAL = duckdb.FatalException("FATAL Error: Failed: database has been invalidated because of a previous fatal error.")
ABORTED = duckdb.TransactionException("TransactionContext Error: Current transaction is aborted (please ROLLBACK)")


class Connection:
    """The connection to an instance that raises ``then`` at whatever it is asked, once it is invalid."""

    def __init__(self, then: Exception | None) -> None:
        self.then = then
        self.asked: list[str] = []

    def execute(self, sql: str, *_: object) -> "Connection":
        """Raise, or do nothing."""
        self.asked.append(sql)
        if self.then is not None:
            raise self.then
        return self


def raised(error: Exception, then: Exception | None) -> tuple[EngineError, Connection]:
    """What becomes of an error of an instance that answers like that afterwards."""
    connection = Connection(then)
    with (
        pytest.raises(EngineError) as caught,
        validated(cast(duckdb.DuckDBPyConnection, connection)),
        translated(),
    ):
        raise error
    return caught.value, connection


@pytest.mark.parametrize(
    ("error", "then", "state", "fatal"),
    [
        (INTERNAL, FATAL, "0A000", True),
        (INTERNAL, None, "0A000", False),
        (INTERNAL, ABORTED, "0A000", False),
        (FATAL, FATAL, "XX001", True),
        (OSError("INTERNAL Error: something"), FATAL, "0A000", True),
        (duckdb.InternalException('INTERNAL Error: Unsupported type "X" in Parquet writer'), FATAL, "0A000", True),
        (duckdb.BinderException("Binder Error: x"), FATAL, "42000", False),
    ],
)
def test_the_instance_itself_is_asked(error: Exception, then: Exception | None, state: str, fatal: bool) -> None:
    """After severe errors only; the statement keeps its own state and words."""
    found, connection = raised(error, then)
    assert (found.sql_state, found.fatal, isinstance(found, EngineInvalid)) == (state, fatal, fatal)
    assert bool(connection.asked) == (not isinstance(error, duckdb.BinderException))


def test_a_commit_that_made_the_instance_invalid_is_told_as_such() -> None:
    """Whether it is durable is looked up; the worker is of no use in either case."""
    assert CommitFailed(EngineInvalid("XX000", "x")).fatal
    assert not CommitFailed(EngineError("40001", "x")).fatal
