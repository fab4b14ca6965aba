"""The reason of a cancel in words: where it is read, by every way to cancel."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import uvloop

from tests.service.caller import ENDLESS, Caller, Sql
from tests.support.world import until
from treadle import config
from treadle.app import operator
from treadle.store.filters import AuditFilter

WORDS = "wrong month\u2026 \u5de5\u4f5c"
MESSAGE = f"canceling statement due to user request: canceled by alice: {WORDS}"


def one(sql: Sql, statement_id: str) -> tuple[str, dict[str, Any]]:
    """The cancel of a statement."""
    return f"{sql.path}/statements/{statement_id}/cancel", {}


def session(sql: Sql, statement_id: str) -> tuple[str, dict[str, Any]]:
    """The cancel of a session's statements."""
    return f"{sql.path}/cancel", {}


def many(sql: Sql, statement_id: str) -> tuple[str, dict[str, Any]]:
    """The cancel of many."""
    return f"{sql.caller.base}/statements/cancel", {"session_id": sql.id}


def second(sql: Sql, statement_id: str) -> tuple[str, dict[str, Any]]:
    """The cancel by version 2."""
    path = f"{sql.path}/statements/{statement_id}/cancel"
    return path.replace("/v1/", "/v2/").replace("/sessions/", "/aura-sessions/"), {}


Way = Callable[[Sql, str], tuple[str, dict[str, Any]]]


def cancel(way: Way, sql: Sql, statement_id: str, words: str | None) -> httpx.Response:
    """Cancel for a reason; the answer must be 200."""
    path, body = way(sql, statement_id)
    answer = sql.caller.http.post(path, json=body if words is None else {**body, "reason": words})
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("way", [one, session, many, second])
@pytest.mark.parametrize("waits", [False, True], ids=["running", "queued"])
def test_the_owner_reads_who_and_why(caller: Caller, sql: Sql, way: Way, waits: bool) -> None:
    """In the message of the statement, on its record, and in the audit."""
    first = sql.start(ENDLESS)
    until(lambda: sql.show(first)["status"] == 1, "it runs")
    meant = sql.start(ENDLESS) if waits else first
    answer = cancel(way, sql, meant, WORDS)
    assert answer.content == b"" or way is many
    last = sql.wait(meant)["results"][-1]
    assert (last["sql_state"], last["message"]) == ("57014", MESSAGE)
    record = caller.record(meant)
    assert (record["reason"], record["actor"], record["detail"]) == ("user", "alice", WORDS)
    assert record["message"] == MESSAGE
    until(lambda: said(caller, meant) == WORDS, "it is in the audit")
    sql.caller.http.post(f"{sql.path}/cancel")


def said(caller: Caller, statement_id: str) -> str:
    """What the audit has of the cancel of a statement."""

    async def look() -> str:
        async with operator(config.load(data_dir=caller.service.data_dir)) as service:
            found = await service.deps.store.audit(AuditFilter(action="cancelStatement"), 100)
        return next((x.event.detail for x in found if x.event.resource == f"statement:{statement_id}"), "")

    return uvloop.run(look())


@pytest.mark.parametrize("way", [one, session, many, second])
def test_without_a_reason_the_message_names_who_cancelled(caller: Caller, sql: Sql, way: Way) -> None:
    """PostgreSQL's text, which clients look for, comes first."""
    statement_id = sql.start(ENDLESS)
    cancel(way, sql, statement_id, None)
    assert (
        sql.wait(statement_id)["results"][-1]["message"] == "canceling statement due to user request: canceled by alice"
    )
    assert "detail" not in caller.record(statement_id)


def test_a_cancel_before_its_submit_keeps_its_reason(caller: Caller, sql: Sql) -> None:
    """What is born cancelled says why."""
    path = f"{sql.path}/statements/report-of-may/cancel"
    answer = caller.http.post(path, params={"before_submit": "true"}, json={"reason": WORDS})
    assert answer.headers["x-cancel-outcome"] == "tombstoned"
    born = sql.execute("SELECT 1", statement_id="report-of-may")
    assert (born["status"], born["results"][-1]["message"]) == (4, MESSAGE)
