"""What a session may not say, in families; each attempt stands alone."""

import pytest

from tests.engines.duckdb.conftest import METADATA, Judge, Lake
from treadle.engines.base import EngineError
from treadle.engines.duckdb.deferring import resolved

REFUSED = {"42501", "0A000", "42601", "22023", "22021"}

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
    "SELECT * FROM query('FROM duckdb_secrets()')",
    "SELECT * FROM QUERY ('FROM duckdb_secrets()')",
    "FROM \"query\"('FROM duckdb_secrets()')",
    "FROM system.main.query('FROM duckdb_secrets()')",
    "FROM query/* comment */('FROM duckdb_secrets()')",
    "FROM query -- comment\n('FROM duckdb_secrets()')",
    "FROM query\u00a0('FROM duckdb_secrets()')",
    "FROM\u3000query\u2003('FROM duckdb_secrets()')",
    "FROM\ufeffquery('FROM duckdb_secrets()')",
    "/* ' */ FROM query\u00a0('FROM duckdb_secrets()') -- '",
    "SELECT $a\u00a0b$, x FROM query('FROM duckdb_secrets()') AS y(\"$a\u00a0b$\")",
    "FROM t, query('FROM duckdb_secrets()')",
    "FROM t JOIN query('FROM duckdb_secrets()') ON true",
    "SELECT (FROM query('FROM duckdb_secrets()'))",
    "SELECT [x for x in (FROM query('FROM duckdb_secrets()'))]",
    "CREATE VIEW v AS FROM query('FROM duckdb_secrets()')",
    "PREPARE p AS FROM query($1)",
    "EXPLAIN FROM query('FROM duckdb_secrets()')",
    "CALL query('FROM duckdb_secrets()')",
    "INSERT INTO t FROM query('FROM duckdb_secrets()')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "PRAGMA json_execute_serialized_sql('x')",
    "SELECT json_serialize_plan('FROM read_csv(''/etc/passwd'')')",
    "SELECT 'SELECT 1'.json_serialize_plan()",
    "FROM query('FROM query(''FROM duckdb_secrets()'')')",
    "FROM query($$FROM query($a$FROM query($b$FROM duckdb_secrets()$b$)$a$)$$)",
    "FROM query('FROM quer' 'y(''FROM duckdb_secrets()'')')",
    "FROM query('FROM duckdb_'\n'secrets()')",
    "FROM query('FROM/**/duckdb_secrets()')",
    "FROM query('FROM -- x\n\"duckdb_secrets\"()')",
    "FROM query('FROM\xa0duckdb_secrets()')",
    "FROM query('SELECT 1 /* '' */ FROM\u3000duckdb_secrets() -- ''')",
    "FROM query('SELECT $$\xa0$$, * FROM duckdb_secrets()')",
    "FROM query('FROM ''/etc/passwd.csv''')",
    "FROM query('FROM read_text(''/etc/passwd'')')",
    "FROM query('FROM read_text(getvariable(''p''))')",
    "FROM query('FROM read_text(''a'' || ''b'')')",
    "FROM query('FROM \"/etc/passwd.csv\"')",
    "FROM query('SELECT 1; FROM duckdb_secrets()')",
    "FROM query('INSERT INTO t VALUES (1, ''x'')')",
    "FROM query('PRAGMA database_list')",
    "FROM query('CALL pragma_version()')",
    "FROM query('IMPORT DATABASE ''x''')",
    "FROM query('ATTACH ''x.db''')",
    "FROM query('COPY t TO ''x.csv''')",
    "FROM query('SET threads = 1')",
    "FROM query('EXPLAIN SELECT 1')",
    "FROM query('FROM __ducklake_metadata_5f0c9a.ducklake_schema')",
    "FROM query('FROM __ducklake_' || 'x', 'y'",
    "FROM query(['SELECT 1'])",
    "FROM query(['SELECT 1', 'SELECT 2'])",
    "FROM query()",
    "FROM query(?)",
    "FROM query((SELECT 'SELECT 1'))",
    "FROM query((FROM t SELECT s LIMIT 1))",
    "FROM query('SELECT ' || (SELECT s FROM t))",
    "PREPARE p AS FROM query('SELECT ' || $1)",
    "PREPARE p AS FROM query('SELECT ' || $name)",
    "PREPARE p AS FROM query(getvariable('q'))",
    "CREATE VIEW v AS FROM query(getvariable('q'))",
    "CREATE TEMP MACRO m() AS TABLE FROM query(getvariable('q'))",
    "CREATE OR REPLACE TEMP VIEW v AS FROM read_csv(getvariable('q'))",
    "CREATE MACRO m() AS TABLE FROM read_csv(current_user || '.csv')",
    "FROM query_table('duckdb_secrets')",
    "FROM query_table('duckdb_databases')",
    "FROM query_table('\"duckdb_databases\"')",
    "FROM query_table('pg_settings')",
    "FROM query_table('pg_catalog.pg_settings')",
    "FROM query_table(['t', 'duckdb_databases'])",
    "FROM query_table(['t', 'pragma_database_list'], true)",
    "FROM query_table('__ducklake_metadata_5f0c9a.ducklake_schema')",
    "FROM query_table('__ducklake_metadata_5f0c9a.public.ducklake_schema')",
    "FROM query_table('/etc/passwd.csv')",
    "FROM query_table('\"/etc/passwd.csv\"')",
    "FROM query_table('..\"/x\".csv')",
    'FROM query_table(\'"a""b"\')',
    "FROM query_table('x.db')",
    "FROM query_table('a b')",
    "FROM query_table('t -- x')",
    "FROM query_table('t\xa0')",
    "FROM query_table('(FROM duckdb_secrets())')",
    "FROM query_table('duckdb_settings()')",
    "FROM query_table($1)",
    "SELECT json_serialize_plan('SELECT 1' || '')",
    "SELECT json_serialize_plan(s) FROM t",
    "SELECT json_serialize_plan(getvariable('q'))",
    "SELECT json_serialize_plan(?)",
    "SELECT json_serialize_plan(['SELECT 1'])",
    "SELECT json_serialize_plan('FROM duckdb_secrets()')",
    "SELECT json_serialize_plan('SELECT 1; FROM duckdb_secrets()')",
    "SELECT json_serialize_plan('CREATE TABLE x AS SELECT 1')",
    "SELECT json_serialize_plan('FROM query(''FROM duckdb_secrets()'')')",
    "SELECT s.json_serialize_plan('SELECT 1') FROM t",
    "SELECT (s).json_serialize_plan('SELECT 1') FROM t",
    "SELECT main, 'FROM duckdb_secrets()'.json_serialize_plan('SELECT 1') FROM (SELECT 1 AS main)",
    "SELECT main.json_serialize_plan('SELECT 1') FROM (SELECT 1 AS main)",
    "SELECT 'FROM duckdb_secrets()'.json_serialize_plan(true)",
    "SELECT list_transform(['SELECT 1'], lambda x: json_serialize_plan(x))",
    "SELECT json_serialize_plan('SELECT json_serialize_plan(''FROM duckdb_secrets()'')')",
    "SELECT 1_0$$ ' $$, * FROM query('FROM duckdb_secrets()') --'",
    "SELECT '\\', * FROM query('FROM duckdb_secrets()') --'",
    "SELECT e'\\'', * FROM query('FROM duckdb_secrets()') --'",
    "SELECT /* /* */ ' */ * FROM query('FROM duckdb_secrets()') --'",
    "SELECT b'01''', * FROM query('FROM duckdb_secrets()')",
    "SELECT $1_0$$x$$, * FROM query('FROM duckdb_secrets()')",
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
    "CALL \"default\".main.set_option('x', 'y')",
    "FROM \"default\".SET_OPTION('x', 'y')",
    "CALL \"default\".set_commit_message('a', 'b')",
    "CALL ducklake_set_commit_message('default', 'a', 'b')",
    "CALL ducklake_add_data_files('default', 't', 'x.parquet')",
    "CALL \"default\".add_data_files('t', 'x.parquet')",
    "SELECT ducklake_list_files('default', 't')",
    "FROM memory.options()",
    "CALL memory.settings()",
    'FROM "default".main.options()',
    "FROM t WHERE i = settings()",
    "FROM ducklake_scan('x')",
    "FROM ducklake_commit('default', 'x')",
    "CALL checkpoint()",
    "FROM force_checkpoint('default')",
]

# Maintenance that needs a right, which these sessions do not have.
MAINTENANCE = [
    "CALL \"default\".set_option('parquet_compression', 'zstd')",
    "CALL ducklake_expire_snapshots('default', older_than => now())",
    "CALL ducklake_cleanup_old_files('default', cleanup_all => true)",
    "CALL ducklake_delete_orphaned_files('default', cleanup_all => true)",
    "CALL ducklake_merge_adjacent_files('default')",
    'CALL "default".merge_adjacent_files()',
    "CALL ducklake_rewrite_data_files('default')",
    "CALL ducklake_flush_inlined_data('default')",
    "CHECKPOINT",
    'CHECKPOINT "default"',
    "FORCE CHECKPOINT",
]

INSIDE = [
    "FROM duckdb_secrets()",
    "SELECT pg_database FROM t",
    "SELECT * FROM t WHERE duckdb_databases IS NULL",
    "FROM duckdb_settings(1)",
    "FROM duckdb_settings('x')",
    "FROM duckdb_settings((SELECT 1))",
    "FROM pg_settings()",
    "FROM duckdb_settings",
    "FROM memory.main.duckdb_databases",
    'FROM "default".duckdb_databases',
    "FROM information_schema.pg_settings",
    "TABLE duckdb_databases",
    "TABLE pg_catalog.pg_settings",
    "CALL duckdb_settings()",
    "CALL duckdb_databases()",
    "COPY duckdb_databases TO 'x.csv'",
    "COPY pg_settings TO 'x.csv'",
    "INSERT INTO t TABLE duckdb_databases",
    "DELETE FROM duckdb_databases()",
    "ALTER VIEW duckdb_databases RENAME TO x",
    "DROP VIEW duckdb_databases",
    "CREATE TABLE x AS TABLE duckdb_databases",
    "CREATE MACRO duckdb_settings() AS 1",
    "SELECT duckdb_settings()",
    "SELECT current_setting('temp' || '_directory')",
    "SELECT current_setting('secret_directory')",
    "SELECT current_setting('allowed_directories')",
    "SELECT current_setting('home_directory')",
    "SELECT current_setting($$allowed_configs$$)",
    "SELECT current_setting('threads' || '')",
    "SELECT current_setting(getvariable('x'))",
    "SELECT current_setting(['threads'])",
    "PRAGMA database_list = 1",
    "PRAGMA database_size('x')",
    "PRAGMA temp_directory = '/'",
    "PRAGMA threads",
    "PRAGMA threads = 5",
    "PRAGMA memory_limit = '1GB'",
    "PRAGMA disabled_optimizers = 'unused_columns'",
    'PRAGMA "threads" = 64',
    "PRAGMA threads(64)",
    "PRAGMA default_collation = 'nocase'",
    "PRAGMA default_order = 'DESC'",
    "PRAGMA statement_timeout = 0",
    "PRAGMA search_path = 'memory'",
    "FROM which_secret('x', 's3')",
    "FROM duckdb_secret_types()",
    "FROM duckdb_logs",
    "FROM duckdb_log_contexts()",
    "FROM duckdb_memory()",
    "FROM duckdb_temporary_files()",
    "FROM duckdb_external_file_cache()",
    "CALL truncate_duckdb_logs()",
    "CALL enable_logging(storage => 'file')",
    "CALL disable_logging()",
    "CALL enable_profiling()",
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
    "FROM read_csv($1)",
    "FROM read_csv(?)",
    "FROM read_csv('a' || $1)",
    "FROM read_csv(e'a\\u002e.csv' || '/../../x')",
    "FROM read_csv('a') || '.csv')",
    "FROM read_csv(['a.csv', $1])",
    "FROM read_csv((SELECT s FROM t))",
    "FROM read_csv((FROM t SELECT s))",
    "FROM read_csv((VALUES ('a')))",
    "FROM read_csv(['a.csv', (SELECT '/etc/passwd')])",
    "FROM read_csv(getenv('HOME'))",
    "FROM read_csv('a' || getenv('HOME'))",
    "FROM read_csv(current_setting('temp_directory'))",
    "FROM read_csv()",
    "PREPARE p AS FROM read_csv(getvariable('p'))",
    "PREPARE p AS FROM read_csv('a' || now() || '.csv')",
    "PREPARE p AS FROM read_csv(upper($1))",
    "FROM read_csv('a.csv'\n'/../../../etc/passwd')",
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

EXPRESSIONS = [
    "FROM read_csv(ARRAY['/etc/passwd'])",
    "FROM read_csv(getvariable('path'))",
    "FROM read_csv(getvariable('paths'))",
    "FROM read_csv('/etc' || '/passwd')",
    "FROM read_csv(('/etc/passwd'))",
    "FROM read_csv('/etc/passwd'::VARCHAR)",
    "FROM read_csv(e'\\x2fetc/passwd')",
    "FROM read_csv(e'\\057etc\\057passwd')",
    "FROM read_csv(chr(47) || 'etc/passwd')",
    "FROM read_csv('a.csv' || chr(0))",
    "FROM read_csv(['a.csv', '/etc' || '/passwd'])",
    "FROM read_csv(list_transform(['/etc/passwd'], lambda x: x))",
    "FROM read_csv([x || '/passwd' FOR x IN ['/etc']])",
    "FROM read_csv(list_value('/etc/passwd'))",
    "FROM read_csv(repeat('../', 9) || 'etc/passwd')",
    "FROM read_csv(reverse('dwssap/cte/'))",
    "FROM read_csv(concat('li', 'nk/a.csv'))",
    "FROM read_csv('li' || 'nk/*')",
    "FROM read_csv(format('{}/a.csv', 'link'))",
    "FROM read_csv('{data}' || '/main/t/x.parquet')",
    "FROM read_csv('s3:' || '//bucket/a.csv')",
    "FROM read_csv('fi' || 'le:///etc/passwd')",
    "FROM read_csv(chr(126) || '/a.csv')",
    "FROM read_csv(''::VARCHAR)",
    "FROM t, read_csv(t.s)",
    "FROM t, read_csv(s)",
    "FROM t, LATERAL (FROM read_csv(t.s || '.csv'))",
    "CREATE MACRO m(f) AS TABLE FROM read_csv(f)",
    "CREATE MACRO m(f) AS TABLE FROM read_csv(f || '.csv')",
    "CREATE MACRO m(f := 'a.csv') AS TABLE FROM read_csv(f)",
    "CREATE MACRO m(q) AS TABLE FROM query(q)",
    "CREATE OR REPLACE TEMP FUNCTION m(q) AS TABLE (SELECT * FROM query(q))",
    "CREATE VIEW v AS FROM read_csv('/etc' || '/passwd')",
    "CREATE TABLE x AS FROM read_csv('/etc' || '/passwd')",
    "INSERT INTO t FROM read_csv('/etc' || '/passwd')",
    "COPY (FROM read_text('/etc' || '/passwd')) TO 'x.csv'",
    "PREPARE p AS FROM read_csv('/etc' || '/passwd')",
    "EXPLAIN ANALYZE FROM read_csv('/etc' || '/passwd')",
    "DESCRIBE FROM read_csv('/etc' || '/passwd')",
    "CALL read_csv('/etc' || '/passwd')",
    "SELECT (SELECT count(*) FROM read_text('/etc' || '/passwd'))",
    "FROM read_text('/etc' || '/passwd')",
    "FROM glob('/etc' || '/*')",
    "FROM sniff_csv('/etc' || '/passwd')",
    "FROM parquet_metadata('{data}' || '/*.parquet')",
    "FROM query('FROM duckdb_' || 'secrets()')",
    "FROM query('FROM read_csv(''/etc' || '/passwd'')')",
    "FROM query('FROM read_csv(''a'' ||' || ' ''b'')')",
    "FROM query(chr(70) || 'ROM duckdb_secrets()')",
    "FROM query('INSERT INTO t ' || 'VALUES (1)')",
    "FROM query('SELECT 1; ' || 'FROM duckdb_secrets()')",
    "FROM query(getvariable('query'))",
    "FROM query(e'FROM duckdb\\x5fsecrets()')",
    "FROM query(replace('FROM x', 'x', 'duckdb_secrets()'))",
    "FROM query(s) x, t",
    "FROM query_table('duckdb_' || 'databases')",
    "FROM query_table('__ducklake_' || 'metadata_5f0c9a.ducklake_schema')",
    "FROM query_table(['t', 'pg_' || 'settings'])",
    "FROM query_table('/etc/' || 'passwd.csv')",
]
"""Refused when they run: their values are judged then."""

NO_TEXT = {
    "FROM read_csv(getvariable('nothing'))": "22004",
    "FROM read_csv(NULL)": "22004",
    "FROM read_csv([])": "22023",
    "FROM read_csv(NULL || 'a.csv')": "22004",
    "FROM read_csv([NULL, 'a.csv'])": "22023",
    "FROM read_csv(42)": "22023",
    "FROM read_csv(1 + 1)": "22023",
    "FROM read_csv('a'::BLOB)": "22023",
    "FROM read_csv({'a': 'b.csv'})": "22023",
    "FROM query(NULL)": "22004",
    "FROM query(1)": "22023",
    "FROM query_table(NULL::VARCHAR)": "22004",
    "FROM query_table([])": "22023",
}

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

FAMILIES = [METADATA_NAMES, TEXT_AS_SQL, DATABASES, CATALOG_CARE, MAINTENANCE, INSIDE, FILES, COPIES, UNKNOWN]


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


@pytest.mark.parametrize("script", EXPRESSIONS)
def test_hostile_expression_is_refused_when_it_is_evaluated(judge: Judge, lake: Lake, script: str) -> None:
    """An expression whose value reaches outside the session is refused before the statement runs."""
    link = lake.files / "link"
    if not link.is_symlink():
        link.symlink_to(lake.other)
    connection = lake.connection.cursor()
    connection.execute('USE "default"')
    connection.execute("SET VARIABLE path = '/etc/passwd'")
    connection.execute("SET VARIABLE paths = ['a.csv', '/etc/passwd']")
    connection.execute("SET VARIABLE query = 'FROM duckdb_secrets()'")
    [planned] = judge(script.replace("{data}", str(lake.data)))
    with pytest.raises(EngineError) as refusal:
        resolved(connection, lake.vocabulary, planned, judge)
    assert refusal.value.sql_state in REFUSED


@pytest.mark.parametrize("script", NO_TEXT)
def test_an_argument_that_is_no_text_is_an_invalid_argument(judge: Judge, lake: Lake, script: str) -> None:
    """NULL is 22004, a value of another type 22023: nothing is forbidden about them."""
    connection = lake.connection.cursor()
    [planned] = judge(script)
    with pytest.raises(EngineError, match="first argument of") as refusal:
        resolved(connection, lake.vocabulary, planned, judge)
    assert refusal.value.sql_state == NO_TEXT[script]


def test_one_bad_statement_refuses_the_whole_script(judge: Judge) -> None:
    """A script with a refused statement gives no plan at all, wherever the statement stands."""
    with pytest.raises(EngineError):
        judge("SELECT 1; SELECT 2; FROM query('FROM duckdb_secrets()'); SELECT 4")


@pytest.mark.parametrize(
    ("script", "state", "name"),
    [
        ("FROM query('CALL pragma_version()')", "42501", "query"),
        ("FROM duckdb_secrets()", "42501", "duckdb_secrets"),
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


@pytest.mark.parametrize(
    "script",
    [
        "CREATE MACRO lower(x) AS NULL",
        "CREATE OR REPLACE TEMP MACRO least(a, b) AS a",
        'CREATE TEMPORARY FUNCTION "TypeOf"(x) AS 1',
        "CREATE MACRO IF NOT EXISTS main.list_value(a) AS [1]",
        "CREATE MACRO temp.regexp_replace(a, b, c) AS a",
        "CREATE MACRO duckdb_columns() AS TABLE SELECT 1 AS x",
        "CREATE TEMP MACRO pragma_table_info(x) AS TABLE SELECT 1 AS x",
        'CREATE TEMP MACRO "+"(a, b) AS a',
        "CREATE MACRO current_setting(x) AS 1",
        "CREATE OR REPLACE FUNCTION main.query(x) AS TABLE SELECT 1 AS x",
        'CREATE MACRO "default".main.sum(x) AS 1',
    ],
)
def test_the_engines_own_functions_keep_their_names(judge: Judge, script: str) -> None:
    """A macro of that name would be called in its place, by the SQL of the service as well."""
    with pytest.raises(EngineError, match="the engine's own") as refusal:
        judge(script)
    assert refusal.value.sql_state == "42723"
