"""No relation of a catalog takes the place of the engine's own listings."""

import pytest

from tests.service.caller import Caller, Sql

REFUSED = (
    "CREATE VIEW duckdb_tables AS SELECT 1 AS a",
    'CREATE OR REPLACE VIEW main."DuckDB_Columns" AS SELECT 1 AS a',
    "CREATE TABLE IF NOT EXISTS duckdb_schemas (a int)",
    'CREATE TABLE "default".main.sqlite_master AS SELECT 1 AS a',
    "CREATE TEMP VIEW duckdb_views AS SELECT 1 AS a",
    "ALTER TABLE plainly_named RENAME TO duckdb_types",
    "ALTER VIEW plainly_seen RENAME TO duckdb_indexes",
)


@pytest.mark.parametrize("statement", REFUSED)
def test_the_name_of_a_listing_is_reserved(caller: Caller, sql: Sql, statement: str) -> None:
    """It is refused at its place, and SHOW TABLES goes on for everybody."""
    sql.run("CREATE TABLE IF NOT EXISTS plainly_named (a int)")
    sql.run("CREATE OR REPLACE VIEW plainly_seen AS SELECT 1 AS a")
    last = sql.last(f"SELECT 'é'; {statement}")
    assert (last["err_code"], last["sql_state"]) == ("1", "42939"), last
    assert last["position"] > len("SELECT 'é'; CREATE ")
    with caller.session() as other:
        assert ["plainly_named"] in other.rows("SHOW TABLES")


def test_names_that_only_resemble_one_are_free(sql: Sql) -> None:
    """In a schema of its own name, as a column, and with another ending."""
    sql.run("CREATE TABLE duckdb_tables_of_mine (duckdb_tables int); ALTER TABLE duckdb_tables_of_mine RENAME TO mine")
    sql.run("ALTER TABLE mine RENAME COLUMN duckdb_tables TO duckdb_views; DROP TABLE mine")


def test_a_setting_is_shown_by_its_quoted_name(sql: Sql) -> None:
    """As in PostgreSQL."""
    sql.run("SET TimeZone = 'Asia/Shanghai'")
    assert sql.rows('SHOW "TimeZone"') == sql.rows("SHOW TimeZone") == [["Asia/Shanghai"]]
    assert sql.fails('SHOW "nosuch"') == "42704"
