"""The words of an error: the line it lies in, and what is left out of the engine's own words."""

from pathlib import Path

import pytest

from treadle.engines.duckdb.copy_statement import CopyTarget
from treadle.engines.duckdb.discretion import Discretion
from treadle.engines.duckdb.excerpt import character, excerpt
from treadle.engines.duckdb.raised import Raised
from treadle.engines.duckdb.wording import MAX_MESSAGE, NO_MEMORY, message_of, without_suggestions
from treadle.wire import Attach, CatalogTarget, Limits

FOLDERS = "/srv/treadle"
ORDER = Attach(
    catalog=CatalogTarget(
        name="default",
        metadata_name="__ducklake_metadata_5f0c9a",
        dsn="host=/srv/treadle/pg port=5432 dbname=lake_0011 user=lake_0011 application_name=treadle-worker",
        password="",
        data_path=f"{FOLDERS}/lake/w1/",
    ),
    limits=Limits(memory=1, threads=1, spill=1),
    home=f"{FOLDERS}/tmp/home-1",
    temp_dir=f"{FOLDERS}/tmp/worker-1",
    results_dir=f"{FOLDERS}/results/w1",
    copy_dirs=(f"{FOLDERS}/files/w1", "/exports"),
)


@pytest.mark.parametrize(
    ("script", "position", "shown"),
    [
        ("SELECT x", 8, "LINE 1: SELECT x\n               ^"),
        ("SELECT\n\n  x, y\n, z", 11, "LINE 3:   x, y\n          ^"),
        ("SELECT 1;\r\nSELECT x", 19, "LINE 2: SELECT x\n               ^"),
        ("SELECT 1;\rSELECT x", 18, "LINE 2: SELECT x\n               ^"),
        ("SELECT\t\tx", 9, "LINE 1: SELECT  x\n                ^"),
        ("SELECT 1 +", 11, "LINE 1: SELECT 1 +\n                  ^"),
        ("SELECT 1 +\n", 12, "LINE 2: \n        ^"),
        ("", 1, "LINE 1: \n        ^"),
        ("'日本' x", 6, "LINE 1: '日本' x\n               ^"),
        ("'e\u0301' x", 6, "LINE 1: 'e\u0301' x\n            ^"),
        ("\x1b[31m x", 7, "LINE 1:  [31m x\n              ^"),
    ],
)
def test_excerpt_shows_the_line_and_points_at_the_place(script: str, position: int, shown: str) -> None:
    """Whatever ends a line; every tab and control character is one space; wide characters take two columns."""
    assert excerpt(script, position) == shown


@pytest.mark.parametrize("before", ["x", "日", "e\u0301"])
@pytest.mark.parametrize(("left", "right"), [(0, 500), (40, 500), (500, 0), (500, 40), (500, 500), (10**6, 10**6)])
def test_excerpt_of_a_long_line_is_short(before: str, left: int, right: int) -> None:
    """The caret still stands below the place."""
    shown, caret = excerpt(before * left + "!" + "y" * right, len(before) * left + 1).split("\n")
    columns = sum(0 if char == "\u0301" else 2 if char == "日" else 1 for char in shown.partition("!")[0])
    assert len(caret) - 1 == columns
    assert columns + len(shown.partition("!")[2]) < 140


@pytest.mark.parametrize("text", ["abc", "é😀x", "日本語", "e\u0301"])
def test_character_at_a_byte(text: str) -> None:
    """Where each character begins in UTF-8."""
    assert [character(text, len(text[:at].encode())) for at in range(len(text) + 1)] == list(range(len(text) + 1))
    assert character(text, 10**9) == len(text)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (f'Cannot open file "{FOLDERS}/files/w1/a b/x.csv": no', 'Cannot open file "a b/x.csv": no'),
        (f"IO: {FOLDERS}/files/w1/x.csv, {FOLDERS}/files/w1", "IO: x.csv, the folder of files"),
        ('file "/proc/self/fd/12/main/t/ducklake-0.parquet"', 'file "a data file of main.t"'),
        (f"file '{FOLDERS}/lake/w1/main/t/ducklake-0.parquet'", "file 'a data file of main.t'"),
        ("at /proc/self/fd/12", "at a data file"),
        (f'"{FOLDERS}/tmp/worker-1/duckdb_temp_storage-0.tmp" is full', '"a temporary file" is full'),
        (f'"{FOLDERS}/results/w1/s1.arrow"', '"a result file"'),
        ('database "lake_0011", role "lake_0011"', 'database "the catalog", role "the catalog"'),
        ('schema "__ducklake_metadata_5f0c9a.public"', 'schema "the catalog.public"'),
        (f'socket "{FOLDERS}/pg/.s.PGSQL.5432"', 'socket "the catalog/.s.PGSQL.5432"'),
        ("lake_00112 and my_lake_0011 stay", "lake_00112 and my_lake_0011 stay"),
        ("/exports/x.csv is the caller's", "/exports/x.csv is the caller's"),
    ],
)
def test_places_are_spoken_of_in_the_callers_words(message: str, told: str) -> None:
    """Files by the names the caller has for them, everything else by what it is."""
    assert Discretion(ORDER).reword(message) == told


def test_staged_output_has_the_name_of_the_statement() -> None:
    """A COPY writes elsewhere first."""
    target = CopyTarget(path=Path("/exports/sub/x.csv"), given="sub/x.csv", root=Path("/exports"), before="", after="")
    message = 'Could not write file "/exports/.treadle/0123_1/x.csv": no'
    assert Discretion(ORDER).reword(message, target) == 'Could not write file "sub/x.csv": no'


def test_staged_output_without_an_ending_is_no_format() -> None:
    """The engine takes the path after its last dot for the name of a format."""
    target = CopyTarget(path=Path("/exports/x"), given="x/", root=Path("/exports"), before="", after="")
    message = 'Unrecognized option "a" for treadle/0123_1/x\n\nCandidate options: "b"'
    assert Discretion(ORDER).reword(message, target) == 'Unrecognized option "a" for x/\n\nCandidate options: "b"'
    assert Discretion(ORDER).reword('no file "treadle/a/x"') == 'no file "treadle/a/x"'


@pytest.mark.parametrize(
    ("kind", "message", "told"),
    [
        (
            "Out of Memory",
            "failed to pin block (1 GiB/1 GiB used)\n\nPossible solutions:\n* Reducing the threads (SET threads=X)\n"
            "* Increasing the memory limit (SET memory_limit='...GB')\n\nSee also https://duckdb.org/how_to_tune_workloads",
            "failed to pin block (1 GiB/1 GiB used)\n\nPossible solutions:\n* Reducing the threads (SET threads=X)\n"
            f"{NO_MEMORY}",
        ),
        (
            "Binder",
            'Max expression depth limit of 1000 exceeded. Use "SET max_expression_depth TO x" to increase it.',
            "Max expression depth limit of 1000 exceeded.",
        ),
        ("Catalog", "no zone\nUse SET TimeZone='UTC' to set one.", "no zone\nUse SET TimeZone='UTC' to set one."),
        (
            "Catalog",
            'Scalar Function with name "st_point" is not in the catalog, but it exists in the spatial extension.\n\n'
            "Please try installing and loading the spatial extension:\nINSTALL spatial;\nLOAD spatial;\n\n",
            'Scalar Function with name "st_point" is not in the catalog: the spatial extension is not available',
        ),
        (
            "Conversion",
            "Could not convert string 'SET x TO y' to INT32",
            "Could not convert string 'SET x TO y' to INT32",
        ),
        ("INTERNAL", "a flat vector", "the engine cannot run this: a flat vector"),
        ("IO", "failed\nStack Trace:\n/lib/x(+1)", "failed"),
        ("IO", "could not connect: host=/x user='a b' password=p", "could not connect: host=... user=... password=..."),
        ("Invalid Input", "", "the engine failed"),
    ],
)
def test_advice_that_is_refused_is_left_out(kind: str, message: str, told: str) -> None:
    """What can be done here stays, or stands in its place."""
    assert message_of(Raised(kind, message)) == told


def test_message_is_cut() -> None:
    """It is kept with the record."""
    assert len(message_of(Raised("Binder", "x" * 100_000))) == MAX_MESSAGE


def test_similar_names_are_shown_only_if_they_can_be_used() -> None:
    """One that is refused takes the list with it."""
    useless = frozenset(("force_checkpoint", "pg_x")).__contains__
    assert without_suggestions('no x!\nDid you mean "main.force_checkpoint"?', useless) == "no x!"
    assert without_suggestions('no x!\n\nDid you mean: "a", "b"', useless) == 'no x!\n\nDid you mean: "a", "b"'
    assert without_suggestions("no x!", useless) == "no x!"


@pytest.mark.parametrize(
    ("kind", "message", "words"),
    [
        ("Not implemented", "T_AlterObjectSchemaStmt", "this statement is not supported"),
        ("Not implemented", "T_LockStmt", "this statement is not supported"),
        ("Not implemented", "Statement type 7 not implemented!", "this statement is not supported"),
        ("Not implemented", "ColumnDef type not handled yet", "a part of this statement is not supported"),
        (
            "Invalid Input",
            "Values were not provided for the following prepared statement parameters: 2",
            "parameter $2 has no value",
        ),
        (
            "Invalid Input",
            "Parameter argument/count mismatch, identifiers of the excess parameters: 1, 2",
            "there is no parameter $1",
        ),
        ("Binder", "Cannot unpivot\n\nFull list: a, b\n           ^", "Cannot unpivot\n\nFull list: a, b"),
        (
            "Parser",
            "Qualified column names in UPDATE .. SET not supported",
            "qualified column names in UPDATE … SET are not supported",
        ),
        ("Parser", "unicode_to_utf8 NOT IMPLEMENTED", "escapes of Unicode characters in strings are not supported"),
        ("INTERNAL", "Calling StringValue::Get on a NULL value", "an argument cannot be NULL"),
        ("INTERNAL", "Calling GetValueInternal on a value that is NULL", "an argument cannot be NULL"),
        (
            "Binder",
            'Ambiguity detected for "x": y. To avoid this error, either detach the catalog and reattach it.',
            'Ambiguity detected for "x": y.',
        ),
        (
            "Invalid",
            'Failed to execute query "BEGIN;\nLOCK TABLE public.ducklake_metadata": ERROR:  canceling statement '
            "due to lock timeout\n",
            "another session holds the catalog's metadata; run the statement again",
        ),
        (
            "Invalid",
            'Failed to execute query "DELETE FROM public.x": ERROR:  permission denied for table x',
            "the catalog's server refused: permission denied for table x",
        ),
    ],
)
def test_parts_of_the_engine_s_program_are_not_named(kind: str, message: str, words: str) -> None:
    """Nor what a statement has no way to do."""
    assert message_of(Raised(kind, message)) == words


def test_macro_is_not_taken_for_one_of_the_engine_s() -> None:
    """A statement about a macro that is not there is offered none of the engine's own."""
    message = 'Macro Function with name nope does not exist!\nDid you mean "cosh"?'
    assert without_suggestions(message, lambda _: False) == "Macro Function with name nope does not exist!"
