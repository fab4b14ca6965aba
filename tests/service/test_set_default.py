"""ALTER TABLE … SET DEFAULT takes what CREATE TABLE takes, with the same error for the rest."""

import pytest

from tests.service.caller import Caller, Sql

UNFIT = [
    ("int", "'x'"),
    ("tinyint", "300"),
    ("tinyint", "'300'"),
    ("date", "'x'"),
    ("date", "'2020-13-01'"),
    ("timestamp", "'noon'"),
    ("decimal(4, 2)", "1000"),
    ("boolean", "'maybe'"),
    ("uuid", "'x'"),
    ("int[]", "[1, 2]"),
    ("struct(a int)", "{'a': 1}"),
]
FIT = [
    ("int", "'300'", "300"),
    ("int", "-5", "-5"),
    ("date", "DATE '2020-01-31'", "2020-01-31"),
    ("date", "'2020-01-31'", "2020-01-31"),
    ("timestamp", "TIMESTAMP '2020-01-31 10:00:00.5'", "2020-01-31 10:00:00.5"),
    ("decimal(18, 2)", "9007199254740993.25", "9007199254740993.25"),
    ("varchar", "'it''s é'", "it's é"),
    ("boolean", "true", "t"),
    ("blob", "'\\xAA'", "\\xaa"),
    ("int", "NULL", None),
    ("int[]", "NULL", None),
    ("struct(a int)", "NULL", None),
]


@pytest.fixture
def table(shared: Sql) -> Sql:
    """A session on a schema with nothing in it."""
    shared.run(
        "CREATE SCHEMA IF NOT EXISTS defaults; DROP TABLE IF EXISTS defaults.made; DROP TABLE IF EXISTS defaults.later"
    )
    return shared


@pytest.mark.parametrize(("kind", "value"), UNFIT)
def test_a_default_that_does_not_fit_is_refused_at_once(caller: Caller, table: Sql, kind: str, value: str) -> None:
    """The error is CREATE TABLE's, at its place; the table is as it was, and nothing else is left in the catalog."""
    created = table.execute(f"CREATE TABLE defaults.made (i {kind} DEFAULT {value})")["results"][-1]
    table.run(f"CREATE TABLE defaults.later (i {kind}, j int)")
    before = table.rows("SELECT table_name FROM duckdb_tables() ORDER BY 1")
    text = f"ALTER TABLE defaults.later ALTER COLUMN i SET DEFAULT {value}"
    altered = table.execute(f"SELECT 'é'; {text}")["results"][-1]
    assert (created["err_code"], created["sql_state"]) == ("1", altered["sql_state"])
    assert created["message"].partition("\n")[0] == altered["message"].partition("\n")[0]
    assert "LINE 1" in altered["message"]
    assert table.rows("SELECT table_name FROM duckdb_tables() ORDER BY 1") == before
    with caller.session() as other:
        assert other.run("INSERT INTO defaults.later (j) VALUES (1)") == "INSERT 0 1"
        assert other.rows("FROM defaults.later") == [[None, "1"]]


@pytest.mark.parametrize(("kind", "value", "shown"), FIT)
def test_a_default_that_fits_is_the_value_of_later_rows(
    caller: Caller, table: Sql, kind: str, value: str, shown: str | None
) -> None:
    """In this transaction and in other sessions, exactly."""
    table.run(f"CREATE TABLE defaults.later (i {kind}, j int)")
    table.run(
        f"BEGIN; ALTER TABLE IF EXISTS defaults.later ALTER i SET DEFAULT {value};"
        "INSERT INTO defaults.later (j) VALUES (1); COMMIT"
    )
    with caller.session() as other:
        other.run("INSERT INTO defaults.later (j) VALUES (2)")
        assert other.rows("FROM defaults.later ORDER BY j") == [[shown, "1"], [shown, "2"]]


def test_what_is_not_there_is_the_ordinary_error(table: Sql) -> None:
    """An unknown column, an unknown table, and IF EXISTS."""
    table.run("CREATE TABLE defaults.later (i int)")
    assert table.fails("ALTER TABLE defaults.later ALTER k SET DEFAULT 5") == "42703"
    assert table.fails("ALTER TABLE defaults.nowhere ALTER i SET DEFAULT 'x'") == "42P01"
    table.run("ALTER TABLE IF EXISTS defaults.nowhere ALTER i SET DEFAULT 'x'")
    table.run(
        "CREATE TEMP TABLE own (i int); ALTER TABLE own ALTER i SET DEFAULT 5; ALTER TABLE own ALTER i DROP DEFAULT"
    )
