"""What SQL means here: errors by their SQLSTATE, definitions, writes, and what other sessions see."""

import concurrent.futures

import pytest

from tests.service.caller import Caller, Sql

ERRORS = [
    ("SELECT", "42601"),
    ("frobnicate", "42601"),
    ("SELECT 'open", "42601"),
    ("SELECT * FROM no_such_table", "42P01"),
    ("DROP TABLE no_such_table", "42P01"),
    ("SELECT other.x FROM (SELECT 1 AS x) t", "42P01"),
    ("SELECT nope FROM (SELECT 1 AS x)", "42703"),
    ("SELECT t.nope FROM (SELECT 1 AS x) t", "42703"),
    ("INSERT INTO sample (nope) VALUES (1)", "42703"),
    ("UPDATE sample SET nope = 1", "42703"),
    ("ALTER TABLE sample DROP COLUMN nope", "42703"),
    ("SELECT x FROM (SELECT 1 AS x) a, (SELECT 2 AS x) b", "42702"),
    ("SELECT no_such_function(1)", "42883"),
    ("SELECT sum('a')", "42883"),
    ("CALL no_such_function()", "42883"),
    ("SELECT 'a'::no_such_type", "42704"),
    ("CREATE TABLE sample (x int)", "42P07"),
    ("CREATE VIEW sample_view AS SELECT 1", "42P07"),
    ("CREATE SCHEMA sample_schema", "42P06"),
    ("CREATE TABLE twice (x int, x int)", "42701"),
    ("ALTER TABLE sample ADD COLUMN a int", "42701"),
    ("DROP VIEW sample", "42809"),
    ("DROP SCHEMA sample_schema", "2BP01"),
    ("SET search_path TO no_such_schema", "3F000"),
    ("SELECT a, count(*) FROM sample", "42803"),
    ("SELECT a FROM sample WHERE count(*) > 1", "42803"),
    ("SELECT a FROM sample WHERE row_number() OVER () = 1", "42P20"),
    ("SELECT 1 UNION SELECT 1, 2", "42601"),
    ("INSERT INTO sample VALUES (1)", "42601"),
    ("SELECT (SELECT * FROM range(2))", "21000"),
    ("SELECT 'a'::int", "22P02"),
    ("SELECT 'x'::uuid", "22P02"),
    ("SELECT 300::tinyint", "22003"),
    ("SELECT 99999999999::int", "22003"),
    ("SELECT 9223372036854775807 + 1", "22003"),
    ("SELECT 12345.6::decimal(3, 1)", "22003"),
    ("SELECT 'abc'::date", "22007"),
    ("SELECT 'abc'::timestamp", "22007"),
    ("SELECT '2026-02-30'::date", "22008"),
    ("SELECT [1]::int", "42846"),
    ("INSERT INTO sample VALUES (NULL, 'x')", "23502"),
    ("CREATE TABLE keyed (x int PRIMARY KEY)", "0A000"),
    ("CREATE INDEX i ON sample (a)", "0A000"),
    ("CREATE SEQUENCE s", "0A000"),
    ("INSERT INTO sample VALUES (1, 'x') RETURNING a", "0A000"),
    ("CREATE TABLE checked (x int CHECK (x > 0))", "0A000"),
    ("EXECUTE no_such_statement", "26000"),
    ("SELECT repeat('x', 3000000000)", "53200"),
    ("SELECT $1", "42P02"),
]


@pytest.fixture(scope="module")
def sample(caller: Caller) -> None:
    """A table, a view and a schema for the errors to be about."""
    with caller.session() as session:
        session.run("CREATE TABLE sample (a int NOT NULL, b text)")
        session.run("CREATE VIEW sample_view AS SELECT 1 AS one")
        session.run("CREATE SCHEMA sample_schema; CREATE TABLE sample_schema.inner_table (x int)")


@pytest.mark.usefixtures("sample")
def test_errors_have_their_sqlstate(sql: Sql) -> None:
    """Each common error has PostgreSQL's code, and after all of them the session goes on."""
    assert {query: sql.fails(query) for query, _ in ERRORS} == dict(ERRORS)
    assert sql.rows("SELECT count(*) FROM sample") == [["0"]]


def test_the_engine_gives_infinity_for_a_division_by_zero(sql: Sql) -> None:
    """Division is the engine's own: floating point, and NULL for whole numbers."""
    assert sql.rows("SELECT 1 / 0, -1 / 0, 1 // 0, 1 % 0") == [["Infinity", "-Infinity", None, None]]


def test_writes_tell_how_many_rows(sql: Sql) -> None:
    """Command tags and num_rows as PostgreSQL writes them."""
    sql.run("CREATE TABLE written (a int, b text)")
    assert (
        sql.last("INSERT INTO written VALUES (1, 'x'), (2, 'y')").items()
        >= {
            "message": "INSERT 0 2",
            "num_rows": 2,
            "status": "PGRES_COMMAND_OK",
        }.items()
    )
    assert sql.run("UPDATE written SET b = 'z' WHERE a = 1") == "UPDATE 1"
    assert sql.run("UPDATE written SET b = 'z' WHERE false") == "UPDATE 0"
    assert sql.run("DELETE FROM written WHERE a = 9") == "DELETE 0"
    merge = (
        "MERGE INTO written t USING (VALUES (1, 'm'), (3, 'n')) s(a, b) ON t.a = s.a "
        "WHEN MATCHED THEN UPDATE SET b = s.b WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.b)"
    )
    assert sql.run(merge) == "MERGE 2"
    assert sql.rows("SELECT * FROM written ORDER BY a") == [["1", "m"], ["2", "y"], ["3", "n"]]
    assert sql.run("TRUNCATE written") == "TRUNCATE TABLE"
    assert sql.rows("SELECT count(*) FROM written") == [["0"]]


def test_definitions(sql: Sql) -> None:
    """Tables, columns, views, schemas and macros are made, changed and dropped."""
    assert sql.run("CREATE TABLE made AS SELECT 1 AS a, 'x' AS b") == "CREATE TABLE"
    assert sql.run("ALTER TABLE made ADD COLUMN c int") == "ALTER TABLE"
    assert sql.run("ALTER TABLE made RENAME COLUMN b TO d") == "ALTER TABLE"
    assert sql.rows("SELECT a, c, d FROM made") == [["1", None, "x"]]
    assert sql.run("ALTER TABLE made DROP COLUMN c") == "ALTER TABLE"
    assert sql.run("ALTER TABLE made ALTER COLUMN a TYPE bigint") == "ALTER TABLE"
    assert sql.run("ALTER TABLE made RENAME TO remade") == "ALTER TABLE"
    assert sql.run("CREATE VIEW viewed AS SELECT a + 1 AS n FROM remade") == "CREATE VIEW"
    assert sql.rows("FROM viewed") == [["2"]]
    assert sql.run("CREATE OR REPLACE VIEW viewed AS SELECT 5 AS n") == "CREATE VIEW"
    assert sql.rows("FROM viewed") == [["5"]]
    assert sql.run("DROP VIEW viewed") == "DROP VIEW"
    assert sql.run("CREATE SCHEMA folder") == "CREATE SCHEMA"
    assert sql.run("CREATE TABLE folder.inside AS SELECT 7 AS n") == "CREATE TABLE"
    assert sql.rows("FROM folder.inside") == [["7"]]
    assert sql.run("DROP SCHEMA folder CASCADE") == "DROP SCHEMA"
    assert sql.fails("FROM folder.inside") in ("42P01", "3F000")
    assert sql.run("CREATE MACRO twice(x) AS 2 * x") == "CREATE MACRO"
    assert sql.rows("SELECT twice(21)") == [["42"]]
    assert sql.run("DROP TABLE remade") == "DROP TABLE"


def test_one_session_sees_what_another_made(caller: Caller, sql: Sql) -> None:
    """Tables at once after the commit, temporary ones never; views and macros as well."""
    sql.run(
        "CREATE TABLE seen_by_both AS SELECT 1 AS x; CREATE VIEW shared_view AS SELECT x + 1 AS y FROM seen_by_both"
    )
    sql.run("CREATE MACRO shared_macro(x) AS x * 10; CREATE TEMP TABLE private AS SELECT 1 AS x")
    sql.run("SET VARIABLE secret = 5; PREPARE mine AS SELECT 1")
    with caller.session() as other:
        assert other.rows("SELECT shared_macro(y) FROM shared_view") == [["20"]]
        assert other.fails("FROM private") == "42P01"
        assert other.rows("SELECT getvariable('secret')") == [[None]]
        assert other.fails("EXECUTE mine") == "26000"
        other.run("CREATE TEMP TABLE private (y text)")
        other.run("INSERT INTO seen_by_both VALUES (2)")
    assert sql.rows("SELECT sum(x) FROM seen_by_both") == [["3"]]
    assert sql.rows("FROM private") == [["1"]]


def test_prepared_statements_run_with_their_values(sql: Sql) -> None:
    """PREPARE, EXECUTE and DEALLOCATE within a session, for reads and writes."""
    sql.run("CREATE TEMP TABLE kept (x int); PREPARE put AS INSERT INTO kept VALUES ($1 + 1); EXECUTE put(4)")
    sql.run("PREPARE got AS SELECT x * $1 AS y FROM kept")
    assert sql.rows("EXECUTE got(2)") == [["10"]]
    assert sql.run("DEALLOCATE got") == "DEALLOCATE"
    assert sql.fails("EXECUTE got(2)") == "26000"


def test_four_sessions_write_one_table(caller: Caller, sql: Sql) -> None:
    """Four times fifteen inserts at once: none fails and every row is there."""
    sql.run("CREATE TABLE crowded (w int, n int)")

    def write(number: int) -> list[int]:
        with caller.session() as session:
            return [session.execute(f"INSERT INTO crowded VALUES ({number}, {n})")["status"] for n in range(15)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(4))) == [[2] * 15] * 4
    assert sql.rows("SELECT count(*), count(DISTINCT (w, n)) FROM crowded") == [["60", "60"]]


def test_no_update_is_lost(caller: Caller, sql: Sql) -> None:
    """Updates of one row from four sessions: the sum is the number of those that succeeded, the others are 40001."""
    sql.run("CREATE TABLE counter AS SELECT 0 AS n")

    def count(_: int) -> list[tuple[int, str]]:
        with caller.session() as session:
            replies = [session.execute("UPDATE counter SET n = n + 1") for _ in range(6)]
            return [(reply["status"], reply["results"][0]["sql_state"]) for reply in replies]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = [outcome for outcomes in pool.map(count, range(4)) for outcome in outcomes]
    assert set(outcomes) <= {(2, "00000"), (-1, "40001")}
    assert sql.rows("SELECT n FROM counter") == [[str(outcomes.count((2, "00000")))]]


def test_extensions_can_be_listed(sql: Sql) -> None:
    """The list comes without a look into a folder of the worker's."""
    listed = [name for (name,) in sql.rows("SELECT extension_name FROM duckdb_extensions() WHERE loaded ORDER BY 1")]
    assert {"ducklake", "parquet", "postgres_scanner"} <= set(listed)


def test_text_with_nul_is_refused_where_it_is_compared(sql: Sql) -> None:
    """DuckLake's look for files ends at a NUL: the caller reads that, and no SQL of the inside."""
    sql.run("CREATE TABLE with_nul AS SELECT chr(0) || 'x' AS v")
    result = sql.last("SELECT v FROM with_nul WHERE v = chr(0) || 'x'")
    assert result["sql_state"] == "22021"
    assert "unterminated" not in str(result)
    assert sql.rows("SELECT length(v) FROM with_nul WHERE contains(v, chr(0))") == [["2"]]
