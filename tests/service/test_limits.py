"""Limits of time, rows and bytes: each is one more canceller, enforced outside the engine (C16)."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.world import BOUND, World, alive, spent, start, until, world
from treadle.demo.client import ApiError, Session

ENDLESS = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"
STATEMENT_CAP = 1.0
RESULT_ROWS = 1000
RESULT_BYTES = 2**20


@pytest.fixture(scope="module")
def queueing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service whose statements may wait for a second and a half."""
    settings = {"TREADLE_QUEUE_TIMEOUT": "1.5"}
    with world(tmp_path_factory.mktemp("queueing") / "data", settings) as running:
        yield running


@pytest.fixture(scope="module")
def capped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service whose operator bounds what a session may set for itself, and results."""
    settings = {
        "TREADLE_MAX_STATEMENT_TIMEOUT": str(STATEMENT_CAP),
        "TREADLE_MAX_SESSION_TIMEOUT": "3",
        "TREADLE_MAX_RESULT_ROWS": str(RESULT_ROWS),
        "TREADLE_MAX_RESULT_BYTES": str(RESULT_BYTES),
    }
    with world(tmp_path_factory.mktemp("capped") / "data", settings) as running:
        yield running


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service where a request may take three seconds in all, and a session lives for ten."""
    settings = {"TREADLE_TOTAL_TIMEOUT": "3", "TREADLE_MAX_SESSION_SECONDS": "10"}
    with world(tmp_path_factory.mktemp("lasting") / "data", settings) as running:
        yield running


def ended(at: World, statement_id: str) -> dict[str, Any]:
    """The record of a statement once it has ended."""

    def look() -> dict[str, Any] | None:
        record = at.record(statement_id)
        return record if record["status"] not in ("SUBMITTED", "RUNNING") else None

    record: dict[str, Any] = until(look, f"statement {statement_id} has ended")
    return record


def cancelled(at: World, statement_id: str, reason: str, rung: str, detail: str) -> None:
    """Assert a cancel of the service's own on the record, with its reason and detail."""
    record = ended(at, statement_id)
    told = {name: record.get(name) for name in ("status", "reason", "rung", "detail", "actor", "effects", "sql_state")}
    assert told == {
        "status": "CANCELED",
        "reason": reason,
        "rung": rung,
        "detail": detail,
        "actor": "system",
        "effects": "none",
        "sql_state": "57014",
    }


# -- the queue ----------------------------------------------------------------------------------


def test_a_statement_that_waits_too_long_never_starts(queueing: World) -> None:
    """It is taken out of the queue; what it waited for is not disturbed, and the session goes on."""
    with queueing.session() as session:
        pid = queueing.worker(session.id)
        running = start(queueing, session, ENDLESS)
        waiting = session.submit("CREATE TABLE never_made AS SELECT 1 AS x")
        cancelled(
            queueing,
            waiting.statement_id,
            "queue_timeout",
            "dequeued",
            "statement waited longer than queue_timeout (1.5 s)",
        )
        shown = session.show(waiting.statement_id)
        assert shown.status == 4
        assert (
            shown.last.message
            == "canceling statement due to queue timeout: statement waited longer than queue_timeout (1.5 s)"
        )
        assert "start_time" not in queueing.record(waiting.statement_id)
        assert session.show(running.statement_id).status == 1
        until(lambda: spent(pid, 0.3) > 0.01, "the engine still works on it")
        assert session.cancel(running.statement_id).outcome == "cancelled"
        assert session.run("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'never_made'").rows == [["0"]]


def test_a_synchronous_caller_hears_of_it(queueing: World) -> None:
    """The answer comes when the wait is over, not when whoever is before it has ended."""
    with queueing.session() as session:
        running = start(queueing, session, ENDLESS)
        began = time.monotonic()
        reply = queueing.same(session).submit("SELECT 1", sync=True)
        assert reply.status == 4
        assert 1.4 < time.monotonic() - began < 1.5 + BOUND
        session.cancel(running.statement_id)


def test_a_session_without_a_slot_is_a_queue_too(queueing: World) -> None:
    """A statement of a session that waits for its slot: there is no worker that could hear of it."""
    body = {"name": "narrow", "type": "sql", "config": {"max_sessions": 1}}
    narrow = queueing.api.post(dict[str, Any], f"{queueing.base}/endpoints", body)["id"]
    with queueing.connect(queueing.token).open_session(queueing.workspace_id, narrow):
        lake = {"instance_id": "default", "catalog": "default"}
        asked = {"endpoint_id": narrow, "lake_formation_config": lake, "wait_timeout": 300}
        opened = queueing.api.post(dict[str, Any], f"{queueing.base}/sessions", asked)
        second = Session(queueing.connect(queueing.token), queueing.workspace_id, opened["session_id"])
        until(lambda: second.status() == "WAITING", "the session waits for a slot")
        reply = second.submit("SELECT 1")
        cancelled(
            queueing,
            reply.statement_id,
            "queue_timeout",
            "dequeued",
            "statement waited longer than queue_timeout (1.5 s)",
        )
        assert second.status() == "WAITING"
        second.close()


def test_who_starts_in_time_may_run_for_longer(queueing: World) -> None:
    """The limit of the queue is none of running."""
    with queueing.session() as session:
        pid = queueing.worker(session.id)
        running = start(queueing, session, ENDLESS)
        waiting = queueing.same(session).submit(ENDLESS)
        session.cancel(running.statement_id)
        until(lambda: session.show(waiting.statement_id).status == 1, "the second one runs")
        assert spent(pid, 2.0) > 0.01
        assert session.show(waiting.statement_id).status == 1
        session.cancel(waiting.statement_id)


# -- running ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "disarm",
    [
        "SET statement_timeout TO 0",
        "SET statement_timeout TO '24d'",
        "RESET statement_timeout",
        "RESET ALL",
        "BEGIN; SET LOCAL statement_timeout TO 0",
    ],
)
def test_no_sql_disarms_the_operators_limit(capped: World, disarm: str) -> None:
    """Whatever a session sets, the statement stops at the cap, from outside the engine, and the session survives."""
    with capped.session() as session:
        pid = capped.worker(session.id)
        session.run("CREATE TEMP TABLE kept AS SELECT 7 AS x")
        session.run(disarm)
        began = time.monotonic()
        shown = session.wait(session.submit(ENDLESS))
        assert time.monotonic() - began < STATEMENT_CAP + BOUND
        assert shown.last.message == (
            "canceling statement due to statement timeout: statement ran longer than max_statement_timeout (1 s)"
        )
        assert spent(pid, 0.3) < 0.1
        cancelled(
            capped,
            shown.statement_id,
            "statement_timeout",
            "interrupted",
            "statement ran longer than max_statement_timeout (1 s)",
        )
        session.run("ROLLBACK")
        assert session.run("SELECT x FROM kept").rows == [["7"]]


def test_a_session_may_be_stricter_than_its_operator(capped: World) -> None:
    """The shorter limit counts, and says whose it was."""
    with capped.session() as session:
        session.run("SET statement_timeout TO '300ms'")
        reply = session.submit(ENDLESS)
        detail = "statement ran longer than statement_timeout (0.3 s)"
        cancelled(capped, reply.statement_id, "statement_timeout", "interrupted", detail)


def test_the_whole_request_has_a_limit(lasting: World) -> None:
    """A script whose parts are short enough, each by itself, still ends; so does what waits behind it."""
    with lasting.session() as session:
        pid = lasting.worker(session.id)
        session.run("SET statement_timeout TO '2900ms'")
        slow = "SELECT count(*) FROM range(20000000) t(i) WHERE hash(i) % 7 = 3"
        began = time.monotonic()
        first = session.submit("; ".join([slow] * 300))
        behind = session.submit("SELECT 1")
        record = ended(lasting, first.statement_id)
        assert time.monotonic() - began < 3 + BOUND
        assert (record["status"], record["reason"]) == ("CANCELED", "total_timeout")
        detail = "statement waited and ran longer than total_timeout (3 s)"
        assert (record["rung"], record["detail"]) == ("interrupted", detail)
        assert record["message"] == f"canceling statement due to total timeout: {detail}"
        assert spent(pid, 0.3) < 0.1
        # It was submitted together with the script, so that its time was over at the same moment.
        told = ended(lasting, behind.statement_id)
        assert told["status"] == "SUCCESSFUL" or told["reason"] == "total_timeout"
        assert session.run("SELECT 1").rows == [["1"]]


# -- sessions -----------------------------------------------------------------------------------


def test_a_session_ends_at_its_age_with_what_runs_in_it(lasting: World) -> None:
    """Idle or not, and whatever it sets; its statement says why, and its worker is gone."""
    session = lasting.session()
    pid = lasting.worker(session.id)
    session.run("SET session_timeout TO 0")

    def keep_busy() -> str:
        reply = session.submit(ENDLESS)
        record = ended(lasting, reply.statement_id)
        return str(record["reason"]) if record["reason"] != "total_timeout" else ""

    try:
        reason = until(keep_busy, "the session has ended")
    except ApiError:
        reason = "session_expired"
    assert reason == "session_expired"
    until(lambda: session.status() == "CLOSED", "the session is closed")
    assert not alive(pid)
    with pytest.raises(ApiError, match=r"CLOSED: session was open longer than max_session_seconds \(\d+ s\)"):
        session.submit("SELECT 1")


def test_no_sql_keeps_an_idle_session_open(capped: World) -> None:
    """SET session_timeout TO 0 does not; neither does an open transaction, whose effects are gone."""
    session = capped.session()
    pid = capped.worker(session.id)
    session.run("SET session_timeout TO 0; CREATE TABLE idle_table (x int); BEGIN; INSERT INTO idle_table VALUES (1)")
    until(lambda: session.status() == "CLOSED", "the idle session is closed")
    assert not alive(pid)
    with pytest.raises(ApiError, match=r"CLOSED: session was idle longer than max_session_timeout \(\d+ s\)"):
        session.submit("COMMIT")
    with capped.session() as other:
        assert other.run("SELECT count(*) FROM idle_table").rows == [["0"]]


def test_reading_pages_is_no_idleness(capped: World) -> None:
    """A session whose results are read stays open; when the reading ends, it is idle."""
    session = capped.session()
    pid = capped.worker(session.id)
    # In one request: between two the session would be idle already.
    reply = session.submit("SET session_timeout TO 2; SELECT 42", sync=True)
    began = time.monotonic()
    while time.monotonic() - began < 4.0:
        assert session.show(reply.statement_id).last.rows == [["42"]]
        time.sleep(0.1)
    assert session.status() == "RUNNING"
    until(lambda: session.status() == "CLOSED", "the idle session is closed")
    assert not alive(pid)


# -- results ------------------------------------------------------------------------------------


def test_a_result_of_too_many_rows_is_cancelled(capped: World) -> None:
    """As many as allowed are fine; of one more nothing is left to be read, and the session goes on."""
    with capped.session() as session:
        pid = capped.worker(session.id)
        fine = session.wait(session.submit(f"SELECT i FROM range({RESULT_ROWS}) t(i)")).last
        assert fine.status == "PGRES_TUPLES_OK"
        for sql in (f"SELECT i FROM range({RESULT_ROWS + 1}) t(i)", "SELECT i, hash(i) FROM range(4000000000) t(i)"):
            shown = session.wait(session.submit(sql))
            assert shown.status == 4
            assert (
                shown.last.message
                == "canceling statement due to quota: result has more rows than max_result_rows (1,000)"
            )
            assert shown.last.rows == []
            cancelled(
                capped, shown.statement_id, "quota", "interrupted", "result has more rows than max_result_rows (1,000)"
            )
            assert capped.result_files(shown.statement_id) == []
            assert spent(pid, 0.3) < 0.1
        assert session.run("SELECT 1").rows == [["1"]]


def test_a_result_of_too_many_bytes_is_cancelled(capped: World) -> None:
    """Few rows, but large ones."""
    with capped.session() as session:
        assert session.run("SELECT length(repeat('x', 900000)), repeat('x', 900000)").rows[0][0] == "900000"
        shown = session.wait(session.submit("SELECT repeat('x', 100000) || i FROM range(100) t(i)"))
        cancelled(capped, shown.statement_id, "quota", "interrupted", "result is larger than max_result_bytes (1 MiB)")
        assert capped.result_files(shown.statement_id) == []


def test_a_limit_of_the_request_keeps_within_the_cap(capped: World) -> None:
    """Who asks for no more rows than there may be gets them."""
    with capped.session() as session:
        body = {"session_id": session.id, "statement": "SELECT i FROM range(5000) t(i)", "limit": RESULT_ROWS}
        reply = capped.api.post(dict[str, Any], f"{capped.base}/sessions/statements", body)
        assert (reply["status"], reply["results"][0]["num_rows"]) == (0, RESULT_ROWS)


def test_too_large_a_result_of_a_write_undoes_the_write(capped: World) -> None:
    """It is cancelled before its commit; the finished parts of its script keep their results."""
    with capped.session() as session:
        session.run("CREATE TEMP TABLE target (x bigint)")
        shown = session.wait(session.submit("SELECT 5; INSERT INTO target SELECT * FROM range(2000) RETURNING x"))
        assert (shown.status, shown.last.sql_state) == (4, "57014")
        assert shown.results is not None
        assert shown.results[0].rows == [["5"]]
        assert capped.record(shown.statement_id)["reason"] == "quota"
        assert session.run("SELECT count(*) FROM target").rows == [["0"]]


def test_results_that_are_not_shown_have_no_limit(capped: World) -> None:
    """A table may have any number of rows: the caps are of results."""
    with capped.session() as session:
        assert session.run("CREATE TEMP TABLE wide AS SELECT * FROM range(100000)").status == "PGRES_COMMAND_OK"
        assert session.run("SELECT count(*) FROM wide").rows == [["100000"]]
