"""CREATE TABLE, ADD COLUMN and SET DEFAULT take the same defaults, with the same error for the rest."""

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
    ("json", "'{bad'"),
    ("json", "('{bad')"),
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
    added = table.execute(f"ALTER TABLE defaults.later ADD COLUMN k {kind} DEFAULT {value}")["results"][-1]
    assert (added["err_code"], added["sql_state"]) == ("1", altered["sql_state"])
    assert table.rows("SELECT table_name FROM duckdb_tables() ORDER BY 1") == before
    with caller.session() as other:
        assert other.run("INSERT INTO defaults.later (j) VALUES (1)") == "INSERT 0 1"
        assert other.rows("FROM defaults.later") == [[None, "1"]]


@pytest.mark.parametrize("value", ["NULL", "((NULL))", "NULL::{}", "CAST(NULL AS {})"])
@pytest.mark.parametrize("kind", ["int[]", "struct(a int, b hugeint)", "map(text, int)", "json[]", "hugeint", "text"])
def test_null_is_a_default_of_every_type(table: Sql, kind: str, value: str) -> None:
    """In each statement that gives one, between other columns, whose own defaults and errors keep their places."""
    null = value.format(kind)
    table.run(
        f"CREATE TABLE defaults.made (i int NOT NULL DEFAULT NULL, j {kind} DEFAULT {null}, k int DEFAULT 7);"
        f"CREATE TABLE defaults.later (k int); ALTER TABLE defaults.later ADD COLUMN j {kind} DEFAULT {null};"
        f"ALTER TABLE defaults.later ALTER j SET DEFAULT {null}; INSERT INTO defaults.later (k) VALUES (1)"
    )
    assert table.rows("SELECT j, k FROM defaults.later") == [[None, "1"]]
    table.run("INSERT INTO defaults.made (i) VALUES (1)")
    assert table.rows("FROM defaults.made") == [["1", None, "7"]]
    assert table.fails("INSERT INTO defaults.made (k) VALUES (1)") == "23502"
    text = f"CREATE TABLE defaults.unfit (i {kind} DEFAULT {null}, j {kind} DEFAULT {null}, k int DEFAULT 'x')"
    assert table.last(text)["position"] == text.index("'x'") + 1


def test_what_only_begins_with_null_is_an_expression(table: Sql) -> None:
    """It is the default that it says."""
    table.run("CREATE TABLE defaults.made (i int, j bool DEFAULT (NULL::int IS NULL), k bool DEFAULT ((NULL) IS NULL))")
    table.run("INSERT INTO defaults.made (i) VALUES (1)")
    assert table.rows("FROM defaults.made") == [["1", "t", "t"]]


def test_a_field_of_json_has_a_default_of_json(table: Sql) -> None:
    """Rows that are there have the value of the new field, which must be one."""
    table.run("CREATE TABLE defaults.made (s struct(a int)); INSERT INTO defaults.made VALUES ({'a': 1})")
    for kind, value in (("json", "'{bad'"), ('"JSON"', "('{bad')"), ("json", "'a' || 'b'"), ("int", "'x'")):
        text = f"ALTER TABLE defaults.made ADD COLUMN s.b {kind} DEFAULT {value}"
        refused = table.last(text)
        assert (refused["sql_state"], refused["position"]) == ("22P02", text.index(value) + 1), text
    table.run("ALTER TABLE defaults.made ADD COLUMN s.b json DEFAULT '{\"k\": 1}'")
    assert table.rows("SELECT s.b->>'k' FROM defaults.made") == [["1"]]


def test_defaults_of_a_table_of_the_same_name_elsewhere_do_not_matter(table: Sql) -> None:
    """Each table's own defaults are judged, in memory as well; one that takes a number takes none meanwhile."""
    table.run("CREATE OR REPLACE TABLE twin (i date); CREATE TABLE defaults.made (i text DEFAULT 'x')")
    table.run("CREATE SCHEMA IF NOT EXISTS elsewhere; CREATE OR REPLACE TABLE elsewhere.twin (i text DEFAULT 'x')")
    table.run("ALTER TABLE twin ALTER i SET DEFAULT '2020-01-31'; ALTER TABLE elsewhere.twin ALTER i SET DEFAULT 'y'")
    assert table.fails("CREATE TEMP TABLE own (i json DEFAULT '{bad')") == "22P02"
    table.run("CREATE TEMP SEQUENCE numbers; CREATE TEMP TABLE own (i int DEFAULT nextval('numbers'), j int)")
    table.run("INSERT INTO own (j) VALUES (0)")
    assert table.rows("SELECT i FROM own") == [["1"]]


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
