"""Views and macros that would reach themselves are refused where they are written; the old one stays as it was."""

from typing import Final

import pytest

from tests.service.caller import Sql

VIEWS: Final = (
    "CREATE OR REPLACE VIEW base AS SELECT * FROM base",
    "CREATE OR REPLACE VIEW main.base AS SELECT a FROM (SELECT 1 AS a) JOIN base USING (a)",
    "CREATE OR REPLACE VIEW base AS SELECT 1 AS a WHERE EXISTS (FROM second)",
    "CREATE OR REPLACE VIEW base AS SELECT * FROM third",
    "CREATE OR REPLACE VIEW base AS SELECT * FROM of_views(1)",
    "CREATE TEMP VIEW base AS SELECT * FROM base",
    "CREATE OR REPLACE TEMP VIEW base AS SELECT * FROM main.base",
)
MACROS: Final = (
    "CREATE OR REPLACE MACRO one(x) AS one(x)",
    "CREATE OR REPLACE MACRO one(x) AS 1 + two(x)",
    "CREATE OR REPLACE MACRO main.one(x) AS main.one(x)",
    "CREATE OR REPLACE MACRO one(x) AS main.one(x)",
    "CREATE OR REPLACE MACRO main.one(x) AS one(x)",
    'CREATE OR REPLACE MACRO one(x) AS "default".main.one(x)',
    'CREATE OR REPLACE MACRO one(x) AS "default".one(x)',
    "CREATE OR REPLACE MACRO one(x) AS main.two(x)",
    "CREATE OR REPLACE TEMP MACRO one(x) AS one(x)",
    "CREATE OR REPLACE TEMP MACRO one(x) AS main.one(x)",
    "CREATE OR REPLACE MACRO of_views(x) AS TABLE SELECT * FROM main.of_views(x)",
    "CREATE OR REPLACE MACRO one(x) AS (SELECT max(a) FROM of_macros) + x",
    "CREATE OR REPLACE MACRO of_views(x) AS TABLE SELECT * FROM of_views(x)",
    "CREATE OR REPLACE MACRO of_views(x) AS TABLE SELECT a + x AS a FROM reading",
)

ALL: Final = "SELECT base.a, two(5), of_macros.a FROM base, of_macros UNION ALL SELECT a, 0, 0 FROM of_views(2)"


@pytest.fixture
def kept(sql: Sql) -> Sql:
    """Three views and three macros, each of the one before."""
    sql.run(
        "CREATE SCHEMA IF NOT EXISTS other; CREATE OR REPLACE TABLE counted (a int); INSERT INTO counted VALUES (1)"
    )
    sql.run("CREATE OR REPLACE VIEW base AS SELECT a FROM counted")
    sql.run("CREATE OR REPLACE VIEW second AS FROM base; CREATE OR REPLACE VIEW third AS FROM second")
    sql.run("CREATE OR REPLACE MACRO one(x) AS x + 1; CREATE OR REPLACE MACRO two(x) AS one(x) + 1")
    sql.run("CREATE OR REPLACE VIEW of_macros AS SELECT two(a) AS a FROM counted")
    sql.run("CREATE OR REPLACE MACRO of_views(x) AS TABLE SELECT a + x AS a FROM counted")
    sql.run("CREATE OR REPLACE VIEW reading AS FROM of_views(1)")
    return sql


@pytest.mark.parametrize("statement", [*VIEWS, *MACROS])
def test_endless_definition_is_refused_at_the_write(kept: Sql, statement: str) -> None:
    """Alone and in a transaction; what it would have replaced is read as before."""
    if "FROM of_views(1)" in statement:
        kept.run("CREATE OR REPLACE MACRO of_views(x) AS TABLE SELECT a + x AS a FROM base")
    before = kept.rows(
        "SELECT base.a, two(5), of_macros.a FROM base, of_macros UNION ALL SELECT a, 0, 0 FROM of_views(2)"
    )
    assert kept.fails(statement) == "42P17"
    assert kept.fails(f"BEGIN; {statement}") == "42P17"
    kept.run("ROLLBACK")
    after = kept.rows(
        "SELECT base.a, two(5), of_macros.a FROM base, of_macros UNION ALL SELECT a, 0, 0 FROM of_views(2)"
    )
    assert after == before


def test_renamed_view_may_not_reach_itself(kept: Sql) -> None:
    """A view over a name that is free, renamed to that name."""
    kept.run("CREATE VIEW gone AS SELECT 1 AS a; CREATE VIEW above AS FROM gone; DROP VIEW gone")
    assert kept.fails("ALTER VIEW above RENAME TO gone") == "42P17"
    kept.run("CREATE VIEW gone AS SELECT 7 AS a")
    assert kept.rows("FROM above") == [["7"]]
    kept.run("DROP VIEW above; DROP VIEW gone")


@pytest.mark.parametrize(
    ("statement", "query", "rows"),
    [
        ("CREATE OR REPLACE VIEW base AS WITH base AS (SELECT 9 AS a) FROM base", "FROM base", [["9"]]),
        ("CREATE OR REPLACE VIEW other.base AS FROM main.base", "FROM other.base", [["1"]]),
        ("CREATE OR REPLACE MACRO other.one(x) AS main.one(x) * 2", "SELECT other.one(1)", [["4"]]),
        ('CREATE TEMP MACRO one(x) AS "default".main.one(x) * 2', "SELECT one(1)", [["4"]]),
        ('CREATE TEMP VIEW base AS FROM "default".main.base', "FROM temp.base", [["1"]]),
        (
            "CREATE OR REPLACE MACRO listed(x) AS (SELECT max(a) FROM (VALUES (x)) listed(a))",
            "SELECT listed(4)",
            [["4"]],
        ),
        ("CREATE OR REPLACE MACRO one(x) AS x + 3 -- one(x)", "SELECT two(1)", [["5"]]),
        ("CREATE OR REPLACE MACRO one(x) AS x + (SELECT count(*) FROM base)", "SELECT one(1)", [["2"]]),
    ],
)
def test_definition_that_ends_is_taken(kept: Sql, statement: str, query: str, rows: list[list[str]]) -> None:
    """The same name of another schema, of a WITH or in a comment is another thing."""
    kept.run(statement)
    assert kept.rows(query) == rows


def test_in_another_schema_names_without_one_are_its_own(kept: Sql) -> None:
    """A macro is found by the schema of the session that makes it."""
    kept.run("CREATE OR REPLACE MACRO other.own(x) AS x; SET search_path = 'other'")
    assert kept.fails("CREATE OR REPLACE MACRO own(x) AS other.own(x)") == "42P17"
    assert kept.fails("CREATE OR REPLACE MACRO other.own(x) AS own(x)") == "42P17"
    kept.run("CREATE OR REPLACE MACRO own(x) AS main.one(x)")
    assert kept.rows("SELECT own(1), other.own(2)") == [["2", "3"]]


def test_a_temporary_view_over_one_of_its_name(kept: Sql) -> None:
    """The refusal has the name that is no reference to itself."""
    refused = kept.last("CREATE TEMP VIEW base AS FROM main.base")
    assert '"default"."main".base' in refused["message"]
    kept.run('CREATE TEMP VIEW base AS SELECT a + 1 AS a FROM "default"."main".base')
    assert kept.rows("FROM base") == [["2"]]
