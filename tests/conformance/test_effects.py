"""C7 and C10: what a stopped statement left, and what became of its transaction."""

import concurrent.futures
import random
import time

from tests.conformance.zoo import COOPERATIVE
from tests.support.world import World, start
from treadle.demo.client import CancelReply, Session

ENDLESS = COOPERATIVE[1].sql


def count(session: Session, table: str) -> int:
    """The rows of a table that a session sees."""
    value = session.run(f"SELECT count(*) FROM {table}").rows[0][0]
    return int(value or 0)


def test_cancel_against_commit_never_lies(duck: World) -> None:
    """Racing cancels against autocommitted inserts: CANCELED means no row, SUCCESSFUL means all of them."""
    moments = random.Random(7)
    outcomes = []
    with duck.session() as session, duck.session() as reader, concurrent.futures.ThreadPoolExecutor(1) as pool:
        session.run("CREATE TABLE raced (n int, i bigint)")
        canceller = duck.same(session)
        for n in range(200):
            reply = session.submit(f"INSERT INTO raced SELECT {n}, i FROM range(2000) t(i)")

            def late(statement_id: str = reply.statement_id, pause: float = moments.uniform(0, 0.03)) -> CancelReply:
                time.sleep(pause)
                return canceller.cancel(statement_id)

            verdict = pool.submit(late).result()
            rows = int(reader.run(f"SELECT count(*) FROM raced WHERE n = {n}").rows[0][0] or 0)
            record = duck.record(reply.statement_id)
            expected = {"CANCELED": (0, "none"), "SUCCESSFUL": (2000, "committed")}[record["status"]]
            assert (rows, record["effects"]) == expected
            assert verdict.state == record["status"]
            outcomes.append(record["status"])
    assert {"CANCELED", "SUCCESSFUL"} == set(outcomes)


def test_cancel_against_an_explicit_commit_never_lies(duck: World) -> None:
    """The same for an explicit COMMIT: the rows are there exactly when its record says committed."""
    moments = random.Random(8)
    with duck.session() as session, duck.session() as reader, concurrent.futures.ThreadPoolExecutor(1) as pool:
        session.run("CREATE TABLE raced_commit (n int, i bigint)")
        canceller = duck.same(session)
        for n in range(60):
            session.run("BEGIN")
            session.run(f"INSERT INTO raced_commit SELECT {n}, i FROM range(2000) t(i)")
            reply = session.submit("COMMIT")

            def late(statement_id: str = reply.statement_id, pause: float = moments.uniform(0, 0.02)) -> CancelReply:
                time.sleep(pause)
                return canceller.cancel(statement_id)

            pool.submit(late).result()
            rows = int(reader.run(f"SELECT count(*) FROM raced_commit WHERE n = {n}").rows[0][0] or 0)
            record = duck.record(reply.statement_id)
            if record["status"] == "CANCELED":
                assert (rows, record["effects"]) == (0, "none")
                session.run("ROLLBACK")
            else:
                assert (rows, record["status"], record["effects"]) == (2000, "SUCCESSFUL", "committed")


def test_a_script_keeps_what_its_finished_statements_did(duck: World) -> None:
    """Cancelled in the middle: the first parts stay with their results, the rest never starts (C7)."""
    with duck.session() as session:
        script = (
            f"CREATE TABLE kept AS SELECT 1 AS x; SELECT x FROM kept;{ENDLESS}; CREATE TABLE never AS SELECT 2 AS x"
        )
        reply = start(duck, session, script)
        assert session.cancel(f"{reply.statement_id}_1").outcome == "already_succeeded"
        assert session.cancel(reply.statement_id).outcome == "cancelled"
        record = duck.record(reply.statement_id)
        assert (record["status"], record["effects"]) == ("CANCELED", "partial")
        shown = session.show(reply.statement_id)
        assert [part.status for part in shown.results or ()] == [
            "PGRES_COMMAND_OK",
            "PGRES_TUPLES_OK",
            "PGRES_FATAL_ERROR",
        ]
        assert session.show(f"{reply.statement_id}_2").last.rows == [["1"]]
        assert count(session, "kept") == 1
        assert session.submit("SELECT * FROM never", sync=True).last.sql_state == "42P01"


def test_a_cancelled_statement_aborts_its_transaction(duck: World) -> None:
    """As in PostgreSQL: everything says so until ROLLBACK, and nothing of the transaction stays (C10)."""
    with duck.session() as session:
        session.run("CREATE TABLE aborted (x int)")
        session.run("BEGIN")
        session.run("INSERT INTO aborted VALUES (1)")
        session.cancel(start(duck, session, ENDLESS).statement_id)
        refused = session.submit("SELECT 1", sync=True).last
        assert refused.sql_state == "25P02"
        assert refused.message.startswith("current transaction is aborted")
        session.run("ROLLBACK")
        assert count(session, "aborted") == 0
        session.run("BEGIN; INSERT INTO aborted VALUES (2); COMMIT")
        assert count(session, "aborted") == 1


def test_commit_of_an_aborted_transaction_rolls_back(duck: World) -> None:
    """COMMIT after a stopped statement answers ROLLBACK and commits nothing, as in PostgreSQL."""
    with duck.session() as session:
        session.run("CREATE TABLE aborted_too (x int)")
        session.run("BEGIN; INSERT INTO aborted_too VALUES (1)")
        session.cancel(start(duck, session, ENDLESS).statement_id)
        assert session.run("COMMIT").message == "ROLLBACK"
        assert count(session, "aborted_too") == 0


def test_an_overwritten_file_is_the_old_one_or_the_new_one(duck: World) -> None:
    """A cancelled COPY over an existing file leaves the old content whole."""
    with duck.session() as session:
        session.run("COPY (SELECT 1 AS x) TO 'precious.csv'")
        before = (duck.files / "precious.csv").read_bytes()
        reply = start(duck, session, "COPY (SELECT i FROM range(4000000000) t(i)) TO 'precious.csv'")
        assert session.cancel(reply.statement_id).outcome == "cancelled"
        assert (duck.files / "precious.csv").read_bytes() == before
        assert session.run("SELECT x FROM 'precious.csv'").rows == [["1"]]
