"""The column that DuckLake adds to every table: the file of a row, without a folder of the service."""

import pytest

from tests.service.caller import Caller, Sql


@pytest.fixture
def shelf(sql: Sql) -> Sql:
    """A session with a table, and one that has a column of that name."""
    sql.run("CREATE OR REPLACE TABLE shelf AS SELECT 1 AS a; CREATE OR REPLACE TABLE books AS SELECT 'own' AS filename")
    return sql


def test_a_row_names_its_file_as_the_list_of_files_does(caller: Caller, shelf: Sql) -> None:
    """Behind the descriptor of the worker, which says nothing about where the service keeps its data."""
    [[value]] = shelf.rows("SELECT filename FROM shelf")
    [[listed]] = shelf.rows("SELECT data_file FROM ducklake_list_files('default', 'shelf')")
    assert str(value).startswith("/proc/self/fd/")
    assert str(value).split("/", 5)[5] == str(listed)
    assert str(caller.service.data_dir) not in str(value)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT filename FROM books", "own"),
        ("SELECT filename FROM (SELECT a AS filename FROM shelf)", "1"),
        ("SELECT b.filename FROM books b, shelf", "own"),
        ("WITH w(filename) AS (SELECT 7) SELECT w.filename FROM w, shelf", "7"),
        ("SELECT count(*) FROM (PIVOT shelf ON filename USING count(*))", "1"),
    ],
)
def test_a_column_of_that_name_is_read_as_any_other(shelf: Sql, query: str, value: str) -> None:
    """Of a table, of a query, and within a PIVOT, after which the session goes on."""
    assert shelf.rows(query) == [[value]]
    assert shelf.rows("SELECT 1") == [["1"]]
