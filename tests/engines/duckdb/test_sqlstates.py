"""Every function a session may call, with arguments that fit and that do not: no error is left without a meaning."""

import json
import re
from collections.abc import Iterator
from typing import Final

import duckdb
import pytest

from treadle.engines.base import EngineError
from treadle.engines.duckdb.errors import translate
from treadle.engines.duckdb.raised import Raised, raised
from treadle.engines.duckdb.sqlstates import sql_state_of
from treadle.engines.duckdb.vocabulary import READERS, Vocabulary

ARGUMENTS: Final = ("NULL", "1", "-1", "''", "'['", "1e308::DOUBLE", "[1]", "{'a': 1}", "TIMESTAMP 'infinity'")
MOST: Final = 3
"""Arguments of one call."""

SLOW: Final = re.compile(r"sleep|dbgen|dsdgen|^summary$")
MEANINGLESS: Final = re.compile(r"XX|58000|57014")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """An instance of its own, with little memory."""
    with duckdb.connect(":memory:", config={"memory_limit": "256MB", "threads": "1"}) as connection:
        connection.execute("SET errors_as_json = true")
        yield connection


def callable_functions(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """The names of functions that a session may call, with their kinds."""
    vocabulary = Vocabulary.of(connection)
    refused = vocabulary.refused | vocabulary.uncallable | READERS
    found = connection.execute(
        "FROM duckdb_functions() SELECT DISTINCT function_name, function_type ORDER BY ALL"
    ).fetchall()
    return [(name, kind) for name, kind in found if kind != "pragma" and name not in refused and not SLOW.search(name)]


def calls(name: str, kind: str) -> Iterator[str]:
    """Statements that call it, with none to three arguments."""
    begin = "SELECT * FROM " if "table" in kind else "SELECT "
    for argument in ARGUMENTS:
        for count in range(1, MOST + 1):
            yield f'{begin}"{name}"({", ".join([argument] * count)})'
    yield f'{begin}"{name}"()'


@pytest.mark.slow
def test_no_call_of_a_function_ends_in_an_error_without_a_meaning(connection: duckdb.DuckDBPyConnection) -> None:
    """Some 850 functions, 28 calls each."""
    functions = callable_functions(connection)
    assert len(functions) > 500
    meaningless: dict[str, str] = {}
    for name, kind in functions:
        for call in calls(name, kind):
            try:
                connection.execute(call).to_arrow_reader().read_all()
            except (duckdb.Error, OSError, ValueError, RuntimeError) as error:
                found = translate(error)
                if MEANINGLESS.match(found.sql_state):
                    meaningless[call] = f"{found.sql_state} {found.message[:100]}"
    assert meaningless == {}


@pytest.mark.parametrize(
    ("text", "kind", "message", "offset"),
    [
        ('Binder Error: {"exception_type":"Binder","exception_message":"no","position":"7"}', "Binder", "no", 7),
        ('{"exception_type":"Parameter Not Allowed","exception_message":"no"}', "Parameter Not Allowed", "no", None),
        ('INTERNAL Error: {"exception_type":"INTERNAL","exception_message":"a"}\n\nThis error', "INTERNAL", "a", None),
        ("Invalid Input Error: no\n\nLINE 1: SELECT 1\n        ^", "Invalid Input", "no", None),
        ("no such thing", "", "no such thing", None),
        ('Binder Error: {"exception_type":broken', "Binder", '{"exception_type":broken', None),
    ],
)
def test_what_the_engine_raised_is_read_in_every_form(text: str, kind: str, message: str, offset: int | None) -> None:
    """As JSON, with and without a prefix, with a tail; and as plain text."""
    assert raised(duckdb.OutOfRangeException(text)) == Raised(kind, message, offset)


def test_message_that_is_cut_within_a_character_is_read() -> None:
    """The engine cuts long messages by bytes; the client then raises something else."""
    body = json.dumps({"exception_type": "Invalid Input", "exception_message": "cut \udcc3"}, ensure_ascii=False)
    error = UnicodeDecodeError("utf-8", body.encode(errors="surrogateescape"), 60, 61, "invalid continuation byte")
    found = translate(error)
    assert (found.sql_state, found.message) == ("22023", "cut \ufffd")


@pytest.mark.parametrize(
    ("kind", "message", "state"),
    [
        ("Conversion", "Could not convert string 'Ambiguous reference' to INT32", "22P02"),
        ("Conversion", "Could not convert string 'No space left on device' to INT32", "22P02"),
        ("Catalog", 'Table with name "x: No space left on device" does not exist', "42P01"),
        ("Invalid Input", "server closed", "22023"),
        ("INTERNAL", "Operation requires a flat vector but a non-flat vector was encountered", "0A000"),
        ("INTERNAL", 'Column with name "x" does not exist', "42703"),
        ("Parameter Not Allowed", "Cannot perform list_reduce on an empty input list", "22023"),
        ("Parser", "unicode_to_utf8 NOT IMPLEMENTED", "0A000"),
        ("Binder", "RANGE frames must have only one ORDER BY expression", "42P20"),
        ("Binder", "array_distance: Array arguments must be of the same size", "2202E"),
        ("Binder", "interval cannot be 0!", "22023"),
        ("Binder", "JSON path error near '['", "42601"),
        ("Binder", "TRY can not be used in combination with a volatile function", "0A000"),
        ("Binder", "Table function cannot contain subqueries", "0A000"),
        ("Binder", "The delete_threshold option must be between 0 and 1", "22023"),
        ("Conversion", "Epoch seconds out of range for TIMESTAMP WITH TIME ZONE", "22008"),
        ("Catalog", "Cannot SET NOT NULL on table t - the table has transaction-local changes", "55000"),
        ("INTERNAL", "Calling GetValueInternal on a value that is NULL", "22004"),
        ("TransactionContext", "Failed to commit: Transaction conflict - no", "40001"),
        ("TransactionContext", "Failed to commit: type is not yet supported", "0A000"),
        ("Invalid Input", "Invalid Input Error: footer of file '/proc/self/fd/7/main/t/x.parquet'", "58030"),
        ("IO", 'Cannot open file "x": No such file or directory', "58P01"),
        ("", "whatever", "58000"),
    ],
)
def test_words_of_the_caller_do_not_choose_the_code(kind: str, message: str, state: str) -> None:
    """A message repeats values and names: only the families that have a message are looked at for it."""
    assert sql_state_of(Raised(kind, message)) == state


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("IO", 'Could not write file "/proc/self/fd/9/main/t/x.parquet": No space left on device'),
        ("IO", 'Could not write file "/spill/duckdb_temp_block-1.block": No space left on device'),
        ("IO", 'Cannot open file "x.csv": Disk quota exceeded'),
        ("TransactionContext", 'Failed to commit: ERROR:  could not extend file "base/5/2": No space left on device'),
        (
            "TransactionContext",
            "Failed to commit DuckLake transaction. Exceeded the maximum retry count of 300: "
            'could not write to file "base/5/2": No space left on device',
        ),
        ("Catalog", 'Failed to get catalog information: could not extend file "base/5/2": No space left on device'),
        ("Invalid Input", 'Failed to flush changes: could not extend file "base/5/2": No space left on device'),
        ("FATAL", 'Failed: database has been invalidated: Could not write "x": No space left on device'),
        ("Out of Memory", 'failed to offload: Could not write file "x": No space left on device'),
    ],
)
def test_a_full_disk_has_one_code(kind: str, message: str) -> None:
    """Whichever layer met it: a data file, spill, a file of the caller's, the catalog's server, a commit."""
    assert sql_state_of(Raised(kind, message)) == "53100"


def test_translated_error_stays_as_it_is() -> None:
    """What has been translated once keeps its code and words."""
    error = EngineError("42P01", "no such table")
    assert translate(error) is error
