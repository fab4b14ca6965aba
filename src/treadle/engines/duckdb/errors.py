"""DuckDB's errors as SQLSTATEs: the one table, and the one border where they are translated."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb
import pyarrow as pa

from treadle.engines.base import EngineError, Interrupted

_STATES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (duckdb.ParserException, "42601"),
    (duckdb.CatalogException, "42704"),
    (duckdb.BinderException, "42P10"),
    (duckdb.ConstraintException, "23000"),
    (duckdb.ConversionException, "22P02"),
    (duckdb.OutOfRangeException, "22003"),
    (duckdb.OutOfMemoryException, "53200"),
    (duckdb.PermissionException, "42501"),
    (duckdb.NotImplementedException, "0A000"),
    (duckdb.InvalidTypeException, "42804"),
    (duckdb.TypeMismatchException, "42804"),
    (duckdb.DependencyException, "2BP01"),
    (duckdb.SequenceException, "55000"),
    (duckdb.IOException, "58030"),
    (duckdb.InvalidInputException, "22023"),
    (duckdb.TransactionException, "40001"),
    (duckdb.FatalException, "XX001"),
    (duckdb.InternalException, "XX000"),
)

_REFINED: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"transaction is aborted"), "25P02"),
    (re.compile(r"cannot start a transaction within a transaction"), "25001"),
    (re.compile(r"no transaction is active"), "25P01"),
    (re.compile(r"Table with name .* does not exist"), "42P01"),
    (re.compile(r"(Table|View) with name .* already exists"), "42P07"),
    (re.compile(r"Schema with name .* does not exist"), "3F000"),
    (re.compile(r"(Scalar |Table |Aggregate |Macro )?Function with name .* does not exist"), "42883"),
    (re.compile(r"No function matches"), "42883"),
    (re.compile(r"Referenced column .* not found|does not have a column named"), "42703"),
    (re.compile(r"Ambiguous reference"), "42702"),
    (re.compile(r"[Dd]ivision by zero"), "22012"),
    (re.compile(r"NOT NULL constraint failed"), "23502"),
    (re.compile(r"[Dd]uplicate key|PRIMARY KEY or UNIQUE"), "23505"),
    (re.compile(r"CHECK constraint"), "23514"),
    (re.compile(r"configuration has been locked|disabled by configuration|disabled through configuration"), "42501"),
    (re.compile(r"[Ff]ailed to (allocate|offload)|max_temp_directory_size"), "53200"),
    (re.compile(r"No space left on device"), "53100"),
    (
        re.compile(r"must be a valid number of parameters|prepared statement.*parameter|[Vv]alues were not provided"),
        "08P01",
    ),
    (re.compile(r"conflict", re.IGNORECASE), "40001"),
    (
        re.compile(r"server closed the connection|terminating connection|could not connect|connection to server"),
        "08006",
    ),
)

_PARSE_PREFIX: Final = re.compile(r"^[A-Z][A-Za-z ]*? Error: ")
_STACK: Final = re.compile(r"\n*(Stack Trace:|This error signals an assertion failure).*", re.DOTALL)
_SECRETS: Final = re.compile(r"(host|user|password|dbname|application_name|passfile)=('[^']*'|\S+)")


def message_of(text: str) -> str:
    """What the caller may read: DuckDB's words without its class prefix, stack traces, connection strings."""
    return _SECRETS.sub(r"\1=...", _PARSE_PREFIX.sub("", _STACK.sub("", text))).strip() or "the engine failed"


def translate(error: Exception) -> EngineError:
    """The error as the caller should see it."""
    text = str(error)
    if isinstance(error, duckdb.InterruptException) or "INTERRUPT" in text or "Interrupted!" in text:
        return Interrupted()
    if isinstance(error, MemoryError | pa.ArrowMemoryError):
        return EngineError("53200", "out of memory")
    state = next((state for kind, state in _STATES if isinstance(error, kind)), "XX000")
    state = next((refined for pattern, refined in _REFINED if pattern.search(text)), state)
    return EngineError(state, message_of(text))


@contextmanager
def translated() -> Iterator[None]:
    """Raise what DuckDB and Arrow raise as `EngineError`."""
    try:
        yield
    except EngineError:
        raise
    except (duckdb.Error, pa.ArrowException, OSError, MemoryError, RuntimeError, ValueError) as error:
        raise translate(error) from error
