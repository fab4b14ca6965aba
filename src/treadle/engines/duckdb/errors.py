"""DuckDB's errors as SQLSTATEs: the one table, and the one border where they are translated."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb
import pyarrow as pa

from treadle.engines.base import EngineError, Interrupted, disk_error

MAX_MESSAGE: Final = 8192
"""Characters of an error message."""

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
    # Not 40001, which asks for another try: only a conflict, which says so, may succeed then.
    (duckdb.TransactionException, "25000"),
    (duckdb.FatalException, "XX001"),
    (duckdb.InternalException, "XX000"),
)

_REFINED: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"Exceeded the maximum retry count"), "40001"),
    (re.compile(r"another transaction has|deadlock detected|could not serialize access|ducklake_\w+_pkey"), "40001"),
    (re.compile(r"transaction is aborted"), "25P02"),
    (re.compile(r"no transaction is active"), "25P01"),
    (re.compile(r"launched in read-only mode"), "25006"),
    (re.compile(r"within a transaction$"), "25001"),
    (re.compile(r"not yet supported|are not supported in DuckLake|DuckLake does not support"), "0A000"),
    (re.compile(r"[Uu]nsupported type|only widening type promotions|can only write to a single attached"), "0A000"),
    (re.compile(r"table only has one column"), "42P16"),
    (re.compile(r"the table is (partitioned|sorted) by this column"), "2BP01"),
    (re.compile(r"column \".*\" does not exist|SET SORTED BY statement were not found"), "42703"),
    (re.compile(r"[Ff]ield .*already exists"), "42701"),
    (re.compile(r"it's not a struct|Fields can only be added to structs"), "42804"),
    (re.compile(r"it is not a (table|view)"), "42809"),
    (re.compile(r"Catalog with name .* does not exist"), "3D000"),
    (re.compile(r"(Table|View) with name .* does not exist|Referenced table .* not found"), "42P01"),
    (re.compile(r"(Table|View) with name .* already exists"), "42P07"),
    (re.compile(r"Column with name .* already exists"), "42701"),
    (re.compile(r"Schema with name .* already exists"), "42P06"),
    (re.compile(r"Schema with name .* does not exist|Schema .* not found in|No catalog \+ schema named"), "3F000"),
    (re.compile(r"Function with name .* (does not exist|is not in the catalog)|No function matches"), "42883"),
    (re.compile(r"Referenced (update )?column .* not found|does not have a column (named|with name)"), "42703"),
    (re.compile(r"Column .* does not exist on (left|right) side"), "42703"),
    (re.compile(r"Prepared statement .* does not exist"), "26000"),
    (re.compile(r"Ambiguous reference"), "42702"),
    (re.compile(r"Existing object .* is of type"), "42809"),
    (re.compile(r"there are entries that depend on it"), "2BP01"),
    (re.compile(r"must appear in the GROUP BY clause|cannot contain aggregates"), "42803"),
    (re.compile(r"cannot contain window functions"), "42P20"),
    (re.compile(r"[0-9]+ columns? but [0-9]+ values were supplied|same number of result columns"), "42601"),
    (re.compile(r"More than one row returned by a subquery"), "21000"),
    (re.compile(r"Unimplemented type for cast"), "42846"),
    (re.compile(r"invalid (date|time|timestamp) field format"), "22007"),
    (re.compile(r"field value out of range|[Dd]ate out of range|not in timestamp range"), "22008"),
    (re.compile(r"out of range for the destination type|value is out of range"), "22003"),
    (re.compile(r"[Dd]ivision by zero"), "22012"),
    (re.compile(r"Unknown TimeZone"), "22023"),
    (re.compile(r"NOT NULL constraint failed"), "23502"),
    (re.compile(r"[Dd]uplicate key|PRIMARY KEY or UNIQUE"), "23505"),
    (re.compile(r"CHECK constraint"), "23514"),
    (re.compile(r"configuration has been locked|disabled by configuration|disabled through configuration"), "42501"),
    (re.compile(r"[Ff]ailed to (allocate|offload)|max_temp_directory_size"), "53200"),
    (re.compile(r"No space left on device"), "53100"),
    (re.compile(r"Unexpected prepared parameter"), "42P02"),
    (re.compile(r"Parameter argument/count mismatch|must be a valid number of parameters"), "08P01"),
    (re.compile(r"prepared statement.*parameter|[Vv]alues were not provided"), "08P01"),
    (re.compile(r"[Tt]ransaction conflict|[Cc]onflict on (tuple|update)|write-write conflict"), "40001"),
    (re.compile(r"server closed the connection|terminating connection"), "08006"),
    (re.compile(r"could not connect|connection to server"), "08006"),
)

_STREAMED: Final = {
    "Binder": duckdb.BinderException,
    "Catalog": duckdb.CatalogException,
    "Constraint": duckdb.ConstraintException,
    "Conversion": duckdb.ConversionException,
    "FATAL": duckdb.FatalException,
    "INTERNAL": duckdb.InternalException,
    "Invalid Input": duckdb.InvalidInputException,
    "Invalid type": duckdb.InvalidTypeException,
    "Mismatch Type": duckdb.TypeMismatchException,
    "Not implemented": duckdb.NotImplementedException,
    "Out of Memory": duckdb.OutOfMemoryException,
    "Out of Range": duckdb.OutOfRangeException,
    "Permission": duckdb.PermissionException,
    "Sequence": duckdb.SequenceException,
    "TransactionContext": duckdb.TransactionException,
}
"""What DuckDB raises while a result streams, by the word Arrow passes on; the rest is `duckdb.IOException`."""

_INTERRUPTED: Final = re.compile(r"INTERRUPT Error|Interrupted!")
_PARSE_PREFIX: Final = re.compile(r"^([A-Z][A-Za-z ]*?) Error: ")
# Traces, and the commands to the metadata's server that a failed commit repeats.
_STACK: Final = re.compile(
    r"\n*(Stack Trace:|This error signals an assertion failure|\. Consider increasing|Failed to flush changes).*",
    re.DOTALL,
)
# Where staged output and spill lie: their names are enough.
_OWN_FOLDERS: Final = re.compile(r"/[^\"']*/(?:\.treadle/[^/\"']+|worker-[0-9a-f-]{36})/")
_SECRETS: Final = re.compile(r"(host|user|password|dbname|application_name|passfile)=('[^']*'|\S+)")


class LostError(EngineError):
    """The engine stopped because of an error, and passed on only that it had stopped."""

    def __init__(self) -> None:
        super().__init__("XX000", "the engine stopped the statement on an error and did not keep its words")


def message_of(text: str) -> str:
    """What the caller may read: DuckDB's words without its class prefix, stack traces, our folders, connection strings.

    DuckDB repeats the names it was given, however long: the message is cut, because every record keeps it.
    """
    bare = _OWN_FOLDERS.sub("", _PARSE_PREFIX.sub("", _STACK.sub("", text)))
    told = _SECRETS.sub(r"\1=...", bare).strip() or "the engine failed"
    return told if len(told) <= MAX_MESSAGE else told[: MAX_MESSAGE - 1] + "…"


def translate(error: Exception) -> EngineError:
    """The error as the caller should see it."""
    text = str(error)
    if isinstance(error, duckdb.InterruptException) or _INTERRUPTED.search(text):
        return Interrupted()
    if isinstance(error, MemoryError | pa.ArrowMemoryError):
        return EngineError("53200", "out of memory")
    if isinstance(error, OSError) and error.errno is not None:
        return disk_error(error)
    raised = _streamed(text) if isinstance(error, OSError) else type(error)
    state = next((state for kind, state in _STATES if issubclass(raised, kind)), "XX000")
    state = next((refined for pattern, refined in _REFINED if pattern.search(text)), state)
    return EngineError(state, message_of(text))


def _streamed(text: str) -> type[Exception]:
    """The class of an error of DuckDB that Arrow has made an `OSError` without a number of."""
    told = _PARSE_PREFIX.match(text)
    return _STREAMED.get(told[1] if told else "", duckdb.IOException)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what DuckDB and Arrow raise as `EngineError`."""
    try:
        yield
    except EngineError:
        raise
    except (duckdb.Error, pa.ArrowException, OSError, MemoryError, RuntimeError, ValueError) as error:
        raise translate(error) from error
