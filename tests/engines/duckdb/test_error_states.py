"""The SQLSTATE of each family of errors: 40001 is for what may succeed when it is done again, and for nothing else."""

import duckdb
import pytest

from tests.engines.duckdb.conftest import Judge, Lake
from tests.engines.duckdb.test_errors import refusal
from treadle.engines.duckdb.adapter import DuckDB
from treadle.engines.duckdb.errors import translate

COMMIT = "TransactionContext Error: Failed to commit: Failed to commit DuckLake transaction. "

CONFLICTS = [
    COMMIT + 'Transaction conflict - attempting to insert into table with index "1" - but another transaction has'
    " dropped this table",
    COMMIT + 'Transaction conflict - attempting to create table "t" in schema "main" - but this table has been created'
    " by another transaction already",
    COMMIT
    + "Exceeded the maximum retry count of 300 set by the ducklake_max_retry_count setting. \nTransaction conflict",
    COMMIT + 'Attempting to modify table "t" but another transaction has altered this table',
    COMMIT + "Failed to flush changes into DuckLake: ERROR: duplicate key value violates unique constraint"
    ' "ducklake_snapshot_pkey"',
    COMMIT + "Failed to flush changes into DuckLake: ERROR: deadlock detected",
    'TransactionContext Error: Catalog write-write conflict on create with "t"',
    "TransactionContext Error: Conflict on update!",
]


@pytest.mark.parametrize("text", CONFLICTS)
def test_a_conflict_can_be_tried_again(text: str) -> None:
    """What another transaction has done meanwhile, in all of its words."""
    assert translate(duckdb.TransactionException(text)).sql_state == "40001"


@pytest.mark.parametrize(
    ("kind", "text", "state"),
    [
        (duckdb.TransactionException, COMMIT + 'unsupported type "BIT"', "0A000"),
        (
            duckdb.TransactionException,
            COMMIT + 'Failed to convert DuckDB type to DuckLake - unsupported type "NULL"',
            "0A000",
        ),
        (
            duckdb.InvalidInputException,
            "Invalid Input Error: Failed to convert DuckDB type to DuckLake - unsupported type BIGNUM",
            "0A000",
        ),
        (duckdb.InternalException, 'INTERNAL Error: Unsupported type "TIME_NS" in Parquet writer', "0A000"),
        (duckdb.TransactionException, COMMIT + "Failed to flush changes into DuckLake: ERROR: x", "25000"),
        (duckdb.TransactionException, COMMIT + "server closed the connection unexpectedly", "08006"),
        (
            duckdb.TransactionException,
            "TransactionContext Error: cannot start a transaction within a transaction",
            "25001",
        ),
        (
            duckdb.TransactionException,
            'TransactionContext Error: Attempting to write to database "temp" in a transaction that has already'
            ' modified database "lake" - a single transaction can only write to a single attached database.',
            "0A000",
        ),
        (duckdb.CatalogException, "Catalog Error: Catalog with name x does not exist!", "3D000"),
    ],
)
def test_what_can_never_succeed_is_not_retryable(kind: type[Exception], text: str, state: str) -> None:
    """The same words as an error of any class."""
    assert translate(kind(text)).sql_state == state


@pytest.mark.parametrize(
    ("sql", "state"),
    [
        ("CREATE TABLE never (a BIT)", "0A000"),
        ("CREATE TABLE never (a INTEGER[3])", "0A000"),
        ("CREATE TABLE never (a UNION(x INTEGER))", "0A000"),
        ("CREATE TABLE never (a ENUM('x'))", "0A000"),
        ("CREATE TABLE never (a INTEGER PRIMARY KEY)", "0A000"),
        ("CREATE MACRO never(a, b := '1'::BIT) AS b", "0A000"),
        ("CREATE SEQUENCE never", "0A000"),
        ("ALTER TABLE t ADD COLUMN never BIT", "0A000"),
        ("ALTER TABLE t ALTER i TYPE VARCHAR", "0A000"),
        ("ALTER TABLE t ADD COLUMN S INTEGER", "42701"),
        ("ALTER TABLE t SET PARTITIONED BY (nosuch)", "42703"),
        ("ALTER TABLE t SET SORTED BY (nosuch)", "42703"),
        ("ALTER TABLE t ADD COLUMN i.x INTEGER", "42804"),
        ("COMMENT ON VIEW t IS 'x'", "42809"),
        ("UPDATE t SET i = DEFAULT", "0A000"),
        ("DELETE FROM t RETURNING i", "0A000"),
    ],
)
def test_refused_by_the_catalog(lake: Lake, judge: Judge, sql: str, state: str) -> None:
    """As the engine itself says it."""
    engine = DuckDB(lake.connection.cursor(), lake.vocabulary)
    engine.execute(judge("USE main")[0], "marker", None, None)
    engine.execute(judge("BEGIN")[0], "marker", None, None)
    assert refusal(engine, judge, sql)[1].sql_state == state
    engine.execute(judge("ROLLBACK")[0], "marker", None, None)
