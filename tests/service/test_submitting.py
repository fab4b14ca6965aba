"""What a submit may bring with it, over HTTP, with an eye on the engine."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.service.caller import ENDLESS, Caller, Json, Sql, calling, refused
from tests.support.tokens import make_token
from tests.support.world import BOUND, log_of, spent, until, worker_of
from treadle.demo.processes import cpu_seconds


@pytest.fixture(scope="module")
def stranger(caller: Caller) -> Iterator[Caller]:
    """A caller of another project on the same service."""
    headers = {"X-Auth-Token": make_token(caller.service.data_dir, "project-t", "mallory")}
    with httpx.Client(base_url=caller.service.url, headers=headers, timeout=120.0) as http:
        yield Caller(caller.service, http)


def fresh() -> str:
    """An id nobody else has chosen."""
    return f"mine-{uuid4().hex[:12]}"


def submit(sql: Sql, statement: str, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    """The raw answer to a submit with headers of its own."""
    body = {"session_id": sql.id, "statement": statement, **fields}
    return sql.caller.http.post(f"{sql.caller.base}/sessions/statements", json=body, headers=headers)


def conflicts(answer: httpx.Response) -> None:
    """Assert the 409."""
    assert answer.status_code == 409, answer.text
    assert answer.json()["error_code"] == "common.00000409"


def works(sql: Sql) -> bool:
    """Wait until the session's engine has worked for a while."""
    pid = worker_of(sql.caller.service, sql.id)
    before = cpu_seconds(pid) or 0.0
    until(lambda: (cpu_seconds(pid) or 0.0) - before >= 0.05, "the engine works")
    return True


def rests(sql: Sql) -> bool:
    """Whether the session's engine does nothing for a second."""
    return spent(worker_of(sql.caller.service, sql.id), 1.0) <= 0.02


def record(sql: Sql, statement_id: str) -> Json:
    """The statement's record."""
    return sql.caller.record(statement_id)


def ended(sql: Sql, statement_id: str) -> Json:
    """The statement's record once it has ended, which asks for no state or result."""

    def look() -> Json | None:
        found = record(sql, statement_id)
        return None if found["status"] in ("SUBMITTED", "RUNNING") else found

    found: Json = until(look, f"statement {statement_id} has ended")
    return found


# -- tags ---------------------------------------------------------------------------------------


def test_tags_are_on_the_record_and_find_it(sql: Sql) -> None:
    """Those of the body and of the header, in both lists; a statement without tags has none."""
    tag = fresh()
    tagged = submit(sql, "SELECT 1", {"X-Statement-Tags": f"nightly, {tag}"}, tags=["a b"]).json()["statement_id"]
    sql.run("SELECT 2")
    assert record(sql, tagged)["tags"] == ["a b", "nightly", tag]
    for path in (f"{sql.path}/statements", f"{sql.caller.base}/statement-records"):
        found = sql.caller.got(path, tag=tag)
        assert found["total"] == 1
        assert sql.caller.got(path, tag=tag[:-1])["total"] == 0
    everything = sql.caller.got(f"{sql.path}/statements")["records"]
    assert [one.get("tags") for one in everything] == [None, ["a b", "nightly", tag]]


# -- chosen ids -----------------------------------------------------------------------------------


def test_a_chosen_id_is_the_statement_s_name_everywhere(sql: Sql) -> None:
    """In the answer, its pages, its parts, the records and the cancel."""
    chosen = fresh()
    answer = sql.execute("SELECT 1 AS a; SELECT 2 AS b", statement_id=chosen)
    assert answer["statement_id"] == chosen
    assert [part["statement_id"] for part in answer["results"]] == [f"{chosen}_1", f"{chosen}_2"]
    assert sql.show(f"{chosen}_1")["results"][0]["result_set"]["rows"] == [["1"]]
    assert sql.show(chosen)["results"][1]["result_set"]["rows"] == [["2"]]
    shown = record(sql, chosen)
    assert (shown["id"], [part["statement_id"] for part in shown["parts"]]) == (chosen, [f"{chosen}_1", f"{chosen}_2"])
    listed = sql.caller.got(f"{sql.path}/statements", statement_id=chosen)["records"]
    assert [one["statement_id"] for one in listed] == [chosen]
    assert sql.cancel(chosen) == "already_succeeded"
    assert sql.cancel(f"{chosen}_2") == "already_succeeded"


def test_a_running_statement_is_cancelled_by_its_chosen_id(sql: Sql) -> None:
    """And the engine stops."""
    chosen = fresh()
    assert submit(sql, ENDLESS, {"X-Statement-Id": chosen}, is_sync=False).json()["statement_id"] == chosen
    assert works(sql)
    assert sql.cancel(chosen) == "cancelled"
    assert rests(sql)


def test_a_taken_id_is_refused(sql: Sql, caller: Caller) -> None:
    """By the same session, by another one, and also when it is one of ours; the first statement stays as it is."""
    chosen = fresh()
    sql.run("SELECT 1", statement_id=chosen)
    ours = sql.execute("SELECT 1")["statement_id"]
    with caller.session() as other:
        for taken in (chosen, ours):
            conflicts(sql.post("CREATE TABLE never_made (a int)", statement_id=taken))
            conflicts(other.post("CREATE TABLE never_made (a int)", statement_id=taken))
    assert sql.fails("SELECT * FROM never_made") == "42P01"
    assert sql.show(chosen)["results"][0]["result_set"]["rows"] == [["1"]]
    refused(sql.post("SELECT 1", statement_id=f"{chosen}_1"), "statement_id")


def test_ids_of_another_tenant_are_neither_taken_nor_told(sql: Sql, stranger: Caller) -> None:
    """Whatever one tenant calls its statements, another can use the same names and finds only its own."""
    chosen = fresh()
    sql.run("SELECT 'ours'", statement_id=chosen)
    ours = str(sql.execute("SELECT 'ours'")["statement_id"])
    with stranger.session() as theirs:
        for name in (chosen, ours):
            assert theirs.caller.http.get(f"{theirs.path}/statements/{name}").status_code == 404
            assert theirs.rows("SELECT 'theirs'", statement_id=name) == [["theirs"]]
            assert theirs.show(name)["results"][0]["result_set"]["rows"] == [["theirs"]]
            assert theirs.cancel(name) == "already_succeeded"
            assert sql.show(name)["results"][0]["result_set"]["rows"] == [["ours"]]


# -- cancel before submit ---------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
def test_a_statement_cancelled_before_its_submit_is_born_cancelled(sql: Sql, told: bool) -> None:
    """The engine never hears of it; the record says who, why and how. The id is taken from then on."""
    chosen = fresh()
    headers = {"X-Cancel-Before-Submit": "true"} if told else {}
    for _ in range(2):
        early = sql.caller.http.post(f"{sql.path}/statements/{chosen}/cancel", json={}, headers=headers)
        assert early.status_code == (200 if told else 404)
        assert early.headers.get("x-cancel-outcome") == ("tombstoned" if told else None)
    answer = sql.execute("CREATE TABLE born_cancelled (a int)", statement_id=chosen)
    assert answer["status"] == 4
    assert (answer["results"][0]["sql_state"], answer["results"][0]["status"]) == ("57014", "PGRES_FATAL_ERROR")
    assert sql.show(chosen)["status"] == 4
    shown = record(sql, chosen)
    assert (shown["status"], shown["reason"], shown["actor"]) == ("CANCELED", "user", "alice")
    assert (shown["rung"], shown["effects"]) == ("dequeued", "none")
    assert "start_time" not in shown
    assert sql.fails("SELECT * FROM born_cancelled") == "42P01"
    assert sql.cancel(chosen) == "already_cancelled"
    conflicts(sql.post("SELECT 1", statement_id=chosen))


def test_a_tombstone_is_its_session_s_and_no_other_s(sql: Sql, caller: Caller, stranger: Caller) -> None:
    """A cancel in one session, or by a stranger, leaves the submit in another alone."""
    chosen = fresh()
    assert caller.http.post(f"{sql.path}/statements/{chosen}/cancel").status_code == 404
    path = f"{sql.path}/statements/{chosen}-2/cancel"
    assert stranger.http.post(path, headers={"X-Cancel-Before-Submit": "true"}).status_code == 404
    with caller.session() as other:
        assert other.rows("SELECT 1", statement_id=chosen) == [["1"]]
    assert sql.rows("SELECT 1", statement_id=f"{chosen}-2") == [["1"]]
    conflicts(caller.http.post(f"{sql.path}/statements/{chosen}/cancel", headers={"X-Cancel-Before-Submit": "true"}))


# -- idempotency -------------------------------------------------------------------------------------


def test_many_submits_of_one_key_are_one_statement(sql: Sql, caller: Caller) -> None:
    """Thirty-two at once, each on a connection of its own: one row, and one answer for all."""
    sql.run("CREATE TABLE once (a int)")
    key = fresh()

    def ask(_: int) -> Json:
        with httpx.Client(base_url=caller.service.url, headers=caller.http.headers, timeout=120.0) as http:
            body = {"session_id": sql.id, "statement": "INSERT INTO once VALUES (1)"}
            answer = http.post(f"{caller.base}/sessions/statements", json=body, headers={"Idempotency-Key": key})
            assert answer.status_code == 200, answer.text
            reply: Json = answer.json()
            return reply

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, range(32)))
    assert len({answer["statement_id"] for answer in answers}) == 1
    assert {answer["status"] for answer in answers} == {2}
    assert sql.rows("SELECT count(*) FROM once") == [["1"]]


def test_a_repeated_submit_is_answered_as_the_first(sql: Sql, caller: Caller) -> None:
    """With its result, also when its session has ended; another body under the key is refused."""
    key = {"Idempotency-Key": fresh()}
    with caller.session() as gone:
        first = submit(gone, "SELECT 42", key).json()
        assert submit(gone, "SELECT 42", key).json() == first
        conflicts(submit(gone, "SELECT 43", key))
        conflicts(submit(gone, "SELECT 42", key, tags=["a"]))
        conflicts(submit(sql, "SELECT 42", key))
    assert submit(gone, "SELECT 42", key).json() == first
    assert first["results"][0]["result_set"]["rows"] == [["42"]]
    token = make_token(caller.service.data_dir, "project-s", "bob")
    other = submit(sql, "SELECT 44", {**key, "X-Auth-Token": token})
    assert other.json()["results"][0]["result_set"]["rows"] == [["44"]]


def test_a_repeated_submit_of_a_running_statement_waits_with_it(sql: Sql, caller: Caller) -> None:
    """And hears of the same end."""
    key = {"Idempotency-Key": fresh()}
    first = submit(sql, ENDLESS, key, is_sync=False).json()
    assert submit(sql, ENDLESS, key, is_sync=False).json()["statement_id"] == first["statement_id"]
    sql.cancel(first["statement_id"])
    assert submit(sql, ENDLESS, key, is_sync=False).json()["status"] == 4


# -- clients that leave ---------------------------------------------------------------------------------


def leave(sql: Sql, method: str, path: str, body: Json | None = None, request_id: str = "-") -> socket.socket:
    """Ask over a connection that is to be closed before the answer; ``request_id`` is the name of the request."""
    place = urlsplit(sql.caller.service.url)
    assert place.hostname is not None
    connection = socket.create_connection((place.hostname, place.port or 80))
    content = json.dumps(body).encode() if body is not None else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {sql.caller.http.headers['x-auth-token']}\r\n"
    head += f"X-Request-Id: {request_id}\r\nContent-Length: {len(content)}\r\n\r\n"
    connection.sendall(head.encode() + content)
    return connection


def submit_and_wait(sql: Sql, **fields: Any) -> tuple[str, socket.socket]:
    """A synchronous submit over a connection of its own, and its id, once the engine works on it."""
    chosen = fresh()
    body = {"session_id": sql.id, "statement": ENDLESS, "statement_id": chosen, **fields}
    connection = leave(sql, "POST", f"{sql.caller.base}/sessions/statements", body)
    until(lambda: sql.caller.got(f"{sql.path}/statements", statement_id=chosen)["total"], "it is submitted")
    assert works(sql)
    return chosen, connection


def test_a_statement_whose_client_has_gone_is_cancelled_where_asked_for(sql: Sql) -> None:
    """The engine stops; the record says that the client was gone. The session goes on."""
    chosen, connection = submit_and_wait(sql, on_disconnect="cancel")
    connection.close()
    shown = ended(sql, chosen)
    assert (shown["status"], shown["reason"], shown["actor"]) == ("CANCELED", "client_gone", "alice")
    assert rests(sql)
    assert sql.rows("SELECT 1") == [["1"]]


def test_a_statement_whose_client_has_gone_runs_on_by_default(sql: Sql) -> None:
    """Until somebody else stops it."""
    chosen, connection = submit_and_wait(sql)
    connection.close()
    time.sleep(1.0)
    assert works(sql)
    assert record(sql, chosen)["status"] == "RUNNING"
    assert sql.cancel(chosen) == "cancelled"


def test_a_client_that_stays_gets_its_result(sql: Sql) -> None:
    """Watching for its leaving changes nothing, also for requests that follow on the connection."""
    for number in range(20):
        assert sql.rows(f"SELECT {number}", on_disconnect="cancel", keepalive=5) == [[str(number)]]


# -- leases ---------------------------------------------------------------------------------------------


def test_a_statement_nobody_asks_for_is_cancelled(sql: Sql) -> None:
    """As long as somebody does it runs, far beyond its lease; then it stops, and so does what waits behind it."""
    running = str(sql.execute(ENDLESS, is_sync=False, keepalive=3)["statement_id"])
    waiting = str(sql.execute("CREATE TABLE leased (a int)", is_sync=False, keepalive=3)["statement_id"])
    until(lambda: sql.show(running)["status"] == 1, "the first one runs")
    until_at = time.monotonic() + 6
    while time.monotonic() < until_at:
        assert (sql.show(running)["status"], sql.show(waiting)["status"]) == (1, 3)
        time.sleep(0.2)
    assert works(sql)
    for statement_id, rung in ((running, "interrupted"), (waiting, "dequeued")):
        shown = ended(sql, statement_id)
        assert (shown["status"], shown["reason"], shown["rung"]) == ("CANCELED", "client_gone", rung)
    assert rests(sql)
    assert sql.fails("SELECT * FROM leased") == "42P01"


def test_a_client_that_waits_keeps_the_lease(sql: Sql) -> None:
    """Synchronously or for the result; when it leaves, the lease runs out."""
    chosen, connection = submit_and_wait(sql, keepalive=3)
    time.sleep(5)
    assert works(sql)
    connection.close()
    assert ended(sql, chosen)["reason"] == "client_gone"
    polled = str(sql.execute(ENDLESS, is_sync=False, keepalive=3)["statement_id"])
    assert sql.show(polled, wait=6)["status"] == 1
    assert works(sql)
    assert ended(sql, polled)["reason"] == "client_gone"


# -- long poll ------------------------------------------------------------------------------------------


def test_a_wait_ends_with_the_statement(sql: Sql) -> None:
    """With its result, in no more than the time it takes; or with the state when the time is over."""
    running = sql.start(ENDLESS)
    started = time.monotonic()
    assert sql.show(running, wait=1)["status"] == 1
    # The service's clock counts in milliseconds.
    assert time.monotonic() - started >= 0.998
    with ThreadPoolExecutor(2) as pool:
        path = f"{sql.path}/statements/{running}"
        with httpx.Client(base_url=sql.caller.service.url, headers=sql.caller.http.headers, timeout=120.0) as http:
            told = pool.submit(http.get, path, params={"wait": 60})
            time.sleep(0.3)
            assert not told.done()
            assert sql.cancel(running) == "cancelled"
            assert told.result(5).json()["status"] == 4
    assert sql.show(running, wait=60)["status"] == 4
    query = sql.start("SELECT 42 FROM range(10000000) t(i) WHERE i = 5")
    assert sql.show(query, wait=30)["results"][0]["result_set"]["rows"] == [["42"]]


def test_a_wait_ends_when_its_client_has_gone(sql: Sql) -> None:
    """The service waits no longer than the client does; the statement runs on."""
    running, name = sql.start(ENDLESS), fresh()
    connection = leave(sql, "GET", f"{sql.path}/statements/{running}?wait=60", request_id=name)
    time.sleep(0.5)
    connection.close()

    def answered() -> list[Json]:
        lines = log_of(sql.caller.service)
        return [line for line in lines if line["event"] == "request" and line["request_id"] == name]

    (line,) = until(answered, "the wait is over", BOUND)
    assert (line["method"], line["status"]) == ("GET", 499)
    assert sql.cancel(running) == "cancelled"


# -- settings ---------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_settings_of_submitting(tmp_path_factory: pytest.TempPathFactory) -> None:
    """How long an early cancel is kept and how many, the longest wait, and what a vanished client means."""
    settings = {
        "TREADLE_TOMBSTONE_TTL": "1",
        "TREADLE_SESSION_TOMBSTONES": "2",
        "TREADLE_MAX_WAIT": "2",
        "TREADLE_ON_DISCONNECT": "cancel",
    }
    with calling(tmp_path_factory.mktemp("submitting") / "data", settings) as caller, caller.session() as sql:
        early = {"X-Cancel-Before-Submit": "true"}
        answers = [caller.http.post(f"{sql.path}/statements/id-{n}/cancel", headers=early) for n in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 409]
        time.sleep(1.1)
        assert sql.rows("SELECT 1", statement_id="id-0") == [["1"]]
        refused(caller.http.get(f"{sql.path}/statements/id-0", params={"wait": 3}), "wait")
        chosen, connection = submit_and_wait(sql)
        connection.close()
        assert ended(sql, chosen)["reason"] == "client_gone"
        stays, connection = submit_and_wait(sql, on_disconnect="continue")
        connection.close()
        time.sleep(1.0)
        assert works(sql)
        assert sql.cancel(stays) == "cancelled"
