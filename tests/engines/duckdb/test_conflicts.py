"""Two transactions on one catalog at once: the second commits what is right after the first, or nothing at all."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import duckdb
import pytest

from tests.engines.duckdb.conftest import CATALOG, Judge, Lake
from tests.engines.duckdb.sessions import NAME, Place, session
from treadle.engines.base import Conflict
from treadle.engines.duckdb import conflicts
from treadle.engines.duckdb.adapter import DuckDB
from treadle.engines.duckdb.errors import translate
from treadle.engines.duckdb.extensions import extension_path
from treadle.engines.duckdb.metadata import Metadata
from treadle.store.dsn import Address
from treadle.store.embedded import EmbeddedPostgres

METADATA = "__ducklake_metadata_5f0c9b"
Pair = tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the server's user can reach, which pytest's own is not."""
    path = Path(tempfile.mkdtemp(prefix="treadle-conflicts-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def pair(folder: Path) -> Iterator[Pair]:
    """Two instances on one catalog, whose metadata is in PostgreSQL."""
    server = EmbeddedPostgres.start(folder / "data")
    first, second = (_attached(Address.parse(server.service_dsn), folder) for _ in range(2))
    yield first, second
    first.close()
    second.close()
    server.stop()


def _attached(address: Address, folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config={"allow_unsigned_extensions": "true"})
    for name in ("postgres_scanner", "ducklake"):
        connection.execute(f"LOAD '{extension_path(name)}'")
    dsn = f"{address.libpq} password='{address.password}'".replace("'", "''")
    connection.execute(
        f"ATTACH 'ducklake:postgres:{dsn}' AS lake (DATA_PATH '{folder}/lake/', METADATA_CATALOG '{METADATA}',"
        " META_HIDDEN true, DATA_INLINING_ROW_LIMIT 0)"
    )
    connection.execute("USE lake")
    Metadata(connection, "lake", METADATA).mend()
    return connection


def overtaken(pair: Pair, first: str, second: str) -> str | None:
    """Both changes in transactions that begin at once: the message of the second, None when it has committed."""
    one, other = pair
    one.execute("BEGIN")
    other.execute("BEGIN")
    one.execute(first)
    other.execute(second)
    one.execute("COMMIT")
    try:
        with conflicts.recognised(other, METADATA, "transaction"):
            other.execute("COMMIT")
    except Conflict as conflict:
        return conflict.message
    return None


CHANGES = {
    "insert": "INSERT INTO {t} VALUES (1000, 1)",
    "update": "UPDATE {t} SET n = n + 1 WHERE i = {i}",
    "delete": "DELETE FROM {t} WHERE i = {i}",
    "merge": "MERGE INTO {t} t USING (SELECT {i} AS i) s ON t.i = s.i WHEN MATCHED THEN DELETE",
    "truncate": "TRUNCATE {t}",
}


@pytest.mark.slow
@pytest.mark.parametrize("before", [(), ("DELETE FROM {t} WHERE i = 0",)], ids=["untouched", "with a delete file"])
@pytest.mark.parametrize(("first", "second"), list(itertools.product(CHANGES, CHANGES)))
def test_nothing_is_lost_and_nothing_comes_back(pair: Pair, before: tuple[str, ...], first: str, second: str) -> None:
    """Afterwards the table is as if one had followed the other, or as if there had been the first alone."""
    one, _ = pair
    raced, serial = f"raced_{first}_{second}_{len(before)}", f"serial_{first}_{second}_{len(before)}"
    for table in (raced, serial):
        one.execute(f"CREATE TABLE {table} AS SELECT i, 0 AS n FROM range(20) r(i)")
        for change in before:
            one.execute(change.format(t=table))
    told = overtaken(pair, CHANGES[first].format(t=raced, i=3), CHANGES[second].format(t=raced, i=4))
    one.execute(CHANGES[first].format(t=serial, i=3))
    if told is None:
        one.execute(CHANGES[second].format(t=serial, i=4))
    else:
        assert f'table "{raced}"' in told
    ordered = "SELECT i, n FROM {} ORDER BY ALL"
    assert one.execute(ordered.format(raced)).fetchall() == one.execute(ordered.format(serial)).fetchall()


CONFLICTS = {
    "CREATE TABLE IF NOT EXISTS made (x int)": ("", 'table "made"'),
    "CREATE SCHEMA IF NOT EXISTS space": ("", 'schema with name "space"'),
    "DROP TABLE IF EXISTS gone": ("CREATE TABLE gone (x int)", 'table "gone"'),
    "DROP SCHEMA IF EXISTS room": ("CREATE SCHEMA room", 'schema "room"'),
    "DROP VIEW IF EXISTS look": ("CREATE VIEW look AS SELECT 1 AS x", 'view "look"'),
    "DROP MACRO IF EXISTS rule": ("CREATE MACRO rule(a) AS a", 'macro "rule"'),
    "CREATE OR REPLACE VIEW shown AS SELECT 1 AS x": ("", 'view "shown"'),
    "CREATE OR REPLACE MACRO made_rule(a) AS a": ("", '"made_rule"'),
    "CREATE OR REPLACE TABLE again AS SELECT 1 AS x": ("CREATE TABLE again (x int)", 'table "again"'),
    "ALTER TABLE wide ADD COLUMN y int": ("CREATE TABLE wide (x int)", 'table "wide"'),
    "COMMENT ON TABLE told IS 'x'": ("CREATE TABLE told (x int)", 'table "told"'),
}


@pytest.mark.parametrize("change", CONFLICTS)
def test_a_lost_race_names_what_it_was_about(pair: Pair, change: str) -> None:
    """By its name also where DuckLake knows an index only; and it says what to do."""
    setup, name = CONFLICTS[change]
    pair[0].execute(setup or "SELECT 1")
    told = overtaken(pair, change, change)
    assert told is not None
    assert name in told
    assert "with index" not in told
    assert told.startswith("could not serialize access due to concurrent changes: attempting to ")
    assert told.endswith("; run the transaction again")


def test_expiry_that_met_another_one_has_lost_a_race(place: Place) -> None:
    """DuckLake reports it in a family of its own: the code asks for another try all the same."""
    expire = f"CALL ducklake_expire_snapshots('{NAME}', older_than => now())"
    with session(place) as first, session(place) as second:
        first.run("CREATE TABLE expired (i INTEGER); INSERT INTO expired VALUES (1)")
        slow, quick = second.engine._con, first.engine._con
        slow.execute("BEGIN; FROM expired")
        assert quick.execute(expire).to_arrow_table().num_rows > 0
        with pytest.raises(duckdb.Error) as lost:
            slow.execute(expire).to_arrow_table()
        slow.execute("ROLLBACK")
        assert translate(lost.value).sql_state == "40001"


REPORT = "Failed to commit: Failed to commit DuckLake transaction.\n"
QUOTED = "Failed to flush changes into DuckLake: Failed to execute query \"INSERT INTO t VALUES ('{}')\": {}"
WORDS = "Transaction conflict - attempting to drop table"
TRIGGER = 'ERROR:  attempting to delete from file with index "1" - but another transaction has deleted from it\n'
CONTEXT = "CONTEXT:  PL/pgSQL function treadle_one_delete_file() line 7 at RAISE\n"


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        (f"{REPORT}{WORDS}", True),
        (REPORT + QUOTED.format("x", TRIGGER + CONTEXT), True),
        (REPORT + QUOTED.format(f"\n{WORDS}", "server closed the connection unexpectedly"), False),
        (REPORT + QUOTED.format(f'": {TRIGGER}{CONTEXT}', "server closed the connection unexpectedly"), False),
        (REPORT + QUOTED.format("x", "ERROR:  duplicate key value violates unique constraint"), False),
        (f"{REPORT}Exceeded the maximum retry count of 300 set by the ducklake_max_retry_count setting.", False),
    ],
)
def test_only_the_engines_own_word_is_a_lost_race(text: str, lost: bool) -> None:
    """What a user has written into the SQL that an error quotes is not."""
    assert (conflicts.conflict_of(text) is not None) is lost


class Counted:
    """A connection that keeps what is executed on it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.executed: list[str] = []

    def execute(self, sql: "duckdb.Statement | str", *parameters: object) -> object:
        """Execute it, and keep its first word."""
        self.executed.append((sql if isinstance(sql, str) else sql.query).split()[0])
        return self._connection.execute(sql, *parameters)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def test_a_write_without_a_rival_costs_nothing_more(lake: Lake, judge: Judge) -> None:
    """Its transaction, itself, its marker and its commit are all that the engine is given."""
    lake.connection.execute("CREATE OR REPLACE TABLE alone (i int)")
    counted = Counted(lake.connection.cursor())
    engine = DuckDB(cast("duckdb.DuckDBPyConnection", counted), lake.vocabulary)
    engine._catalog = CATALOG
    engine.execute(judge("USE main")[0], "marker", None, None)
    counted.executed.clear()
    outcome = engine.execute(judge("INSERT INTO alone VALUES (1)")[0], "marker", None, None)
    engine.commit()
    assert (outcome.commits, outcome.repeatable) == (True, True)
    assert counted.executed == ["BEGIN", "INSERT", "CALL", "COMMIT"]
    lake.connection.execute("DROP TABLE alone")


KINDS = {
    "INSERT INTO t VALUES (9, 'z')": True,
    "UPDATE t SET s = 'z'": True,
    "DELETE FROM t": True,
    "TRUNCATE t": True,
    "MERGE INTO t USING (SELECT 1 AS i) x USING (i) WHEN MATCHED THEN DELETE": True,
    "CREATE TABLE fresh (i int)": True,
    "CREATE OR REPLACE VIEW seen AS SELECT 1 AS x": True,
    "CREATE SCHEMA fresh": True,
    "CREATE MACRO fresh(a) AS a": True,
    "ALTER TABLE t ADD COLUMN z int": True,
    "COMMENT ON TABLE t IS 'x'": True,
    "DROP TABLE t": True,
    "EXPLAIN ANALYZE INSERT INTO t VALUES (9, 'z')": False,
    "CALL dbgen(sf = 0)": False,
    "COPY t TO 'out.csv'": False,
    "CREATE TEMP SEQUENCE fresh_numbers": False,
    "SET VARIABLE v = 1": False,
    "PREPARE p AS INSERT INTO t VALUES (9, 'z')": False,
    "SELECT 1": False,
    "BEGIN": False,
    "COMMIT": False,
}


@pytest.mark.parametrize("sql", KINDS)
def test_only_what_lies_in_its_transaction_is_run_again(judge: Judge, sql: str) -> None:
    """What leaves more behind, or nothing, is not."""
    assert conflicts.repeatable(judge(sql)[-1]) is KINDS[sql]
