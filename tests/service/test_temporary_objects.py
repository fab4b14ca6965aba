"""Definitions in the catalog use nothing that only one session has: elsewhere they would fail, or mean another."""

from collections.abc import Iterator

import pytest

from tests.service.caller import Caller, Sql

OBJECTS = """
    CREATE TEMP SEQUENCE own_numbers; CREATE TEMP TABLE own_rows AS SELECT 1 AS x;
    CREATE TEMP VIEW own_view AS SELECT 2 AS x;
    CREATE TEMP MACRO own_value() AS 5; CREATE TEMP MACRO own_list() AS TABLE SELECT 1 AS x;
    CREATE TEMP TYPE own_type AS ENUM ('a'); CREATE TEMP TABLE shared AS SELECT 'mine' AS x
"""
REFUSED = {
    "CREATE TABLE held (i int DEFAULT nextval('own_numbers'), j int)": "own_numbers",
    "CREATE OR REPLACE TABLE held (i int DEFAULT (1 + own_value()))": "own_value",
    "CREATE TABLE main.held (v varchar DEFAULT ('a'::own_type))": "own_type",
    "EXPLAIN ANALYZE CREATE TABLE held (i int DEFAULT own_value())": "own_value",
    "ALTER TABLE standing ALTER i SET DEFAULT own_value()": "",
    "CREATE VIEW held AS FROM own_rows": "own_rows",
    "CREATE OR REPLACE VIEW held AS SELECT * FROM range(3) r(i) JOIN own_view v ON v.x = r.i": "own_view",
    "CREATE VIEW IF NOT EXISTS held AS SELECT (SELECT max(x) FROM OWN_ROWS)": "own_rows",
    'CREATE VIEW main.held(a) AS SELECT * FROM temp."own_rows"': "own_rows",
    "CREATE VIEW held AS FROM main.shared": "shared",
    "CREATE VIEW held AS FROM shared": "shared",
    "CREATE VIEW held AS WITH own_rows AS (FROM own_rows) FROM own_rows": "own_rows",
    "CREATE VIEW held AS FROM own_list()": "own_list",
    "CREATE VIEW held AS SELECT list_transform([1], lambda i: i + own_value())": "own_value",
    "CREATE VIEW held AS SELECT nextval('own_numbers')": "own_numbers",
    "CREATE VIEW held AS SELECT 'a'::own_type AS t": "own_type",
    "CREATE VIEW held AS FROM query_table('own_rows')": "own_rows",
    "CREATE VIEW held AS FROM query('FROM own_rows')": "own_rows",
    "CREATE VIEW held AS PIVOT own_rows ON x IN (1, 2) USING sum(x)": "own_rows",
    "CREATE MACRO held() AS own_value()": "own_value",
    "CREATE OR REPLACE MACRO held(a) AS a, (a, b) AS a + own_value()": "own_value",
    "CREATE MACRO held(a) AS (SELECT max(x) + a FROM own_rows)": "own_rows",
    "CREATE FUNCTION held(a) AS TABLE FROM own_rows WHERE x = a": "own_rows",
    "BEGIN; CREATE VIEW held AS FROM own_rows; COMMIT": "own_rows",
}
"""Definitions, and the temporary object that the refusal names."""

TAKEN = [
    "CREATE TEMP VIEW mine_too AS FROM own_rows",
    "CREATE OR REPLACE TEMP MACRO mine_as_well() AS own_value()",
    "CREATE TEMP TABLE mine_again (i int DEFAULT nextval('own_numbers'))",
    "CREATE OR REPLACE TABLE held AS SELECT x, own_value() AS y, nextval('own_numbers') AS n FROM own_rows",
    'CREATE OR REPLACE VIEW held AS FROM "default".main.shared',
    "CREATE OR REPLACE VIEW held AS WITH own_rows AS (SELECT 1 AS x) FROM own_rows",
    "CREATE OR REPLACE VIEW held AS WITH RECURSIVE shared AS (SELECT 1 AS i UNION "
    "SELECT i + 1 FROM shared WHERE i < 3) FROM shared",
    "CREATE OR REPLACE VIEW held AS SELECT own_rows.x AS own_value FROM (SELECT 1 AS x) own_rows",
    "CREATE OR REPLACE VIEW held AS SELECT 'own_rows' AS shared, 'FROM own_rows' AS own_type",
]
"""Definitions that are right beside the same objects."""


@pytest.fixture
def owner(sql: Sql) -> Iterator[Sql]:
    """A session with temporary objects, on a catalog with a table that one of them hides."""
    for kind in ("VIEW", "TABLE"):
        sql.execute(f"DROP {kind} IF EXISTS held")
    sql.run(
        "CREATE OR REPLACE TABLE shared AS SELECT 'everyone''s' AS x; CREATE OR REPLACE TABLE standing (i int, j int)"
    )
    sql.run(OBJECTS)
    yield sql
    sql.execute("ROLLBACK")


@pytest.mark.parametrize("definition", REFUSED)
def test_a_definition_that_others_could_not_use_is_refused(caller: Caller, owner: Sql, definition: str) -> None:
    """0A000 with the name of the temporary object; nothing has been made, and the table still takes rows of others."""
    last = owner.last(definition)
    assert last["sql_state"] == "0A000", last
    assert f'"{REFUSED[definition]}"' in last["message"] or not REFUSED[definition]
    owner.execute("ROLLBACK")
    with caller.session() as other:
        for names in ("duckdb_tables() WHERE table_name", "duckdb_views() WHERE view_name"):
            assert other.rows(f"SELECT count(*) FROM {names} = 'held'") == [["0"]]
        assert other.rows("SELECT count(*) FROM duckdb_functions() WHERE function_name = 'held'") == [["0"]]
        assert other.run("INSERT INTO standing (j) VALUES (1)") == "INSERT 0 1"


@pytest.mark.parametrize("definition", TAKEN)
def test_a_definition_that_only_looks_so_is_taken(caller: Caller, owner: Sql, definition: str) -> None:
    """Temporary ones may use temporary ones; what is kept is the same for others."""
    owner.run(definition)
    if "held" in definition:
        with caller.session() as other:
            assert other.rows("FROM held") == owner.rows("FROM held")


def test_a_name_that_is_nowhere_is_the_ordinary_error(owner: Sql) -> None:
    """Temporary objects beside it change nothing about that."""
    assert owner.fails("CREATE VIEW held AS FROM nowhere") == "42P01"
    assert owner.fails("CREATE TABLE held (i int DEFAULT nextval('nowhere'))") == "42P01"
    assert owner.fails("CREATE TABLE held (i int DEFAULT nowhere())") == "42883"
