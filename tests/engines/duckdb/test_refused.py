"""What a session may not say, in families; each attempt stands alone."""

import pytest

from tests.engines.duckdb.conftest import METADATA, Judge, Lake
from treadle.engines.base import EngineError

REFUSED = {"42501", "0A000", "42601"}

METADATA_NAMES = [
    f"SELECT * FROM {METADATA}.ducklake_snapshot",
    f'SELECT * FROM "{METADATA}".main.ducklake_table',
    f"DELETE FROM {METADATA.upper()}.ducklake_snapshot",
    f"UPDATE {METADATA}.main.ducklake_table SET table_name = 'x'",
    f"INSERT INTO {METADATA}.ducklake_snapshot VALUES (1)",
    f"DROP TABLE {METADATA}.ducklake_data_file",
    f"CREATE TABLE {METADATA}.x (i INT)",
    f"CREATE VIEW v AS SELECT * FROM {METADATA}.ducklake_snapshot",
    f"CREATE MACRO m() AS TABLE SELECT * FROM {METADATA}.ducklake_snapshot",
    f"CREATE TEMP MACRO m() AS (SELECT count(*) FROM {METADATA}.ducklake_snapshot)",
    f"PREPARE p AS SELECT * FROM {METADATA}.ducklake_snapshot",
    f"EXPLAIN ANALYZE DELETE FROM {METADATA}.ducklake_snapshot",
    f"USE {METADATA}",
    f"SET search_path = '{METADATA}'",
    f"SET schema = '{METADATA}.main'",
    f"DETACH {METADATA}",
    f"SELECT * FROM ducklake_snapshots('{METADATA}')",
    f"SELECT * FROM ducklake_snapshots($${METADATA}$$)",
    f"PRAGMA table_info('{METADATA}.ducklake_snapshot')",
    f"DESCRIBE {METADATA}.ducklake_snapshot",
    f"SUMMARIZE {METADATA}.ducklake_snapshot",
    f"SELECT 1; TRUNCATE {METADATA}.ducklake_snapshot",
    f"MERGE INTO {METADATA}.ducklake_table USING t ON true WHEN MATCHED THEN DELETE",
    "SELECT * FROM __ducklake_metadata_default.ducklake_snapshot",
    "SELECT * FROM __DuckLake_Metadata_other.ducklake_snapshot",
    f"SELECT * FROM {METADATA} . /* c */ ducklake_snapshot",
    f"WITH x AS (SELECT * FROM {METADATA}.ducklake_snapshot) SELECT * FROM x",
    f"SELECT (SELECT max(snapshot_id) FROM {METADATA}.ducklake_snapshot)",
    f"COPY {METADATA}.ducklake_snapshot TO 'x.csv'",
    f"COMMENT ON TABLE {METADATA}.ducklake_snapshot IS 'x'",
    f"ALTER TABLE {METADATA}.ducklake_snapshot RENAME TO y",
    f"CALL {METADATA}.postgres_execute('x')",
]

TEXT_AS_SQL = [
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM QUERY ('SELECT 1')",
    "FROM \"query\"('SELECT 1')",
    "FROM system.main.query('SELECT 1')",
    "FROM query/* comment */('SELECT 1')",
    "FROM query -- comment\n('SELECT 1')",
    "FROM query\u00a0('SELECT 1')",
    "FROM\u3000query\u2003('SELECT 1')",
    "FROM\ufeffquery('SELECT 1')",
    "/* ' */ FROM query\u00a0('SELECT 1') -- '",
    "SELECT $a\u00a0b$, x FROM query('SELECT 1') AS y(\"$a\u00a0b$\")",
    "FROM t, query('SELECT 1')",
    "FROM t JOIN query('SELECT 1') ON true",
    "SELECT (FROM query('SELECT 1'))",
    "SELECT [x for x in (FROM query('SELECT 1'))]",
    "CREATE VIEW v AS FROM query('SELECT 1')",
    "CREATE MACRO m(q) AS TABLE FROM query(q)",
    "CREATE OR REPLACE TEMP FUNCTION m(q) AS TABLE (SELECT * FROM query(q))",
    "PREPARE p AS FROM query($1)",
    "EXPLAIN FROM query('SELECT 1')",
    "CALL query('SELECT 1')",
    "INSERT INTO t FROM query('SELECT 1')",
    "FROM query_table('t')",
    "FROM query_table(['t', 'u'])",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "PRAGMA json_execute_serialized_sql('x')",
    "SELECT json_serialize_plan('FROM read_csv(''/etc/passwd'')')",
    "SELECT 'SELECT 1'.json_serialize_plan()",
    "SELECT 1_0$$ ' $$, * FROM query('SELECT 1') --'",
    "SELECT '\\', * FROM query('SELECT 1') --'",
    "SELECT e'\\'', * FROM query('SELECT 1') --'",
    "SELECT /* /* */ ' */ * FROM query('SELECT 1') --'",
    "SELECT b'01''', * FROM query('SELECT 1')",
    "SELECT $1_0$$x$$, * FROM query('SELECT 1')",
]

DATABASES = [
    "SELECT * FROM postgres_scan('host=h', 'public', 't')",
    "SELECT * FROM postgres_scan_pushdown('host=h', 'public', 't')",
    f"SELECT * FROM postgres_query('{METADATA}', 'SELECT 1')",
    "CALL postgres_execute('x', 'DELETE FROM ducklake_snapshot')",
    "CALL postgres_attach('host=h')",
    "CALL pg_clear_cache()",
    "FROM postgres_configure_pool()",
    "SELECT * FROM \"Postgres_Scan\"('host=h', 'public', 't')",
    "SELECT * FROM sqlite_scan('x.db', 't')",
    "CALL sqlite_attach('x.db')",
    "SELECT * FROM mysql_query('x', 'SELECT 1')",
    "FROM read_postgres_binary('x')",
    "FROM read_duckdb('x.db')",
    "FROM 'x.db'",
    "FROM 'x.duckdb'",
    'FROM "x.ddb"',
    "SELECT * FROM t, x.db",
    "ATTACH 'x.db'",
    "ATTACH 'ducklake:postgres:host=h' AS y",
    "ATTACH IF NOT EXISTS ':memory:' AS y",
    "DETACH y",
    'DETACH DATABASE IF EXISTS "default"',
    "COPY FROM DATABASE a TO b",
    "EXPORT DATABASE 'x'",
    "IMPORT DATABASE 'x'",
    "SELECT 1; IMPORT DATABASE 'x'",
    "/* */ import /* */ database 'x'",
    "PRAGMA import_database('x')",
    "PRAGMA copy_database('a', 'b')",
    "EXPLAIN IMPORT DATABASE 'x'",
    "ALTER DATABASE x SET ALIAS TO y",
    "CREATE SECRET s (TYPE postgres, HOST 'h')",
    "CREATE OR REPLACE PERSISTENT SECRET s (TYPE postgres)",
    "CREATE TEMPORARY SECRET IF NOT EXISTS s (TYPE postgres)",
    "CREATE /* TABLE */ SECRET (TYPE postgres)",
    "EXPLAIN CREATE SECRET s (TYPE postgres)",
    "DROP SECRET s",
    "DROP PERSISTENT SECRET IF EXISTS s",
    "CREATE TABLE memory.main.x (i INT)",
    "CREATE TABLE memory.x (i INT)",
    'CREATE TABLE IF NOT EXISTS "memory" . main . x AS SELECT 1',
    "CREATE SCHEMA memory.s",
    "CREATE SCHEMA other.s",
    "CREATE OR REPLACE VIEW system.main.v AS SELECT 1",
    "CREATE MACRO memory.m(x) AS x",
    "DROP SCHEMA memory.s CASCADE",
    "DROP TABLE other.main.x",
    "LOAD httpfs",
    "INSTALL httpfs",
    "FORCE INSTALL httpfs FROM 'x'",
    "UPDATE EXTENSIONS",
    "UPDATE EXTENSIONS (ducklake)",
]

CATALOG_CARE = [
    "CALL ducklake_set_option('default', 'data_path', '/')",
    "CALL \"default\".set_option('parquet_compression', 'zstd')",
    "CALL \"default\".main.set_option('x', 'y')",
    "FROM \"default\".SET_OPTION('x', 'y')",
    "CALL \"default\".set_commit_message('a', 'b')",
    "CALL ducklake_set_commit_message('default', 'a', 'b')",
    "CALL ducklake_add_data_files('default', 't', 'x.parquet')",
    "CALL \"default\".add_data_files('t', 'x.parquet')",
    "CALL ducklake_expire_snapshots('default', older_than => now())",
    "CALL ducklake_cleanup_old_files('default', cleanup_all => true)",
    "CALL ducklake_delete_orphaned_files('default', cleanup_all => true)",
    "CALL ducklake_merge_adjacent_files('default')",
    'CALL "default".merge_adjacent_files()',
    "CALL ducklake_rewrite_data_files('default')",
    "CALL ducklake_flush_inlined_data('default')",
    "FROM ducklake_list_files('default', 't')",
    "FROM ducklake_options('default')",
    'FROM "default".options()',
    "FROM ducklake_settings('default')",
    'FROM "default".settings()',
    "FROM ducklake_scan('x')",
    "FROM ducklake_commit('default', 'x')",
    "CHECKPOINT",
    'CHECKPOINT "default"',
    "FORCE CHECKPOINT",
    "CALL checkpoint()",
    "FROM force_checkpoint('default')",
]

INSIDE = [
    "FROM duckdb_settings()",
    "FROM duckdb_databases",
    'SELECT path FROM "duckdb_databases"',
    "SELECT path FROM system.main.duckdb_databases",
    "FROM DUCKDB_DATABASES()",
    "FROM pragma_database_list",
    "FROM pragma_database_size()",
    "FROM duckdb_secrets()",
    "FROM which_secret('x', 's3')",
    "FROM duckdb_secret_types()",
    "FROM duckdb_extensions()",
    "FROM duckdb_logs",
    "FROM duckdb_log_contexts()",
    "FROM duckdb_memory()",
    "FROM duckdb_temporary_files()",
    "FROM duckdb_external_file_cache()",
    "CALL truncate_duckdb_logs()",
    "CALL enable_logging(storage => 'file')",
    "CALL disable_logging()",
    "CALL enable_profiling()",
    "FROM pg_settings",
    "FROM pg_catalog.pg_settings",
    "FROM pg_database",
    "FROM seq_scan()",
    "FROM arrow_scan(1, 2, 3)",
    "FROM arrow_scan_dumb(1, 2, 3)",
    "FROM pandas_scan(1)",
    "FROM python_map_function(1)",
    "SELECT write_log('x')",
    "SELECT 'x'.write_log()",
    "SELECT getenv('HOME')",
    "SELECT current_setting('temp_directory')",
    "SELECT current_setting('secret_' || 'directory')",
    "SELECT current_setting(s) FROM t",
    "SELECT current_setting(e'\\x74emp_directory')",
    "SELECT __internal_compress_string_utinyint('a')",
    "FROM (SHOW DATABASES)",
    'FROM (SHOW "databases")',
    "PREPARE p AS SHOW DATABASES",
    "PRAGMA database_list",
    "PRAGMA database_size",
    "PRAGMA threads = 8",
    "PRAGMA enable_profiling = 'json'",
    "PRAGMA enable_profiling",
    "PRAGMA profiling_output = '/x'",
    "PRAGMA add_parquet_key('k', 'x')",
    "PRAGMA force_checkpoint",
    "PRAGMA version = 1",
    "PRAGMA",
    "EXPLAIN PRAGMA version",
]

FILES = [
    "FROM read_csv('/etc/passwd')",
    "FROM READ_CSV ( '/etc/passwd' , header = true)",
    "FROM read_csv(['a.csv', '/etc/passwd'])",
    "FROM read_csv(ARRAY['/etc/passwd'])",
    "FROM read_csv($1)",
    "FROM read_csv(?)",
    "FROM read_csv(getvariable('p'))",
    "FROM read_csv('a' || '.csv')",
    "FROM read_csv(('a.csv'))",
    "FROM read_csv('a.csv'::VARCHAR)",
    "FROM read_csv(e'\\x2fetc/passwd')",
    "FROM read_csv('a.csv'\n'/../../../etc/passwd')",
    "FROM t, read_csv(t.s)",
    "FROM read_text('/etc/passwd')",
    "FROM read_blob('/etc/*')",
    "FROM glob('/**')",
    "FROM glob('../*')",
    "FROM glob('*/../../*')",
    "FROM \"read_parquet\"('/x.parquet')",
    "FROM parquet_scan('{data}/main/t/x.parquet')",
    "FROM parquet_metadata('{data}/*.parquet')",
    "FROM sniff_csv('/etc/passwd')",
    "CALL read_csv('/etc/passwd')",
    "CREATE MACRO m(f) AS TABLE FROM read_csv(f)",
    "FROM read_csv('s3://bucket/a.csv')",
    "FROM read_csv('file:///etc/passwd')",
    "FROM read_csv('https://h/a.csv')",
    "FROM read_csv('~/a.csv')",
    "FROM read_csv('a\\..\\b.csv')",
    "FROM read_csv('')",
    "FROM read_csv('link/a.csv')",
    "FROM 'link/a.csv'",
    "FROM '/x/a.csv'",
    "FROM '{data}/main/t/x.parquet'",
    'FROM "/x/a.csv"',
    'FROM "/x/a".csv',
    'FROM "/x/a" . /* c */ "csv"',
    'FROM "..".."/x".csv',
    "FROM '../a.csv'",
    "FROM 's3://b/a.parquet'",
    "FROM e'/x/a.c\\x73v'",
    "FROM '/x/a.c'\n'sv'",
    "FROM $$/x/a.csv$$",
    "FROM $q$/x/a.csv$q$",
    "FROM y: '/x/a.csv'",
    "FROM t, '/x/a.csv'",
    "FROM t values, '/x/a.csv'",
    "FROM t AS values(a, b), '/x/a.csv'",
    "FROM t set, '/x/a.csv'",
    "FROM VALUES (1) v, '/x/a.csv'",
    "FROM t JOIN '/x/a.csv' ON true",
    "FROM t LEFT JOIN u USING (i), '/x/a.csv'",
    "FROM t JOIN u ON t.i = u.i AND (t.s LIKE 'x'), '/x/a.csv'",
    "FROM ('/x/a.csv' JOIN t ON true)",
    "SELECT (SELECT count(*) FROM '/x/a.csv')",
    "SELECT * FROM t WHERE EXISTS (FROM '/x/a.csv')",
    "SELECT extract(year FROM (SELECT d FROM '/x/a.csv'))",
    "SELECT ARRAY(FROM '/x/a.csv')",
    "WITH x AS (FROM '/x/a.csv') FROM x",
    "DESCRIBE '/x/a.csv'",
    "DESC '/x/a.csv'",
    "SHOW '/x/a.csv'",
    "SUMMARIZE '/x/a.csv'",
    "TABLE '/x/a.csv'",
    "PIVOT '/x/a.csv' ON x",
    "UNPIVOT '/x/a.csv' ON x",
    "INSERT INTO t FROM '/x/a.csv'",
    "INSERT INTO t TABLE '/x/a.csv'",
    "CREATE TABLE x AS FROM '/x/a.csv'",
    "CREATE VIEW x AS FROM '/x/a.json'",
    "DELETE FROM t USING '/x/a.csv'",
    "UPDATE t SET i = 1 FROM '/x/a.csv'",
    "MERGE INTO t USING '/x/a.csv' s ON true WHEN MATCHED THEN DO NOTHING",
    "PREPARE p AS FROM '/x/a.csv'",
    "EXPLAIN FROM '/x/a.ndjson.gz'",
    "FROM '/x/a.parquet?y'",
]

COPIES = [
    "COPY t TO '/x/a.csv'",
    "COPY t TO '../a.csv'",
    "COPY t TO 'link/a.csv'",
    "COPY t TO '{data}/a.parquet'",
    "COPY t TO 's3://b/a.csv'",
    "COPY t TO '.'",
    "COPY t TO '.treadle/x/a.csv'",
    "COPY t TO ''",
    "COPY t TO a.csv",
    'COPY t TO "a.csv"',
    "COPY t TO ('a.csv')",
    "COPY t TO ('/x' || '/a.csv')",
    "COPY t TO $1",
    "COPY t TO STDOUT",
    "COPY t TO '/dev/stdout'",
    "COPY t TO PROGRAM 'x'",
    "COPY t TO e'\\x2fx/a.csv'",
    "COPY t TO",
    "COPY (SELECT 1) TO '/x/a.csv'",
    "COPY (SELECT ')' AS \"to\") TO '/x/a.csv'",
    "COPY t (i) TO '/x/a.csv'",
    "COPY t FROM '/etc/passwd'",
    "COPY t FROM STDIN",
    "COPY t FROM '{data}/x.parquet'",
    "COPY '/x/a.csv' TO 'b.csv'",
    "COPY (FROM '/x/a.csv') TO 'b.csv'",
    "COPY t TO 'a.x' (FORMAT postgres_binary)",
    "COPY t TO 'a.x' (FORMAT 'native')",
    "COPY t TO 'd' (FORMAT parquet, PER_THREAD_OUTPUT, FILENAME_PATTERN '../x_{{i}}')",
    "COPY t TO 'd' (FORMAT parquet, PARTITION_BY (i), \"filename_pattern\" '../../x')",
    "COPY t TO 'd' (FORMAT parquet, PARTITION_BY (i), FILE_EXTENSION 'x/../../y')",
    "COPY t TO 'd' (FORMAT parquet, PER_THREAD_OUTPUT, RETURN_FILES)",
    "COPY t TO 'a.parquet' (RETURN_STATS)",
    "PREPARE p AS COPY t TO 'a.csv'",
    "EXPLAIN COPY t TO 'a.csv'",
    "EXPLAIN ANALYZE COPY t TO 'a.csv'",
    "EXPLAIN (ANALYZE, FORMAT json) COPY t TO 'a.csv'",
]

UNKNOWN = [
    "SELECT FROM",
    "SELEC 1",
    "SELECT 'open",
    'SELECT "open',
    "SELECT $$open",
    "SELECT 1 /* open",
    "SELECT 1; SELECT",
    "SELECT 1\0; DROP TABLE t",
    "SELECT '\ud800'",
    "GRANT ALL ON t TO x",
    "DO $$ x $$",
    "SAVEPOINT x",
    "EXPLAIN",
    "PREPARE p AS",
    "PREPARE p AS BEGIN",
    "EXPLAIN BEGIN",
    "SET x",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET ROLE admin",
    "USE",
]

FAMILIES = [METADATA_NAMES, TEXT_AS_SQL, DATABASES, CATALOG_CARE, INSIDE, FILES, COPIES, UNKNOWN]


@pytest.mark.parametrize("script", [script for family in FAMILIES for script in family])
def test_hostile_statement_is_refused(judge: Judge, lake: Lake, script: str) -> None:
    """A statement that reaches outside the session is refused before anything runs."""
    link = lake.files / "link"
    if not link.is_symlink():
        link.symlink_to(lake.other)
    with pytest.raises(EngineError) as refusal:
        judge(script.replace("{data}", str(lake.data)))
    assert refusal.value.sql_state in REFUSED
    assert "Stack Trace" not in refusal.value.message


def test_one_bad_statement_refuses_the_whole_script(judge: Judge) -> None:
    """A script with a refused statement gives no plan at all, wherever the statement stands."""
    with pytest.raises(EngineError):
        judge("SELECT 1; SELECT 2; FROM query('SELECT 3'); SELECT 4")


@pytest.mark.parametrize(
    ("script", "state", "name"),
    [
        ("FROM query('SELECT 1')", "42501", "query"),
        ("FROM duckdb_settings()", "42501", "duckdb_settings"),
        ("FROM read_csv('/etc/passwd')", "42501", "/etc/passwd"),
        ("ATTACH 'x.db'", "42501", "ATTACH"),
        ("SELEC 1", "42601", "SELEC"),
        ("COPY t TO 'x' (FORMAT xlsx)", "0A000", "xlsx"),
    ],
)
def test_refusal_names_the_thing(judge: Judge, script: str, state: str, name: str) -> None:
    """The error says what was refused, under the SQLSTATE of its kind."""
    with pytest.raises(EngineError) as refusal:
        judge(script)
    assert refusal.value.sql_state == state
    assert name in refusal.value.message


def test_no_function_of_the_engine_is_forgotten(lake: Lake, judge: Judge) -> None:
    """Every table function is either known as harmless or refused when it is called."""
    names = {
        name
        for (name,) in lake.connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('table', 'table_macro')"
            " AND database_name = 'system'"
        ).fetchall()
    }
    accepted = set()
    for name in sorted(names):
        try:
            judge(f"FROM {name}('x', 'y')")
        except EngineError:
            continue
        accepted.add(name)
    assert len(names) > 100
    assert not {name for name in accepted if name.startswith(("postgres", "pg_c", "arrow", "pandas", "sqlite"))}
    assert accepted & {"read_csv", "duckdb_tables", "range"} == {"read_csv", "duckdb_tables", "range"}
    assert len(accepted) < 75
