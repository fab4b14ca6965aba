"""What hostile SQL tries, in families; the guard's own cases are tried as well, from where they stand.

A name in braces is a place that the ground tells: a folder of the world outside, a file of another
tenant's, the store's folder, a process.
"""

from typing import Final

from tests.engines.duckdb import test_refused as guard
from tests.service.test_hostile import FAMILIES as SERVICE_FAMILIES
from tests.support.properties import THOROUGH

READERS: Final = (
    "FROM read_text('{}')",
    "FROM read_blob('{}')",
    "FROM read_csv('{}', header = false, all_varchar = true, ignore_errors = true)",
    "FROM read_json('{}')",
    "FROM read_parquet('{}')",
    "FROM glob('{}')",
    "FROM sniff_csv('{}')",
    "SELECT * FROM '{}'",
)
SECRETS: Final = (
    "{outside}/canary.csv",
    "{outside}/deep/canary.txt",
    "{outside}/canary.json",
    "{outside}/**",
    "{foreign}/canary.csv",
    "{foreign}/canary.parquet",
    "{lake_file}",
    "{lake}/**/*.parquet",
    "{result}",
    "{results}/**",
    "{root}/results/*/*/*.arrow",
    "{own_results}/*/*.arrow",
    "{spill}/canary.txt",
    "{root}/postgres.secrets",
    "{postgres}/pg_hba.conf",
    "{postgres}/base/*/*",
    "/etc/passwd",
    "/etc/shadow",
    "/root/**",
    "/proc/self/environ",
    "/proc/self/maps",
    "/proc/self/mem",
    "/proc/{pid}/environ",
    "/proc/{pid}/root/etc/passwd",
    "/proc/{gateway}/environ",
    "/proc/{gateway}/cwd/*",
    "/dev/shm/*",
    "/sys/fs/cgroup/*",
    "/run/**",
)
WAYS: Final = (
    "link/canary.csv",
    "link/deep/canary.txt",
    "link/../outside/canary.csv",
    "tenant/canary.csv",
    "sneaky.csv",
    "sneaky.parquet",
    "root/etc/passwd",
    "up/postgres.secrets",
    "../../../outside/canary.csv",
    "{files}/../../../outside/canary.csv",
    "./x/../../../../outside/canary.csv",
    "/proc/self/cwd/../../../outside/canary.csv",
    "/proc/self/root{outside}/canary.csv",
    "/proc/thread-self/cwd/link/canary.csv",
    "file://{outside}/canary.csv",
    "file:{outside}/canary.csv",
    "file://localhost{outside}/canary.csv",
    "{files}//link//canary.csv",
    "li*/canary.csv",
    "*/deep/*.txt",
    "**/canary.csv",
)
GOALS: Final = (
    "{outside}/new.csv",
    "{outside}/canary.csv",
    "{outside}/deep",
    "link/new.csv",
    "sneaky.csv",
    "../../../outside/new.csv",
    "/proc/self/root{outside}/new.csv",
    "{foreign}/new.csv",
    "tenant/canary.csv",
    "{lake_file}",
    "{lake}/main/secret/new.parquet",
    "{result}",
    "{results}",
    "{results}/new.csv",
    "{results}/new/1.arrow",
    "{root}/results/new.csv",
    "{own_results}/../new.csv",
    "{own_results}/new.csv",
    "{spill}/new.csv",
    "{root}/postgres.secrets",
    "{postgres}/pg_hba.conf",
    "{postgres}/new.conf",
    "/etc/cron.d/new",
    "/etc/new.csv",
    "/root/new.csv",
    "/dev/shm/new.csv",
    "/dev/full",
    "/proc/self/mem",
    "/proc/self/oom_score_adj",
    "/proc/{pid}/mem",
    "/proc/{pid}/oom_score_adj",
)
WRITERS: Final = (
    "COPY (SELECT 1 AS a) TO '{}'",
    "COPY (SELECT 1 AS a) TO '{}' (FORMAT parquet)",
    "COPY (SELECT 1 AS a, 2 AS b) TO '{}' (FORMAT csv, PARTITION_BY (b), OVERWRITE)",
)


SPILLING: Final = "SET memory_limit = '20MB'; SELECT count(DISTINCT (i, hash(i))) FROM range(3000000) t(i)"


USUAL = 3
"""How many of the words for it a place is tried with, unless the tests are to be thorough."""


def _every(patterns: tuple[str, ...], places: tuple[str, ...]) -> tuple[str, ...]:
    """Each place with each of the words, or with some in turn."""
    count = len(patterns) if THOROUGH else USUAL
    return tuple(
        patterns[(at + turn) % len(patterns)].replace("{}", place)
        for at, place in enumerate(places)
        for turn in range(count)
    )


FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "read what lies outside": _every(READERS, SECRETS),
    "read by a way that leads outside": _every(READERS, WAYS),
    "write outside": _every(WRITERS, GOALS),
    "write outside in other words": (
        "EXPORT DATABASE '{outside}/export'",
        "EXPORT DATABASE '{foreign}' (FORMAT parquet)",
        "COPY (FROM range(5000000)) TO '{outside}/deep' (FORMAT csv, PER_THREAD_OUTPUT, OVERWRITE_OR_IGNORE)",
        "COPY (SELECT 1 AS a) TO 'in' (FORMAT csv, PER_THREAD_OUTPUT, FILENAME_PATTERN '../../../../outside/x')",
        "COPY (SELECT 1 AS a, '../../../../../outside' AS p) TO 'parts' (FORMAT csv, PARTITION_BY (p), OVERWRITE)",
        f"SET temp_directory = '{{outside}}/spill'; {SPILLING}",
        f"SET temp_directory = '{{spill}}'; {SPILLING}",
        "SET secret_directory = '{outside}'; CREATE PERSISTENT SECRET s (TYPE postgres, HOST 'h')",
        "SET home_directory = '{outside}'; INSTALL httpfs",
        "SET extension_directory = '{outside}'; INSTALL httpfs",
        "PRAGMA enable_profiling = 'json'; PRAGMA profiling_output = '{outside}/profile.json'; SELECT 42",
        "CALL enable_logging(storage => 'file', storage_config => {'path': '{outside}/log'}); SELECT 42",
        "SET log_query_path = '{outside}/queries.log'; SELECT 42",
        "CREATE TABLE moved AS SELECT 1 AS i; CALL ducklake_set_option('default', 'data_path', '{outside}/')",
    ),
    "attach a database": (
        "ATTACH '{outside}/new.db' AS x; CREATE TABLE x.t AS SELECT 1",
        "ATTACH '{foreign}/new.db' AS x; CREATE TABLE x.t AS SELECT 1",
        "ATTACH 'link/new.db' AS x; CREATE TABLE x.t AS SELECT 1",
        "ATTACH '{outside}/canary.csv' AS x",
        "ATTACH 'ducklake:{outside}/meta.ducklake' AS x (DATA_PATH '{lake}/')",
        "ATTACH 'ducklake:x.ducklake' AS x (DATA_PATH '{outside}/'); CREATE TABLE x.t AS FROM range(100000)",
        "ATTACH 'ducklake:y.ducklake' AS y; CREATE TABLE y.t (s VARCHAR, i BIGINT); "
        "CALL ducklake_add_data_files('y', 't', '{lake_file}'); FROM y.t",
        "CALL ducklake_add_data_files('default', 'kept', '{lake_file}', allow_missing => true)",
        "FROM sqlite_scan('{root}/x.db', 't')",
    ),
    "reach the metadata's server": (
        "FROM postgres_scan('host={postgres} user=postgres dbname=postgres', 'pg_catalog', 'pg_authid')",
        "FROM postgres_scan('host={postgres} user=treadle dbname=treadle', 'public', 'tokens')",
        "FROM postgres_scan('host={postgres} user={own_database} dbname={database}', 'public', 'ducklake_table')",
        "FROM postgres_scan('host={postgres} user={own_database} dbname=treadle', 'public', 'tokens')",
        "FROM postgres_scan('host={postgres} user={database} dbname={database}', 'public', 'ducklake_table')",
        "ATTACH 'ducklake:postgres:host={postgres} user={own_database} dbname={database}' AS x; FROM x.main.secret",
        "ATTACH 'host={postgres} user={own_database} dbname={own_database}' AS p (TYPE postgres); "
        "CALL postgres_execute('p', 'COPY (SELECT 1) TO PROGRAM ''touch {outside}/program''')",
        "ATTACH 'host={postgres} user={own_database} dbname={own_database}' AS p (TYPE postgres); "
        "CALL postgres_execute('p', 'COPY (SELECT 1) TO ''{outside}/by-the-server''')",
        "ATTACH 'host={postgres} user={own_database} dbname={own_database}' AS p (TYPE postgres); "
        "FROM postgres_query('p', 'SELECT pg_read_file(''{root}/postgres.secrets'')')",
        "ATTACH 'host={postgres} user={own_database} dbname={own_database}' AS p (TYPE postgres); "
        "FROM postgres_query('p', 'SELECT rolpassword FROM pg_authid')",
        "ATTACH 'host={postgres} user={own_database} dbname={own_database}' AS p (TYPE postgres); "
        "FROM postgres_query('p', 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity')",
        "ATTACH 'host={postgres} user={own_database} dbname={own_database}' AS p (TYPE postgres); "
        "CALL postgres_execute('p', 'CREATE ROLE more SUPERUSER')",
        "ATTACH 'host={postgres} user={own_database} dbname={own_database}' AS p (TYPE postgres); "
        "CALL postgres_execute('p', 'DROP DATABASE {database} WITH (FORCE)')",
    ),
    "reach the network": (
        "INSTALL httpfs",
        "INSTALL httpfs FROM 'http://127.0.0.1:{port}'",
        "SET extension_directory = '{files}/ext'; INSTALL httpfs FROM 'http://127.0.0.1:{port}'",
        "SET extension_directory = '{files}/ext'; INSTALL httpfs",
        "SET extension_directory = '{files}/ext'; FORCE INSTALL spatial FROM community",
        "INSTALL spatial FROM community",
        "FORCE INSTALL ducklake FROM core_nightly",
        "LOAD httpfs",
        "UPDATE EXTENSIONS",
        "FROM read_csv('http://127.0.0.1:{port}/x.csv')",
        "FROM read_text('https://127.0.0.1:{port}/x')",
        "FROM read_parquet('s3://bucket/x.parquet')",
        "FROM read_parquet('gs://bucket/x.parquet')",
        "FROM read_parquet('r2://bucket/x.parquet')",
        "FROM read_parquet('az://bucket/x.parquet')",
        "FROM read_parquet('hf://datasets/x/y.parquet')",
        "FROM 'http://127.0.0.1:{door}/metrics'",
        "COPY (SELECT 1) TO 's3://bucket/x.parquet'",
        "COPY (SELECT 1) TO 'http://127.0.0.1:{port}/x.csv'",
        "ATTACH 'https://127.0.0.1:{port}/x.db' AS x",
        "ATTACH 's3://bucket/x.db' AS x (READ_ONLY)",
        "FROM postgres_scan('host=127.0.0.1 port={port} user=x dbname=x connect_timeout=2', 'public', 't')",
        "FROM postgres_scan('host=localhost port={port} user=x dbname=x connect_timeout=2', 'public', 't')",
        "FROM postgres_scan('hostaddr=127.0.0.1 port={port} user=x connect_timeout=2', 'public', 't')",
        "FROM postgres_scan('host=::1 port={port} user=x dbname=x connect_timeout=2', 'public', 't')",
        "FROM postgres_scan('host=metadata.google.internal port=80 user=x connect_timeout=2', 'public', 't')",
        "FROM postgres_scan('host=@abstract user=x connect_timeout=2', 'public', 't')",
        "ATTACH 'host=127.0.0.1 port={port} user=x connect_timeout=2' AS x (TYPE postgres)",
        "ATTACH 'ducklake:postgres:host=127.0.0.1 port={port} user=x connect_timeout=2' AS x",
        "SET custom_extension_repository = 'http://127.0.0.1:{port}'; INSTALL httpfs",
        "SET http_proxy = 'http://127.0.0.1:{port}'; INSTALL httpfs",
    ),
    "look into the home of the service's user": (
        "UPDATE EXTENSIONS",
        "UPDATE EXTENSIONS (tpcds)",
        "LOAD tpcds",
        "LOAD '~/.duckdb/extensions/v1.5.5/linux_amd64/tpcds.duckdb_extension'",
        "LOAD '{home}/.duckdb/extensions/v1.5.5/linux_amd64/tpcds.duckdb_extension'",
        "FROM duckdb_extensions() WHERE installed AND install_path <> '(BUILT-IN)' AND NOT loaded",
        "FROM duckdb_secrets()",
        "DROP PERSISTENT SECRET kept",
        "CREATE PERSISTENT SECRET s (TYPE postgres, HOST 'h')",
        "FROM read_text('~/.pgpass')",
        "FROM read_text('{home}/.pgpass')",
        "FROM read_csv('~/data.csv')",
        "FROM '{home}/data.csv'",
        "FROM glob('~/**')",
        "FROM glob('{home}/**')",
        "FROM glob('{home}/.duckdb/**')",
        "FROM read_text('~/.aws/*')",
        "FROM read_text('{home}/.aws/credentials')",
        "COPY (SELECT 1 AS a) TO '~/new.csv'",
        "COPY (SELECT 1 AS a) TO '{home}/new.csv'",
        "ATTACH '~/new.db' AS x; CREATE TABLE x.t AS SELECT 1",
        "ATTACH 'service=canary' AS x (TYPE postgres)",
        "FROM postgres_scan('host={postgres} user=postgres passfile={home}/.pgpass', 'pg_catalog', 'x')",
    ),
    "start a program": (
        "COPY (SELECT 1) TO PROGRAM 'touch {outside}/program'",
        "COPY (SELECT 1) TO '|touch {outside}/program'",
        "FROM read_csv('|cat {outside}/canary.csv')",
        "FROM read_csv('cat {outside}/canary.csv |')",
        "FROM shellfs_scan('cat {outside}/canary.csv')",
        "FROM read_text('/dev/stdin')",
        "COPY (SELECT 1) TO '/dev/tty'",
        "COPY (SELECT 1) TO '/proc/self/fd/3'",
        "FROM read_blob('/proc/self/fd/*')",
        "SELECT system('touch {outside}/program')",
        "SELECT getenv('PGPASSWORD')",
        "SELECT getenv('HOME')",
        "LOAD '{outside}/canary.csv'",
        "LOAD '/lib/x86_64-linux-gnu/libc.so.6'",
    ),
}
"""The kernel's matter, all of it: each of them is tried with the engine's own locks and without."""

LATER_IDEAS: Final = (
    "FROM duckdb_secrets()",
    "SELECT * FROM which_secret('s3://x', 's3')",
    "CALL duckdb_databases()",
    "PRAGMA DATABASE_LIST(1)",
    "pragma/**/database_list=1",
    "SELECT duckdb_settings()",
    "SELECT current_setting('temp_directory')",
    "SELECT system.main.current_setting('secret_directory')",
    "FROM duckdb_temporary_files()",
    "FROM duckdb_external_file_cache()",
    "FROM duckdb_logs",
    "FROM query('SELECT * FROM duckdb_secrets()')",
    "FROM Query('FROM duckdb' || '_secrets()')",
    "FROM query_table('duckdb_databases')",
    "FROM query_table(['__ducklake_metadata_default.ducklake_data_file'])",
    "CREATE MACRO m(x) AS TABLE FROM read_text(x)",
    "CREATE MACRO m(x) AS TABLE FROM query(x)",
    "CREATE TEMP MACRO m() AS TABLE FROM duckdb_secrets()",
    "CREATE TEMP VIEW v AS FROM __ducklake_metadata_default.ducklake_data_file",
    "SELECT ducklake_list_files('default', 'kept')",
    "FROM memory.options()",
    "CALL ducklake_add_data_files('default', 'kept', '/etc/passwd')",
    "CALL ducklake_set_commit_message('default', 'x', 'y')",
    "CALL default.set_option('data_path', '/tmp')",
    "EXPORT DATABASE default TO 'x'",
    "COPY FROM DATABASE default TO memory",
    "SET VARIABLE p = '/etc/passwd'; FROM read_text(getvariable('p'))",
    "PREPARE p AS FROM read_text($1); EXECUTE p('/etc/passwd')",
    "EXPLAIN ANALYZE FROM read_text('/etc/passwd')",
    "SUMMARIZE '/etc/passwd'",
    "DESCRIBE FROM read_text('/etc/passwd')",
    "PIVOT '/etc/passwd' ON column0",
    "TABLE '/etc/passwd'",
    "MERGE INTO kept USING '/etc/passwd' y ON true WHEN MATCHED THEN DELETE",
    "CREATE TYPE e AS ENUM (SELECT content FROM read_text('/etc/passwd'))",
    "DETACH default",
    "USE __ducklake_metadata_default",
    'SET "enable_external_access"=true',
    "SET/**/allowed_directories=['/']",
    'SET GLOBAL "Lock_Configuration" = 0',
    "SET LOCAL lock_configuration=0",
    'SET U&"lock_configuration"=0',
    "SET \u217cock_configuration=0",
    "SET search_path = '__ducklake_metadata_default.public'",
    "PRAGMA enable_logging",
    "CALL truncate_duckdb_logs()",
    "FROM parquet_file_metadata('/etc/passwd')",
    "FROM read_json_objects_auto('/etc/passwd')",
    "FROM seq_scan('x')",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "FROM sql_auto_complete('SEL')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT write_log('x', level := 'error', log_type := 'y', scope := 'database')",
    "COPY (SELECT 1 AS a) TO 'in.csv' (FORMAT csv, FILE_EXTENSION '../../x')",
    "COPY (SELECT 1 AS a) TO 'in.csv' (TMP_FILE_DIR '/etc')",
    "COPY (SELECT 1 AS a) TO (getenv('HOME') || '/x')",
    "COPY (SELECT 1 AS a) TO '~/new.csv'",
    "SELECT 1;;;;FROM duckdb_secrets();",
    "SELECT $$a$$; FROM/**/read_text/**/('/etc/passwd')",
    r"FROM read_text(E'\x2fetc\x2fpasswd')",
    "FROM system.main.read_text('/etc/passwd')",
    "SELECT 'HOME'.getenv()",
    "SELECT list_transform(['HOME'], lambda x: system.main.getenv(x))",
    "SELECT list_aggregate([1], 'getenv')",
    "SELECT 1 AS a LIMIT (SELECT length(getenv('HOME')))",
    "SELECT sum(1) FILTER (getenv('HOME') IS NULL)",
    "CREATE TABLE g (a INT, b VARCHAR DEFAULT (getenv('HOME')))",
)
"""What newer functions, odd spelling and nesting would get past a guard that compares words."""

GUARDED: Final[dict[str, tuple[str, ...]]] = {
    **{
        f"guard: {name.lower().replace('_', ' ')}": tuple(getattr(guard, name))
        for name in (
            *("METADATA_NAMES", "TEXT_AS_SQL", "DATABASES", "CATALOG_CARE", "INSIDE", "FILES", "EXPRESSIONS", "COPIES"),
        )
    },
    "guard: later ideas": LATER_IDEAS,
    "guard: through the service": tuple(
        attempt.replace("{data_path}", "{lake}").replace("{dsn}", "host={postgres} dbname={database} user={database}")
        for family in SERVICE_FAMILIES.values()
        for attempt in family
    ),
}
"""The guard's own cases."""

LONG_ROWS: Final = "SELECT i, repeat(md5(i::VARCHAR), 30) AS s FROM range(1000000000000) t(i)"

BOMBS: Final[dict[str, dict[str, str]]] = {
    "memory": {
        "a huge string": "SELECT length(repeat('x', 3000000000))",
        "a list of everything": "SELECT len(list(i)) FROM range(100000000000) t(i)",
        "a list in one call": "SELECT len(range(10000000000))",
        "endless recursion": (
            "WITH RECURSIVE r(i, s) AS (SELECT 1, 'x' UNION ALL SELECT i + 1, s || s FROM r) SELECT count(*) FROM r"
        ),
        "rows that breed": (
            "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r, range(4)) SELECT count(*) FROM r"
        ),
        "a table that fills memory": f"CREATE TEMP TABLE wide AS {LONG_ROWS}",
    },
    "processor": {
        "a cross join with a limit": (
            "SELECT a.i, b.i FROM range(1000000) a(i), range(1000000) b(i) ORDER BY hash(a.i, b.i) LIMIT 5"
        ),
        "many columns": "SELECT " + ", ".join(f"{i} AS c{i}" for i in range(20000)),
        "brackets": "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    },
    "threads": {
        "a swarm of threads": (
            "SELECT h, count(*) FROM "
            "(SELECT hash(a.i, b.i) % 100003 AS h FROM range(3000000) a(i), range(3000000) b(i)) GROUP BY h"
        ),
        "many branches at once": " UNION ALL ".join(
            f"SELECT sum(hash(i + {n})) FROM range(100000000) t(i)" for n in range(64)
        ),
    },
    "disk": {
        "a sort that fills the disk": f"CREATE TEMP TABLE big AS {LONG_ROWS} ORDER BY hash(i)",
        "a file that fills the disk": f"COPY ({LONG_ROWS}) TO 'big.csv'",
        "a result that fills the disk": LONG_ROWS,
    },
}
"""What eats the machine, by what of it."""

HONEST: Final[dict[str, str]] = {
    **dict.fromkeys(("memory", "processor", "threads"), "SELECT sum(hash(i) % 7) FROM range(1000000000000) t(i)"),
    "disk": "COPY (SELECT i, repeat(md5(i::VARCHAR), 30) AS s FROM range(60000) t(i)) TO 'honest.csv'",
}
"""Honest work beside which a neighbour is measured too, as hungry for the same, within every limit."""

LOOSENED: Final = "SET memory_limit = '1TB'; SET max_temp_directory_size = '1TB'; SET threads = 16"
"""What a session without the engine's locks says before a bomb."""
