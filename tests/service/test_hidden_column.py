"""The column that DuckLake adds to every table, which tells where its files lie within the service."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.service.caller import Caller, Sql

READING: Final = (
    "SELECT filename FROM shelf",
    'SELECT s."FileName", count(*) FROM shelf s GROUP BY ALL',
    "(SELECT filename FROM shelf)",
    "SELECT list(DISTINCT filename) FROM shelf",
    "SELECT a FROM shelf WHERE filename LIKE '/%'",
    "SELECT a FROM shelf WHERE a = $1 ORDER BY filename",
    "WITH w AS (SELECT * , filename FROM shelf) SELECT * FROM w",
    "SELECT filename FROM ducklake_table_insertions('default', 'main', 'shelf', 0, {newest})",
    "SELECT * FROM query('SELECT filename FROM shelf')",
    "SELECT * FROM query('SELECT file' || 'name FROM shelf')",
    "CREATE TABLE shelf_files AS SELECT filename FROM shelf",
    "CREATE VIEW shelf_view AS SELECT filename FROM shelf",
    "CREATE MACRO shelf_macro() AS TABLE SELECT filename FROM shelf",
    "INSERT INTO shelf SELECT 1, filename FROM shelf",
    "UPDATE shelf SET b = filename",
    "COPY (SELECT filename FROM shelf) TO 'files.csv'",
    "COPY shelf (a, filename) TO 'files.parquet'",
    "PREPARE shelf_query AS SELECT filename FROM shelf",
    "PIVOT shelf ON filename USING count(*)",
    "CREATE TABLE shelf_files AS PIVOT shelf ON filename",
)


@pytest.fixture(scope="module")
def shelf(caller: Caller) -> Iterator[Sql]:
    """A session with a table, and one that has a column of that name."""
    with caller.session() as session:
        session.run("CREATE TABLE shelf (a int, b text); INSERT INTO shelf VALUES (1, 'x')")
        session.run("CREATE TABLE books (filename text); INSERT INTO books VALUES ('own')")
        session.run("COPY shelf TO 'shelf.csv'; COPY shelf TO 'shelf.parquet'")
        yield session


@pytest.mark.parametrize("statement", READING)
def test_place_of_a_table_s_file_is_not_shown(shelf: Sql, statement: str) -> None:
    """Refused with the way to the files' names, at the word, whatever the statement does with it."""
    [[newest]] = shelf.rows("FROM ducklake_current_snapshot('default')")
    statement = statement.replace("{newest}", str(newest))
    last = shelf.last(statement, bindings=[["1"]]) if "$1" in statement else shelf.last(statement)
    assert last["sql_state"] == "42501", last
    assert "list_files" in last["message"]
    assert "/proc" not in last["message"]
    assert shelf.rows("SELECT 1") == [["1"]]
    if "query(" not in statement:
        assert last["position"] == statement.lower().index("filename") + 1 - ('"F' in statement)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT filename FROM books", "own"),
        ("SELECT b.filename FROM books b JOIN shelf ON true", "own"),
        ("SELECT filename FROM (SELECT a AS filename FROM shelf)", "1"),
        ("WITH w(filename) AS (SELECT 7) SELECT w.filename FROM w, shelf", "7"),
        ("SELECT 'filename' FROM shelf", "filename"),
        ("SELECT filename FROM read_csv('shelf.csv', filename = true)", "shelf.csv"),
        ("SELECT filename FROM 'shelf.parquet'", "shelf.parquet"),
        ("SELECT file_name FROM parquet_file_metadata('shelf.parquet')", "shelf.parquet"),
        ("SELECT file FROM glob('shelf.c*')", "./shelf.csv"),
        ("SELECT filename FROM read_text('shelf.csv')", "shelf.csv"),
    ],
)
def test_column_of_that_name_is_read(shelf: Sql, query: str, value: str) -> None:
    """Of a table, of a query, and of the caller's own files, by the names they have for the caller."""
    assert shelf.rows(query) == [[value]]


def test_error_about_the_name_stays_the_engine_s(shelf: Sql) -> None:
    """Where no table offers the column, it is one that does not exist."""
    assert shelf.fails("SELECT filename FROM range(3)") == "42703"
