"""A cancel while a statement is judged: it stops there, and the session goes on."""

from tests.support.world import BOUND, World, until


def running(world: World, statement_id: str) -> None:
    """Wait until a statement has left the queue."""
    until(lambda: world.record(statement_id)["status"] != "SUBMITTED", "it runs")


def test_cancel_stops_the_judgement(duck: World) -> None:
    """Of a script whose judgement takes longer than a cancel: nothing of it has run, and nothing was killed."""
    script = "CREATE TABLE judged AS SELECT 1 AS i;" + "SELECT current_setting('threads');" * 9_000
    with duck.session() as session:
        pid = duck.worker(session.id)
        rungs = set()
        for _ in range(3):
            reply = session.submit(script)
            running(duck, reply.statement_id)
            verdict = session.cancel(reply.statement_id)
            assert (verdict.state, verdict.outcome) == ("CANCELED", "cancelled")
            assert verdict.seconds < BOUND
            assert duck.record(reply.statement_id)["effects"] == "none"
            rungs.add(verdict.rung)
        assert rungs <= {"interrupted", "dequeued"}
        assert duck.worker(session.id) == pid
        assert session.run("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'judged'").rows == [["0"]]
