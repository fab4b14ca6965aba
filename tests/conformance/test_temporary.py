"""C2, C7, C10 of writes to temporary tables, which commit without the owner: the session's rows are counted."""

import pytest

from tests.support.world import BOUND, World, rests, start
from treadle.demo.client import Session

LONG = "range(1000000000000) t(i) WHERE i % 1009 * 7 % 17 < 20"

WRITES = {
    "insert": f"INSERT INTO own SELECT i FROM {LONG}",
    "qualified": f"INSERT INTO temp.own SELECT i FROM {LONG}",
    "returning": f"INSERT INTO own SELECT i FROM {LONG} RETURNING i",
    "update": f"UPDATE own SET i = i + (SELECT sum(i % 1009 * 7 % 17) FROM {LONG})",
    "delete": f"DELETE FROM own WHERE i < (SELECT count(*) FROM {LONG})",
    "merge": f"MERGE INTO own USING (SELECT i + 10 AS i FROM {LONG}) s USING (i) WHEN NOT MATCHED THEN INSERT",
}


def rows(session: Session) -> list[list[str | None]]:
    """What the table has."""
    return session.run("SELECT count(*), sum(i) FROM own").rows


@pytest.mark.parametrize("write", WRITES)
def test_a_cancelled_write_leaves_the_table_as_it_was(duck: World, write: str) -> None:
    """Not one row of it is there, its engine is idle, and what the session has stays and can be written."""
    with duck.session() as session:
        pid = duck.worker(session.id)
        session.run("CREATE TEMP TABLE own AS SELECT i FROM range(10) t(i)")
        reply = start(duck, session, WRITES[write])
        verdict = session.cancel(reply.statement_id)
        assert (verdict.state, verdict.outcome, verdict.rung) == ("CANCELED", "cancelled", "interrupted")
        assert verdict.seconds < BOUND
        assert rests(pid, 0.5)
        assert rows(session) == [["10", "45"]]
        assert duck.record(reply.statement_id)["effects"] == "none"
        assert session.run("UPDATE own SET i = 1").message == "UPDATE 10"
        assert rows(session) == [["10", "10"]]
        assert duck.worker(session.id) == pid


def test_a_cancelled_script_keeps_the_writes_before_it(duck: World) -> None:
    """They were committed, to the session only: the catalog has nothing of them, and the record says so."""
    with duck.session() as session:
        session.run("CREATE TEMP TABLE own AS SELECT i FROM range(10) t(i)")
        reply = start(duck, session, f"INSERT INTO own VALUES (100); SELECT sum(i) FROM {LONG}; DELETE FROM own")
        assert session.cancel(reply.statement_id).outcome == "cancelled"
        assert rows(session) == [["11", "145"]]
        record = duck.record(reply.statement_id)
        assert (record["status"], record["effects"]) == ("CANCELED", "none")


def test_a_cancel_in_a_transaction_undoes_its_temporary_writes(duck: World) -> None:
    """As those to other tables: the transaction is aborted and waits for ROLLBACK."""
    with duck.session() as session:
        session.run("CREATE TEMP TABLE own AS SELECT i FROM range(10) t(i)")
        session.run("BEGIN; INSERT INTO own VALUES (100)")
        reply = start(duck, session, WRITES["insert"])
        assert session.cancel(reply.statement_id).outcome == "cancelled"
        assert session.submit("SELECT 1", sync=True).last.sql_state == "25P02"
        session.run("ROLLBACK")
        assert rows(session) == [["10", "45"]]
