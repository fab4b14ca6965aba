"""What a session may say, and what each statement is taken for."""

import json
import time

import pytest

from tests.engines.duckdb.conftest import METADATA, Judge, Lake
from treadle.engines.base import EngineError
from treadle.engines.duckdb.script import Kind

QUERIES = [
    "SELECT 1",
    "select 1;",
    'SELECT 1 AS "query"',
    "VALUES (1, '/x/a.csv'), (2, '/y/b.parquet')",
    "FROM t",
    "WITH options(a) AS (SELECT 1) FROM options",
    "FROM ducklake_list_files('default', 't') WHERE data_file_size_bytes > (1)",
    "SELECT l.data_file FROM t, list_files('t', schema => 'main') AS l",
    "CALL \"default\".list_files('t')",
    "FROM t SELECT i WHERE s LIKE '/x/%.csv'",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "TABLE t",
    "SELECT 'SELECT * FROM query(''x'')', 'duckdb_settings', 'postgres_scan'",
    "SELECT 1 -- FROM query('SELECT 1')",
    "SELECT /* duckdb_settings() /* nested */ postgres_scan() */ 1",
    "SELECT $$ FROM read_csv('/etc/passwd') $$",
    "SELECT $a$ query('x') $$ $b$ $a$ AS text",
    "SELECT e'it\\'s read_csv(\\'/etc/passwd\\')' AS text",
    'SELECT "query", query FROM (SELECT 1 AS query) x',
    "SELECT t.query, t.options, t.settings FROM (SELECT 1 AS query, 2 AS options, 3 AS settings) t",
    'SELECT "a/b", "c*d", "e:f" FROM (SELECT 1 AS "a/b", 2 AS "c*d", 3 AS "e:f") x',
    "SELECT checkpoint, scan FROM (SELECT 1 AS checkpoint, 2 AS scan) x",
    "SELECT '/etc/passwd', '/x/y.parquet', 's3://b/c.csv', '../a.json'",
    "SELECT * FROM t WHERE s = '/x/a.csv'",
    "SELECT * FROM t WHERE s IN ('/x/a.csv', '/y/b.json')",
    "SELECT * FROM t WHERE s IS DISTINCT FROM '/x/a.csv'",
    "SELECT * FROM t WHERE s IS NOT DISTINCT FROM '/x/a.csv'",
    "SELECT * FROM t a JOIN t b ON a.s = '/x/a.csv' AND b.s LIKE '/y/%.json'",
    "SELECT * FROM t a JOIN t b ON (a.s, '/x/a.csv') = (b.s, b.s)",
    "SELECT concat('/x', '/a.csv'), replace(s, '/x/a.csv', '/y') FROM t",
    "SELECT trim(BOTH '/' FROM '/x/a.csv'), extract(year FROM DATE '2024-01-01')",
    "SELECT regexp_matches(s, '^/[a-z]*/(.*)\\.csv$') FROM t",
    "SELECT regexp_replace(s, '(/\\*.*\\*/|--.*)', '', 'g') FROM t",
    "SELECT string_split(s, '/') FROM t ORDER BY s DESC, '/x/a.csv'",
    "SELECT s ~ '.*/x' , s !~~ '%*', s GLOB '*.csv' FROM t",
    "SELECT CASE WHEN s = 'x' THEN '/a.csv' ELSE '/b.csv' END FROM t",
    "SELECT t.json, t.csv FROM (SELECT 1 AS json, 2 AS csv) t",
    "SELECT t.db FROM (SELECT 1 AS db) t",
    "SELECT s.t.i FROM (SELECT {'t': {'i': 1}} AS s) x",
    "SELECT sum(i) OVER (PARTITION BY s ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
    "SELECT i, row_number() OVER w FROM t WINDOW w AS (ORDER BY i) QUALIFY row_number() OVER w = 1",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT * FROM r",
    "WITH a AS (SELECT 1 x), b AS MATERIALIZED (SELECT * FROM a) SELECT * FROM b",
    "PIVOT t ON s IN ('a', '/x/b.csv') USING sum(i) GROUP BY i",
    "PIVOT t ON s USING sum(i)",
    "FROM (PIVOT t ON s IN ('a', 'b') USING sum(i))",
    "SELECT * FROM t PIVOT (sum(i) FOR s IN ('/x/a.csv', 'b'))",
    "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b INTO NAME n VALUE v",
    "SELECT list_transform([1, 2, 3], lambda x: x + 1), [x * 2 FOR x IN [1, 2]]",
    "SELECT [1, 2, 3][1:2], {'a': 1}.a, MAP {'k': 'v'}['k']",
    "SELECT json_extract('{\"a\": {\"b\": \"/x/y.json\"}}', '$.a.b'), '{\"a\": 1}'::JSON ->> '$.a'",
    "SELECT * FROM json_each('{\"a\": 1}')",
    "SELECT * FROM range(10) r(i), generate_series(1, 3), unnest([1, 2])",
    "SELECT repeat('x', 3), range(5), unnest([1])",
    "SELECT * FROM t TABLESAMPLE 10%",
    "SELECT * FROM t USING SAMPLE 10 ROWS",
    "SELECT * FROM t ASOF JOIN t u USING (i)",
    "SELECT * FROM t POSITIONAL JOIN t u",
    "SELECT * FROM t, LATERAL (SELECT t.i + 1) x",
    "SELECT * EXCLUDE (i), COLUMNS('s.*') FROM t",
    "SELECT * FROM t AT (VERSION => 1)",
    "SELECT i::VARCHAR, CAST(i AS DECIMAL(10, 2)), TRY_CAST(s AS INT) FROM t",
    "SELECT $1::INT + $2::INT",
    "SELECT ? || 'x'",
    "SELECT $name",
    'SELECT \'多字节\', "列" FROM (SELECT 1 AS "列") 表',
    "SELECT\u00a01",
    "SELECT 1\u3000AS\u2003x",
    "SELECT 'a\u00a0b'",
    "SELECT getvariable('x')",
    "SELECT current_setting('TimeZone')",
    "SELECT current_database(), current_schema(), version(), now(), txid_current()",
    "SELECT pg_sleep(0), sleep_ms(0)",
    "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
    "SELECT function_name FROM duckdb_functions() WHERE function_name = 'query'",
    "SELECT * FROM duckdb_types(), duckdb_keywords(), duckdb_constraints(), duckdb_schemas()",
    'FROM "default".snapshots()',
    "FROM ducklake_snapshots('default')",
    'FROM "default".table_info()',
    "FROM ducklake_table_changes('default', 'main', 't', 0, 1)",
    "FROM \"default\".table_changes('t', 0, 1)",
    'CALL "default".snapshots()',
    "CALL pragma_version()",
    "FROM read_csv('a.csv')",
    "FROM read_csv(['a.csv', 'sub/b.csv'], header = true, delim = '/')",
    "FROM read_csv('{files}/a.csv', columns = {'x': 'VARCHAR'})",
    "FROM read_csv('sub/*.csv') x(a, b)",
    "FROM read_json_auto('**/*.json')",
    "FROM read_parquet($$a.parquet$$)",
    "FROM glob('*')",
    "FROM 'a.csv'",
    "FROM '{files}/sub/../a.csv'",
    'FROM "a.parquet"',
    "FROM a.csv",
    "FROM 'sub/*.parquet'",
    "SELECT count(*) FROM 'a.c'\n'sv'",
    "DESCRIBE t",
    "DESC t",
    "DESCRIBE SELECT * FROM t",
    "DESCRIBE 'a.csv'",
    "SUMMARIZE t",
    "SHOW t",
    "SHOW",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SHOW DATABASES",
    "SHOW SCHEMAS",
    "PRAGMA table_info('t')",
    "PRAGMA version",
    "PRAGMA show_tables",
    # as in TPC-H
    """SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty, avg(l_discount) AS avg_disc, count(*)
       FROM lineitem WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL '90' DAY
       GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus""",
    """SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
       FROM customer, orders, lineitem
       WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
       GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate LIMIT 10""",
    """SELECT o_year, sum(CASE WHEN nation = 'BRAZIL' THEN volume ELSE 0 END) / sum(volume) AS mkt_share
       FROM (SELECT extract(year FROM o_orderdate) AS o_year, l_extendedprice * (1 - l_discount) AS volume,
                    n2.n_name AS nation
             FROM part, supplier, lineitem, orders, customer, nation n1, nation n2, region
             WHERE p_partkey = l_partkey AND p_type = 'ECONOMY ANODIZED STEEL') AS all_nations
       GROUP BY o_year ORDER BY o_year""",
    """SELECT c_count, count(*) AS custdist
       FROM (SELECT c_custkey, count(o_orderkey) FROM customer LEFT OUTER JOIN orders
             ON c_custkey = o_custkey AND o_comment NOT LIKE '%special%requests%' GROUP BY c_custkey)
            AS c_orders (c_custkey, c_count)
       GROUP BY c_count ORDER BY custdist DESC, c_count DESC""",
    """SELECT s_name, count(*) AS numwait FROM supplier, lineitem l1, orders, nation
       WHERE s_suppkey = l1.l_suppkey AND EXISTS (SELECT * FROM lineitem l2 WHERE l2.l_orderkey = l1.l_orderkey)
         AND NOT EXISTS (SELECT * FROM lineitem l3 WHERE l3.l_receiptdate > l3.l_commitdate)
       GROUP BY s_name ORDER BY numwait DESC, s_name LIMIT 100""",
    """SELECT substring(c_phone FROM 1 FOR 2) AS cntrycode, sum(c_acctbal) FROM customer
       WHERE substring(c_phone FROM 1 FOR 2) IN ('13', '31') GROUP BY 1""",
]

WRITES = {
    "INSERT INTO t VALUES (1, '/x/a.csv'), (2, 'query(''x'')')": "INSERT 0",
    "INSERT INTO t (i, s) VALUES (1, '/x/a.csv')": "INSERT 0",
    "INSERT INTO t BY NAME SELECT 1 AS i, '/x/a.csv' AS s": "INSERT 0",
    "INSERT INTO t SELECT * FROM t RETURNING i": "INSERT 0",
    "INSERT INTO t FROM 'a.csv'": "INSERT 0",
    "WITH x AS (SELECT 1, 'a') INSERT INTO t SELECT * FROM x": "INSERT 0",
    "UPDATE t SET s = '/x/a.csv' WHERE i = 1": "UPDATE",
    "UPDATE t SET s = '/x/a.csv', i = 2 FROM t u WHERE u.s = '/y/b.csv'": "UPDATE",
    "DELETE FROM t WHERE s = '/x/a.csv'": "DELETE",
    "DELETE FROM t USING t u WHERE t.i = u.i": "DELETE",
    "TRUNCATE t": "TRUNCATE TABLE",
    "MERGE INTO t USING (VALUES (1, '/x/a.csv')) v(i, s) ON t.i = v.i WHEN MATCHED THEN UPDATE SET s = v.s "
    "WHEN NOT MATCHED THEN INSERT VALUES (v.i, '/x/a.csv')": "MERGE",
    "CREATE TABLE x (a INT, \"b/c\" VARCHAR DEFAULT '/x/a.csv')": "CREATE TABLE",
    'CREATE OR REPLACE TABLE "default".main.x AS SELECT 1': "CREATE TABLE",
    "CREATE TABLE x AS PIVOT t ON s USING sum(i)": "CREATE TABLE",
    "CREATE TABLE IF NOT EXISTS s1.x (a INT)": "CREATE TABLE",
    "CREATE TABLE settings (name VARCHAR, value VARCHAR)": "CREATE TABLE",
    "CREATE TABLE IF NOT EXISTS options(a INT)": "CREATE TABLE",
    'INSERT INTO "default".main.settings (name) VALUES (1)': "INSERT 0",
    "INSERT INTO query (a) SELECT 1": "INSERT 0",
    "CREATE OR REPLACE VIEW scan(a) AS SELECT 1": "CREATE VIEW",
    "CREATE VIEW files AS FROM ducklake_list_files('default', 't')": "CREATE VIEW",
    "CREATE TEMP TABLE x (a INT)": "CREATE TABLE",
    "CREATE TABLE temp.x AS SELECT 1": "CREATE TABLE",
    "CREATE OR REPLACE VIEW v AS SELECT * FROM t WHERE s LIKE '/x/%'": "CREATE VIEW",
    "CREATE SCHEMA IF NOT EXISTS s1": "CREATE SCHEMA",
    'CREATE SCHEMA "default".s1': "CREATE SCHEMA",
    "CREATE MACRO plus(a, b) AS a + b": "CREATE MACRO",
    "CREATE TEMP MACRO rows_of(n) AS TABLE SELECT * FROM range(n)": "CREATE MACRO",
    "CREATE FUNCTION plus1(a) AS a + 1": "CREATE FUNCTION",
    "CREATE TEMP SEQUENCE sq": "CREATE SEQUENCE",
    "CREATE TEMP TYPE mood AS ENUM ('a', 'b')": "CREATE TYPE",
    'DROP TABLE IF EXISTS "default".main.x': "DROP TABLE",
    "DROP VIEW v": "DROP VIEW",
    "DROP SCHEMA s1 CASCADE": "DROP SCHEMA",
    "DROP MACRO TABLE rows_of": "DROP MACRO",
    "ALTER TABLE t ADD COLUMN p VARCHAR DEFAULT '/x/a.csv'": "ALTER TABLE",
    "ALTER TABLE t SET PARTITIONED BY (i)": "ALTER TABLE",
    "ALTER VIEW v RENAME TO w": "ALTER VIEW",
    "COMMENT ON TABLE t IS '/x/a.csv'": "COMMENT",
    "COMMENT ON COLUMN t.i IS 'query(''x'')'": "COMMENT",
    "COPY t FROM 'a.csv'": "COPY",
    "COPY t (i, s) FROM '{files}/a.csv' (FORMAT csv, HEADER true, DELIMITER '/')": "COPY",
    "COPY t FROM 'sub/*.parquet' (FORMAT 'parquet')": "COPY",
    "COPY t TO 'b.csv'": "COPY",
    "COPY t TO 'b.csv' WITH DELIMITER '/' CSV HEADER": "COPY",
    "COPY (SELECT * FROM t WHERE s LIKE '%/x') TO '{files}/b.parquet' (FORMAT parquet, COMPRESSION zstd)": "COPY",
    "COPY (FROM 'a.csv') TO 'b.json' (FORMAT json, ARRAY true)": "COPY",
    "COPY t TO 'd' (FORMAT parquet, PARTITION_BY (i, s), OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'x_{i}')": "COPY",
}

OTHERS = {
    "BEGIN": Kind.BEGIN,
    "BEGIN TRANSACTION READ ONLY": Kind.BEGIN,
    "START TRANSACTION": Kind.BEGIN,
    "COMMIT": Kind.COMMIT,
    "END": Kind.COMMIT,
    "ROLLBACK": Kind.ROLLBACK,
    "ABORT": Kind.ROLLBACK,
    "SET VARIABLE x = (SELECT max(i) FROM t)": Kind.COMMAND,
    "RESET VARIABLE x": Kind.COMMAND,
    "VACUUM": Kind.COMMAND,
    "ANALYZE": Kind.COMMAND,
    "EXPLAIN SELECT * FROM t": Kind.EXPLAIN,
    "EXPLAIN ANALYZE SELECT * FROM t": Kind.EXPLAIN,
    "EXPLAIN (FORMAT json) SELECT 1": Kind.EXPLAIN,
    "EXPLAIN (SELECT 1)": Kind.EXPLAIN,
    "EXPLAIN PIVOT t ON s USING sum(i)": Kind.EXPLAIN,
    "PREPARE p AS SELECT $1::INT": Kind.PREPARE,
    "PREPARE p AS PIVOT t ON s USING sum(i)": Kind.PREPARE,
    "EXECUTE p(1)": Kind.EXECUTE,
    "DEALLOCATE p": Kind.DEALLOCATE,
    "DEALLOCATE PREPARE p": Kind.DEALLOCATE,
    "SET statement_timeout = 5": Kind.SET,
    "/* c */ set TimeZone to 'Asia/Shanghai'": Kind.SET,
    'USE "default".main': Kind.SET,
    "RESET ALL": Kind.SET,
    "SHOW statement_timeout": Kind.SHOW,
    "SHOW ALL": Kind.SHOW,
}


@pytest.mark.parametrize("script", QUERIES)
def test_query_is_accepted(judge: Judge, lake: Lake, script: str) -> None:
    """A harmless query is one statement whose rows can be streamed, whatever its strings say."""
    [planned] = judge(script.replace("{files}", str(lake.files)))
    assert planned.kind is Kind.QUERY
    assert planned.returns_rows
    assert not planned.writes
    assert planned.statements


@pytest.mark.parametrize(("script", "tag"), WRITES.items())
def test_write_is_accepted(judge: Judge, lake: Lake, script: str, tag: str) -> None:
    """A statement that leaves effects within the session's catalog and files has to be committed."""
    [planned] = judge(script.replace("{files}", str(lake.files)))
    assert planned.kind is Kind.WRITE
    assert planned.writes
    assert planned.tag == tag
    assert planned.returns_rows == ("RETURNING" in script)
    assert all(statement.type.name != "TRANSACTION" for statement in planned.statements)


@pytest.mark.parametrize(("script", "kind"), OTHERS.items())
def test_other_statement_is_accepted(judge: Judge, script: str, kind: Kind) -> None:
    """Statements about the session and its transaction are known for what they are."""
    [planned] = judge(script)
    assert planned.kind is kind
    assert not planned.writes


def test_prepared_write_is_a_write_when_it_is_executed(judge: Judge) -> None:
    """An EXECUTE writes if a PREPARE of its name ever did, whatever the case of the name."""
    judge("PREPARE w AS INSERT INTO t VALUES ($1, 'x')")
    assert judge('EXECUTE "W"(1)')[0].writes
    assert not judge("EXECUTE w(1)")[0].returns_rows
    judge("PREPARE w AS SELECT 1")
    assert judge("EXPLAIN ANALYZE EXECUTE w")[0].writes


@pytest.mark.parametrize(
    ("script", "writes"),
    [
        ("EXPLAIN INSERT INTO t VALUES (1, 'x')", False),
        ("EXPLAIN ANALYZE INSERT INTO t VALUES (1, 'x')", True),
        ("EXPLAIN (ANALYZE, FORMAT json) DELETE FROM t", True),
        ("EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", True),
    ],
)
def test_analyzed_write_is_a_write(judge: Judge, script: str, writes: bool) -> None:
    """EXPLAIN ANALYZE runs what it explains."""
    [planned] = judge(script)
    assert planned.kind is Kind.EXPLAIN
    assert planned.writes is writes


def test_pivot_is_one_statement(judge: Judge) -> None:
    """A PIVOT that the engine parses into several statements is one, and runs in order."""
    pivots = judge("PIVOT t ON s; SELECT 1; PIVOT t ON i; PIVOT t ON s USING sum(i)")
    assert [len(planned.statements) for planned in pivots] == [2, 1, 2, 2]
    assert [planned.text for planned in pivots][2] == "PIVOT t ON i"


def test_show_databases_tells_only_of_the_catalog(judge: Judge, lake: Lake) -> None:
    """SHOW DATABASES and SHOW ALL TABLES say nothing of the metadata behind the catalog."""
    for script in ("SHOW DATABASES", "SHOW ALL TABLES"):
        assert {row[0] for row in _rows(judge, lake, script)} == {"default"}


def test_no_listing_of_the_engine_tells_of_the_metadata(judge: Judge, lake: Lake) -> None:
    """Every view and table function without arguments that a session may read leaves the metadata out."""
    read = _listings(judge, lake)
    assert len(read) > 50
    for script in read:
        told = json.dumps(_rows(judge, lake, script), default=str)
        assert METADATA not in told, script
        assert "ducklake_data_file" not in told, script


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("SELECT tables.table_name FROM information_schema.tables", ["t"]),
        (
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'main'",
            ["t"],
        ),
        ("SELECT table_name FROM duckdb_tables()", ["t"]),
        ("SELECT column_name FROM information_schema.columns WHERE table_name = 't' ORDER BY 1", ["i", "s"]),
        (
            "SELECT catalog_name FROM information_schema.schemata WHERE schema_name = 'main' ORDER BY 1",
            ["default", "memory", "system", "temp"],
        ),
    ],
)
def test_listings_show_what_is_the_sessions(judge: Judge, lake: Lake, script: str, expected: list[str]) -> None:
    """The catalog's own tables and columns are in the engine's listings."""
    assert [row[0] for row in _rows(judge, lake, script)] == expected


@pytest.mark.alone
def test_small_statement_is_judged_fast(judge: Judge) -> None:
    """The judgement of a small statement takes microseconds, its parse included."""
    best = min(_seconds(judge, "SELECT 1") for _ in range(200))
    assert best < 50e-6


@pytest.mark.alone
def test_big_statement_is_judged_about_as_fast_as_it_is_parsed(judge: Judge, lake: Lake) -> None:
    """Megabytes of values are not looked at one by one when nothing in them needs it."""
    script = "INSERT INTO t VALUES " + ",".join(f"({number}, 'some words')" for number in range(100_000))
    parse = min(_parse_seconds(lake, script) for _ in range(2))
    assert _seconds(judge, script) < 2 * parse + 0.2


def _listings(judge: Judge, lake: Lake) -> list[str]:
    """A query of each listing that the judge lets pass: views by every name they go by, functions by their call."""
    views = lake.connection.execute("SELECT schema_name, view_name FROM duckdb_views() WHERE internal").fetchall()
    functions = lake.connection.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'table' AND parameters = []"
    ).fetchall()
    queries = [f"FROM {schema}.{name}" for schema, name in views] + [f"FROM {name}()" for (name,) in functions]
    queries += [f"FROM {name}" for schema, name in views if schema != "information_schema"]
    queries += ["SHOW", "DESCRIBE", "SHOW TABLES", "SHOW ALL TABLES", "SHOW SCHEMAS", "SHOW DATABASES"]
    return [query for query in queries if _passes(judge, query)]


def _passes(judge: Judge, script: str) -> bool:
    try:
        judge(script)
    except EngineError:
        return False
    return True


def _rows(judge: Judge, lake: Lake, script: str) -> list[tuple[object, ...]]:
    [planned] = judge(script)
    rows: list[tuple[object, ...]] = lake.connection.execute(planned.statements[-1]).fetchall()
    return rows


def _seconds(judge: Judge, script: str) -> float:
    begun = time.perf_counter()
    judge(script)
    return time.perf_counter() - begun


def _parse_seconds(lake: Lake, script: str) -> float:
    begun = time.perf_counter()
    lake.connection.extract_statements(script)
    return time.perf_counter() - begun
