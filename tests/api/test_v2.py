"""Version 2 over a service that answers at once: what it says and how it is said."""

from datetime import UTC, datetime

import httpx
import pytest

from tests.api.twin import CANCELLED, QUEUED, SESSION, Twin
from treadle.model.states import RecordStatus
from treadle.service.views import NewSession, Submission

SESSIONS = "/v2/workspaces/w1/aura-sessions"
STATEMENTS = SESSIONS + "/statements"
STATEMENT = SESSIONS + "/s1/statements/t1"
RECORDS = "/v2/workspaces/w1/aura-statement-records"
OPEN = {"endpoint_name": "duck", "catalog_context": {"catalog_name": "default"}}


def at(seconds: int) -> datetime:
    """A moment in seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


async def test_create_session(client: httpx.AsyncClient, twin: Twin) -> None:
    """The endpoint is told by name, numbers may be strings, and an agency is taken and not used."""
    more = {
        "priority": "9",
        "cpu": 4000,
        "memory": 1024,
        "wait_timeout": 86400,
        "max_retry_times": 2,
        "agency_name": "a",
    }
    reply = await client.post(SESSIONS, json={**OPEN, **more})
    assert (reply.status_code, reply.json()) == (200, {"session_id": "s1", "status": "RUNNING"})
    new = NewSession(
        endpoint_name="duck",
        catalog="default",
        wait_timeout=86400,
        max_retry_times=2,
        priority=9,
        cpu=4000,
        memory=1024,
    )
    assert twin.asked == [("create_session", new)]


@pytest.mark.parametrize(("field", "value"), [("cpu", 48001), ("cpu", 0), ("memory", 393217), ("memory", "x")])
async def test_too_much_of_a_machine(client: httpx.AsyncClient, field: str, value: object) -> None:
    """Has the code that its documentation gives it, in the documented shape."""
    reply = await client.post(SESSIONS, json={**OPEN, field: value})
    assert reply.status_code == 400
    assert reply.json()["error_code"] == "INVALID_PARAMETER"
    assert reply.json()["error_msg"].startswith(f"{field}: must be an integer from 1 to ")


@pytest.mark.parametrize(
    ("field", "value"),
    [("wait_timeout", 299), ("wait_timeout", 86401), ("max_retry_times", 0), ("priority", 0), ("priority", 10)],
)
async def test_a_session_out_of_range(client: httpx.AsyncClient, field: str, value: object) -> None:
    """Is refused in the words of version 1."""
    reply = await client.post(SESSIONS, json={**OPEN, field: value})
    assert (reply.status_code, reply.json()["error_code"]) == (400, "common.01000001")
    assert f"reason: {field}: " in reply.json()["error_msg"]


async def test_show_and_close(client: httpx.AsyncClient, twin: Twin) -> None:
    """As in version 1: a body of two fields, and an empty one."""
    assert (await client.get(SESSIONS + "/s1")).json() == {"session_id": "s1", "status": "RUNNING"}
    closed = await client.delete(SESSIONS + "/s1")
    assert (closed.status_code, closed.content) == (200, b"")
    assert [verb for verb, _ in twin.asked] == ["show_session", "close_session"]


async def test_list_sessions(client: httpx.AsyncClient, twin: Twin) -> None:
    """One more than asked for is looked up: it says whether there is a next page, and is not shown."""
    query: dict[str, str | int] = {"endpoint_name": "duck", "start_time": 7, "end_time": 9, "marker": "s0", "limit": 2}
    only = (await client.get(SESSIONS, params=query)).json()
    assert (only["total"], only["next_marker"], len(only["sessions"])) == (1, "", 1)
    assert only["sessions"][0]["endpoint_info"] == {"endpoint_id": "e1", "endpoint_name": "duck"}
    twin.found = 3
    first = (await client.get(SESSIONS, params={"marker": "", "limit": 2})).json()
    assert (first["next_marker"], len(first["sessions"])) == (SESSION.session_id, 2)
    assert twin.asked == [
        ("list_sessions", (None, None, None, at(7), at(9), 3, 0, "duck", "s0")),
        ("list_sessions", (None, None, None, None, None, 3, 0, None, "")),
    ]


async def test_execute(client: httpx.AsyncClient, twin: Twin) -> None:
    """Name, type and patience go beside what both versions have; the answer is that of version 1."""
    more = {"statement_name": "日报-1", "statement_type": "JOB", "wait_timeout": 300, "max_retry_times": 6000}
    body = {"session_id": "s1", "statement": "SELECT ?", "limit": "1", "bindings": [["7"]], **more}
    reply = await client.post(STATEMENTS, json=body)
    assert (reply.status_code, reply.json()["status"]) == (200, 0)
    ((_, submission),) = twin.asked
    assert submission == Submission(
        session_id="s1",
        statement="SELECT ?",
        limit=1,
        bindings=(("7",),),
        name="日报-1",
        type="JOB",
        wait_timeout=300,
        max_retry_times=6000,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("statement", ""),
        ("bindings", [[], []]),
        ("bindings", [["x"] * 201]),
        ("bindings", [["x" * 501]]),
        ("wait_timeout", 299),
        ("max_retry_times", 6001),
        ("statement_type", "PYTHON"),
        ("statement_name", "a b"),
        ("statement_name", "a" * 65),
        ("limit", 0),
    ],
)
async def test_a_statement_out_of_range(client: httpx.AsyncClient, field: str, value: object) -> None:
    """Is refused and named, as in version 1."""
    reply = await client.post(STATEMENTS, json={"session_id": "s1", "statement": "SELECT 1", field: value})
    assert (reply.status_code, reply.json()["error_code"]) == (400, "common.01000001")
    assert f"reason: {field}: " in reply.json()["error_msg"]


async def test_show_and_cancel(client: httpx.AsyncClient, twin: Twin) -> None:
    """Any page may be asked for; a cancel has the empty body and the verdict of version 1."""
    assert (await client.get(STATEMENT, params={"page_num": 2147483647})).status_code == 200
    assert (await client.get(STATEMENT, params={"page_num": 0})).status_code == 400
    reply = await client.post(STATEMENT + "/cancel")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["X-Cancel-Outcome"] == "cancelled"
    assert twin.asked == [("show_result", (2147483647, False)), ("cancel", None)]


async def test_session_records(client: httpx.AsyncClient, twin: Twin) -> None:
    """With the count of the page and the marker of the next one."""
    path = SESSIONS + "/s1/statements"
    page = (await client.get(path, params={"limit": 1, "status": "RUNNING"})).json()
    assert (page["current_count"], page["next_marker"]) == (1, QUEUED.id)
    assert [one["statement_id"] for one in page["records"]] == [QUEUED.id]
    last = (await client.get(path, params={"limit": 2, "marker": "t9"})).json()
    assert (last["current_count"], last["next_marker"]) == (2, "")
    assert twin.asked == [
        ("session_records", (None, RecordStatus.RUNNING, None, 2, 0, "")),
        ("session_records", (None, None, None, 3, 0, "t9")),
    ]


async def test_records(client: httpx.AsyncClient, twin: Twin) -> None:
    """Times are those of the creation, in seconds; the filters of both versions are there."""
    query: dict[str, str | int] = {
        "endpoint_name": "duck",
        "session_id": "s1",
        "start_time": 7,
        "end_time": 9,
        "statement_name": "n",
    }
    page = (await client.get(RECORDS, params=query)).json()
    assert (page["current_count"], page["next_marker"]) == (2, "")
    assert [one["id"] for one in page["records"]] == [QUEUED.id, CANCELLED.id]
    filters = (None, None, None, None, None, None, None, 11, 0, "s1", "duck", at(7), at(9), "n", "")
    assert twin.asked == [("records", filters)]


async def test_what_is_forbidden_has_the_shape_of_the_others(client: httpx.AsyncClient) -> None:
    """Where version 1 has the double form."""
    client.headers["X-Auth-Token"] = "viewer-token"
    second = await client.post(STATEMENT + "/cancel")
    first = await client.post("/v1/workspaces/w1/sessions/s1/statements/t1/cancel")
    assert (second.status_code, first.status_code) == (403, 403)
    assert set(second.json()) == {"error_code", "error_msg"}
    assert second.json()["error_code"] == "common.00000403"
    assert set(first.json()) == {"error", "error_code", "error_msg", "title"}


async def test_both_versions_are_described(client: httpx.AsyncClient) -> None:
    """With the 403 that each has."""
    described = (await client.get("/openapi.json")).json()
    paths = described["paths"]
    names = {operation["operationId"] for methods in paths.values() for operation in methods.values()}
    assert {"CancelSqlStatement", "CancelAuraSqlStatement", "ListAuraStatementRecords", "UpdateEndpoint"} <= names

    def shape(path: str) -> str:
        content = paths[path]["post"]["responses"]["403"]["content"]["application/json"]
        return str(content["schema"]["$ref"].rpartition("/")[2])

    base = "/workspaces/{workspace_id}/"
    assert shape(f"/v1{base}sessions") == "ForbiddenBody"
    assert shape(f"/v2{base}aura-sessions") == "ErrorBody"
