"""Where an error lies: the caller's own line and character, whatever the statement, in the answer and on record."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from tests.service.caller import Caller, Json, Sql

COLUMN, FUNCTION, TABLE, CAST = "nope", "no_such_function(1)", "(SELECT 1 FROM no_such_table)", "'x'::int"

ERRORS: Final = {
    COLUMN: ("42703", 0),
    FUNCTION: ("42883", 0),
    TABLE: ("42P01", TABLE.index("no_such_table")),
    CAST: ("22P02", CAST.index("::")),
}
"""Expressions that fail: the code, and how far behind their beginning the place is."""

KINDS: Final = (
    "SELECT {}",
    "SELECT 1, {}, 2 AS b",
    "SELECT sum(a), {} FROM placed",
    "VALUES (1), ({})",
    "FROM placed SELECT {}",
    "WITH w AS (SELECT {} AS c) SELECT c FROM w",
    "SELECT * FROM placed WHERE a = {}",
    "SELECT a FROM placed UNION ALL SELECT {}",
    "SELECT (SELECT {})",
    "EXPLAIN ANALYZE SELECT {}",
    "CREATE TABLE placed_new AS SELECT {} AS c",
    "INSERT INTO placed SELECT {}",
    "INSERT INTO placed VALUES ({})",
    "UPDATE placed SET a = {}",
    "DELETE FROM placed WHERE a = {}",
    "MERGE INTO placed USING (SELECT {} AS k) s ON a = s.k WHEN MATCHED THEN DELETE",
    "COPY (SELECT {}) TO 'placed.csv'",
    "SET VARIABLE placed = (SELECT {})",
)
UNEVALUATED: Final = (
    "DESCRIBE SELECT {}",
    "EXPLAIN SELECT {}",
    "PREPARE placed_one AS SELECT {}",
    "CREATE VIEW placed_view AS SELECT {} AS c",
)
"""Statements that look at an expression without a value of it."""

PREFIX: Final = "SELECT 1; /* é; 😀 */\nSELECT '日本;' AS \"ö\";\r\n\tSELECT $q$;\n$q$ || 'x';\n  "
"""Three statements before the one that fails: comments, line breaks, quotes and characters of every width."""


@pytest.fixture(scope="module")
def placed(caller: Caller) -> Iterator[Sql]:
    """A session with something to be about."""
    with caller.session() as session:
        session.run("CREATE TABLE placed (a int); INSERT INTO placed VALUES (1), (2)")
        session.run("CREATE TABLE placed_two (a int, b int)")
        session.run("CREATE TABLE placed_text (s text); INSERT INTO placed_text VALUES ('1'), ('x')")
        session.run("CREATE VIEW placed_casts AS SELECT s AS t, s::int AS i FROM placed_text")
        session.run("CREATE MACRO placed_cast(v) AS v::int")
        session.run("CREATE TABLE placed_struct (s STRUCT(x int, y int))")
        session.run("CREATE SCHEMA placed_schema; CREATE TABLE placed_schema.t (a int)")
        session.run("PREPARE placed_query AS SELECT s::int FROM placed_text")
        yield session


def line_of(script: str, position: int) -> str:
    """The two lines that show a place, for short lines without wide characters before it."""
    before = script[: position - 1].replace("\r\n", "\n").split("\n")
    line = script.replace("\r\n", "\n").split("\n")[len(before) - 1].replace("\t", " ")
    head = f"LINE {len(before)}: "
    return f"\n\n{head}{line}\n{' ' * (len(head) + len(before[-1]))}^"


def assert_placed(sql: Sql, script: str, sql_state: str, position: int, **fields: object) -> Json:
    """Assert the code, the place and its picture in the answer, the page asked for later, and on record."""
    answer = sql.execute(script, **fields)
    last: Json = answer["results"][-1]
    assert (last["sql_state"], last.get("position")) == (sql_state, position), (script, last)
    assert last["message"].endswith(line_of(script, position)), (script, last["message"])
    assert sql.show(answer["statement_id"])["results"][-1] == last
    record = sql.caller.record(answer["statement_id"])
    assert (record["position"], record["message"]) == (position, last["message"])
    return last


@pytest.mark.parametrize("kind", [*KINDS, *UNEVALUATED])
@pytest.mark.parametrize("expression", ERRORS)
def test_every_statement_tells_the_place_of_every_error(placed: Sql, kind: str, expression: str) -> None:
    """Alone, and as the last part of a script: the place counts from the beginning of the whole text."""
    if expression == CAST and kind in UNEVALUATED:
        expression, (sql_state, behind) = COLUMN, ERRORS[COLUMN]
    else:
        sql_state, behind = ERRORS[expression]
    for prefix in ("", PREFIX):
        script = prefix + kind.format(expression)
        place = len(prefix) + kind.index("{}") + behind + 1
        assert_placed(placed, script, sql_state, place)


class Case(NamedTuple):
    """A statement that fails at the word behind ``→``."""

    marked: str
    sql_state: str

    @property
    def script(self) -> str:
        """The text without the mark."""
        return self.marked.replace("→", "")

    @property
    def position(self) -> int:
        """Where the mark stands."""
        return self.marked.index("→") + 1


CASES: Final = (
    Case("→frobnicate", "42601"),
    Case("SELECT 1 +→", "42601"),
    Case("SELECT 'é', →'open", "42601"),
    Case("SELECT 1 FROM →WHERE true", "42601"),
    Case("SELECT 'ééé' FROM →WHERE true", "42601"),
    Case("SELECT 'ééé' +→", "42601"),
    Case("SELECT 'ééé'; CREATE SCHEMA →a.b.c", "42601"),
    Case("SELECT 'ééé', →nope", "42703"),
    Case("SET x →5", "42601"),
    Case("SELECT interval →'abc'", "22007"),
    Case("SELECT 1\n  , 99999999999→::int", "22003"),
    Case("DESCRIBE →no_such_table", "42P01"),
    Case("TABLE →no_such_table", "42P01"),
    Case("DROP TABLE →no_such_table", "42P01"),
    Case("ALTER TABLE →no_such_table ADD COLUMN a int", "42P01"),
    Case("ALTER TABLE placed DROP COLUMN →nope", "42703"),
    Case("ALTER TABLE placed RENAME →nope TO b", "42703"),
    Case("CREATE TABLE →placed (a int)", "42P07"),
    Case("INSERT INTO placed (→nope) VALUES (1)", "42703"),
    Case("UPDATE placed SET →nope = 1", "42703"),
    Case("SELECT * EXCLUDE (→nope) FROM placed", "42703"),
    Case("SELECT →nope.* FROM placed", "42P01"),
    Case("SELECT * FROM placed JOIN placed_text USING (→nope)", "42703"),
    Case("CALL →no_such_procedure()", "42883"),
    Case("SELECT →sum('a')", "42883"),
    Case("SELECT 'a'::→no_such_type", "42704"),
    Case("SELECT a FROM placed WHERE →count(*) > 1", "42803"),
    Case("SELECT s→::date FROM placed_text", "22007"),
    Case("SELECT sum(length(s)), s→::int FROM placed_text GROUP BY s", "22P02"),
    Case("SELECT * FROM →'absent.csv'", "58P01"),
    Case("SELECT * FROM →read_csv('absent.csv')", "58P01"),
    Case("SELECT * FROM read_text(→'/etc/hostname')", "42501"),
    Case("SELECT →getenv('HOME')", "42501"),
    Case("COPY placed_text FROM →'absent.csv'", "58P01"),
    Case("COMMENT ON COLUMN placed.→nope IS 'é'", "42703"),
    Case("COMMENT ON COLUMN main.placed.→nope IS 'é'", "42703"),
    Case("COMMENT ON COLUMN →no_such_table.a IS 'é'", "42P01"),
    Case("COMMENT ON TABLE →no_such_schema.a IS 'é'", "42P01"),
    Case("COMMENT ON VIEW →placed IS 'x'", "42809"),
    Case("INSERT INTO placed VALUES (1, →'é')", "42601"),
    Case("INSERT INTO placed (a) SELECT 1, →2", "42601"),
    Case("INSERT INTO placed_text (s) VALUES ('1'), (→'2', '3')", "42601"),
    Case("INSERT INTO →placed_two VALUES (1)", "42601"),
    Case("INSERT INTO placed_two (a, →b) VALUES (1)", "42601"),
    Case("INSERT INTO placed (a, →a) VALUES (1, 2)", "42701"),
    Case("MERGE INTO placed p USING placed q ON p.a = q.a WHEN NOT MATCHED THEN INSERT VALUES (1, →2)", "42601"),
    Case("INSERT INTO →placed_casts VALUES (1)", "42809"),
    Case("DELETE FROM →placed_casts", "42809"),
    Case("TRUNCATE TABLE →placed_casts", "42809"),
    Case("UPDATE →placed_casts SET i = 1", "42809"),
    Case("SELECT 'é' FROM →'a.foo'", "42P01"),
    Case("FROM →'no_such_file'", "42P01"),
    Case("SELECT 'é' FROM →no_such_catalog.main.t", "3D000"),
    Case("INSERT INTO →no_such_catalog.main.t VALUES (1)", "3D000"),
    Case("DROP TABLE →no_such_catalog.main.t", "42501"),
    Case("CREATE TABLE →no_such_catalog.main.t (a int)", "42501"),
    Case("CREATE TABLE placed_new (é int, →i INTERVAL)", "0A000"),
    Case("CREATE TABLE placed_new (a HUGEINT, →i INTERVAL)", "0A000"),
    Case("CREATE TABLE placed_new AS SELECT 'é' AS a, →interval '1 day'", "0A000"),
    Case("CREATE TABLE placed_new AS SELECT a, →c FROM (SELECT a, interval '1 day' AS c FROM placed)", "0A000"),
    Case("ALTER TABLE placed ADD COLUMN →i INTERVAL", "0A000"),
    Case("ALTER TABLE placed ALTER →a TYPE text", "0A000"),
    Case("COPY (SELECT 'é' AS a, →interval '1 day') TO 'placed.parquet'", "0A000"),
    Case("CREATE TABLE placed_new (é int128, b →no_such_type)", "42704"),
    Case("CREATE TABLE placed_new (é HUGEINT, b int DEFAULT →nope)", "0A000"),
    Case("CREATE TABLE placed_new (a HUGEINT, →a int)", "42701"),
    Case("ALTER TABLE placed ADD COLUMN h HUGEINT DEFAULT →nope", "0A000"),
    Case("CREATE VIEW placed_view AS SELECT 'é', 1e3, 2e0, →nope FROM placed", "42703"),
    Case("CREATE VIEW placed_view AS SELECT 1e3 FROM →no_such_table", "42P01"),
    Case("SELECT name, →nope FROM duckdb_settings()", "42703"),
    Case("SELECT name FROM duckdb_settings() WHERE →,", "42601"),
    Case("ALTER TABLE placed ADD COLUMN c int, →ADD COLUMN d int", "0A000"),
    Case("DROP TABLE placed, →placed_text", "0A000"),
    Case("→ALTER TABLE placed SET SCHEMA main", "0A000"),
    Case("→ATTACH 'é.db'", "42501"),
    Case("CREATE →INDEX i ON placed (a)", "0A000"),
    Case("CREATE TABLE placed_new (a int →PRIMARY KEY)", "0A000"),
    Case("CREATE TABLE placed_new (a int, CHECK (→nope > 1))", "42703"),
    Case("CREATE TABLE placed_new (a int, b text DEFAULT →'NULL')", "0A000"),
    Case("CREATE TABLE placed_new (→xs int[] DEFAULT [1])", "0A000"),
    Case("ALTER TABLE placed RENAME TO →placed_text", "42P07"),
    Case("COPY placed TO 'é.csv' (→no_such_option 1)", "42601"),
    Case("COPY placed TO 'é.xyz' (FORMAT →xyz)", "0A000"),
    Case("COPY placed TO →'/etc/é.csv'", "42501"),
    Case("COPY placed TO →'absent/é.csv'", "58P01"),
    Case("WITH w AS (SELECT 'é'), →w AS (SELECT 2) SELECT * FROM w", "42712"),
    Case("SELECT a FROM placed GROUP BY →7", "42P10"),
    Case("SELECT sum(a) OVER →nope FROM placed", "42704"),
    Case("SELECT {'é': 1}.→nope", "42703"),
    Case("SELECT 'é', →placed_cast()", "42883"),
    Case("SELECT a FROM placed →FOR UPDATE", "0A000"),
    Case("SELECT 'é', →$1", "42P02"),
    Case("INSERT INTO placed VALUES (→?)", "42P02"),
    Case("CREATE MACRO placed_new(→a := (SELECT 1)) AS a", "0A000"),
    Case("CREATE MACRO placed_new(→a := random()) AS a", "0A000"),
    Case("CREATE VIEW placed_view AS →PIVOT placed ON a USING count(*)", "0A000"),
    Case("DROP SCHEMA →placed_schema", "2BP01"),
    Case("ALTER TABLE placed_struct ADD COLUMN s.→x int", "42701"),
    Case("ALTER TABLE placed_struct RENAME COLUMN s.x TO →y", "42701"),
    Case("UPDATE placed SET a = →sum(a)", "42803"),
    Case("UPDATE placed SET a = →row_number() OVER ()", "42P20"),
    Case("UPDATE placed →SET placed.a = 1", "0A000"),
    Case("UPDATE placed SET a = →DEFAULT", "0A000"),
    Case("MERGE INTO →placed_casts USING placed s ON true WHEN MATCHED THEN DELETE", "42809"),
    Case("INSERT INTO placed VALUES (1) ON →CONFLICT DO NOTHING", "42P10"),
    Case("INSERT INTO placed VALUES (1) ON →CONFLICT (a) DO UPDATE SET a = 1", "42P10"),
    Case("UNPIVOT placed ON COLUMNS(→nope)", "42703"),
    Case("ALTER TABLE placed ADD COLUMN é int →GENERATED ALWAYS AS (a)", "0A000"),
    Case("ALTER TABLE placed SET SORTED BY (a, →nope)", "42703"),
    Case("ALTER VIEW placed_casts →ADD COLUMN x int", "42809"),
    Case("CREATE TABLE placed_new (a struct(é int, →é int))", "42701"),
    Case("CREATE TABLE placed_new (é →map(int))", "22023"),
    Case("CREATE TABLE →temp.placed_new (a int)", "42P16"),
    Case("DROP VIEW →duckdb_tables", "2BP01"),
    Case("DROP TABLE information_schema.→tables", "2BP01"),
    Case("COPY placed_two TO 'é.parquet' (FIELD_IDS {→nope: 1})", "42703"),
    Case("COPY placed_two TO 'é.csv' (→quote 'ab')", "22023"),
    Case("COPY placed_two TO 'é.parquet' (→COMPRESSION_LEVEL 99)", "22023"),
    Case("COMMENT ON COLUMN →placed_casts.i IS 'é'", "0A000"),
    Case("COMMENT ON →MACRO placed_cast IS 'é'", "0A000"),
    Case("CREATE TABLE placed_new (a int →REFERENCES placed(a))", "42830"),
    Case("CREATE TABLE placed_new (é int GENERATED ALWAYS AS (→nope + 1))", "42703"),
    Case("CREATE TABLE placed_new (a int, é int →GENERATED ALWAYS AS (a + 1))", "0A000"),
    Case("CREATE TABLE placed_new (é text →COLLATE nocase)", "0A000"),
    Case("CREATE TABLE placed_new (é int) →WITH (fillfactor = 70)", "0A000"),
    Case("DROP VIEW →placed", "42809"),
    Case("DROP TABLE IF EXISTS →placed_casts", "42809"),
    Case("CREATE OR REPLACE VIEW →placed AS SELECT 'é'", "42809"),
    Case("CREATE OR REPLACE TABLE →placed_casts AS SELECT 'é'", "42809"),
    Case("ALTER TABLE placed ALTER →a DROP NOT NULL", "55000"),
    Case("ALTER TABLE placed ALTER a TYPE bigint →USING a + 1", "0A000"),
    Case("ALTER TABLE placed ADD COLUMN é int →NOT NULL DEFAULT 5", "0A000"),
    Case("ALTER TABLE placed SET PARTITIONED BY (→bucket(0, a))", "22023"),
    Case("ALTER VIEW placed_casts RENAME TO →placed", "42P07"),
    Case("SELECT 'é' UNION SELECT →1, 2", "42601"),
    Case("SELECT 'é' UNION ALL SELECT 2 EXCEPT SELECT →1, 2", "42601"),
    Case("SELECT 'é', interval →'1 nope'", "22023"),
    Case("SELECT →columns('nope') FROM placed", "42703"),
    Case("SELECT 'é', →unnest(1)", "42804"),
    Case("SELECT 'é', →read_text('x')", "42809"),
    Case("SELECT 'é', →struct_pack(1)", "42601"),
    Case("SELECT 'é', →list_reduce([1], lambda x: x)", "42804"),
    Case("SELECT json_serialize_plan('SELECT 1', →nope := true)", "22023"),
    Case("CALL →pragma_version(1)", "42883"),
    Case("INSERT INTO placed VALUES (1) →RETURNING a", "0A000"),
    Case("COPY placed_two TO 'é.parquet' (→COMPRESSION nope)", "22023"),
    Case("COPY placed_two TO 'é' (PARTITION_BY (→nope))", "42703"),
    Case("COPY placed_two TO 'é/' (PARTITION_BY (a), →nope)", "42601"),
    Case("COPY placed TO 'é/' (→PARTITION_BY (a))", "0A000"),
    Case("SELECT i, CASE WHEN i = 250000 THEN ('x' || i)→::int END FROM range(300000) t(i)", "22P02"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.script)
def test_error_is_shown_where_it_lies(placed: Sql, case: Case) -> None:
    """PostgreSQL's places for the same mistakes; of an error without one, the word that it names."""
    assert_placed(placed, case.script, case.sql_state, case.position)


@pytest.mark.parametrize(
    ("script", "bindings"),
    [("SELECT $1, →nope", ["1"]), ("SELECT ?, s→::int FROM placed_text", ["1"]), ("SELECT sum(→nope), $1::int", ["1"])],
)
def test_bound_statement_is_shown_as_it_was_written(placed: Sql, script: str, bindings: list[str]) -> None:
    """Also where the engine ran it within text of ours."""
    case = Case(script, "")
    answer = placed.last(case.script, bindings=[bindings])
    assert answer["position"] == case.position
    assert answer["message"].endswith(line_of(case.script, case.position))


@pytest.mark.parametrize(
    "script",
    [
        "SELECT * FROM placed_casts",
        "SELECT 1, i FROM placed_casts",
        "SELECT placed_cast(s) FROM placed_text",
        "CREATE TEMP VIEW placed_inner AS SELECT s::int AS i FROM placed_text; SELECT i FROM placed_inner",
        "BEGIN; CREATE VIEW placed_later AS SELECT s::int AS i FROM placed_text; SELECT i FROM placed_later",
        "ROLLBACK; EXECUTE placed_query",
    ],
)
def test_place_in_kept_sql_is_no_place_of_the_callers(placed: Sql, script: str) -> None:
    """The engine says where in the view, macro or prepared statement it stopped: no place of the caller's text."""
    last = placed.last(script)
    assert (last["sql_state"], "position" in last, "LINE" in last["message"]) == ("22P02", False, False)


@pytest.mark.parametrize("case", CASES[::3], ids=lambda case: case.script)
def test_place_counts_from_the_beginning_of_the_script(placed: Sql, case: Case) -> None:
    """Behind other statements, comments, line breaks and characters of every width."""
    assert_placed(placed, PREFIX + case.script, case.sql_state, len(PREFIX) + case.position)


def test_place_in_a_table_s_own_sql_is_no_place_of_the_callers(placed: Sql) -> None:
    """A default and a sort expression fail in the INSERT that runs them, at a place of their own text."""
    placed.run("CREATE TABLE placed_default (a int, b int DEFAULT ('1' || coalesce(getvariable('tail'), ''))::int)")
    placed.run("SET VARIABLE tail = 'x'")
    placed.run("CREATE TABLE placed_sorted (a text); ALTER TABLE placed_sorted SET SORTED BY (a::int)")
    for script in (
        "INSERT INTO placed_default (a) VALUES (1)",
        "BEGIN; INSERT INTO placed_default (a) SELECT 1 FROM range(3)",
        "ROLLBACK; INSERT INTO placed_sorted VALUES ('x')",
        "RESET VARIABLE tail; "
        "CREATE TEMP TABLE placed_checked (a int, b int DEFAULT ('1' || getvariable('tail'))::int); "
        "SET VARIABLE tail = 'x'; INSERT INTO placed_checked (a) VALUES (1)",
    ):
        last = placed.last(script)
        assert (last["sql_state"], last.get("position")) == ("22P02", None), (script, last)


def test_place_in_a_table_s_own_sql_does_not_hide_that_of_a_copy(placed: Sql) -> None:
    """A COPY out of a table evaluates none of its defaults."""
    placed.run("CREATE TABLE placed_dated (a int, b date DEFAULT current_date + 1)")
    for case in (
        Case("COPY placed_dated TO 'dated.csv' (→nope)", "42601"),
        Case("COPY placed_dated TO 'dated' (PARTITION_BY (→nope))", "42703"),
    ):
        assert_placed(placed, case.script, case.sql_state, case.position)


MAINTENANCE: Final = (
    Case("CALL \"default\".merge_adjacent_files(→'nope')", "42P01"),
    Case("CALL ducklake_merge_adjacent_files('default',\n 'é', →nope => 1)", "42883"),
    Case("CALL ducklake_merge_adjacent_files('default', max_compacted_files => →'é')", "22P02"),
    Case("CALL \"default\".merge_adjacent_files('placed', →max_compacted_files => 0)", "22023"),
    Case("CALL \"default\".rewrite_data_files('placed', →delete_threshold => 5)", "22023"),
    Case("CALL \"default\".flush_inlined_data(schema_name => →'nope')", "3F000"),
    Case("CALL \"default\".expire_snapshots(older_than => →'é')", "22007"),
    Case("CALL \"default\".set_option(→'target_file_size', '-5')", "22023"),
    Case("CALL \"default\".set_option('parquet_version', 2, table_name => →'nope')", "42P01"),
)


@pytest.mark.parametrize("case", MAINTENANCE, ids=lambda case: case.script)
def test_error_of_maintenance_is_shown_where_it_lies(placed: Sql, case: Case) -> None:
    """What runs is another text, made of the caller's words."""
    for prefix in ("", PREFIX):
        assert_placed(placed, prefix + case.script, case.sql_state, len(prefix) + case.position)


def test_place_of_a_set_of_bindings(placed: Sql) -> None:
    """The statement's own place, with the number of the set before the engine's words."""
    for script, sql_state in (
        ("INSERT INTO placed_two VALUES ($1, $2, →'é')", "42601"),
        ("INSERT INTO placed_two VALUES ($1, $2 + →nope)", "42703"),
        ("INSERT INTO →no_such_table VALUES ($1, $2)", "42P01"),
    ):
        case = Case(script, sql_state)
        last = assert_placed(placed, case.script, sql_state, case.position, bindings=[["1", "2"], ["3", "4"]])
        assert last["message"].startswith("set 1 of the bindings: ")


def test_wide_characters_take_two_columns(placed: Sql) -> None:
    """The caret stands below the word in a terminal; the position counts characters."""
    last = placed.last("SELECT '日本', nope")
    assert last["position"] == 14
    assert last["message"].endswith(f"\n\nLINE 1: SELECT '日本', nope\n{' ' * (8 + 15)}^")


def test_long_line_is_shown_around_the_place(placed: Sql) -> None:
    """A line of a megabyte makes no message of a megabyte."""
    last = placed.last(f"SELECT {'1, ' * 300000}nope{', 2' * 300000}")
    assert last["position"] == 8 + 900000
    shown, caret = last["message"].split("\n")[-2:]
    assert shown.startswith("LINE 1: ...")
    assert shown.endswith("...")
    assert shown[caret.index("^") :].startswith("nope")
    assert len(shown) < 140
