"""COPY and the functions that read files: every format, folders, and no way out of the workspace's own folder."""

import pytest

from tests.service.caller import Caller, Sql

ROWS = [["1", 'one, "quoted"', "2026-07-13", None], ["2", "zwei\nLinien", None, "2.5"]]
VALUES = (
    "SELECT * FROM (VALUES (1, 'one, \"quoted\"', DATE '2026-07-13', NULL::double), (2, 'zwei\nLinien', NULL, 2.5)) "
    "t(a, b, c, d)"
)


@pytest.mark.parametrize("ending", ["csv", "parquet", "json", "csv.gz"])
def test_what_is_copied_out_reads_back(sql: Sql, ending: str) -> None:
    """COPY TO, COPY FROM and reading the file as a table agree, with NULLs, quotes and line breaks."""
    name = f"round_{ending.replace('.', '_')}"
    assert sql.run(f"COPY ({VALUES}) TO '{name}.{ending}'") == "COPY 2"
    assert (sql.caller.files / f"{name}.{ending}").is_file()
    assert sql.rows(f"SELECT * FROM '{name}.{ending}' ORDER BY a") == ROWS
    sql.run(f"CREATE TABLE {name} (a int, b text, c date, d double)")
    assert sql.run(f"COPY {name} FROM '{name}.{ending}'") == "COPY 2"
    assert sql.rows(f"FROM {name} ORDER BY a") == ROWS


def test_a_pivot_is_copied_out(sql: Sql) -> None:
    """The engine makes several statements of it; within a transaction as well."""
    sql.run("CREATE TEMP TABLE sold AS SELECT * FROM (VALUES ('a', 1), ('b', 2), ('a', 4)) v(item, n)")
    pivot = "PIVOT sold ON item USING sum(n)"
    assert sql.run(f"COPY ({pivot}) TO 'pivot.csv'") == "COPY 1"
    assert sql.run(f"BEGIN; COPY ({pivot}) TO 'again.csv'; COMMIT") == "COMMIT"
    assert sql.rows("SELECT * FROM 'pivot.csv' UNION ALL SELECT * FROM 'again.csv'") == [["5", "2"]] * 2


def test_a_partitioned_folder(sql: Sql) -> None:
    """PARTITION_BY writes a folder, which reads back with its keys; again it needs OVERWRITE."""
    copy = "COPY (SELECT i, i % 3 AS k FROM range(9) t(i)) TO 'parts' (FORMAT parquet, PARTITION_BY (k){})"
    assert sql.run(copy.format("")) == "COPY 9"
    assert sorted(path.name for path in (sql.caller.files / "parts").iterdir()) == ["k=0", "k=1", "k=2"]
    query = "SELECT k, sum(i) FROM read_parquet('parts/**/*.parquet', hive_partitioning = true) GROUP BY k ORDER BY k"
    assert sql.rows(query) == [["0", "9"], ["1", "12"], ["2", "15"]]
    assert sql.fails(copy.format("")) == "58P02"
    assert sql.run(copy.format(", OVERWRITE true")) == "COPY 9"
    assert sql.rows(query) == [["0", "9"], ["1", "12"], ["2", "15"]]


def test_a_partitioned_folder_by_its_name_with_a_slash(sql: Sql) -> None:
    """It is there whole or not at all, its record says so, and it reads back with its keys by a pattern alone."""
    copy = "COPY (SELECT i, i % 3 AS k FROM range(9) t(i)) TO 'slashed/' (PARTITION_BY (k), FORMAT parquet{})"
    reply = sql.execute(copy.format(""))
    assert reply["results"][-1]["message"] == "COPY 9"
    assert sql.caller.record(reply["statement_id"])["effects"] == "committed"
    assert sql.rows("SELECT k, sum(i) FROM 'slashed/**/*.parquet' GROUP BY k ORDER BY k") == [
        ["0", "9"],
        ["1", "12"],
        ["2", "15"],
    ]
    failing = copy.format(", OVERWRITE").replace("SELECT i,", "SELECT (i || CASE i WHEN 8 THEN 'x' ELSE '' END)::int,")
    assert sql.fails(failing) == "22P02"
    assert sql.rows("SELECT count(*) FROM 'slashed/**/*.parquet'") == [["9"]]
    assert sql.fails(copy.format(", FILENAME_PATTERN '../x'")) == "42501"


def test_a_file_is_read_by_an_expression(sql: Sql) -> None:
    """A path may be put together; what it comes to is judged, and is what is read."""
    sql.run("COPY (SELECT 42 AS x) TO 'put_together.csv'")
    sql.run("SET VARIABLE name = 'put_together'")
    assert sql.rows("FROM read_csv(getvariable('name') || '.csv')") == [["42"]]
    assert sql.rows("SET VARIABLE name = 'put_together.csv'; FROM read_csv([getvariable('name')])") == [["42"]]
    assert sql.rows("FROM query('FROM ' || chr(34) || getvariable('name') || chr(34))") == [["42"]]
    sql.run("SET VARIABLE name = '/etc/passwd'")
    assert sql.fails("FROM read_csv(getvariable('name'))") == "42501"
    assert sql.fails("FROM read_csv($1)") == "42501"


def test_a_copy_that_fails_leaves_nothing(sql: Sql) -> None:
    """Neither a file of its name nor one beside it; an older file stays as it was."""
    sql.run("COPY (SELECT 1 AS x) TO 'older.csv'")
    failing = "SELECT (i || CASE i WHEN 9 THEN 'x' ELSE '' END)::int FROM range(99) t(i)"
    for name in ("newer.csv", "older.csv"):
        assert sql.fails(f"COPY ({failing}) TO '{name}'") == "22P02"
    assert (sql.caller.files / "older.csv").read_text() == "x\n1\n"
    assert not (sql.caller.files / "newer.csv").exists()
    assert [path for path in sql.caller.files.rglob("*") if path.name == "newer.csv"] == []


OUTSIDE = [
    "/etc/passwd",
    "../outside.csv",
    "a/../../outside.csv",
    "./../../../../etc/passwd",
    "/proc/self/environ",
    "~/x.csv",
    "file:///etc/passwd",
    "http://127.0.0.1:1/x.csv",
    "s3://bucket/x.parquet",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_file_outside_is_read_or_written(sql: Sql, path: str) -> None:
    """COPY in both directions and every reading function: 42501, whatever way the path goes."""
    attempts = [
        f"COPY (SELECT 1) TO '{path}' (FORMAT csv)",
        f"COPY effects_none FROM '{path}' (FORMAT csv)",
        *(f"SELECT * FROM {function}('{path}')" for function in ("read_csv", "read_text", "read_blob", "read_parquet")),
        f"SELECT * FROM read_json(['{path}'])",
        f"SELECT * FROM glob('{path}')",
        f"SELECT * FROM sniff_csv('{path}')",
        f"SELECT * FROM parquet_schema('{path}')",
    ]
    assert {attempt: sql.fails(attempt) for attempt in attempts} == dict.fromkeys(attempts, "42501")


def test_a_link_leads_nowhere(sql: Sql) -> None:
    """A symbolic link out of the folder is no way out."""
    (sql.caller.files / "way_out").symlink_to("/etc")
    assert sql.fails("SELECT * FROM read_text('way_out/passwd')") == "42501"
    assert sql.fails("COPY (SELECT 1) TO 'way_out/x.csv'") == "42501"


def test_another_workspace_has_files_of_its_own(caller: Caller, sql: Sql) -> None:
    """Relative names mean the own folder; the other one cannot be reached."""
    sql.run("COPY (SELECT 1 AS x) TO 'mine.csv'")
    other = Caller(caller.service, caller.http, "files-neighbour")
    with other.session() as neighbour:
        assert neighbour.fails("FROM 'mine.csv'") == "58P01"
        for path in (f"../{caller.workspace_id}/mine.csv", str(caller.files / "mine.csv")):
            assert neighbour.fails(f"SELECT * FROM read_csv('{path}')") == "42501"


def test_a_file_that_is_not_there_or_broken_is_a_clear_error(sql: Sql) -> None:
    """The message names the file as the caller named it."""
    (sql.caller.files / "broken.parquet").write_text("no such magic" * 9)
    for query, sql_state in (
        ("FROM 'absent.csv'", "58P01"),
        ("FROM 'broken.parquet'", "22P04"),
        ("SELECT * FROM read_csv('absent_*.csv')", "58P01"),
    ):
        last = sql.last(query)
        assert (last["status"], last["sql_state"]) == ("PGRES_FATAL_ERROR", sql_state)
        assert str(sql.caller.service.data_dir) not in last["message"]
    assert sql.fails("COPY (SELECT 1) TO 'no_such_folder/x.csv'") == "58P01"
