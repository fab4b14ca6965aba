"""C14, C16, C18, C19: who stopped it and why, deadlines on the same path, and honesty when it cannot be proven."""

import os
import re
import subprocess
import sys

import pytest

from tests.conformance.zoo import COOPERATIVE, DEAF
from tests.support.tokens import make_token
from tests.support.world import World, alive, spent, start, until, world
from treadle.demo.client import ApiError, Session

ENDLESS = COOPERATIVE[1].sql


def test_a_statement_timeout_is_a_cancel_with_its_reason(duck: World) -> None:
    """SET statement_timeout stops the statement from outside the engine, and says so everywhere."""
    with duck.session() as session:
        pid = duck.worker(session.id)
        session.run("SET statement_timeout TO 1")
        shown = session.wait(session.submit(ENDLESS))
        assert (shown.status, shown.last.sql_state) == (4, "57014")
        assert shown.last.message == (
            "canceling statement due to statement timeout: statement ran longer than statement_timeout (1 s)"
        )
        record = duck.record(shown.statement_id)
        assert (record["status"], record["reason"], record["actor"]) == ("CANCELED", "statement_timeout", "system")
        assert spent(pid, 0.3) < 0.05
        session.run("SET statement_timeout TO 0")
        assert session.run("SELECT 1").rows == [["1"]]


def test_a_statement_timeout_reaches_a_deaf_statement(duck: World) -> None:
    """The deadline holds for statements that ignore interrupts: their worker is killed."""
    with duck.session() as session:
        pid = duck.worker(session.id)
        session.run("SET statement_timeout = '1s'")
        shown = session.wait(session.submit(DEAF[1].sql))
        assert duck.record(shown.statement_id)["reason"] == "statement_timeout"
        assert not alive(pid)
        assert session.status() == "FAIL"


def test_closing_a_session_stops_what_runs_in_it(duck: World) -> None:
    """DELETE answers when the statements have stopped and the worker is gone; twice is once."""
    session = duck.session()
    pid = duck.worker(session.id)
    running = start(duck, session, ENDLESS)
    waiting = session.submit("SELECT 1")
    session.close()
    assert not alive(pid)
    assert session.status() == "CLOSED"
    for statement_id in (running.statement_id, waiting.statement_id):
        record = duck.record(statement_id)
        assert (record["status"], record["reason"], record["actor"]) == ("CANCELED", "session_closed", "alice")
    session.close()
    with pytest.raises(ApiError, match="CLOSED"):
        session.submit("SELECT 1")


def test_closing_a_session_kills_what_is_deaf_in_it(duck: World) -> None:
    """A statement that ignores interrupts does not keep its session: CLOSED within the bound, not FAIL."""
    session = duck.session()
    pid = duck.worker(session.id)
    running = start(duck, session, DEAF[1].sql)
    session.close()
    assert not alive(pid)
    assert session.status() == "CLOSED"
    record = duck.record(running.statement_id)
    assert (record["status"], record["reason"], record["rung"]) == ("CANCELED", "session_closed", "killed")


def test_an_idle_session_is_closed(duck: World) -> None:
    """After session_timeout seconds without a statement the session is CLOSED and its worker gone."""
    with duck.session() as session:
        pid = duck.worker(session.id)
        session.run("SET session_timeout TO 1")
        until(lambda: session.status() == "CLOSED", "the idle session is closed")
        assert not alive(pid)


def test_a_dead_worker_is_told(duck: World) -> None:
    """After kill -9 of a worker: the statement is ERROR with the reason, the session FAIL, the neighbour unharmed."""
    with duck.session() as neighbour, duck.session() as session:
        pid = duck.worker(session.id)
        reply = start(duck, session, ENDLESS)
        subprocess.run(["kill", "-9", str(pid)], check=True)
        shown = session.wait(reply)
        assert shown.status == -1
        record = duck.record(reply.statement_id)
        assert (record["status"], record["reason"], record["effects"]) == ("ERROR", "worker_crashed", "none")
        assert session.status() == "FAIL"
        assert neighbour.run("SELECT 1").rows == [["1"]]


def test_an_operator_cancels_from_the_command_line(duck: World) -> None:
    """The command `treadle cancel` goes the same way and is named as the operator's."""
    with duck.session() as session:
        pid = duck.worker(session.id)
        reply = start(duck, session, ENDLESS)
        command = [sys.executable, "-c", "from treadle.cli import main; main()", "cancel", reply.statement_id]
        done = subprocess.run(
            [*command, "--data-dir", str(duck.service.data_dir)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | duck.settings,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("cancelled (CANCELED, interrupted)")
        assert spent(pid, 0.3) < 0.05
        record = duck.record(reply.statement_id)
        assert (record["reason"], record["actor"]) == ("operator", "operator")


def test_a_value_larger_than_the_worker_is_a_clean_error(duck: World) -> None:
    """One list of eight gigabytes fails with SQLSTATE 53200 and the session goes on."""
    with duck.session() as session:
        refused = session.wait(session.submit("SELECT len(range(1000000000))")).last
        assert refused.sql_state == "53200"
        assert session.run("SELECT 1").rows == [["1"]]


def test_a_worker_beyond_its_memory_is_stopped_with_the_reason(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Memory the engine does not count is watched from outside: the statement ends with reason quota (C16)."""
    settings = {"TREADLE_WORKER_MEMORY": "256MiB", "TREADLE_POLL_INTERVAL": "0.1", "TREADLE_CANCEL_GRACE": "0.5"}
    with world(tmp_path_factory.mktemp("quota") / "data", settings) as duck, duck.session() as session:
        # Slowly, and from half a GiB: what grows faster than anybody looks meets the bound of its address space first.
        sql = "SELECT len(list_transform(range(66000000), lambda x: ln(x + 1) * sin(x) * cos(x) * atan(x)))"
        shown = session.wait(session.submit(sql))
        detail = "worker took more than 640 MiB, the bound for worker_memory (256 MiB)"
        assert shown.last.message == f"canceling statement due to quota: {detail}"
        assert duck.record(shown.statement_id)["reason"] == "quota"


def test_a_result_larger_than_memory_can_be_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Results stream to disk: a worker with 256 MiB returns 1.2 GB of rows, every page of them readable."""
    settings = {"TREADLE_WORKER_MEMORY": "256MiB"}
    with world(tmp_path_factory.mktemp("large") / "data", settings) as duck, duck.session() as session:
        shown = session.wait(session.submit("SELECT i, repeat('abcdefghij', 30) FROM range(4000000) t(i)"))
        assert (shown.status, shown.last.num_rows, shown.last.page_count) == (0, 4_000_000, 4000)
        last = session.show(shown.statement_id, page=4000).last.rows
        assert (len(last), last[-1]) == (1000, ["3999999", "abcdefghij" * 30])


def test_cancel_latency_is_exported(duck: World) -> None:
    """p50, p99 and the maximum by rung stand in /metrics, and nothing is overdue (C3, C19)."""
    with duck.session() as session:
        session.cancel(start(duck, session, ENDLESS).statement_id)
    _, body = duck.api.call("GET", "/metrics")
    text = body.decode()
    for figure in ("p50", "p99", "max"):
        value = re.search(rf'^treadle_cancel_{figure}_seconds{{rung="interrupted"}} (\S+)$', text, re.MULTILINE)
        assert value is not None
        assert 0 < float(value[1]) < 5
    assert "treadle_cancel_overdue 0.0" in text


def test_a_stop_that_cannot_be_proven_in_time_is_408(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With cancel_timeout below the grace a deaf statement is answered 408, never CANCELED; the intent stays (C18)."""
    settings = {"TREADLE_CANCEL_TIMEOUT": "0.5", "TREADLE_CANCEL_GRACE": "2"}
    with world(tmp_path_factory.mktemp("honest") / "data", settings) as duck, duck.session() as session:
        pid = duck.worker(session.id)
        reply = start(duck, session, DEAF[1].sql)
        with pytest.raises(ApiError) as late:
            session.cancel(reply.statement_id)
        assert late.value.status == 408
        assert '{"error_code":"common.00000408","error_msg":"timeout exception occurred"' in str(late.value)
        assert duck.record(reply.statement_id)["status"] == "RUNNING"
        until(lambda: duck.record(reply.statement_id)["status"] == "CANCELED", "the intent is carried out")
        assert not alive(pid)
        assert session.cancel(reply.statement_id).outcome == "already_cancelled"


def test_shutdown_stops_what_runs_and_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SIGTERM: a waiting caller hears the truth, workers are gone, and the next start shows the reason."""
    folder = tmp_path_factory.mktemp("shutdown") / "data"
    with world(folder) as duck:
        session = duck.session()
        pid = duck.worker(session.id)
        reply = start(duck, session, ENDLESS)
        base, token, workspace = duck.base, duck.token, duck.workspace_id
        del base
        duck.service.stop()
        assert not alive(pid)
    with world(folder) as again:
        api = again.connect(token)
        shown = Session(api, workspace, session.id).show(reply.statement_id)
        assert shown.last.message == "canceling statement due to service shutdown"
        assert Session(api, workspace, session.id).status() == "CLOSED"


def test_another_project_sees_nothing(duck: World) -> None:
    """A token of another project gets the same 404 for what exists and what does not (C20)."""
    stranger = duck.connect(make_token(duck.service.data_dir, "project-b", "mallory"))
    with duck.session() as session:
        reply = start(duck, session, ENDLESS)
        answers = []
        for statement in (reply.statement_id, "nope"):
            with pytest.raises(ApiError) as refused:
                Session(stranger, duck.workspace_id, session.id).cancel(statement)
            answers.append(str(refused.value))
        assert answers[0] == answers[1]
        assert session.show(reply.statement_id).status == 1
        session.cancel(reply.statement_id)


def test_a_viewer_may_not_cancel(duck: World) -> None:
    """A role without the right gets the documented 403, and the statement runs on."""
    command = [sys.executable, "-c", "from treadle.cli import main; main()", "token", "create", "--role", "viewer"]
    arguments = ["--project", "project-a", "--user", "eve", "--data-dir", str(duck.service.data_dir), "--json"]
    made = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    token = re.search(r'"token":"([^"]+)"', made.stdout)
    assert token is not None
    viewer = duck.connect(token[1])
    with duck.session() as session:
        pid = duck.worker(session.id)
        reply = start(duck, session, ENDLESS)
        with pytest.raises(ApiError) as refused:
            Session(viewer, duck.workspace_id, session.id).cancel(reply.statement_id)
        assert refused.value.status == 403
        until(lambda: spent(pid, 0.2) > 0.05, "the statement runs on")
        session.cancel(reply.statement_id)
