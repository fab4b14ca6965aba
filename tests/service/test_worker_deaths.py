"""A worker that dies by itself: the log says of what, and during which statement."""

import os
import signal
from typing import Any

import pytest

from tests.service.caller import ENDLESS, Caller
from tests.support.world import log_of, spent, until, worker_of

DEAF = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"


def deaths(caller: Caller, session_id: str) -> list[dict[str, Any]]:
    """What the service has logged of the death of a session's worker."""
    return [one for one in log_of(caller.service) if one["event"] == "worker_died" and one["session_id"] == session_id]


@pytest.mark.parametrize("sent", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT, signal.SIGBUS])
def test_a_death_is_a_warning_with_its_signal_and_the_statement(caller: Caller, sent: signal.Signals) -> None:
    """While a statement runs."""
    sql = caller.session()
    statement_id = sql.start(ENDLESS)
    until(lambda: caller.record(statement_id)["status"] == "RUNNING", "it runs")
    pid = worker_of(caller.service, sql.id)
    os.kill(pid, sent)
    until(lambda: caller.record(statement_id)["status"] == "ERROR", "its end is on record")
    [line] = until(lambda: deaths(caller, sql.id), "the log tells of it")
    assert (line["level"], line["pid"], line["signal"]) == ("warning", pid, sent.name)
    assert line["statement_id"] == line["public_id"] == statement_id


def test_a_death_between_statements_is_a_warning_as_well(caller: Caller) -> None:
    """No statement is named."""
    sql = caller.session()
    sql.run("CREATE TEMP TABLE own AS SELECT 1 AS i")
    os.kill(worker_of(caller.service, sql.id), signal.SIGSEGV)
    [line] = until(lambda: deaths(caller, sql.id), "the log tells of it")
    assert (line["level"], line["signal"], "statement_id" in line) == ("warning", "SIGSEGV", False)
    until(lambda: sql.status() == "FAIL", "the session is lost")


@pytest.mark.slow
def test_a_worker_that_was_killed_to_stop_a_statement_did_not_die_by_itself(caller: Caller) -> None:
    """That is told by the ladder's own line; the close of a session is no death at all."""
    sql, other = caller.session(), caller.session()
    statement_id = sql.start(DEAF)
    pid = worker_of(caller.service, sql.id)
    until(lambda: spent(pid, 0.1) > 0.03, "the engine works")
    answer = caller.http.post(f"{sql.path}/statements/{statement_id}/cancel", json={})
    assert (answer.status_code, answer.headers["x-cancel-rung"]) == (200, "killed")
    other.close()
    killed = [one for one in log_of(caller.service) if one["event"] == "worker_killed"]
    assert statement_id in {one["statement_id"] for one in killed}
    assert deaths(caller, sql.id) == deaths(caller, other.id) == []
