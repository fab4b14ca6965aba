"""Slots: sessions that wait for one, statements that wait for one, and calls that stop waiting."""

import time
from collections.abc import Iterator

import pytest

from tests.service.caller import ENDLESS, Caller, calling
from tests.support.world import until


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service whose synchronous calls wait for one second only."""
    with calling(
        tmp_path_factory.mktemp("impatient") / "data", {"TREADLE_SYNC_WAIT": "1", "TREADLE_SESSION_WAIT": "1"}
    ) as running:
        yield running


def test_a_session_without_a_slot_waits_and_then_runs(impatient: Caller) -> None:
    """WAITING while the only slot is taken, its statements queue; RUNNING as soon as the slot is free."""
    endpoint = impatient.endpoint("one", max_sessions=1)
    holder = impatient.session(endpoint)
    waiting = impatient.session(endpoint, wait_timeout=300)
    until(lambda: waiting.status() == "WAITING", "the session waits")
    first, second = waiting.start("CREATE TABLE waited AS SELECT 1 AS x"), waiting.start("SELECT x FROM waited")
    assert [waiting.show(one) for one in (first, second)] == [
        {"status": 3, "session_id": waiting.id, "statement_id": one} for one in (first, second)
    ]
    assert impatient.record(first)["status"] == "SUBMITTED"
    holder.close()
    until(lambda: waiting.status() == "RUNNING", "the session runs", timeout=5)
    assert waiting.wait(second)["results"][0]["result_set"]["rows"] == [["1"]]
    waiting.close()


def test_what_queues_in_a_waiting_session_can_be_cancelled(impatient: Caller) -> None:
    """Cancelled from the queue: status 4 and the words of a cancel, and it never runs."""
    endpoint = impatient.endpoint("queue", max_sessions=1)
    with impatient.session(endpoint) as holder:
        with impatient.session(endpoint, wait_timeout=300) as waiting:
            statement = waiting.start("CREATE TABLE never_made AS SELECT 1 AS x")
            assert waiting.cancel(statement) == "cancelled"
            shown = waiting.show(statement)
            [result] = shown["results"]
            assert (shown["status"], result["status"], result["sql_state"]) == (4, "PGRES_FATAL_ERROR", "57014")
            assert result["message"] == "canceling statement due to user request: canceled by alice"
            assert waiting.show(f"{statement}_1")["results"][0]["sql_state"] == "57014"
            assert impatient.record(statement).items() >= {"rung": "dequeued", "effects": "none"}.items()
            assert waiting.cancel(f"{statement}_1") == "already_cancelled"
        assert holder.fails("SELECT * FROM never_made") == "42P01"


def test_a_waiting_session_can_be_closed(impatient: Caller) -> None:
    """It is CLOSED at once, and what queued in it says why it ended."""
    endpoint = impatient.endpoint("close", max_sessions=1)
    with impatient.session(endpoint):
        waiting = impatient.session(endpoint, wait_timeout=300)
        statement = waiting.start("SELECT 1")
        waiting.close()
        assert waiting.status() == "CLOSED"
        assert impatient.record(statement).items() >= {"status": "CANCELED", "reason": "session_closed"}.items()


def test_no_slot_within_the_wait_for_one_is_429(impatient: Caller) -> None:
    """Without a wait_timeout the call gives up after session_wait, and no session of it is listed."""
    endpoint = impatient.endpoint("late", max_sessions=1)
    with impatient.session(endpoint):
        late = impatient.ask_session(endpoint)
        assert late.status_code == 429
        assert late.json()["error_code"] == "APIG.0308"
        listed = impatient.got(f"{impatient.base}/sessions", endpoint_id=endpoint)
        assert ([one["status"] for one in listed["sessions"]], listed["total"]) == (["RUNNING"], 1)
        listed = impatient.got(f"/v2/workspaces/{impatient.workspace_id}/aura-sessions", endpoint_id=endpoint)
        assert ([one["status"] for one in listed["sessions"]], listed["total"]) == (["RUNNING"], 1)


def test_statements_wait_for_a_slot_of_their_endpoint(impatient: Caller) -> None:
    """With one slot for statements those of other sessions queue with status 3, and then run one by one."""
    endpoint = impatient.endpoint("narrow", max_statements=1)
    sessions = [impatient.session(endpoint) for _ in range(3)]
    running = sessions[0].start(ENDLESS)
    until(lambda: sessions[0].show(running)["status"] == 1, "the statement runs")
    queued = [(session, session.start("SELECT 1 AS x")) for session in sessions[1:]]
    assert [session.show(one)["status"] for session, one in queued] == [3, 3]
    assert sessions[1].execute("SELECT 2")["status"] == 3
    sessions[0].cancel(running)
    ended = [session.wait(one) for session, one in queued]
    assert [shown["status"] for shown in ended] == [0, 0]
    records = [impatient.record(one) for _, one in queued]
    assert records[0]["finish_time"] <= records[1]["start_time"]
    for session in sessions:
        session.close()


def test_a_free_slot_goes_to_who_waits_longest(impatient: Caller) -> None:
    """First come, first served over the sessions of an endpoint: a busy session starves no other."""
    endpoint = impatient.endpoint("fair", max_statements=1)
    holder, one, other = (impatient.session(endpoint) for _ in range(3))
    running = holder.start(ENDLESS)
    until(lambda: holder.show(running)["status"] == 1, "the statement runs")
    submitted = [(session, session.start("SELECT 1")) for session in (one, other, one, other, one)]
    holder.cancel(running)
    for session, statement in submitted:
        session.wait(statement)
    started = {statement: impatient.record(statement)["start_time"] for _, statement in submitted}
    assert sorted(started, key=lambda statement: started[statement]) == [statement for _, statement in submitted]
    for session in (holder, one, other):
        session.close()


def test_statements_of_a_session_keep_their_order(impatient: Caller) -> None:
    """One after the other, as submitted."""
    with impatient.session() as session:
        session.run("CREATE TABLE ordered (n int)")
        append = "INSERT INTO ordered SELECT coalesce(max(n), 0) * 10 + {} FROM ordered"
        statements = [session.start(append.format(n)) for n in (1, 2, 3)]
        session.wait(statements[-1])
        assert session.rows("SELECT n FROM ordered ORDER BY n") == [["1"], ["12"], ["123"]]


def test_a_synchronous_statement_that_takes_longer_is_answered_unfinished(impatient: Caller) -> None:
    """200 with status 1 and no results; the result is there later."""
    with impatient.session() as session:
        began = time.monotonic()
        reply = session.execute("SELECT count(*) FROM range(40000000000) t(i) WHERE i % 7 = 8")
        assert 0.9 < time.monotonic() - began < 5
        unfinished = {"status": 1, "session_id": session.id, "statement_id": reply["statement_id"], "progress": None}
        assert reply == unfinished
        session.cancel(reply["statement_id"])
        assert session.show(reply["statement_id"])["status"] == 4
        reply = session.execute("SELECT sum(i % 7) > 0 AS x FROM range(500000000) t(i)")
        if reply["status"] == 1:
            reply = session.wait(reply["statement_id"], timeout=60)
        assert reply["results"][0]["result_set"]["rows"] == [["t"]]
