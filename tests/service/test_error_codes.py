"""The codes of errors: PostgreSQL's own for the same statements, and one with a meaning for everything else."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests.service.caller import Caller, Sql
from treadle.store.embedded import EmbeddedPostgres

TABLE: Final = "CREATE TABLE coded (a int NOT NULL)"

SAME_PLACE: Final = (
    "SELECT nope FROM coded",
    "SELECT coded.nope FROM coded",
    "SELECT nope.a FROM coded",
    "SELECT * FROM no_such_table",
    "SELECT * FROM no_such_schema.no_such_table",
    "SELECT no_such_function(1)",
    "SELECT sum('a'::text)",
    "SELECT 'a'::no_such_type",
    "SELECT 9223372036854775807 + 1",
    "SELECT interval 'abc'",
    "SELECT make_date(2026, 2, 30)",
    "SELECT extract(nope FROM timestamp '2026-01-01')",
    "SELECT ln(0)",
    "SELECT sqrt(-1)",
    "SELECT 'abc' ~ '['",
    "SELECT 'a' LIKE 'a' ESCAPE 'xx'",
    "SELECT (SELECT * FROM (VALUES (1), (2)) v)",
    "SELECT (SELECT 1, 2)",
    "SELECT a, count(*) FROM coded",
    "SELECT a FROM coded WHERE count(*) > 1",
    "SELECT a FROM coded WHERE row_number() OVER () = 1",
    "SELECT sum(sum(a)) FROM coded",
    "SELECT 1 ORDER BY 7",
    "SELECT ntile(0) OVER ()",
    "SELECT x FROM (SELECT 1 AS x) a, (SELECT 2 AS x) b",
    "SELECT * FROM coded a, coded a",
    "SELECT a FROM coded GROUP BY nope",
    "SELECT DISTINCT ON (nope) a FROM coded",
    "INSERT INTO coded (nope) VALUES (1)",
    "INSERT INTO coded VALUES ('x')",
    "INSERT INTO coded VALUES (NULL)",
    "UPDATE coded SET nope = 1",
    "UPDATE coded SET a = 1, a = 2",
    "DELETE FROM coded WHERE nope",
    "CREATE TABLE d (x int DEFAULT y)",
    "CREATE VIEW v AS SELECT nope FROM coded",
    "PREPARE p AS SELECT nope",
    "EXECUTE no_such_statement",
    "SET no_such_setting = 1",
    "SELECT 'open",
    'SELECT "open',
    "SELECT 1 FROM WHERE true",
    "SELECT 1 +",
    "frobnicate",
    "SELECT 1 WHERE 'x' = 1",
    "SELECT ARRAY[1, 'x']",
    "SELECT ('a'::text) + 1",
    "SELECT array_length(1)",
    "SELECT lpad('x')",
    "SELECT count(*) OVER (ORDER BY nope) FROM coded",
)
"""Statements that fail in PostgreSQL and here with the same code at the same place."""

SAME_CODE: Final = (
    "CREATE TABLE twice (x int, x int)",
    "SELECT sum(a) OVER nope FROM coded",
    "SELECT * FROM coded GROUP BY 9",
    "WITH w AS (SELECT 1), w AS (SELECT 2) SELECT * FROM w",
    "SELECT 'x'::int",
    "SELECT 'x'::boolean",
    "SELECT 'x'::uuid",
    "SELECT '{'::json",
    "SELECT '99999999999'::int",
    "SELECT 99999999999::int",
    "SELECT 32768::smallint",
    "SELECT 12345.6::decimal(3, 1)",
    "SELECT 'abc'::date",
    "SELECT 'abc'::timestamp",
    "SELECT 'abc'::time",
    "SELECT '2026-02-30'::date",
    "SELECT date_trunc('nope', timestamp '2026-01-01')",
    "SELECT timestamp '2026-01-01' AT TIME ZONE 'Nowhere'",
    "SELECT 1 UNION SELECT 1, 2",
    "SELECT 1 LIMIT -1",
    "SELECT * FROM coded JOIN coded b USING (nope)",
    "INSERT INTO coded VALUES (1, 2, 3)",
    "INSERT INTO coded (a, a) VALUES (1, 2)",
    "DROP TABLE no_such_table",
    "DROP VIEW coded",
    "DROP SCHEMA no_such_schema",
    "DROP FUNCTION no_such_function",
    "CREATE TABLE coded (a int)",
    "ALTER TABLE coded DROP COLUMN nope",
    "ALTER TABLE coded RENAME nope TO b",
    "ALTER TABLE coded ADD COLUMN a int",
    "ALTER TABLE no_such_table ADD COLUMN a int",
    "COMMENT ON TABLE no_such_table IS 'x'",
    "SELECT $1",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1, 2 FROM r) SELECT * FROM r",
    "TRUNCATE no_such_table",
    "SELECT 'x' COLLATE no_such_collation",
)
"""Statements that fail with the same code: of a cast the engine shows the operator, PostgreSQL the value."""


@pytest.fixture(scope="module")
def postgres() -> "Iterator[psycopg.Connection[Any]]":
    """A connection to a PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="treadle-codes-"))
    folder.chmod(0o711)  # the server's user must reach it, as it does not reach pytest's own folders
    server = EmbeddedPostgres.start(folder / "data")
    with psycopg.connect(server.service_dsn, autocommit=True) as connection:
        connection.execute(TABLE)
        yield connection
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def coded(caller: Caller) -> Iterator[Sql]:
    """A session with the same table."""
    with caller.session() as session:
        session.run(TABLE)
        yield session


@pytest.mark.parametrize("statement", [*SAME_PLACE, *SAME_CODE])
def test_error_has_postgresql_s_code(coded: Sql, postgres: "psycopg.Connection[Any]", statement: str) -> None:
    """Whatever handles PostgreSQL's errors handles these."""
    with pytest.raises(psycopg.Error) as theirs:
        postgres.execute(statement.encode())
    ours = coded.last(statement)
    assert ours["sql_state"] == theirs.value.sqlstate
    if statement in SAME_PLACE:
        place = theirs.value.diag.statement_position
        assert ours.get("position") == (None if place is None else int(place))
