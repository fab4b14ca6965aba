"""Statements that want more memory than a worker has: a clean error or a death alone, and neighbours unharmed."""

import pytest

from tests.support.world import World, until
from treadle.demo.client import Session

HUNGRY = {
    "aggregate": "SELECT len(list(i)) FROM range(2000000000) t(i)",
    "one_value": "SELECT length(repeat('x', 1000000000) || repeat('y', 1000000000) || repeat('z', 2000000000))",
    "nested": "SELECT len(list_transform(range(400000000), lambda x: x::varchar || 'abcdefghijklmnopqrstuvwxyz'))",
    "json": "SELECT length(to_json(range(300000000))::varchar)",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HUNGRY)
def test_a_statement_beyond_its_memory_hurts_nobody_else(running: World, name: str) -> None:
    """It fails with 53200 in a session that goes on, or its worker dies and the record says why."""
    with running.session() as neighbour, running.session() as session:
        neighbour.run(f"CREATE TABLE kept_{name} (x int)")
        neighbour.run("BEGIN")
        neighbour.run(f"INSERT INTO kept_{name} VALUES (1)")
        pid = running.worker(session.id)
        ended = session.wait(session.submit(HUNGRY[name]))
        record = running.record(ended.statement_id)
        assert record["effects"] == "none"
        if session.status() == "RUNNING":
            assert (record["status"], record["sql_state"]) in {("FAILED", "53200"), ("CANCELED", "57014")}, record
            assert record.get("reason") in {None, "quota"}
            assert session.run("SELECT 42").rows == [["42"]]
            assert running.worker(session.id) == pid
        else:
            _told_why(running, session, record["status"], record["reason"])
        neighbour.run("COMMIT")
        assert neighbour.run(f"SELECT sum(x) FROM kept_{name}").rows == [["1"]]


def _told_why(running: World, session: Session, status: str, reason: str) -> None:
    """The session died of it: its record and the session's say so."""
    assert (status, reason) in {("ERROR", "worker_crashed"), ("CANCELED", "quota")}
    assert session.status() == "FAIL"
    until(lambda: not list((running.service.data_dir / "tmp").glob("worker-*/spill/*")), "its folder is gone")
