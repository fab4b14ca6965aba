"""What an error may not tell: where the service keeps its things, and advice or names that nobody here can use."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.service.caller import Caller, Json, Sql

FAILING: Final = (
    "SELECT * FROM 'absent.csv'",
    "SELECT * FROM 'broken.parquet'",
    "SELECT * FROM 'broken.csv'",
    "SELECT * FROM 'broken.json'",
    "SELECT * FROM read_csv('words.csv', columns = {'a': 'INT'})",
    "SELECT * FROM read_csv('folder')",
    "SELECT * FROM read_parquet(['words.parquet', 'broken.parquet'])",
    "SELECT * FROM read_parquet('*.nothing')",
    "SELECT * FROM read_json('words.csv')",
    "SELECT * FROM parquet_metadata('broken.parquet')",
    "SELECT * FROM sniff_csv('absent.csv')",
    "COPY secret FROM 'words.csv' (HEADER)",
    "COPY secret FROM 'words.parquet'",
    "COPY secret FROM 'broken.parquet'",
    "COPY secret FROM 'absent.parquet'",
    "COPY (SELECT a, error('boom') FROM secret) TO 'out.csv'",
    "COPY (SELECT 'x'::int AS a FROM secret) TO 'out.parquet'",
    "COPY secret TO 'folder'",
    "COPY secret TO 'absent/out.csv'",
    "COPY secret TO 'out.csv' (FORMAT nothing)",
    "COPY secret TO 'out.csv' (NO_SUCH_OPTION 1)",
    "COPY secret TO 'out' (NO_SUCH_OPTION 1)",
    "COPY secret TO 'out/' (PARTITION_BY a, NO_SUCH_OPTION 1)",
    "COPY secret TO 'out' (FORMAT parquet, PARTITION_BY nope)",
    "COPY (SELECT error(a::text) AS a FROM secret) TO 'out' (FORMAT parquet, PARTITION_BY a)",
    "COPY secret TO 'words.csv/out.csv'",
    "SELECT a::text::date FROM secret",
    "SELECT * FROM damaged",
    "SELECT count(b) FROM damaged WHERE a > 0",
    "UPDATE damaged SET a = 1 WHERE b = '5'",
    "INSERT INTO secret SELECT a FROM damaged",
    "COPY damaged TO 'out.csv'",
    "SELECT * FROM vanished",
    "DELETE FROM vanished WHERE a = 1",
    "SELECT txid_current()",
    "SELECT st_point(1, 2)",
    "SELECT * FROM no_such_table",
    "SELECT no_such_function()",
    "CALL no_such_function()",
    "SELECT * FROM secret AT (VERSION => 9999)",
    "SELECT * FROM no_such_catalog.main.t",
    "ATTACH 'x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA no_such_pragma",
    "SET memory_limit = '1GB'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "CREATE TABLE fixed (a int[3])",
    "CREATE TABLE chosen (a ENUM ('x'))",
    "CREATE SEQUENCE s",
    "ALTER TABLE secret ALTER a TYPE text",
    "SELECT list_transform([1], x -> no_such_function(x))",
)
"""Statements of every kind that fail because of files, tables, memory or names."""

ADVICE: Final = re.compile(
    r"\b(SET|PRAGMA|INSTALL|LOAD|set_option)\b [a-z'\"_]+ ?=?|duckdb\.org/docs/\S*(tune|internal)"
)


@pytest.fixture(scope="module")
def keeper(caller: Caller) -> Iterator[Sql]:
    """A session among good, broken and missing files, of its own and of its tables."""
    files = caller.files
    with caller.session() as session:
        session.run("CREATE TABLE secret (a int); INSERT INTO secret SELECT i FROM range(20) t(i)")
        session.run("COPY (SELECT 'x' AS a) TO 'words.parquet'")
        (files / "words.csv").write_text("a\n1\nx\n")
        (files / "broken.parquet").write_bytes(b"no such magic" * 9)
        (files / "broken.csv").write_bytes(b'a,b\n1,"x\n2,3,4,5\n\xff\xfe')
        (files / "broken.json").write_text('{"a": 1}\n{"a":')
        (files / "folder").mkdir()
        for table in ("damaged", "vanished"):
            session.run(f"CREATE TABLE {table} (a int, b text); INSERT INTO {table} SELECT i, i FROM range(20) t(i)")
            found = list((caller.service.data_dir / "lake").rglob(f"{table}/*.parquet"))
            assert found
            for path in found:
                if table == "damaged":
                    path.write_bytes(b"PAR1" + b"\0" * (path.stat().st_size - 8) + b"PAR1")
                else:
                    path.unlink()
        yield session


def secrets(caller: Caller) -> tuple[str, ...]:
    """Parts of every place and name of the service that no tenant gave: its folders, servers, roles, programs."""
    data_dir = str(caller.service.data_dir)
    workspace = caller.workspace_id.replace("-", "")
    return (
        *(
            data_dir,
            data_dir.rsplit("/", 1)[0],
            "/proc/",
            "/self/fd",
            "treadle/",
            "__ducklake_metadata",
            "site-packages",
        ),
        *("duckdb_extension", "worker-", "host=", "dbname=", "user=", "application_name", "postgres:", ".s.PGSQL"),
        *(caller.workspace_id, workspace, "ducklake_data_file", "Stack Trace", "exception_type"),
    )


def assert_discreet(sql: Sql, script: str, **fields: Any) -> Json:
    """Assert that neither the answer nor the record of a failing statement tells of the service."""
    answer = sql.execute(script, **fields)
    last: Json = answer["results"][-1]
    record = sql.caller.record(answer["statement_id"])
    shown = f"{last['message']}\n{record.get('message', '')}\n{record.get('detail', '')}"
    told = [secret for secret in secrets(sql.caller) if secret in shown.replace(script, "")]
    assert not told, (script, last)
    return last


@pytest.mark.parametrize("statement", FAILING)
def test_error_tells_no_place_of_the_service(keeper: Sql, statement: str) -> None:
    """Nor advice that is refused; and it has a code that means something, also in a transaction."""
    last = assert_discreet(keeper, statement)
    assert last["status"] == "PGRES_FATAL_ERROR", last
    assert not last["sql_state"].startswith("XX"), last
    told = last["message"].partition("\n\nLINE ")[0]
    assert told.startswith("permission denied") or ADVICE.search(told) is None, last
    assert_discreet(keeper, f"BEGIN; {statement}")
    keeper.run("ROLLBACK")


def test_error_names_a_file_as_the_caller_did(keeper: Sql) -> None:
    """By the name in the statement, whatever the service made of it; a table's own file by the table."""
    for statement, name in (
        ("SELECT * FROM 'broken.parquet'", "'broken.parquet'"),
        ("COPY secret FROM 'words.parquet'", '"words.parquet"'),
        ("COPY secret TO 'absent/out.csv'", '"absent/out.csv"'),
        ("SELECT * FROM vanished", "a data file of main.vanished"),
    ):
        assert name in keeper.last(statement)["message"], statement


NAMES: Final = st.text(st.sampled_from("ab.é/ *[]'\"$-_0"), min_size=1, max_size=12)
READS: Final = ("read_csv({})", "read_parquet({})", "read_json({})", "read_text({})", "glob({})", "{}")


@given(name=NAMES, ending=st.sampled_from(["", ".csv", ".parquet", ".json"]), read=st.sampled_from(READS))
def test_no_name_of_a_file_makes_an_error_tell_more(keeper: Sql, name: str, ending: str, read: str) -> None:
    """Whatever a file is called, read or written."""
    literal = "'" + (name + ending).replace("'", "''") + "'"
    assert_discreet(keeper, f"SELECT * FROM {read.format(literal)} AS t")
    assert_discreet(keeper, f"COPY (SELECT error('no') AS a) TO {literal}")
