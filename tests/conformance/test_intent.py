"""C1, C4, C5, C6, C8, C9: whom a cancel reaches, when it may come, and that it comes once."""

import concurrent.futures
import random
import time

import pytest

from tests.conformance.zoo import COOPERATIVE, DEAF
from tests.support.world import World, alive, spent, start, until
from treadle.demo.client import ApiError, CancelReply
from treadle.demo.processes import cpu_seconds

ENDLESS = COOPERATIVE[1].sql


def test_a_queued_statement_never_starts(duck: World) -> None:
    """Cancelled in the queue: milliseconds, no engine contact, no effect, also behind a deaf statement (C6)."""
    with duck.session() as session:
        blocker = start(duck, session, DEAF[1].sql)
        queued = session.submit("CREATE TABLE never_made AS SELECT 1 AS x")
        assert session.show(queued.statement_id).status == 3
        verdict = session.cancel(queued.statement_id)
        assert (verdict.outcome, verdict.rung) == ("cancelled", "dequeued")
        assert verdict.seconds < 0.5
        record = duck.record(queued.statement_id)
        assert (record["status"], record["effects"]) == ("CANCELED", "none")
        assert record.get("start_time") in (None, "")
        assert session.show(blocker.statement_id).status == 1
        session.cancel(blocker.statement_id)
    with duck.session() as other:
        assert other.submit("SELECT * FROM never_made", sync=True).status == -1


def test_a_statement_cancelled_at_any_early_moment_is_cancelled(duck: World) -> None:
    """No gap between submit and execution swallows the intent (C5)."""
    random_moments = random.Random(5)
    with duck.session() as session:
        pid = duck.worker(session.id)
        for _ in range(60):
            reply = session.submit(ENDLESS)
            time.sleep(random_moments.uniform(0, 0.01))
            assert session.cancel(reply.statement_id).outcome == "cancelled"
        assert spent(pid, 0.3) < 0.05
        assert session.run("SELECT 1").rows == [["1"]]


def test_an_ended_statement_is_left_alone(duck: World) -> None:
    """Cancelling what has ended answers 200, changes nothing and leaves the result readable (C1, C8)."""
    with duck.session() as session:
        done = session.submit("SELECT 7 AS x", sync=True)
        failed = session.submit("SELECT no_such_column", sync=True)
        stopped = start(duck, session, ENDLESS)
        session.cancel(stopped.statement_id)
        for statement_id, outcome in (
            (done.statement_id, "already_succeeded"),
            (failed.statement_id, "already_failed"),
            (stopped.statement_id, "already_cancelled"),
        ):
            before = (session.show(statement_id), duck.record(statement_id))
            assert session.cancel(statement_id).outcome == outcome
            assert (session.show(statement_id), duck.record(statement_id)) == before
        assert session.show(done.statement_id).last.rows == [["7"]]


@pytest.mark.parametrize("which", ["workspace", "session", "statement", "other session"])
def test_what_is_unknown_is_the_same_404(duck: World, which: str) -> None:
    """An unknown workspace, session or statement, or one of another session: the documented 404 (C8)."""
    with duck.session() as session, duck.session() as other:
        statement = session.submit("SELECT 1", sync=True).statement_id
        workspace, session_id = duck.workspace_id, session.id
        match which:
            case "workspace":
                workspace = "nope"
            case "session":
                session_id = "nope"
            case "statement":
                statement = "nope"
            case _:
                session_id = other.id
        path = f"/v1/workspaces/{workspace}/sessions/{session_id}/statements/{statement}/cancel"
        with pytest.raises(ApiError) as refused:
            duck.api.call("POST", path, {})
    assert refused.value.status == 404
    kind = "statement" if which == "other session" else which
    body = '"error_code":"common.01000001","error_msg":"response status exception, code: 404"'
    assert f'{{{body},"solution_msg":"no such {kind}"}}' in str(refused.value)


def test_many_cancels_at_once_are_one(duck: World) -> None:
    """Thirty-two callers at the same moment get the same answer, and the record names one request (C9)."""
    with duck.session() as session:
        reply = start(duck, session, ENDLESS)

        def cancel(_: int) -> CancelReply:
            return duck.same(session).cancel(reply.statement_id)

        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            verdicts = list(pool.map(cancel, range(32)))
        assert {verdict.state for verdict in verdicts} == {"CANCELED"}
        assert {verdict.outcome for verdict in verdicts} <= {"cancelled", "already_cancelled"}
        assert "cancelled" in {verdict.outcome for verdict in verdicts}
        asked = [e for e in duck.log() if e["event"] == "cancel_requested" and e["statement_id"] == reply.statement_id]
        assert len(asked) == 1


def test_cancelling_a_session_stops_all_of_it_and_nothing_else(duck: World) -> None:
    """POST …/sessions/{id}/cancel ends what runs and what waits in that session (decision 11)."""
    with duck.session() as session, duck.session() as neighbour:
        pid, other = duck.worker(session.id), duck.worker(neighbour.id)
        ids = [start(duck, session, ENDLESS).statement_id, *(session.submit(ENDLESS).statement_id for _ in range(5))]
        bystander = start(duck, neighbour, ENDLESS)
        headers, body = duck.api.call("POST", f"{duck.base}/sessions/{session.id}/cancel", {})
        assert body == b""
        assert headers["X-Cancel-Outcome"] == "cancelled"
        assert {duck.record(statement_id)["status"] for statement_id in ids} == {"CANCELED"}
        assert spent(pid, 0.2) < 0.05
        until(lambda: spent(other, 0.2) > 0.05, "the neighbour's engine works on")
        assert neighbour.show(bystander.statement_id).status == 1
        assert session.run("SELECT 1").rows == [["1"]]


def test_a_page_is_whole_or_not_there(duck: World) -> None:
    """While a large result is written, stopped and afterwards, no request gets a part of it that looks whole (C17)."""
    with duck.session() as session:
        reply = start(duck, session, "SELECT i FROM range(4000000000) t(i)")
        watcher = duck.same(session)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            verdict = pool.submit(session.cancel, reply.statement_id)
            seen = []
            while not verdict.done():
                seen.append(watcher.show(reply.statement_id))
            assert verdict.result().outcome == "cancelled"
        seen.append(watcher.show(reply.statement_id))
    assert {shown.status for shown in seen} <= {1, 4}
    assert all(shown.results is None for shown in seen if shown.status == 1)
    assert all(part.rows == [] for shown in seen for part in shown.results or ())


def test_cancel_is_quick_while_every_worker_is_deaf(duck: World) -> None:
    """Cancels of queued statements do not wait behind stuck workers (C6)."""
    sessions = [duck.session() for _ in range(3)]
    try:
        for session in sessions:
            session.submit(DEAF[1].sql)
        queued = [(session, session.submit("SELECT 1").statement_id) for session in sessions for _ in range(10)]
        until(lambda: all((cpu_seconds(duck.worker(s.id)) or 0) > 0.2 for s in sessions), "all are busy")
        times = [session.cancel(statement_id).seconds for session, statement_id in queued]
        assert max(times) < 1.0
    finally:
        for session in sessions:
            session.close()
    assert not any(alive(duck.worker(session.id)) for session in sessions)
