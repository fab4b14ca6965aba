"""Hostile SQL end to end: refused, nothing told, and the session goes on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.service.caller import Caller, Json, Sql

REFUSALS = ("42501", "0A000", "42601")
METADATA = "__ducklake_metadata"


class Lake(NamedTuple):
    """The catalog behind the sessions, as an operator knows it."""

    database: str
    data_path: str
    dsn: str


@pytest.fixture(scope="module")
def lake(caller: Caller) -> Lake:
    """The catalog's database, folder and address."""
    command = [sys.executable, "-c", "from treadle.cli import main; main()", "catalog", "list", "--json"]
    arguments = ["--workspace", caller.workspace_id, "--data-dir", str(caller.service.data_dir)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    [found] = json.loads(done.stdout)
    dsn = f"host={caller.service.data_dir}/postgres dbname={found['database']} user={found['database']}"
    return Lake(found["database"], found["data_path"], dsn)


FAMILIES: dict[str, tuple[str, ...]] = {
    "attach a database": ("ATTACH 'x.db' AS x", "ATTACH ':memory:' AS m", "ATTACH '{dsn}' AS p (TYPE postgres)"),
    "attach the lake again": ("ATTACH 'ducklake:postgres:{dsn}' AS again (DATA_PATH '{data_path}')",),
    "detach": ('DETACH "default"', f"DETACH {METADATA}", "DETACH DATABASE IF EXISTS x"),
    "install and load": ("INSTALL httpfs", "LOAD httpfs", "FORCE INSTALL httpfs FROM 'x'", "UPDATE EXTENSIONS"),
    "scan a server": ("SELECT * FROM postgres_scan('{dsn}', 'public', 'ducklake_snapshot')",),
    "query a server": ("SELECT * FROM postgres_query('{database}', 'SELECT 1')",),
    "execute on a server": ("CALL postgres_execute('{database}', 'DROP TABLE ducklake_snapshot')",),
    "read the metadata": (f"SELECT * FROM {METADATA}_x.ducklake_snapshot", f'FROM "{METADATA}".public.ducklake_table'),
    "write the metadata": (f"DELETE FROM {METADATA}_x.ducklake_snapshot", f"DROP TABLE {METADATA}.ducklake_data_file"),
    "use the metadata": (f"USE {METADATA}", f"SET search_path TO '{METADATA}'"),
    "name the metadata in a call": (f"SELECT * FROM ducklake_snapshots('{METADATA}')",),
    "care for the catalog in a query": (
        "FROM ducklake_expire_snapshots('default', older_than => now())",
        "FROM ducklake_cleanup_old_files('default', cleanup_all => true)",
        "SELECT * FROM ducklake_delete_orphaned_files('default', cleanup_all => true)",
        'WITH x AS (FROM "default".merge_adjacent_files()) FROM x',
        "EXPLAIN ANALYZE CALL ducklake_merge_adjacent_files('default')",
        "PREPARE p AS CALL ducklake_merge_adjacent_files('default')",
        "CREATE VIEW v AS FROM ducklake_flush_inlined_data('default')",
    ),
    "care for another catalog": (
        f"CALL ducklake_merge_adjacent_files('{METADATA}')",
        "CALL ducklake_expire_snapshots('{database}', older_than => now())",
        "CALL memory.merge_adjacent_files()",
        "CALL memory.list_files('victim')",
        "FROM {database}.options()",
        "CHECKPOINT memory",
        f"CHECKPOINT {METADATA}",
        "FORCE CHECKPOINT system",
    ),
    "set what harms the catalog": (
        "CALL \"default\".set_option('data_inlining_row_limit', 10)",
        "CALL ducklake_set_option('default', 'Data_Inlining_Row_Limit', 10, table_name => 'victim')",
        "CALL \"default\".set_option('data_inlining' || '_row_limit', 10)",
        'CALL "default".set_option($$data_inlining_row_limit$$, 10)',
        "CALL \"default\".set_option(e'data_inlining_row_limit', 10, schema => 'main')",
        "CALL \"default\".set_option('require_commit_message', true)",
        "CALL \"default\".set_option('parquet_compression_level', 99)",
        "CALL \"default\".set_option('delete_older_than', '0 seconds')",
    ),
    "forge a commit's author": ("CALL \"default\".set_commit_message('root', 'x', extra_info => 'y')",),
    "adopt a file": ("CALL ducklake_add_data_files('default', 'victim', 'x.parquet')",),
    "look into the catalog elsewhere": ("SELECT ducklake_options('default')", "FROM memory.list_files('victim')"),
    "read the lake's folder": (
        "SELECT * FROM read_parquet('{data_path}/main/victim/*.parquet')",
        "SELECT * FROM glob('{data_path}/**')",
        "COPY (SELECT 1) TO '{data_path}/x.parquet'",
        "SELECT * FROM glob('/proc/self/fd/*/**')",
    ),
    "secrets": ("CREATE SECRET s (TYPE postgres, HOST 'h')", "DROP SECRET s", "FROM duckdb_secrets()"),
    "which secret": ("FROM which_secret('x', 's3')",),
    "raise the limits": (
        "SET memory_limit = '1TB'",
        "SET external_threads = 64",
        "SET max_temp_directory_size = '9TB'",
    ),
    "open the doors": (
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET lock_configuration = false",
        "RESET lock_configuration",
    ),
    "read settings": (
        "SELECT current_setting('temp_directory')",
        "SELECT current_setting('secret_directory')",
        "SELECT current_setting('secret_' || 'directory')",
        "SELECT duckdb_settings()",
    ),
    "read the environment": ("SELECT getenv('HOME')", "SELECT getenv('PGPASSWORD')"),
    "list databases": ("TABLE duckdb_databases", "FROM memory.main.duckdb_databases", "CALL duckdb_databases()"),
    "list databases as PostgreSQL does": ("TABLE pg_database", "FROM query_table('pg_catalog.pg_database')"),
    "list the engine's insides": (
        "FROM duckdb_logs",
        "FROM duckdb_temporary_files()",
        "FROM duckdb_memory()",
    ),
    "text as SQL": (
        "FROM query('FROM duckdb_secrets()')",
        "FROM query('FROM duckdb' || '_secrets()')",
        "FROM query('FROM read_text(''/etc/passwd'')')",
        "FROM query_table('duckdb_databases')",
        "FROM read_text('/etc' || '/passwd')",
        "SELECT json_serialize_plan('FROM read_text(''/etc/passwd'')')",
        "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
        "FROM query/* c */('FROM duckdb_secrets()')",
        "FROM query\u00a0('FROM duckdb_secrets()')",
    ),
    "export and import": ("EXPORT DATABASE 'x'", "IMPORT DATABASE 'x'", "COPY FROM DATABASE a TO b"),
    "hide in a view": (
        "CREATE VIEW v AS FROM query('FROM duckdb_secrets()')",
        "CREATE MACRO m() AS TABLE FROM read_text('/etc/passwd')",
        "PREPARE p AS SELECT * FROM read_csv('/etc/passwd')",
        "EXPLAIN ANALYZE SELECT * FROM read_text('/etc/passwd')",
        "WITH x AS (SELECT * FROM glob('/etc/*')) FROM x",
    ),
    "hide in a script": ("SELECT 1; ATTACH 'x.db'", "SELECT ';'; LOAD httpfs; SELECT 2"),
    "profile and log": (
        "PRAGMA enable_profiling = 'json'",
        "CALL enable_logging(storage => 'file')",
        "SELECT write_log('x')",
        "PRAGMA disable_optimizer",
    ),
    "write into another catalog": ("CREATE TABLE memory.main.x (i int)", "CREATE VIEW system.main.v AS SELECT 1"),
    "foreign databases": ("FROM sqlite_scan('x.db', 't')", "FROM 'x.duckdb'", "FROM mysql_query('x', 'SELECT 1')"),
    "python": ("FROM pandas_scan(1)", "FROM arrow_scan(1, 2, 3)", "FROM python_map_function(1)"),
}


def untold(reply: object, lake: Lake, caller: Caller, said: str = "") -> None:
    """Assert that a reply says nothing about where the service keeps what; what the caller said is its own."""
    text = json.dumps(reply)
    for secret in (str(caller.service.data_dir), lake.database, METADATA, "application_name=", ".s.PGSQL"):
        assert secret in said or secret not in text, text[:2000]


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_refused_and_tells_nothing(shared: Sql, lake: Lake, family: str) -> None:
    """Every attempt of the family fails with a refusal, tells nothing, and the session goes on."""
    for attempt in FAMILIES[family]:
        said = attempt.format(**lake._asdict()) if "{" in attempt else attempt
        reply = shared.execute(said)
        last = reply["results"][-1]
        assert (reply["status"], last["status"]) == (-1, "PGRES_FATAL_ERROR"), (said, last)
        assert last["sql_state"] in REFUSALS, (said, last)
        untold(last, lake, shared.caller, said)
    assert shared.rows("SELECT 1") == [["1"]]


TELLING = (
    "SELECT DISTINCT filename FROM victim",
    "SELECT DISTINCT victim.filename, file_row_number >= 0, file_index >= 0 FROM victim",
    "EXPLAIN ANALYZE SELECT sum(i) FROM victim WHERE i > 5",
    "EXPLAIN SELECT filename FROM victim",
    "FROM ducklake_table_info('default')",
    "FROM ducklake_snapshots('default')",
    "FROM ducklake_list_files('default', 'victim')",
    "CALL ducklake_list_files('def' || 'ault', 'victim', schema => 'main')",
    "SELECT f.*, ducklake_list_files.data_file FROM list_files('victim') f, ducklake_list_files('default', 'victim')",
    "EXPLAIN FROM \"default\".list_files('victim')",
    "FROM query('FROM list_files(''victim'')')",
    "FROM ducklake_options('default')",
    'CALL "default".options()',
    "FROM settings() WHERE true",
    "CALL ducklake_settings('default')",
    "SELECT DISTINCT COLUMNS(* EXCLUDE (i)) FROM ducklake_table_insertions('default', 'main', 'victim', 0, 1)",
    "SELECT current_database(), current_schema(), current_user, current_query(), version()",
    "SHOW DATABASES",
    "FROM (SHOW DATABASES)",
    "FROM duckdb_settings()",
    "FROM pg_settings",
    "FROM duckdb_databases()",
    "FROM duckdb_databases",
    "FROM pg_catalog.pg_database",
    "FROM pragma_database_list",
    "FROM duckdb_extensions()",
    "FROM pragma_database_size()",
    "PRAGMA database_size",
    "PRAGMA database_list",
    "FROM query('FROM duckdb_databases()')",
    "SELECT json_serialize_plan('SELECT i, filename FROM victim WHERE i > 5')",
    "SELECT json_serialize_plan('FROM read_csv(''absent.csv'')')",
    "FROM query('FROM read_csv(''absent.csv'')')",
    "FROM read_csv('absent' || '.csv')",
    "FROM query_table('absent')",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SHOW ALL",
    "DESCRIBE victim",
    "SUMMARIZE victim",
    "PRAGMA table_info('victim')",
    "PRAGMA storage_info('victim')",
    "FROM pg_namespace",
    "FROM duckdb_views()",
    "FROM glob('**')",
    "SELECT * FROM 'no/such/file.csv'",
    "SELECT * FROM read_csv('absent.csv')",
    "COPY victim TO 'no/such/folder/x.csv'",
    "COPY victim FROM 'absent.csv'",
    "FROM ducklake_snapshot",
    "DROP TABLE ducklake_data_file",
    "PRAGMA table_info('ducklake_table')",
    "SELECT txid_current()",
    "SELECT repeat('x', 3000000000)",
)


@pytest.fixture(scope="module")
def victim(caller: Caller) -> None:
    """A table large enough to have a file of its own."""
    with caller.session() as session:
        session.run("CREATE TABLE victim AS SELECT i FROM range(100000) t(i)")


@pytest.mark.usefixtures("victim")
@pytest.mark.parametrize("query", TELLING)
def test_no_reply_tells_where_things_are(shared: Sql, lake: Lake, query: str) -> None:
    """Results, plans and errors name no folder of the service and nothing of the catalog's metadata."""
    reply = shared.execute(query)
    untold(reply, lake, shared.caller, query)
    untold(shared.caller.record(reply["statement_id"]), lake, shared.caller, query)


LISTINGS = (
    "SHOW",
    "DESCRIBE",
    "SHOW SCHEMAS",
    "FROM duckdb_tables()",
    "FROM duckdb_columns()",
    "FROM duckdb_schemas()",
    "FROM duckdb_constraints()",
    "FROM duckdb_indexes()",
    "FROM duckdb_types()",
    "FROM information_schema.tables",
    "FROM information_schema.columns",
    "FROM information_schema.schemata",
    "FROM pg_tables",
    "SELECT relname FROM pg_class",
    "FROM sqlite_master",
    "FROM duckdb_views()",
    "FROM duckdb_sequences()",
    "FROM duckdb_tables",
    "FROM sqlite_schema",
    "FROM pg_namespace",
    "FROM pg_catalog.pg_tables",
    "FROM pg_indexes",
    "FROM pg_views",
    "FROM pg_attribute",
    "FROM pg_constraint",
    "FROM pg_type",
    "FROM information_schema.views",
    "FROM information_schema.table_constraints",
    "FROM information_schema.key_column_usage",
    "FROM (SHOW ALL TABLES)",
    "SELECT t.table_catalog, t.table_name, columns.column_name FROM information_schema.tables t "
    "JOIN information_schema.columns USING (table_catalog, table_schema, table_name)",
    "SELECT n.nspname, c.relname, a.attname FROM pg_catalog.pg_class c "
    "LEFT JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid",
)


@pytest.mark.usefixtures("victim")
@pytest.mark.parametrize("query", LISTINGS)
def test_listings_leave_out_the_metadata(shared: Sql, lake: Lake, query: str) -> None:
    """What lists tables, columns and schemas shows those of the catalog and not those of its metadata."""
    reply = shared.execute(query)
    assert reply["status"] == 0
    pages = reply["results"][-1]["page_count"]
    shown = [shared.show(reply["statement_id"], page_num=page) for page in range(1, pages + 1)]
    untold(shown, lake, shared.caller)
    assert "ducklake_snapshot" not in json.dumps(shown)
    assert "pg_toast" not in json.dumps(shown)


@pytest.mark.usefixtures("victim")
def test_a_lost_data_file_is_an_error_without_its_folder(sql: Sql, lake: Lake) -> None:
    """The engine's own input and output errors name the file, not where the service keeps it."""
    sql.run("CREATE TABLE bereft AS SELECT i FROM range(100000) t(i)")
    [file] = Path(lake.data_path).rglob("bereft/*.parquet")
    file.rename(file.with_suffix(".away"))
    reply: Json = sql.execute("SELECT sum(i) FROM bereft")
    assert reply["results"][0]["sql_state"] == "58030"
    untold(reply, lake, sql.caller)
    file.with_suffix(".away").rename(file)
    assert sql.rows("SELECT sum(i) FROM bereft") == [["4999950000"]]


def test_the_text_of_another_statement_is_nobodys(caller: Caller) -> None:
    """Sessions of one catalog do not see each other's statements, settings or prepared statements."""
    with caller.session() as one, caller.session() as other:
        one.run("PREPARE hidden AS SELECT 'very secret'; SET application_name TO 'very secret'")
        for query in ("FROM duckdb_prepared_statements()", "FROM pg_prepared_statements", "SHOW application_name"):
            assert "very secret" not in json.dumps(other.execute(query)["results"])
