"""Values by which a table is partitioned: they are kept as text in the metadata and as names of folders."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.engines.duckdb.sessions import Place, Session, session

ODD: Final = (
    "NULL",
    "''",
    "' '",
    "'.'",
    "'..'",
    "'../../x'",
    "'/a'",
    "'a/b'",
    "'a=b'",
    "'%'",
    "'%2F'",
    "'a%2Fb'",
    "'\\'",
    "'a\\b'",
    "'é'",
    "'😀'",
    "'NULL'",
    "'__HIVE_DEFAULT_PARTITION__'",
    "chr(10)",
    "chr(1)",
    "''''",
    "'\"'",
    "'~/x'",
    "'a b*?[c]'",
    "'A'",
    "'a'",
)


@pytest.fixture(scope="module")
def lake(place_of: Callable[[Path], Place], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One session for all: what each makes, it makes anew."""
    with session(place_of(tmp_path_factory.mktemp("lake"))) as opened:
        yield opened


def test_odd_values_are_told_apart(lake: Session) -> None:
    """Written, found, moved to another partition, deleted: one row each, and nothing of the others."""
    lake.run("CREATE OR REPLACE TABLE odd (v VARCHAR, k INTEGER); ALTER TABLE odd SET PARTITIONED BY (v)")
    rows = ", ".join(f"({value}, {number})" for number, value in enumerate(ODD))
    lake.run(f"CREATE OR REPLACE TEMP TABLE same (v VARCHAR, k INTEGER); INSERT INTO same VALUES {rows}")
    lake.run("INSERT INTO odd FROM same WHERE k % 2 = 0; INSERT INTO odd FROM same WHERE k % 2 = 1")
    differing = "SELECT count(*) AS n FROM (FROM same EXCEPT ALL FROM odd)"
    for number, value in enumerate(ODD):
        assert lake.run(f"SELECT k FROM odd WHERE v IS NOT DISTINCT FROM {value}") == [(number,)], value
    assert lake.run(differing) == [(0,)]
    for change in (
        "UPDATE {} SET v = v || '/..' WHERE k % 3 = 0",
        "UPDATE {} SET k = -k WHERE v LIKE '%/..'",
        "DELETE FROM {} WHERE v IN ('..', 'a=b', '%', '\\', 'é') OR v IS NULL",
    ):
        lake.run(change.format("same"))
        lake.run(change.format("odd"))
        assert lake.run(differing) == [(0,)], change
    assert lake.run("SELECT count(*) AS n FROM odd") == lake.run("SELECT count(*) AS n FROM same")


@pytest.mark.parametrize("kind", ["BLOB", "GEOMETRY"])
def test_a_column_that_is_no_text_is_refused_as_a_key(lake: Session, kind: str) -> None:
    """At the ALTER, not at the first INSERT; the way out works."""
    lake.run(f"CREATE OR REPLACE TABLE bytes (k INTEGER, b {kind}, v VARCHAR)")
    for keys in ("b", "v, b", '"B"', "bucket(2, v), b"):
        error = lake.refusal(f"ALTER TABLE bytes SET PARTITIONED BY ({keys})")
        assert (error.sql_state, 'column "b"' in error.message, kind in error.message) == ("0A000", True, True), keys
        assert "bucket(n, b)" in error.message
    error = lake.refusal(f"CREATE TABLE made PARTITIONED BY (b) AS SELECT NULL::{kind} AS b")
    assert error.sql_state == "0A000"
    lake.run("ALTER TABLE bytes SET PARTITIONED BY (bucket(4, b), v)")
    value = "'\\xff'::BLOB" if kind == "BLOB" else "'POINT(1 2)'::GEOMETRY"
    lake.run(f"INSERT INTO bytes VALUES (1, {value}, 'x')")
    assert lake.run(f"SELECT k FROM bytes WHERE b = {value}") == [(1,)]


def test_a_value_too_long_for_a_folder_is_one_clear_error(lake: Session) -> None:
    """It names the column; nothing of the statement stays, and nothing else is lost."""
    lake.run("CREATE OR REPLACE TABLE long (k INTEGER, \"größe / %\" VARCHAR, v VARCHAR DEFAULT 'd')")
    lake.run("ALTER TABLE long SET PARTITIONED BY (\"größe / %\", v); INSERT INTO long VALUES (0, 'a', 'b')")
    for column, value in (('"größe / %"', "repeat('x', 250)"), ("v", "repeat('é', 90)"), ("v", "repeat('/', 90)")):
        for script in (
            f"INSERT INTO long (k, {column}) SELECT n, {value} FROM range(3) r(n)",
            f"UPDATE long SET {column} = {value}",
            f"BEGIN; INSERT INTO long VALUES (5, 'c', 'd'); INSERT INTO long (k, {column}) VALUES (1, {value})",
        ):
            error = lake.refusal(script)
            assert error.sql_state == "54000", (script, error.message)
            assert f'column "{column.strip(chr(34))}"' in error.message
            assert "/proc" not in error.message
    assert lake.run("FROM long") == [(0, "a", "b")]
    lake.run("INSERT INTO long VALUES (1, repeat('x', 200), repeat('y', 253))")
    assert lake.run("SELECT length(v) AS n FROM long ORDER BY k") == [(1,), (253,)]


def test_text_with_nul_is_refused_where_the_metadata_cannot_hold_it(lake: Session) -> None:
    """One error, 22021, before anything is committed; as the value of a plain column it is kept."""
    lake.run("CREATE OR REPLACE TABLE nul (k INTEGER, v VARCHAR); INSERT INTO nul VALUES (1, 'a' || chr(0)), (2, 'a')")
    assert lake.run("SELECT v FROM nul ORDER BY k") == [("a\0",), ("a",)]
    assert lake.run("SELECT k FROM nul WHERE v = 'a'") == [(2,)]
    assert lake.run("SELECT k FROM nul WHERE contains(v, chr(0))") == [(1,)]
    lake.run("ALTER TABLE nul SET PARTITIONED BY (v)")
    for script in (
        "INSERT INTO nul VALUES (3, chr(0))",
        "UPDATE nul SET v = chr(0) || 'x' WHERE k = 2",
        "BEGIN; INSERT INTO nul VALUES (3, 'x'); INSERT INTO nul VALUES (4, chr(0)); COMMIT",
        "CREATE MACRO nul_macro(a := 'a' || chr(0)) AS a",
        "SELECT k FROM nul WHERE v = 'a' || chr(0)",
        "ALTER TABLE nul ADD COLUMN w VARCHAR DEFAULT 'a' || chr(0)",
        "COMMENT ON TABLE nul IS 'a\0'",
        'CREATE TABLE "a\0" (i INTEGER)',
        "SELECT 'a\0'",
    ):
        error = lake.refusal(script)
        assert error.sql_state == "22021", (script, error.message)
        assert "NUL" in error.message
    assert lake.run("SELECT k, v FROM nul ORDER BY k") == [(1, "a\0"), (2, "a")]
