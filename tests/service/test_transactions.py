"""Transactions over several requests, and what the record says each statement left."""

import pytest

from tests.service.caller import Caller, Sql


def test_a_transaction_is_seen_when_it_commits(caller: Caller, sql: Sql) -> None:
    """Isolated from other sessions until COMMIT; gone after ROLLBACK."""
    sql.run("CREATE TABLE isolated (x int)")
    with caller.session() as other:
        assert sql.run("BEGIN") == "BEGIN"
        sql.run("INSERT INTO isolated VALUES (1)")
        assert sql.rows("SELECT count(*) FROM isolated") == [["1"]]
        assert other.rows("SELECT count(*) FROM isolated") == [["0"]]
        assert sql.run("COMMIT") == "COMMIT"
        assert other.rows("SELECT count(*) FROM isolated") == [["1"]]
        sql.run("START TRANSACTION; DELETE FROM isolated; CREATE TABLE undone (x int)")
        assert sql.run("ROLLBACK") == "ROLLBACK"
        assert sql.rows("SELECT count(*) FROM isolated") == [["1"]]
        assert sql.fails("FROM undone") == "42P01"


def test_a_transaction_reads_one_snapshot(caller: Caller, sql: Sql) -> None:
    """What others commit meanwhile is not seen before its end."""
    sql.run("CREATE TABLE snapshot AS SELECT 1 AS x")
    with caller.session() as other:
        sql.run("BEGIN")
        assert sql.rows("SELECT count(*) FROM snapshot") == [["1"]]
        other.run("INSERT INTO snapshot VALUES (2)")
        assert sql.rows("SELECT count(*) FROM snapshot") == [["1"]]
        sql.run("COMMIT")
        assert sql.rows("SELECT count(*) FROM snapshot") == [["2"]]


@pytest.mark.parametrize("failing", ["SELECT nope", "SELECT 'a'::int", "frobnicate", "COPY t TO '/etc/x'"])
def test_an_error_aborts_the_transaction(shared: Sql, failing: str) -> None:
    """As in PostgreSQL: 25P02 for everything until ROLLBACK or COMMIT, and both undo it."""
    shared.run("CREATE TABLE IF NOT EXISTS aborting (x int)")
    for end in ("ROLLBACK", "COMMIT"):
        shared.run("BEGIN; INSERT INTO aborting VALUES (1)")
        shared.fails(failing)
        assert shared.fails("SELECT 1") == "25P02"
        assert shared.fails("SHOW statement_timeout") == "25P02"
        assert shared.run(end) == "ROLLBACK"
        assert shared.rows("SELECT count(*) FROM aborting") == [["0"]]


def test_transaction_statements_out_of_place(sql: Sql) -> None:
    """A BEGIN within a transaction, a COMMIT and a ROLLBACK of nothing do nothing, as in PostgreSQL."""
    sql.run("COMMIT")
    sql.run("ROLLBACK")
    sql.run("BEGIN")
    sql.run("CREATE TABLE once_begun (x int)")
    sql.run("BEGIN")
    sql.run("ABORT")
    assert sql.fails("FROM once_begun") == "42P01"
    assert sql.fails("SAVEPOINT a") == "42601"


def test_a_read_only_transaction_does_not_write(sql: Sql) -> None:
    """READ ONLY is kept: a write in it is 25006."""
    sql.run("CREATE TABLE unwritten (x int)")
    assert sql.run("BEGIN TRANSACTION READ ONLY") == "BEGIN"
    assert sql.rows("SELECT count(*) FROM unwritten") == [["0"]]
    assert sql.fails("INSERT INTO unwritten VALUES (1)") == "25006"
    sql.run("ROLLBACK")
    assert sql.run("BEGIN READ ONLY; SELECT 1; COMMIT") == "COMMIT"
    sql.run("BEGIN READ WRITE; INSERT INTO unwritten VALUES (1); COMMIT")
    assert sql.rows("SELECT count(*) FROM unwritten") == [["1"]]


def test_of_two_transactions_in_conflict_one_commits(caller: Caller, sql: Sql) -> None:
    """The second COMMIT is 40001, its record says effects none, and it can be done again."""
    sql.run("CREATE TABLE contested AS SELECT 0 AS v")
    with caller.session() as other:
        sql.run("BEGIN; UPDATE contested SET v = v + 1")
        other.run("BEGIN; UPDATE contested SET v = v + 10")
        assert sql.run("COMMIT") == "COMMIT"
        lost = other.execute("COMMIT")
        assert (lost["status"], lost["results"][0]["sql_state"]) == (-1, "40001")
        record = caller.record(lost["statement_id"])
        assert (record["status"], record["effects"], record["sql_state"]) == ("FAILED", "none", "40001")
        # The failed COMMIT has ended the transaction, as in PostgreSQL.
        assert other.run("BEGIN; UPDATE contested SET v = v + 10; COMMIT") == "COMMIT"
        assert sql.rows("FROM contested") == [["11"]]


@pytest.mark.parametrize(
    ("script", "effects"),
    [
        ("SELECT 1", "none"),
        ("SET statement_timeout TO 5", "none"),
        ("BEGIN; INSERT INTO effects VALUES (1); ROLLBACK", "none"),
        ("INSERT INTO effects VALUES ('x')", "none"),
        ("frobnicate", "none"),
        ("INSERT INTO effects VALUES (1)", "committed"),
        ("BEGIN; INSERT INTO effects VALUES (1); COMMIT", "committed"),
        ("SELECT 1; INSERT INTO effects VALUES (1)", "committed"),
        ("EXPLAIN ANALYZE INSERT INTO effects VALUES (1)", "committed"),
        ("COPY (SELECT 1) TO 'effects.csv'", "committed"),
        ("INSERT INTO effects VALUES (1); SELECT nope", "partial"),
        ("INSERT INTO effects VALUES (1); SELECT nope; INSERT INTO effects VALUES (1)", "partial"),
        ("BEGIN; INSERT INTO effects VALUES (1); SELECT nope", "none"),
    ],
)
def test_the_record_tells_the_effects(shared: Sql, script: str, effects: str) -> None:
    """None, committed or partial: what a reader of the history has to know."""
    shared.run("CREATE TABLE IF NOT EXISTS effects (x int)")
    before = shared.rows("SELECT count(*) FROM effects")
    assert shared.effects(script) == effects
    shared.execute("ROLLBACK")
    changed = shared.rows("SELECT count(*) FROM effects") != before
    assert changed == (effects != "none" and "INSERT" in script)


SNAPSHOTS = "SELECT count(*) FROM ducklake_snapshots('default')"


@pytest.mark.parametrize(
    ("script", "effects"),
    [
        ("BEGIN; COMMIT", "none"),
        ("BEGIN; SELECT count(*) FROM changing; COMMIT", "none"),
        ("BEGIN; SELECT 1; UPDATE changing SET x = 2 WHERE false; COMMIT", "none"),
        ("BEGIN; INSERT INTO changing VALUES (77); DELETE FROM changing WHERE x = 77; COMMIT", "none"),
        ("BEGIN; CREATE TABLE passing (x int); DROP TABLE passing; COMMIT", "none"),
        ("BEGIN; SET statement_timeout TO 5; COMMIT", "none"),
        ("UPDATE changing SET x = 2 WHERE false", "none"),
        ("DELETE FROM changing WHERE x = 77", "none"),
        ("INSERT INTO changing SELECT 1 WHERE false", "none"),
        ("MERGE INTO changing USING (SELECT 77 AS x) AS new USING (x) WHEN MATCHED THEN DELETE", "none"),
        ("EXPLAIN ANALYZE DELETE FROM changing WHERE x = 77", "none"),
        ("PREPARE idle AS UPDATE changing SET x = $1 WHERE x = 77; EXECUTE idle(1)", "none"),
        ("CREATE TABLE IF NOT EXISTS changing (y int)", "none"),
        ("CREATE SCHEMA IF NOT EXISTS main", "none"),
        ("DROP TABLE IF EXISTS no_such_table", "none"),
        ("DROP VIEW IF EXISTS no_such_view", "none"),
        ("CREATE OR REPLACE TEMP TABLE aside AS SELECT 1 AS x", "none"),
        ("CREATE OR REPLACE TEMP TABLE aside AS SELECT 1 AS x; INSERT INTO aside VALUES (2); DROP TABLE aside", "none"),
        ("CREATE TEMP MACRO doubled(x) AS 2 * x", "none"),
        ("UPDATE changing SET x = 2 WHERE false; SELECT nope", "none"),
        ("BEGIN; UPDATE changing SET x = x; COMMIT", "committed"),
        ("UPDATE changing SET x = x", "committed"),
        ("CREATE TEMP TABLE beside (x int); INSERT INTO changing VALUES (1)", "committed"),
        ("PREPARE busy AS UPDATE changing SET x = $1; EXECUTE busy(1)", "committed"),
        ("COMMENT ON TABLE changing IS 'x'", "committed"),
        ("CREATE OR REPLACE VIEW watching AS FROM changing", "committed"),
        ("INSERT INTO changing VALUES (1); UPDATE changing SET x = 2 WHERE false", "committed"),
        ("INSERT INTO changing VALUES (1); UPDATE changing SET x = 2 WHERE false; SELECT nope", "partial"),
    ],
)
def test_effects_are_told_only_of_what_was_changed(caller: Caller, shared: Sql, script: str, effects: str) -> None:
    """A transaction that made no snapshot has committed nothing."""
    shared.run("CREATE TABLE IF NOT EXISTS changing AS SELECT 1 AS x")
    with caller.session() as other:
        before = other.rows(SNAPSHOTS)
        assert shared.effects(script) == effects
        assert (other.rows(SNAPSHOTS) != before) == (effects != "none")
    shared.run("DROP VIEW IF EXISTS watching")


def test_effects_of_a_commit_beside_others(caller: Caller, sql: Sql) -> None:
    """What another session has committed meanwhile is not this transaction's."""
    sql.run("CREATE TABLE shared_effects AS SELECT 1 AS x")
    with caller.session() as other:
        sql.run("BEGIN; DELETE FROM shared_effects WHERE x = 77; CREATE TABLE IF NOT EXISTS shared_effects (x int)")
        other.run("INSERT INTO shared_effects VALUES (2)")
        assert sql.effects("COMMIT") == "none"


def test_a_commit_alone_tells_its_effects(sql: Sql) -> None:
    """Statements inside a transaction have none yet; its COMMIT has them all."""
    sql.run("CREATE TABLE stepwise (x int)")
    steps = ("BEGIN", "INSERT INTO stepwise VALUES (1)", "COMMIT")
    assert [sql.effects(step) for step in steps] == ["none", "none", "committed"]


def test_temporary_tables_follow_the_transaction(sql: Sql) -> None:
    """What a rolled back transaction did to them is undone."""
    sql.run("CREATE TEMP TABLE local_rows (x int); BEGIN; INSERT INTO local_rows VALUES (1); ROLLBACK")
    assert sql.rows("SELECT count(*) FROM local_rows") == [["0"]]
