"""C7 and C10: what a stopped statement left, and what became of its transaction."""

import concurrent.futures
import os
import random
import signal
import time

import pytest

from tests.conformance.zoo import COOPERATIVE
from tests.support.world import World, alive, start, until
from treadle.demo.client import CancelReply, Session

ENDLESS = COOPERATIVE[1].sql


def count(session: Session, table: str) -> int:
    """The rows of a table that a session sees."""
    value = session.run(f"SELECT count(*) FROM {table}").rows[0][0]
    return int(value or 0)


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


@pytest.mark.parametrize("end", ["cancel", "kill"])
def test_data_files_of_an_aborted_write_are_gone_at_the_reply(duck: World, end: str) -> None:
    """Neither an interrupted nor a killed write leaves Parquet files that nobody refers to (C11)."""
    with duck.session() as session:
        session.run(f"CREATE TABLE whole_{end} AS SELECT i FROM range(100000) t(i)")
        before = duck.data_files()
        reply = session.submit(f"INSERT INTO whole_{end} SELECT i FROM range(4000000000) t(i)")
        until(lambda: len(duck.data_files()) > len(before), "the insert writes a file")
        if end == "cancel":
            session.cancel(reply.statement_id)
        else:
            os.kill(duck.worker(session.id), signal.SIGKILL)
            session.wait(reply, poll=0.005)
        assert duck.data_files() == before
    with duck.session() as other:
        assert count(other, f"whole_{end}") == 100000


def test_the_files_of_an_open_transaction_are_left_alone(duck: World) -> None:
    """Clearing up after one session never takes a file that another has not committed yet (C4)."""
    with duck.session() as session, duck.session() as careful:
        careful.run("CREATE TABLE unhurt (i bigint)")
        careful.run("BEGIN; INSERT INTO unhurt SELECT i FROM range(200000) t(i)")
        before = duck.data_files()
        reply = session.submit("CREATE TABLE aborted_ctas AS SELECT i FROM range(4000000000) t(i)")
        until(lambda: len(duck.data_files()) > len(before), "the write makes a file")
        session.cancel(reply.statement_id)
        assert set(before) <= set(duck.data_files())
        careful.run("COMMIT")
        assert count(careful, "unhurt") == 200000
        until(lambda: duck.data_files() == before, "the left files are removed once the catalog is quiet")


def test_cancel_against_close_ends_once(duck: World) -> None:
    """Closing a session and cancelling its statement at the same moment: both answer, one ending, no process."""
    moments = random.Random(9)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for _ in range(20):
            session = duck.session()
            pid = duck.worker(session.id)
            canceller = duck.same(session)
            reply = session.submit(ENDLESS)

            verdict = pool.submit(_cancel_after, moments.uniform(0, 0.02), canceller, reply.statement_id)
            session.close()
            assert verdict.result().state == "CANCELED"
            record = duck.record(reply.statement_id)
            assert record["status"] == "CANCELED"
            assert record["reason"] in ("user", "session_closed")
            assert session.status() == "CLOSED"
            assert not alive(pid)


def _cancel_after(seconds: float, session: Session, statement_id: str) -> CancelReply:
    """Cancel at a moment that differs from round to round."""
    time.sleep(seconds)
    return session.cancel(statement_id)
