"""The nine operations and the control plane: shapes, both edges of every range, filters, paging of lists."""

import json
import re
import time
from typing import Any

import pytest
from click.testing import CliRunner

from tests.service.caller import LAKE, Caller, Json, Sql, refused
from treadle.cli import main

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UNKNOWN = {"error_code": "common.01000001", "error_msg": "response status exception, code: 404"}
RESULT_FIELDS = [
    *("status", "statement_id", "num_rows", "row_count", "page_no", "page_count"),
    *("err_code", "sql_state", "message", "result_set"),
]


def test_a_session_is_created_shown_listed_and_closed(caller: Caller) -> None:
    """The documented bodies, an empty one for the close, which may be repeated."""
    endpoint = caller.endpoint("lifecycle")
    made = caller.ask_session(endpoint).json()
    assert set(made) == {"session_id", "status"}
    assert (len(made["session_id"]), made["status"]) == (36, "RUNNING")
    session = Sql(caller, made["session_id"])
    assert caller.got(session.path) == made
    listed = caller.got(f"{caller.base}/sessions", endpoint_id=endpoint)
    assert set(listed) == {"sessions", "total"}
    [info] = listed["sessions"]
    assert set(info) == {"session_id", "status", "create_time", "user_name", "endpoint_info"}
    assert TIME.fullmatch(info["create_time"])
    assert info["endpoint_info"] == {"endpoint_id": endpoint, "endpoint_name": "lifecycle"}
    for _ in range(2):
        closed = caller.http.delete(session.path)
        assert (closed.status_code, closed.content) == (200, b"")
    assert session.status() == "CLOSED"
    too_late = session.post("SELECT 1")
    assert (too_late.status_code, set(too_late.json())) == (400, {"error_code", "error_msg"})
    assert too_late.json()["error_msg"].startswith("the session is CLOSED")


def test_sessions_of_a_deleted_endpoint_keep_its_name(caller: Caller) -> None:
    """In the list, and in the commands of an operator."""
    endpoint = caller.endpoint("gone")
    caller.session(endpoint)
    assert caller.http.delete(f"{caller.base}/endpoints/{endpoint}").status_code == 202
    [info] = caller.got(f"{caller.base}/sessions", endpoint_id=endpoint)["sessions"]
    assert info["endpoint_info"] == {"endpoint_id": endpoint, "endpoint_name": "gone"}
    assert info["status"] == "CLOSED"


def test_a_session_is_created_at_once_with_a_wait_timeout(caller: Caller) -> None:
    """Given a wait_timeout the answer does not wait; 300 and 7200 are its edges, also as strings."""
    for patience in (300, 7200, "300"):
        answer = caller.ask_session(wait_timeout=patience)
        assert answer.json()["status"] in ("CREATING", "WAITING")
        session = Sql(caller, answer.json()["session_id"])
        assert session.rows("SELECT 1") == [["1"]]
        session.close()
    for wrong in (299, 7201, "x", 300.5, True):
        refused(caller.ask_session(wait_timeout=wrong), "wait_timeout: must be an integer from 300 to 7200")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"endpoint_id": ""}, "endpoint_id"),
        ({"endpoint_id": "x" * 37}, "endpoint_id"),
        ({"endpoint_id": "a_b"}, "endpoint_id"),
        ({"endpoint_id": None}, "endpoint_id"),
        ({"lake_formation_config": None}, "lake_formation_config"),
        ({"lake_formation_config": "default"}, "lake_formation_config"),
        ({"lake_formation_config": {"catalog": "default"}}, "lake_formation_config.instance_id"),
        ({"lake_formation_config": {"instance_id": "x" * 65, "catalog": "a"}}, "lake_formation_config.instance_id"),
        ({"lake_formation_config": {"instance_id": "a", "catalog": "x" * 256}}, "lake_formation_config.catalog"),
        ({"lake_formation_config": {"instance_id": "default", "catalog": "nope"}}, "lake_formation_config.catalog"),
    ],
)
def test_a_wrong_session_body_is_refused_by_field(caller: Caller, body: Json, field: str) -> None:
    """Every field of CreateSqlSession beyond its documented form is a 400 that names it."""
    whole = {"endpoint_id": caller.endpoint_id, "lake_formation_config": LAKE, **body}
    refused(caller.http.post(f"{caller.base}/sessions", json=whole), field)


def test_what_does_not_exist_is_the_same_404(caller: Caller, sql: Sql) -> None:
    """Unknown workspace, endpoint, session and statement: one body for all."""
    statement = sql.execute("SELECT 1")["statement_id"]
    sessions = f"{caller.base}/sessions"
    execute: Json = {"session_id": "nope", "statement": "SELECT 1"}
    nowhere = "/v1/workspaces/nope"
    answers = [
        ("endpoint", caller.ask_session("nope")),
        ("workspace", caller.http.get(f"{nowhere}/sessions")),
        ("workspace", caller.http.get(f"{nowhere}/statement-records")),
        ("workspace", caller.http.get(f"{nowhere}/sessions/{sql.id}")),
        ("workspace", caller.http.post(f"{nowhere}/sessions/{sql.id}/statements/{statement}/cancel")),
        ("workspace", caller.http.get(f"{nowhere}/endpoints/nope")),
        ("session", caller.http.get(f"{sessions}/nope")),
        ("session", caller.http.delete(f"{sessions}/nope")),
        ("session", caller.http.post(f"{sessions}/statements", json=execute)),
        ("session", caller.http.get(f"{sessions}/nope/statements")),
        ("session", caller.http.get(f"{sessions}/nope/statements/{statement}")),
        ("session", caller.http.post(f"{sessions}/nope/statements/{statement}/cancel")),
        ("statement", caller.http.get(f"{sql.path}/statements/nope")),
        ("statement", caller.http.get(f"{sql.path}/statements/{statement}_2")),
        ("statement", caller.http.get(f"{sql.path}/statements/{statement}_0")),
        ("statement", caller.http.get(f"{sql.path}/statements/{statement}_01")),
        ("statement", caller.http.post(f"{sql.path}/statements/nope/cancel")),
        ("endpoint", caller.http.get(f"{caller.base}/endpoints/nope")),
        ("endpoint", caller.http.delete(f"{caller.base}/endpoints/nope")),
    ]
    for kind, answer in answers:
        told = (answer.status_code, answer.json())
        assert told == (404, {**UNKNOWN, "solution_msg": f"no such {kind}"}), answer.request.url


def test_a_statement_is_unknown_in_another_session(caller: Caller, sql: Sql) -> None:
    """A statement's id works under its own session only."""
    statement = sql.execute("SELECT 1")["statement_id"]
    with caller.session() as other:
        assert caller.http.get(f"{other.path}/statements/{statement}").status_code == 404
        assert caller.http.post(f"{other.path}/statements/{statement}/cancel").status_code == 404


LIST_RANGES: list[tuple[str, Any, bool]] = [
    ("limit", 1, True),
    ("limit", 100, True),
    ("limit", 0, False),
    ("limit", 101, False),
    ("limit", "", False),
    ("limit", "1e1", False),
    ("limit", "5.0", False),
    ("offset", 0, True),
    ("offset", 1_000_000_000, True),
    ("offset", 1_000_000_001, False),
    ("offset", -1, False),
]


@pytest.mark.parametrize("list_of", ["sessions", "statement-records", "endpoints", "own statements", "workspaces"])
def test_both_edges_of_paging(caller: Caller, sql: Sql, list_of: str) -> None:
    """Limit 1..100 and offset 0..10^9 in every list; one beyond is a 400 that names it."""
    paths = {"own statements": f"{sql.path}/statements", "workspaces": "/v1/workspaces"}
    for name, value, good in LIST_RANGES:
        answer = caller.http.get(paths.get(list_of, f"{caller.base}/{list_of}"), params={name: value})
        if good:
            assert answer.status_code == 200
        else:
            refused(answer, name)


def test_a_parameter_given_twice_is_refused(caller: Caller) -> None:
    """Nobody can know which one is meant; unknown parameters are ignored."""
    refused(caller.http.get(f"{caller.base}/sessions?limit=1&limit=2"), "limit: given more than once")
    assert caller.http.get(f"{caller.base}/sessions?colour=red").status_code == 200


def test_lists_are_newest_first_and_total_counts_all(caller: Caller) -> None:
    """Limit and offset cut the page, not the total; past the end the page is empty."""
    endpoint = caller.endpoint("paged")
    opened = [caller.session(endpoint) for _ in range(3)]
    path = f"{caller.base}/sessions"

    def page(**query: str | int) -> tuple[int, list[str]]:
        found = caller.got(path, endpoint_id=endpoint, **query)
        return found["total"], [one["session_id"] for one in found["sessions"]]

    newest = [session.id for session in reversed(opened)]
    assert page() == (3, newest)
    assert page(limit=2) == (3, newest[:2])
    assert page(limit=2, offset=2) == (3, newest[2:])
    assert page(offset=3) == (3, [])
    opened[0].close()
    assert page(status="CLOSED") == (1, [opened[0].id])
    assert page(status="RUNNING") == (2, newest[:2])
    assert page(session_id=opened[1].id) == (1, [opened[1].id])
    assert page(status="FAIL") == (0, [])
    for session in opened[1:]:
        session.close()


def test_lists_are_cut_by_time_in_seconds(caller: Caller) -> None:
    """start_time and end_time are seconds since 1970; before and after are told apart."""
    before = int(time.time()) - 1
    with caller.session(caller.endpoint("timed")) as session:
        statement = session.execute("SELECT 1")["statement_id"]
        for path, own in (("sessions", {"session_id": session.id}), ("statement-records", {"statement_id": statement})):
            url = f"{caller.base}/{path}"
            later = before + 3600
            assert caller.got(url, start_time=before, end_time=later, **own)["total"] == 1
            assert caller.got(url, start_time=later, **own)["total"] == 0
            assert caller.got(url, end_time=before - 3600, **own)["total"] == 0
            refused(caller.http.get(url, params={"start_time": -1}), "start_time")


@pytest.mark.parametrize("value", ["running", "", "FAILED"])
def test_an_unknown_session_status_is_refused(caller: Caller, value: str) -> None:
    """The filter takes the five documented words."""
    answer = caller.http.get(f"{caller.base}/sessions", params={"status": value})
    refused(answer, "status: must be one of CLOSED, CREATING, FAIL, RUNNING, WAITING")


def test_records_have_the_documented_fields(caller: Caller, sql: Sql) -> None:
    """Both lists of records, newest first, with their filters."""
    good = sql.execute("SELECT 1 AS x")["statement_id"]
    bad = sql.execute("SELECT nope")["statement_id"]
    own = caller.got(f"{sql.path}/statements")
    assert own["total"] == 2
    assert [one["statement_id"] for one in own["records"]] == [bad, good]
    assert own["records"][1].items() >= {"statement_content": "SELECT 1 AS x", "user_name": "alice"}.items()
    assert caller.got(f"{sql.path}/statements", status="FAILED")["records"][0]["statement_id"] == bad
    assert caller.got(f"{sql.path}/statements", statement_id=good)["total"] == 1
    record = caller.record(good)
    expected = {
        "id": good,
        "workspace_id": caller.workspace_id,
        "endpoint_id": caller.endpoint_id,
        "session_id": sql.id,
        "database_name": "default",
        "statement_content": "SELECT 1 AS x",
        "status": "SUCCESSFUL",
        "user_name": "alice",
        "effects": "none",
    }
    assert record.items() >= expected.items()
    assert record["create_time"] <= record["start_time"] <= record["finish_time"]
    assert all(TIME.fullmatch(record[name]) for name in ("create_time", "start_time", "finish_time"))
    assert caller.record(bad).items() >= {"status": "FAILED", "sql_state": "42703"}.items()


def test_records_are_filtered_by_source_and_endpoint(caller: Caller, sql: Sql) -> None:
    """Source 0 is the API, 1 the console; 2 does not exist."""
    statement = sql.execute("SELECT 1")["statement_id"]
    url = f"{caller.base}/statement-records"
    assert caller.got(url, statement_id=statement, source=0, endpoint_id=caller.endpoint_id)["total"] == 1
    assert caller.got(url, statement_id=statement, source=1)["total"] == 0
    assert caller.got(url, statement_id=statement, endpoint_id="nope")["total"] == 0
    for wrong in (-1, 2):
        refused(caller.http.get(url, params={"source": wrong}), "source")
    refused(caller.http.get(url, params={"statement_id": "x" * 65}), "statement_id")


def test_a_result_has_the_documented_fields(sql: Sql) -> None:
    """StatementResponse, StatementResult and RowType to the last field."""
    reply = sql.execute("SELECT 7 AS x, NULL::text AS y")
    assert set(reply) == {"status", "session_id", "statement_id", "results"}
    assert (reply["status"], reply["session_id"]) == (0, sql.id)
    [result] = reply["results"]
    assert list(result) == RESULT_FIELDS
    assert result["statement_id"] == reply["statement_id"]
    assert [result[name] for name in RESULT_FIELDS[2:9]] == [1, 1, 1, 1, "0", "00000", ""]
    assert result["result_set"]["rows"] == [["7", None]]
    x, y = result["result_set"]["columns"]
    assert x == {"name": "x", "table_id": 0, "column_id": 1, "format": 0, "type": 23, "size": 4, "type_mod": -1}
    assert (y["name"], y["column_id"], y["size"]) == ("y", 2, -1)
    assert sql.show(reply["statement_id"]) == reply


def test_the_control_plane(caller: Caller) -> None:
    """Workspaces and endpoints: made, listed, shown, deleted in their order; names are unique."""
    made = caller.made("/v1/workspaces", {"name": "control", "description": "d" * 255})
    base = f"/v1/workspaces/{made['id']}"
    assert made.items() >= {"name": "control", "metastore_id": "default", "enterprise_project_id": "0"}.items()
    assert caller.got("/v1/workspaces", name="ONTRO")["workspaces"] == [made]
    refused(caller.http.post("/v1/workspaces", json={"name": "control"}), "name: a workspace named control exists")
    limits = {"max_sessions": 1, "max_statements": 1_000_000}
    config = {"engine": "duckdb", "colour": "red", **limits}
    endpoint = caller.made(f"{base}/endpoints", {"name": "duck", "type": "sql", "config": config})
    shown = {"type": "sql", "status": "RUNNING", "engine": "duckdb", "config": config, **limits}
    assert endpoint.items() >= shown.items()
    assert caller.got(f"{base}/endpoints/{endpoint['id']}") == endpoint
    [brief] = caller.got(f"{base}/endpoints", type="sql", name="UCK")["endpoints"]
    assert brief == {name: value for name, value in endpoint.items() if name not in ("config", "urls")}
    assert caller.got(f"{base}/endpoints", type="ray")["total"] == 0
    refused(caller.http.delete(base), "workspace_id: the workspace still has endpoints")
    gone = caller.http.delete(f"{base}/endpoints/{endpoint['id']}")
    assert (gone.status_code, gone.json()) == (202, {"id": endpoint["id"]})
    assert caller.http.delete(base).status_code == 200
    assert caller.got("/v1/workspaces", id=made["id"])["total"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "ray"}, "type"),
        ({"type": None}, "type"),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"config": {"engine": "abacus"}}, "config.engine"),
        ({"config": {"max_sessions": 0}}, "config.max_sessions"),
        ({"config": {"max_sessions": 1_000_001}}, "config.max_sessions"),
        ({"config": {"max_statements": 0}}, "config.max_statements"),
        ({"description": "d" * 256}, "description"),
    ],
)
def test_a_wrong_endpoint_body_is_refused_by_field(caller: Caller, body: Json, field: str) -> None:
    """Every field of CreateEndpoint beyond its form is a 400 that names it."""
    whole = {"name": "wrong", "type": "sql", **body}
    refused(caller.http.post(f"{caller.base}/endpoints", json=whole), field)


def test_deleting_an_endpoint_ends_its_sessions(caller: Caller) -> None:
    """What ran on it is stopped; its sessions and their history stay readable."""
    endpoint = caller.endpoint("doomed")
    session = caller.session(endpoint)
    done = session.execute("SELECT 1 AS x")["statement_id"]
    assert caller.http.delete(f"{caller.base}/endpoints/{endpoint}").status_code == 202
    assert session.status() == "CLOSED"
    assert session.show(done)["results"][0]["result_set"]["rows"] == [["1"]]
    assert caller.ask_session(endpoint).status_code == 404


def test_every_response_carries_a_request_id(caller: Caller) -> None:
    """The caller's own when it is valid, else a new one."""
    path = f"{caller.base}/sessions"
    assert caller.http.get(path, headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert re.fullmatch(r"[0-9a-f]{32}", caller.http.get(path, headers={"X-Request-Id": "a b"}).headers["x-request-id"])
    assert caller.http.get("/nowhere").headers["x-request-id"]


def test_a_token_is_asked_for(caller: Caller) -> None:
    """No token and a wrong one get the documented 401."""
    for token in ("", "nonsense", "x" * 5000):
        answer = caller.http.get(f"{caller.base}/sessions", headers={"X-Auth-Token": token})
        assert answer.status_code == 401
        assert answer.json()["error_code"] == "APIG.1002"


def test_the_doctor_looks_at_the_catalogs_of_a_running_service(caller: Caller, sql: Sql) -> None:
    """Its private PostgreSQL is asked beside it."""
    sql.run("SELECT 1")
    asked = CliRunner().invoke(main, ["doctor", "--data-dir", str(caller.service.data_dir), "--json"])
    (found,) = (one for one in json.loads(asked.output) if one["check"] == "catalogs")
    assert (found["state"], found["detail"]) == ("ok", "every table can be read and written")
