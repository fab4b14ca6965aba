"""Definitions: a fresh session reads back those that are taken; others are refused before they harm the catalog."""

from collections.abc import Iterator

import pytest

from tests.service.caller import Caller, Sql

REFUSED = [
    "CREATE MACRO kept(a, b := []) AS b",
    "CREATE OR REPLACE MACRO kept(a, b := [1, 2]) AS b",
    "CREATE FUNCTION kept(a, b := ['x', 'y''z']) AS b",
    "CREATE MACRO kept(a := 1, b := {'x': 1}) AS b",
    "CREATE MACRO kept(a, b := MAP {'x': 1}) AS b",
    "CREATE MACRO kept(a, b := (1, 2)) AS b",
    "CREATE MACRO kept(a, b := row(1, 2)) AS b",
    "CREATE MACRO kept(a, b := [[1]]) AS b",
    "CREATE MACRO kept(a, b := [1]::int[1]) AS b",
    "CREATE MACRO kept(a, b := 1::UNION(x int)) AS b",
    "CREATE MACRO kept(a, b := 1::VARIANT) AS b",
    "CREATE MACRO kept(a, b := 'x'::ENUM('x')) AS b",
    "CREATE MACRO kept(a, b := '101'::BIT) AS b",
    "CREATE MACRO kept(a, b := NULL) AS b",
    "CREATE MACRO kept(a, b := NULL::int) AS b",
    "CREATE MACRO kept(a, b := NULL::varchar) AS b",
    "CREATE MACRO kept(a int := NULL) AS a",
    "CREATE MACRO kept(a int[]) AS a",
    "CREATE MACRO kept(a STRUCT(x int)) AS a",
    "CREATE MACRO kept(a MAP(varchar, int)) AS a",
    "CREATE MACRO kept(a ENUM('x', 'y')) AS a",
    "CREATE MACRO kept(a int[3]) AS a",
    "CREATE MACRO kept(a) AS a, (a, b := [1]) AS b",
    "CREATE MACRO kept(a) AS a, (a varchar, b int[]) AS b",
    "CREATE MACRO kept(a := [1]) AS TABLE SELECT a AS x",
    "CREATE MACRO kept(a) AS TABLE (SELECT a AS x), (a, b := [1]) AS TABLE (SELECT b AS x)",
    'CREATE MACRO "default".main.kept("a (b" := [1]) AS 1',
    "CREATE MACRO main.kept(a, /* b := 1 */ b := [1]) AS 1",
    "BEGIN; CREATE MACRO kept(a, b := [1]) AS b; COMMIT",
    "ALTER TABLE shaped DROP COLUMN s.x",
    "ALTER TABLE IF EXISTS main.shaped DROP COLUMN s.x",
    "CREATE OR REPLACE TABLE shaped AS SELECT 1 AS i, {'x': 1} AS s; ALTER TABLE shaped DROP COLUMN s.x",
    "ALTER TABLE shaped ADD COLUMN l STRUCT(y int)[]; ALTER TABLE shaped DROP COLUMN l.element.y",
    "ALTER TABLE shaped ADD COLUMN m MAP(int, STRUCT(y int)); ALTER TABLE shaped DROP COLUMN m.value.y",
    "ALTER TABLE shaped ADD COLUMN n STRUCT(o STRUCT(y int)); ALTER TABLE shaped DROP COLUMN n.o.y",
    "ALTER TABLE shaped ADD COLUMN v VARIANT DEFAULT 7",
    "DROP SCHEMA main CASCADE",
    'DROP SCHEMA IF EXISTS "default"."MAIN" CASCADE',
    "DROP SCHEMA main",
    "ALTER TABLE shaped SET SORTED BY ((SELECT 1))",
    "ALTER TABLE shaped SET SORTED BY (row_number() OVER ())",
    "CREATE MACRO bigger(x) AS x + 1; ALTER TABLE shaped SET SORTED BY (bigger(s.x))",
    "CREATE TEMP MACRO bigger(x) AS x + 1; ALTER TABLE shaped SET SORTED BY (bigger(s.x))",
]
"""What DuckLake takes and cannot read back as it was."""

READ_BACK = [
    ("CREATE MACRO kept(a, b := 1) AS a + b", "SELECT kept(1)"),
    ("CREATE MACRO kept(a, b := 'it''s \\ \"x\"') AS a || b", "SELECT kept('1')"),
    ("CREATE MACRO kept(a, b := '') AS b", "SELECT kept(1), kept(1) IS NULL"),
    ("CREATE MACRO kept(a, b := 'NULL') AS b", "SELECT kept(1), kept(1) IS NULL"),
    ("CREATE MACRO kept(a, b := -1.50) AS b", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a, b := 1e3) AS b", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a, b := 3 + 4) AS b", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a, b := true) AS b", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a, b := DATE '2020-01-01') AS b", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a, b := INTERVAL 1 day) AS b", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a, b := '2020-01-01 00:00:00+02'::timestamptz) AS b", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a, b := '\\xAA'::blob) AS b", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a, b := 12::hugeint) AS b", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a, b := '{}'::json) AS b", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a int, b varchar := 'x') AS a || b", "SELECT kept(1)"),
    ("CREATE MACRO kept(a decimal(10, 2)) AS a", "SELECT kept(1)"),
    ("CREATE MACRO kept(a int) AS a, (a varchar) AS a || 'v'", "SELECT kept(1), kept('x')"),
    (
        "CREATE MACRO kept(a) AS TABLE SELECT 1 AS x, (a) AS y, (not a) AS z, (DATE '2020-01-01') AS d",
        "FROM kept(true)",
    ),
    ("CREATE MACRO kept(a) AS TABLE SELECT struct_pack(x := [1]) AS s, a AS y", "FROM kept(true)"),
    ("CREATE MACRO kept(a) AS list_transform([1, 2], lambda x: x + a)", "SELECT kept(1)"),
    ("CREATE MACRO kept(a) AS 0.1e0 + 0.2E0", "SELECT kept(1), typeof(kept(1))"),
    ("CREATE MACRO kept(a) AS TABLE SELECT 1e3 AS x", "SELECT x, typeof(x) FROM kept(1)"),
    ("CREATE VIEW kept AS SELECT 0.1e0 + 0.2e0 AS x, -1e3 AS y, 1e-3 AS z", "SELECT *, typeof(y) FROM kept"),
    ("CREATE VIEW kept AS SELECT 1e400::varchar AS x, 1_0e1 AS y, '1e3' AS z, 1.5 AS w", "FROM kept"),
    ("CREATE OR REPLACE VIEW kept AS SELECT 12345678901234567e-17 AS x", "SELECT x, typeof(x) FROM kept"),
    ('CREATE VIEW kept("p q", "r""s") AS SELECT 1, \'it\'\'s\'', "FROM kept"),
    (
        "CREATE VIEW kept AS SELECT count(*) > 0 AS some FROM range(1000) USING SAMPLE 5e1 PERCENT (bernoulli)",
        "FROM kept",
    ),
    (
        "CREATE VIEW kept AS WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 3) FROM r",
        "FROM kept",
    ),
    ("COMMENT ON COLUMN shaped.S IS 'it''s'", "FROM shaped"),
    ('COMMENT ON COLUMN "default".main."shaped"."s" IS NULL', "FROM shaped"),
    ("ALTER TABLE shaped ADD COLUMN s.y int; ALTER TABLE shaped DROP COLUMN s.y", "FROM shaped"),
    ("ALTER TABLE shaped ADD COLUMN n int DEFAULT 7; ALTER TABLE shaped DROP COLUMN n", "FROM shaped"),
]
"""Definitions, and a query whose answer must be the same in the session and in a fresh one."""


@pytest.fixture(autouse=True)
def clean(shared: Sql) -> Iterator[None]:
    """A table, and nothing else of these tests."""
    shared.run("DROP VIEW IF EXISTS kept; DROP TABLE IF EXISTS shaped")
    shared.execute("DROP MACRO kept")
    shared.execute("DROP MACRO TABLE kept")
    shared.execute("DROP MACRO bigger")
    shared.run("CREATE TABLE shaped AS SELECT {'x': 1} AS s")
    yield
    shared.execute("ROLLBACK")


@pytest.mark.parametrize("definition", REFUSED)
def test_a_definition_that_could_not_be_read_back_is_refused(caller: Caller, shared: Sql, definition: str) -> None:
    """0A000, with a way out; the session goes on, and every other can begin."""
    reply = shared.execute(definition)
    last = reply["results"][-1]
    assert last["sql_state"] == "0A000", last
    assert "use CREATE TEMP MACRO" in last["message"] or "MACRO kept" not in definition
    shared.execute("ROLLBACK")
    assert shared.rows("SELECT 1 FROM shaped") == [["1"]]
    with caller.session() as other:
        assert other.rows("SELECT s.x FROM shaped") == [["1"]]
        assert other.fails("SELECT kept(1)") == "42883"


@pytest.mark.parametrize(("definition", "query"), READ_BACK)
def test_a_definition_answers_the_same_in_a_fresh_session(
    caller: Caller, shared: Sql, definition: str, query: str
) -> None:
    """Within its transaction, after it, and in another session."""
    shared.run(f"BEGIN; {definition}")
    within = shared.last(query)["result_set"]
    shared.run("COMMIT")
    assert shared.last(query)["result_set"] == within
    assert within["rows"]
    with caller.session() as other:
        assert other.last(query)["result_set"] == within


@pytest.mark.parametrize(
    ("layout", "state"),
    [
        ("SORTED BY (nosuch(i))", "42883"),
        ("SORTED BY (sum(i))", "42000"),
        ("SORTED BY (unnest([i]))", "42000"),
        ("PARTITIONED BY (year(i))", "42883"),
    ],
)
def test_a_layout_that_would_take_no_row_is_refused(caller: Caller, shared: Sql, layout: str, state: str) -> None:
    """Where the ALTER was taken, every INSERT of everybody failed."""
    shared.run("CREATE OR REPLACE TABLE shaped AS SELECT 1 AS i, 'x' AS t")
    assert shared.fails(f"ALTER TABLE shaped SET {layout}") == state
    with caller.session() as other:
        assert other.run("INSERT INTO shaped VALUES (2, 'y')") == "INSERT 0 1"


@pytest.mark.parametrize(
    "layout", ["SORTED BY (i DESC, upper(t), i + 1)", "PARTITIONED BY (i, bucket(4, t))", "SORTED BY ([i, 1])"]
)
def test_a_layout_that_takes_rows_is_taken(caller: Caller, shared: Sql, layout: str) -> None:
    """Set and reset, alone; the reset of a partition not within a transaction, where an INSERT after it would fail."""
    shared.run("CREATE OR REPLACE TABLE shaped AS SELECT 1 AS i, 'x' AS t")
    shared.run(f"BEGIN; ALTER TABLE shaped SET {layout}; INSERT INTO shaped VALUES (2, 'y'); COMMIT")
    with caller.session() as other:
        assert other.run("INSERT INTO shaped VALUES (3, 'y')") == "INSERT 0 1"
    reset = f"ALTER TABLE shaped RESET {layout.split(' (')[0]}"
    if "PARTITIONED" in layout:
        assert shared.fails(f"BEGIN; {reset}") == "25001"
        shared.run("ROLLBACK")
    shared.run(reset)
    assert shared.run("INSERT INTO shaped VALUES (4, 'y')") == "INSERT 0 1"
    assert shared.rows("SELECT i FROM shaped ORDER BY i") == [["1"], ["2"], ["3"], ["4"]]


@pytest.mark.parametrize(
    "definition",
    ["CREATE MACRO kept(a := [1]) AS a", "CREATE VIEW kept AS SELECT 1e3 AS x", "ALTER TABLE shaped DROP COLUMN s.x"],
)
@pytest.mark.parametrize("before", ["EXPLAIN ANALYZE", "EXPLAIN (ANALYZE)", "EXPLAIN"])
def test_a_definition_cannot_be_explained(caller: Caller, shared: Sql, before: str, definition: str) -> None:
    """EXPLAIN ANALYZE would run it as well."""
    assert shared.fails(f"{before} {definition}") == "0A000"
    with caller.session() as other:
        assert other.rows("SELECT s.x FROM shaped") == [["1"]]


def test_a_temporary_macro_takes_every_default(sql: Sql) -> None:
    """It is the way out that the refusal names."""
    sql.run("CREATE TEMP MACRO aside(a, b := [1, 2], c := NULL) AS list_append(b, a)")
    assert sql.rows("SELECT aside(3)") == [["{1,2,3}"]]
    sql.run("CREATE TEMPORARY MACRO temp.main.beside(a int[] := [1]) AS a")
    assert sql.rows("SELECT beside()") == [["{1}"]]


@pytest.mark.parametrize(
    ("comment", "state"),
    [
        ("COMMENT ON COLUMN shaped.nosuch IS 'x'", "42703"),
        ("COMMENT ON COLUMN shaped.rowid IS 'x'", "42703"),
        ("COMMENT ON COLUMN main.shaped.nosuch IS NULL", "42703"),
        ("COMMENT ON COLUMN nosuch.s IS 'x'", "42P01"),
        ("COMMENT ON COLUMN shaped.s.x IS 'x'", "42P01"),
        ("COMMENT ON TABLE nosuch IS 'x'", "42P01"),
    ],
)
def test_a_comment_on_what_is_not_there(shared: Sql, comment: str, state: str) -> None:
    """An error like any other: the session goes on."""
    assert shared.fails(comment) == state
    assert shared.rows("SELECT s.x FROM shaped") == [["1"]]
    shared.run("BEGIN")
    assert shared.fails(comment) == state
    assert shared.fails("SELECT 1") == "25P02"
    assert shared.run("ROLLBACK") == "ROLLBACK"
    assert shared.rows("SELECT s.x FROM shaped") == [["1"]]


@pytest.mark.parametrize(
    "definition",
    [
        "CREATE TABLE defaulted (a int, b varchar DEFAULT 'NULL')",
        "CREATE TABLE defaulted (a int, b varchar DEFAULT ($$NULL$$))",
        "ALTER TABLE widened ADD COLUMN b varchar DEFAULT 'NULL'",
    ],
)
def test_the_text_null_is_no_default(shared: Sql, definition: str) -> None:
    """DuckLake keeps a default as text, in which the word NULL is no value; other spellings are kept."""
    shared.run("CREATE TABLE IF NOT EXISTS widened (a int)")
    assert shared.fails(definition) == "0A000"
    shared.run("CREATE OR REPLACE TABLE spelled (a int, b varchar DEFAULT 'null')")
    shared.run("INSERT INTO spelled (a) VALUES (1)")
    assert shared.rows("SELECT b FROM spelled") == [["null"]]


def test_a_stored_option_is_an_effect(sql: Sql) -> None:
    """It makes no snapshot, and holds for all that attach later."""
    assert sql.effects("CALL \"default\".set_option('parquet_compression', 'snappy')") == "committed"


@pytest.mark.parametrize(
    ("statement", "column", "kind"),
    [
        ("CREATE TABLE listed (a int, xs int[] DEFAULT [])", "xs", "INTEGER[]"),
        ("CREATE TABLE listed (a int, xs int[] DEFAULT [1, 2])", "xs", "INTEGER[]"),
        ("CREATE TABLE listed (a int, s STRUCT(x int) DEFAULT {'x': 1})", "s", "STRUCT(x INTEGER)"),
        ("CREATE TABLE listed (a int, m MAP(text, int) DEFAULT MAP {'a': 1})", "m", "MAP(VARCHAR, INTEGER)"),
        ("ALTER TABLE given ADD COLUMN ys int[] DEFAULT []", "ys", "INTEGER[]"),
        ("ALTER TABLE given ADD COLUMN ys int[] DEFAULT [1]", "ys", "INTEGER[]"),
        ("ALTER TABLE given ADD COLUMN s STRUCT(x int) DEFAULT {'x': 1}", "s", "STRUCT(x INTEGER)"),
        ("ALTER TABLE given ALTER xs SET DEFAULT []", "xs", "INTEGER[]"),
        ("ALTER TABLE given ALTER COLUMN xs SET DEFAULT [1]", "xs", "INTEGER[]"),
    ],
)
def test_default_of_a_nested_type_is_refused_with_its_column(
    given: Sql, statement: str, column: str, kind: str
) -> None:
    """With the type and a way out; the engine says less, or takes it and stores NULL."""
    last = given.last(statement)
    assert last["sql_state"] == "0A000", last
    assert last["message"].startswith(f'column "{column}" of type {kind} cannot have a default')
    assert "in each INSERT" in last["message"]
    assert given.rows("SELECT table_name FROM duckdb_tables() WHERE database_name = 'temp'") == []
    given.run("INSERT INTO given (a) VALUES (1)")


@pytest.mark.parametrize(
    ("default", "sql_state"), [("nope", "0A000"), ("a + 1", "0A000"), ("'x'", "22P02"), ("99999999999", "22003")]
)
def test_default_that_no_row_can_have_is_refused(given: Sql, default: str, sql_state: str) -> None:
    """The engine takes it, and refuses every later row of the table."""
    assert given.fails(f"ALTER TABLE given ALTER a SET DEFAULT {default}") == sql_state
    assert given.run("INSERT INTO given (xs) VALUES ([1])") == "INSERT 0 1"


def test_default_of_a_plain_type_is_taken(given: Sql) -> None:
    """Also NULL, of every type."""
    given.run("ALTER TABLE given ALTER a SET DEFAULT 5; ALTER TABLE given ALTER xs SET DEFAULT NULL")
    given.run("ALTER TABLE given ALTER d SET DEFAULT '2026-01-31'; ALTER TABLE given ALTER b SET DEFAULT 'it''s'")
    given.run("INSERT INTO given (xs) VALUES (NULL)")
    assert given.rows("SELECT a, xs, d, b FROM given") == [["5", None, "2026-01-31", "it's"]]


@pytest.fixture
def given(shared: Sql) -> Sql:
    """An empty table with a column of each kind."""
    shared.run("CREATE OR REPLACE TABLE given (a int, xs int[], d date, b text)")
    return shared


def test_constants_and_temporary_tables_have_their_defaults(sql: Sql) -> None:
    """A call that is named as a type is a constant, and only a catalog cannot tell the text NULL from no value."""
    sql.run("CREATE TEMP TABLE aside (t text DEFAULT 'NULL', n int); INSERT INTO aside (n) VALUES (1)")
    assert sql.rows("SELECT t FROM aside") == [["NULL"]]
    sql.run("CREATE TABLE typed (i int); INSERT INTO typed VALUES (1)")
    sql.run("ALTER TABLE typed ADD COLUMN j json DEFAULT json('[1]')")
    sql.run("ALTER TABLE typed ADD COLUMN d date DEFAULT date('2024-01-31')")
    assert sql.rows("FROM typed") == [["1", "[1]", "2024-01-31"]]


def test_a_macro_that_is_there_is_a_duplicate_function(sql: Sql) -> None:
    """PostgreSQL's code for it."""
    sql.run("CREATE MACRO twice_made(a) AS a")
    assert sql.fails("CREATE MACRO twice_made(a) AS a") == "42723"


@pytest.mark.parametrize(
    "head", ["CREATE MACRO ", "create or replace\n function main.", "SELECT 'é'; CREATE TEMP MACRO IF NOT EXISTS "]
)
def test_a_macro_with_the_name_of_a_function_is_refused_at_the_name(sql: Sql, head: str) -> None:
    """With its position in the script, in any case."""
    for name in ("upper", '"Upper"'):
        refused = sql.last(f"{head}{name}(x) AS x")
        assert (refused["sql_state"], refused["position"]) == ("42723", len(head) + 1)


@pytest.mark.parametrize("name", ["upper", "main.upper", "current_user", "temp.current_setting", "CURRENT_SETTING"])
def test_functions_of_the_engine_and_the_service_cannot_be_dropped(sql: Sql, name: str) -> None:
    """The error is about DROP, and they work as before."""
    for drop in (f"DROP MACRO {name}", f"DROP FUNCTION IF EXISTS {name}"):
        refused = sql.last(drop)
        assert (refused["sql_state"], "drop" in refused["message"]) == ("2BP01", True)
    assert sql.rows("SELECT upper(current_user()), current_setting('null_order')") == [["ALICE", "NULLS_LAST"]]
