"""Cancels of many at once, over HTTP: every engine that is meant stops, and no other."""

import os
import time
from typing import Any

import pytest

from tests.conformance.zoo import DEAF
from tests.service.caller import ENDLESS, Caller, Json, Sql, calling
from tests.support.tokens import make_token
from tests.support.world import spent, until, worker_of
from treadle.demo.processes import cpu_seconds

QUEUED = int(os.environ.get("TREADLE_TEST_QUEUED", "200"))
"""How many queued statements are cancelled at once."""


@pytest.fixture
def room(caller: Caller) -> Caller:
    """A workspace of its own, so that nothing else is in any scope."""
    return Caller(caller.service, caller.http, f"room-{time.time_ns()}")


def cancel(room: Caller, **where: Any) -> Json:
    """The answer to a bulk cancel."""
    return room.made(f"{room.base}/statements/cancel", where)


def outcomes(answer: Json) -> dict[str, str]:
    """The outcome of each statement."""
    assert answer["total"] == len(answer["outcomes"])
    return {one["statement_id"]: one["outcome"] for one in answer["outcomes"]}


def works(*sessions: Sql) -> None:
    """Wait until every engine has worked for a while."""
    for sql in sessions:
        pid = worker_of(sql.caller.service, sql.id)
        before = cpu_seconds(pid) or 0.0

        def worked(pid: int = pid, before: float = before) -> bool:
            return (cpu_seconds(pid) or 0.0) - before >= 0.05

        until(worked, "the engine works")


def rests(*sessions: Sql) -> bool:
    """Whether no engine does anything for a second."""
    return all(spent(worker_of(sql.caller.service, sql.id), 1.0) <= 0.02 for sql in sessions)


def statuses(room: Caller, *statement_ids: str) -> list[str]:
    """The word of each record."""
    return [str(room.record(one)["status"]) for one in statement_ids]


def start(sql: Sql, statement: str = ENDLESS, **fields: Any) -> str:
    """Submit without waiting; the statement's id."""
    return str(sql.execute(statement, is_sync=False, **fields)["statement_id"])


def test_a_tag_is_cancelled_in_every_session(room: Caller) -> None:
    """Running and queued ones alike; what has other tags, or came later, goes on."""
    with room.session() as a, room.session() as b, room.session() as c:
        first, second = start(a, tags=["x", "y"]), start(b, tags=["x"])
        behind = start(a, "CREATE TABLE behind (n int)", tags=["x"])
        other = start(c, tags=["y"])
        works(a, b, c)
        answer = cancel(room, tags=["x"])
        assert outcomes(answer) == {first: "cancelled", second: "cancelled", behind: "cancelled"}
        assert {one["state"] for one in answer["outcomes"]} == {"CANCELED"}
        rungs = {one["statement_id"]: one["rung"] for one in answer["outcomes"]}
        assert rungs == {first: "interrupted", second: "interrupted", behind: "dequeued"}
        assert rests(a, b)
        works(c)
        later = start(a, tags=["x"])
        works(a)
        assert outcomes(cancel(room, tags=["x", "y"])) == {}
        assert outcomes(cancel(room)) == {other: "cancelled", later: "cancelled"}
        assert rests(a, c)
        assert a.fails("SELECT * FROM behind") == "42P01"
        assert [room.record(one)["actor"] for one in (first, behind)] == ["alice", "alice"]


def test_a_dry_run_stops_nothing(room: Caller) -> None:
    """It tells what would be stopped, and everything goes on."""
    with room.session() as sql:
        running = start(sql)
        queued = start(sql, "SELECT 1")
        works(sql)
        answer = cancel(room, dry_run=True)
        assert answer["dry_run"] is True
        assert outcomes(answer) == {running: "would_cancel", queued: "would_cancel"}
        assert [one["state"] for one in answer["outcomes"]] == ["RUNNING", "SUBMITTED"]
        works(sql)
        assert statuses(room, running, queued) == ["RUNNING", "SUBMITTED"]
        assert "cancel_requested_at" not in room.record(running)
        assert outcomes(cancel(room)) == {running: "cancelled", queued: "cancelled"}


def test_every_filter_narrows(room: Caller) -> None:
    """Session, endpoint, user, status and time of submit; what does not match everything is left alone."""
    endpoint = room.endpoint("second")
    token = make_token(room.service.data_dir, "project-s", "bob")
    with room.session() as a, room.session(endpoint) as b:
        first = start(a)
        works(a)
        queued = start(a, "SELECT 1")
        body = {"session_id": b.id, "statement": ENDLESS, "is_sync": False}
        answer = room.http.post(f"{room.base}/sessions/statements", json=body, headers={"X-Auth-Token": token})
        bobs = answer.json()["statement_id"]
        works(b)

        def would(**where: Any) -> set[str]:
            return set(outcomes(cancel(room, dry_run=True, **where)))

        assert would(session_id=a.id) == {first, queued}
        assert would(endpoint_id=endpoint) == {bobs}
        assert would(user_name="bob") == {bobs}
        assert would(user_name="bob", session_id=a.id) == set()
        assert would(status="SUBMITTED") == {queued}
        assert would(status="RUNNING") == {first, bobs}
        assert would(submitted_before=int(time.time()) - 3600) == set()
        assert would(submitted_before=int(time.time()) + 3600) == {first, queued, bobs}
        assert outcomes(cancel(room, status="RUNNING", user_name="alice")) == {first: "cancelled"}
        works(b)
        until(lambda: room.record(queued)["status"] == "SUCCESSFUL", "what waited behind has run")
        assert outcomes(cancel(room, endpoint_id=endpoint)) == {bobs: "cancelled"}


def test_ids_have_one_outcome_each(room: Caller, caller: Caller) -> None:
    """Ended ones too; unknown ones, and those of another workspace or filter, are not found; in the order asked for."""
    with room.session() as sql, caller.session() as away:
        done = str(sql.execute("SELECT 1", statement_id="done")["statement_id"])
        failed = str(sql.execute("SELECT * FROM nothing")["statement_id"])
        running, queued, foreign = start(sql, tags=["x"]), start(sql, "SELECT 1"), start(away)
        works(sql, away)
        asked = [queued, "unknown", failed, running, foreign, done, queued]
        answer = cancel(room, statement_ids=asked)
        assert [(one["statement_id"], one["outcome"]) for one in answer["outcomes"]] == [
            (queued, "cancelled"),
            ("unknown", "not_found"),
            (failed, "already_failed"),
            (running, "cancelled"),
            (foreign, "not_found"),
            (done, "already_succeeded"),
        ]
        assert answer["outcomes"][1] == {"statement_id": "unknown", "outcome": "not_found", "millis": 0.0}
        assert rests(sql)
        works(away)
        again = cancel(room, statement_ids=[running, done], tags=["x"])
        assert outcomes(again) == {running: "already_cancelled", done: "not_found"}
        assert outcomes(cancel(room, statement_ids=[])) == {}
        assert sql.rows("SELECT 1", statement_id="unknown") == [["1"]]
        assert away.cancel(foreign) == "cancelled"


def test_a_long_queue_is_cancelled_at_once(room: Caller) -> None:
    """Not one of them reaches the engine; a synchronous caller among them hears of it."""
    with room.session() as sql:
        running = start(sql)
        works(sql)
        queued = [start(sql, f"CREATE TABLE queued_{n} (a int)") for n in range(QUEUED)]
        answer = cancel(room, status="SUBMITTED")
        assert outcomes(answer) == dict.fromkeys(queued, "cancelled")
        assert {one["rung"] for one in answer["outcomes"]} == {"dequeued"}
        works(sql)
        assert outcomes(cancel(room, statement_ids=[running, *queued])) == {
            running: "cancelled",
            **dict.fromkeys(queued, "already_cancelled"),
        }
        assert rests(sql)
        tables = sql.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'queued_%'")
        assert tables == [["0"]]


def test_who_may(room: Caller, caller: Caller) -> None:
    """A viewer may not; of another project's workspace nothing is told, and nothing in it is stopped."""
    with room.session() as sql:
        running = start(sql)
        works(sql)
        viewer = {"X-Auth-Token": make_token(caller.service.data_dir, "project-s", "eve", role="viewer")}
        stranger = {"X-Auth-Token": make_token(caller.service.data_dir, "project-t", "mallory")}
        path = f"{room.base}/statements/cancel"
        assert room.http.post(path, json={}, headers=viewer).status_code == 403
        unknown = room.http.post("/v1/workspaces/unknown/statements/cancel", json={}, headers=stranger)
        theirs = room.http.post(path, json={"statement_ids": [running]}, headers=stranger)
        assert (unknown.status_code, theirs.status_code) == (404, 404)
        assert unknown.json() == theirs.json()
        works(sql)
        assert sql.cancel(running) == "cancelled"


def test_a_session_is_cancelled_the_same_way(room: Caller) -> None:
    """The session's own operation: everything in it, and one verdict for all."""
    with room.session() as a, room.session() as b:
        running, queued, other = start(a), start(a, "SELECT 1"), start(b)
        works(a, b)
        answer = room.http.post(f"{a.path}/cancel")
        assert (answer.status_code, answer.headers["x-cancel-outcome"]) == (200, "cancelled")
        assert rests(a)
        assert statuses(room, running, queued, other) == ["CANCELED", "CANCELED", "RUNNING"]
        assert b.cancel(other) == "cancelled"


def test_a_stop_that_cannot_be_proven_is_no_200(tmp_path_factory: pytest.TempPathFactory) -> None:
    """408 when one of many has not stopped in time; the others have, and the intent stays until it has too."""
    settings = {"TREADLE_CANCEL_TIMEOUT": "0.5", "TREADLE_CANCEL_GRACE": "3"}
    data_dir = tmp_path_factory.mktemp("bulk") / "data"
    with calling(data_dir, settings) as caller, caller.session() as deaf, caller.session() as other:
        stuck, running = start(deaf, DEAF[1].sql), start(other)
        works(deaf, other)
        answer = caller.http.post(f"{caller.base}/statements/cancel", json={})
        assert (answer.status_code, answer.json()["error_code"]) == (408, "common.00000408")
        assert answer.json()["solution_msg"].startswith("the stop of 1 of 2 statements could not be proven")
        assert statuses(caller, running) == ["CANCELED"]
        assert caller.record(stuck)["cancel_requested_at"]
        until(lambda: caller.record(stuck)["status"] == "CANCELED", "the intent is carried out")
        assert outcomes(cancel(caller, statement_ids=[stuck, running])) == {
            stuck: "already_cancelled",
            running: "already_cancelled",
        }
