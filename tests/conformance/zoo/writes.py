"""Statements that leave something: tables, rows, files, transactions."""

from tests.conformance.zoo.kind import Kind

_STREAM = "SELECT i, hash(i) h FROM range(4000000000) t(i)"
_HEAVY = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"
_ROWS = ("rows",)
_FILES = ("files",)

DEFINITIONS = (
    Kind("create_table_as", "definition", f"CREATE TABLE zoo_ctas AS {_STREAM}"),
    Kind(
        "create_or_replace",
        "definition",
        "CREATE OR REPLACE TABLE zoo_replaced AS SELECT r.*, j FROM zoo_rows r, range(3) u(j)",
        needs=_ROWS,
        finite=True,
    ),
    Kind("temp_table_as", "definition", f"CREATE TEMP TABLE zoo_temp AS {_STREAM}"),
    Kind(
        "alter_type",
        "definition",
        "ALTER TABLE zoo_altered ALTER i TYPE varchar",
        needs=_ROWS,
        before="CREATE OR REPLACE TEMP TABLE zoo_altered AS SELECT i, h FROM zoo_rows, range(4)",
        unchanged="SELECT typeof(i) FROM zoo_altered LIMIT 1",
        private=True,
        finite=True,
    ),
    Kind(
        "create_index",
        "definition",
        "CREATE INDEX zoo_index ON zoo_indexed (h)",
        needs=_ROWS,
        before="CREATE OR REPLACE TEMP TABLE zoo_indexed AS SELECT i, h FROM zoo_rows",
        finite=True,
    ),
)

CHANGES = (
    Kind(
        "insert_select",
        "change",
        f"INSERT INTO zoo_insert {_STREAM}",
        setup="CREATE TABLE IF NOT EXISTS zoo_insert (i bigint, h ubigint)",
        unchanged="SELECT count(*) FROM zoo_insert",
    ),
    Kind(
        "insert_rows",
        "change",
        "INSERT INTO zoo_inserted SELECT i, h FROM zoo_rows, range(3) ORDER BY h",
        needs=_ROWS,
        setup="CREATE TABLE IF NOT EXISTS zoo_inserted (i bigint, h ubigint)",
        reset="TRUNCATE zoo_inserted",
        unchanged="SELECT count(*) FROM zoo_inserted",
        finite=True,
    ),
    Kind(
        "update",
        "change",
        "UPDATE zoo_updated SET v = v + 1",
        needs=_ROWS,
        setup="CREATE TABLE IF NOT EXISTS zoo_updated AS FROM zoo_rows",
        unchanged="SELECT count(*), sum(v) FROM zoo_updated",
        finite=True,
    ),
    Kind(
        "delete",
        "change",
        "DELETE FROM zoo_deleted WHERE h % 3 = 1",
        needs=_ROWS,
        setup="CREATE TABLE IF NOT EXISTS zoo_deleted AS FROM zoo_rows, range(3)",
        reset="CREATE OR REPLACE TABLE zoo_deleted AS FROM zoo_rows, range(3)",
        unchanged="SELECT count(*) FROM zoo_deleted",
        finite=True,
    ),
    Kind(
        "merge",
        "change",
        "MERGE INTO zoo_merged t USING (SELECT i * 2 AS i, h + 1 AS h FROM zoo_rows) s ON t.i = s.i "
        "WHEN MATCHED THEN UPDATE SET h = s.h WHEN NOT MATCHED THEN INSERT (i, h) VALUES (s.i, s.h)",
        needs=_ROWS,
        setup="CREATE TABLE IF NOT EXISTS zoo_merged AS SELECT i, h FROM zoo_rows",
        reset="CREATE OR REPLACE TABLE zoo_merged AS SELECT i, h FROM zoo_rows",
        unchanged="SELECT count(*), sum(h) FROM zoo_merged",
        finite=True,
    ),
    Kind(
        "upsert",
        "change",
        "INSERT INTO zoo_upsert SELECT i + 1000, h FROM zoo_rows ON CONFLICT DO UPDATE SET h = excluded.h",
        needs=_ROWS,
        setup="CREATE OR REPLACE TEMP TABLE zoo_upsert (i bigint PRIMARY KEY, h ubigint);"
        "INSERT INTO zoo_upsert SELECT i, h FROM zoo_rows",
        unchanged="SELECT count(*), sum(h) FROM zoo_upsert",
        private=True,
        finite=True,
    ),
)

_LOADED = "CREATE TABLE IF NOT EXISTS zoo_loaded (i bigint, h ubigint, v bigint, s varchar)"
_LOADED_ROWS = "SELECT count(*) FROM zoo_loaded"

FILES = (
    Kind("copy_parquet", "file", f"COPY ({_STREAM}) TO 'zoo.parquet'"),
    Kind("copy_csv", "file", f"COPY ({_STREAM}) TO 'zoo.csv'"),
    Kind("copy_json", "file", f"COPY ({_STREAM}) TO 'zoo.json'"),
    Kind(
        "copy_partitions",
        "file",
        "COPY (SELECT i, i % 200 p FROM range(4000000000) t(i)) TO 'zoo_parts' (FORMAT parquet, PARTITION_BY p)",
    ),
    Kind("copy_per_thread", "file", f"COPY ({_STREAM}) TO 'zoo_threads' (FORMAT csv, PER_THREAD_OUTPUT)"),
    Kind("copy_table", "file", "COPY zoo_rows TO 'zoo_all.parquet' (COMPRESSION zstd)", needs=_ROWS, finite=True),
    Kind(
        "copy_from_csv",
        "file",
        "COPY zoo_loaded FROM 'zoo_in.csv'",
        needs=_FILES,
        setup=_LOADED,
        reset="TRUNCATE zoo_loaded",
        unchanged=_LOADED_ROWS,
        finite=True,
    ),
    Kind(
        "copy_from_parquet",
        "file",
        "COPY zoo_loaded FROM 'zoo_in.parquet'",
        needs=_FILES,
        setup=_LOADED,
        reset="TRUNCATE zoo_loaded",
        unchanged=_LOADED_ROWS,
        finite=True,
    ),
    Kind(
        "many_csv",
        "file",
        "SELECT count(*), sum(length(s)) FROM read_csv('zoo_many/*/*.csv')",
        needs=_FILES,
        finite=True,
    ),
    Kind("read_json", "file", "SELECT count(*), sum(v) FROM read_json('zoo_in.json')", needs=_FILES, finite=True),
    Kind(
        "read_fifo",
        "file",
        "SELECT count(*) FROM read_csv('zoo_fifo.csv', columns = {'i': 'bigint'})",
        needs=("fifo",),
        deaf=True,
        idle=True,
    ),
)

_TX = "CREATE TABLE IF NOT EXISTS zoo_tx (i bigint)"
_TX_ROWS = "SELECT count(*) FROM zoo_tx"
_TX_INSERT = "INSERT INTO zoo_tx SELECT i FROM range(1000) t(i)"

TRANSACTIONS = (
    Kind("in_transaction", "transaction", _HEAVY, setup=_TX, before=f"BEGIN; {_TX_INSERT}", unchanged=_TX_ROWS),
    Kind(
        "write_in_transaction",
        "transaction",
        "INSERT INTO zoo_tx SELECT i FROM range(4000000000) t(i)",
        setup=_TX,
        before=f"BEGIN; {_TX_INSERT}",
        unchanged=_TX_ROWS,
    ),
    Kind(
        "commit",
        "transaction",
        "COMMIT",
        needs=_ROWS,
        setup=_TX,
        before="BEGIN; INSERT INTO zoo_tx SELECT i FROM zoo_rows; DELETE FROM zoo_tx WHERE i % 3 = 0",
        reset="TRUNCATE zoo_tx",
        unchanged=_TX_ROWS,
        finite=True,
    ),
    Kind(
        "rollback",
        "transaction",
        "ROLLBACK",
        needs=_ROWS,
        setup=_TX,
        before="BEGIN; INSERT INTO zoo_tx SELECT i FROM zoo_rows",
        unchanged=_TX_ROWS,
        finite=True,
    ),
    Kind(
        "script_of_a_transaction",
        "transaction",
        f"BEGIN; {_TX_INSERT}; {_HEAVY}; COMMIT",
        setup=_TX,
        unchanged=_TX_ROWS,
    ),
)

WRITES = (*DEFINITIONS, *CHANGES, *FILES, *TRANSACTIONS)
