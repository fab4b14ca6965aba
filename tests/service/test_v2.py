"""Version 2 over a real service: the same engines, the same truth, in other words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import psycopg
import pytest

from tests.service.caller import ENDLESS, Caller, Json, Sql, calling
from tests.support.tokens import make_token
from tests.support.world import alive, spent, until, worker_of
from treadle.app import operator
from treadle.config import load
from treadle.model.entities import Principal
from treadle.service.views import Submission
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.lakes import all_catalogs

SETTINGS = {"TREADLE_ATTACHED_WORKERS": "0", "TREADLE_MAX_SESSION_THREADS": "4", "TREADLE_WORKER_START": "5"}


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service whose sessions may have four threads, and which keeps no worker attached."""
    with calling(tmp_path_factory.mktemp("v2") / "data", SETTINGS) as running:
        yield running


class Aura(Sql):
    """A session that is spoken to in version 2."""

    def __init__(self, caller: Caller, session_id: str) -> None:
        super().__init__(caller, session_id)
        self.path = f"/v2{caller.base.removeprefix('/v1')}/aura-sessions/{session_id}"

    def post(self, sql: str, **fields: Any) -> httpx.Response:
        """The raw answer to ExecuteAuraSqlStatement."""
        body = {"session_id": self.id, "statement": sql, **fields}
        return self.caller.http.post(f"{base(self.caller)}/statements", json=body)


def base(caller: Caller) -> str:
    """Where the sessions of version 2 are."""
    return f"/v2{caller.base.removeprefix('/v1')}/aura-sessions"


def ask(caller: Caller, endpoint: str = "main", catalog: str = "default", **fields: Any) -> httpx.Response:
    """The raw answer to CreateAuraSqlSession."""
    body = {"endpoint_name": endpoint, "catalog_context": {"catalog_name": catalog}, **fields}
    return caller.http.post(base(caller), json=body)


def opened(caller: Caller, endpoint: str = "main", **fields: Any) -> Aura:
    """A new session."""
    answer = ask(caller, endpoint, **fields)
    assert answer.status_code == 200, answer.text
    return Aura(caller, answer.json()["session_id"])


def pages(caller: Caller, path: str, name: str, **query: str | int) -> list[list[Json]]:
    """Every page of a list, from marker to marker."""
    found, marker = [], ""
    while True:
        page = caller.got(path, **query, marker=marker)
        found.append(page[name])
        marker = page["next_marker"]
        if not marker:
            return found


def test_the_life_of_a_session(caller: Caller) -> None:
    """It has the threads it asked for; its cancel is true, and version 1 sees it as its own."""
    plain = opened(caller)
    session = opened(caller, cpu=3001, memory="300")
    pid = worker_of(caller.service, session.id)
    tasks = [len(list(Path(f"/proc/{one}/task").iterdir())) for one in (worker_of(caller.service, plain.id), pid)]
    assert tasks[1] - tasks[0] == 4 - 2
    assert session.rows("SELECT $1::int + 1", bindings=[["41"]], limit="1") == [["42"]]
    running = session.execute(ENDLESS, is_sync=False, statement_name="日报-1", statement_type="JOB")["statement_id"]
    until(lambda: spent(pid, 0.1) > 0.03, "the engine works")
    assert session.show(running)["status"] == 1
    assert session.cancel(running) == "cancelled"
    assert spent(pid, 0.5) < 0.1
    assert session.show(running)["status"] == 4
    assert session.rows("SELECT 1") == [["1"]]
    record = caller.record(running)
    assert (record["statement_name"], record["status"], record["effects"]) == ("日报-1", "CANCELED", "none")
    first = Sql(caller, session.id)
    assert (first.status(), first.rows("SELECT 2")) == ("RUNNING", [["2"]])
    session.close()
    assert not alive(pid)
    assert first.status() == session.status() == "CLOSED"
    plain.close()


def test_what_cannot_be_opened(caller: Caller) -> None:
    """An unknown endpoint is a 404, an unknown catalog and too much of the machine are 400s."""
    assert ask(caller, "nobody").status_code == 404
    unknown = ask(caller, catalog="nothing")
    assert (unknown.status_code, "catalog_context.catalog_name" in unknown.json()["error_msg"]) == (400, True)
    for too_much in ({"cpu": 4001}, {"cpu": 48001}, {"memory": 393217}):
        answer = ask(caller, "main", "default", **too_much)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER")
        assert answer.headers["X-Request-Id"]


def test_the_catalog_is_the_one_of_the_workspace(caller: Caller) -> None:
    """In its own metastore first; the one every workspace has is found too."""
    room = caller.made("/v1/workspaces", {"name": "own-metastore", "metastore_id": "lf-1"})
    path = f"/v1/workspaces/{room['id']}/endpoints"
    caller.made(path, {"name": "main", "type": "sql"})
    body = {"endpoint_name": "main", "catalog_context": {"catalog_name": "default"}}
    made = caller.made(f"/v2/workspaces/{room['id']}/aura-sessions", body)
    assert made["status"] == "RUNNING"


def test_sessions_are_listed_from_marker_to_marker(caller: Caller) -> None:
    """Each once, newest first, with the total of the filter; a marker of another list is refused."""
    endpoint = caller.endpoint("listed")
    sessions = [opened(caller, "listed") for _ in range(5)]
    found = pages(caller, base(caller), "sessions", endpoint_name="listed", limit=2)
    assert [len(page) for page in found] == [2, 2, 1]
    shown = [one["session_id"] for page in found for one in page]
    assert shown == [one.id for one in reversed(sessions)]
    assert found[0][0]["endpoint_info"] == {"endpoint_id": endpoint, "endpoint_name": "listed"}
    first = caller.got(base(caller), endpoint_name="listed", limit=5)
    assert (first["total"], first["next_marker"]) == (5, "")
    assert caller.got(base(caller), endpoint_name="nobody") == {"sessions": [], "total": 0, "next_marker": ""}
    assert caller.got(base(caller), endpoint_name="listed", end_time=1)["total"] == 0
    wrong = caller.http.get(base(caller), params={"marker": "00000000-0000-0000-0000-000000000000"})
    assert (wrong.status_code, "reason: marker: " in wrong.json()["error_msg"]) == (400, True)
    for one in sessions:
        one.close()


def test_records_are_listed_from_marker_to_marker(caller: Caller) -> None:
    """Of a session and of the workspace, by name as well; what is submitted meanwhile shifts nothing."""
    with opened(caller) as session:
        ids = [
            str(session.execute(f"SELECT {n}", statement_name="even" if n % 2 == 0 else "odd")["statement_id"])
            for n in range(5)
        ]
        newest = ids[::-1]
        of_session = pages(caller, f"{session.path}/statements", "records", limit=2)
        assert [[one["statement_id"] for one in page] for page in of_session] == [newest[:2], newest[2:4], newest[4:]]
        records = f"{base(caller).removesuffix('sessions')}statement-records"
        first = caller.got(records, session_id=session.id, limit=2, endpoint_name="main")
        assert ([one["id"] for one in first["records"]], first["current_count"]) == (newest[:2], 2)
        session.execute("SELECT 'meanwhile'")
        rest = caller.got(records, session_id=session.id, limit=100, marker=first["next_marker"])
        assert ([one["id"] for one in rest["records"]], rest["next_marker"]) == (newest[2:], "")
        even = caller.got(records, session_id=session.id, statement_name="even")
        assert [one["id"] for one in even["records"]] == [ids[4], ids[2], ids[0]]
        assert caller.got(records, session_id=session.id, end_time=1)["current_count"] == 0
        wrong = caller.http.get(f"{records}?{urlencode({'marker': 'unknown'})}")
        assert wrong.status_code == 400


def test_the_highest_priority_gets_the_statement_slot(caller: Caller) -> None:
    """Whoever came first: while it runs the other has not touched its engine."""
    caller.endpoint("one-statement", max_statements=1)
    holder, low, high = (opened(caller, "one-statement", priority=n) for n in (5, 1, 9))
    running = holder.start(ENDLESS)
    until(lambda: holder.show(running)["status"] == 1, "the statement runs")
    waits, first = low.start(ENDLESS), high.start(ENDLESS)
    assert holder.cancel(running) == "cancelled"
    until(lambda: high.show(first)["status"] == 1, "the higher priority runs")
    assert low.show(waits)["status"] == 3
    assert spent(worker_of(caller.service, low.id), 0.3) < 0.05
    assert high.cancel(first) == "cancelled"
    until(lambda: low.show(waits)["status"] == 1, "the lower priority runs")
    for session in (holder, low, high):
        session.close()


def test_the_highest_priority_gets_the_session_slot(caller: Caller) -> None:
    """Whoever came first."""
    caller.endpoint("one-session", max_sessions=1)
    holder = opened(caller, "one-session")
    low, high = (opened(caller, "one-session", priority=n, wait_timeout=300) for n in (1, 9))
    until(lambda: high.status() == low.status() == "WAITING", "both wait")
    holder.close()
    until(lambda: high.status() == "RUNNING", "the higher priority is opened")
    assert low.status() == "WAITING"
    high.close()
    until(lambda: low.status() == "RUNNING", "the lower priority is opened")
    low.close()


async def test_a_statement_waits_no_longer_than_it_says(caller: Caller) -> None:
    """Then it is cancelled from the queue, with the reason; it never started. The API's least is 300 s."""
    caller.endpoint("patient", max_statements=1)
    holder, session = opened(caller, "patient"), opened(caller, "patient")
    running = holder.start(ENDLESS)
    until(lambda: holder.show(running)["status"] == 1, "the statement runs")
    submission = Submission(session_id=session.id, statement="SELECT 1", is_sync=False, wait_timeout=1)
    async with operator(load(data_dir=caller.service.data_dir)) as service:
        room = await service.deps.store.workspace(caller.workspace_id, None)
        assert room is not None
        alice = Principal(project_id=room.project_id, project_name="", user_id="u", user_name="alice")
        view = await service.execute(alice, caller.workspace_id, submission)
    until(lambda: session.show(view.statement_id)["status"] == 4, "the statement is cancelled")
    told = {"status": "CANCELED", "reason": "queue_timeout", "rung": "dequeued", "effects": "none"}
    assert caller.record(view.statement_id).items() >= told.items()
    assert "start_time" not in caller.record(view.statement_id)
    assert holder.cancel(running) == "cancelled"
    for one in (holder, session):
        one.close()


def test_an_opening_that_fails_is_tried_again(caller: Caller) -> None:
    """While its catalog cannot be reached a session that may retry waits; one that may not has failed."""
    dsn = EmbeddedPostgres.start(caller.service.data_dir).service_dsn
    (lake,) = (one for one in all_catalogs(dsn) if one.workspace_id == caller.workspace_id)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f'ALTER ROLE "{lake.role}" NOLOGIN'.encode())
        try:
            once = opened(caller, wait_timeout=300)
            often = opened(caller, wait_timeout=300, max_retry_times=1000)
            until(lambda: once.status() == "FAIL", "the opening without retries has failed")
            assert often.status() in ("CREATING", "WAITING")
        finally:
            connection.execute(f'ALTER ROLE "{lake.role}" LOGIN'.encode())
    until(lambda: often.status() == "RUNNING", "the opening with retries succeeds")
    assert often.rows("SELECT 1") == [["1"]]
    often.close()


def test_who_may_not_cancel_is_told_in_the_plain_shape(caller: Caller) -> None:
    """And the statement runs on."""
    token = make_token(caller.service.data_dir, "project-s", "eve", role="viewer")
    with opened(caller) as session:
        running = session.start(ENDLESS)
        pid = worker_of(caller.service, session.id)
        until(lambda: spent(pid, 0.1) > 0.03, "the engine works")
        path = f"{session.path}/statements/{running}/cancel"
        answer = caller.http.post(path, headers={"X-Auth-Token": token})
        assert (answer.status_code, answer.json()["error_code"]) == (403, "common.00000403")
        until(lambda: spent(pid, 0.3) > 0.05, "the engine works on")
        assert session.cancel(running) == "cancelled"


def test_error_has_its_place(caller: Caller) -> None:
    """As in version 1: in the answer, in the result asked for later, and on record."""
    session = opened(caller)
    answer = session.execute("SELECT 1,\n  nope")
    last = answer["results"][-1]
    assert (last["sql_state"], last["position"]) == ("42703", 13)
    assert last["message"].endswith("\n\nLINE 2:   nope\n          ^")
    assert session.show(answer["statement_id"])["results"][-1] == last
    record = caller.record(answer["statement_id"])
    assert (record["position"], record["message"]) == (13, last["message"])
    session.close()
