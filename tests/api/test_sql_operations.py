import json
from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from tests.api.twin import LATER, LOCATED, QUEUED, RUNNING, Twin
from treadle.api import render
from treadle.model.entities import Ending, Part
from treadle.model.states import (
    CANCEL_MESSAGES,
    CancelOutcome,
    PartStatus,
    Reason,
    RecordStatus,
    Rung,
    SessionStatus,
    StatementState,
    cancel_message,
)
from treadle.service.views import CancelReport, NewSession, PartView, StatementView, Submission

SESSIONS = "/v1/workspaces/w1/sessions"
EXECUTE = SESSIONS + "/statements"
STATEMENT = SESSIONS + "/s1/statements/t1"
NEW_SESSION = {"endpoint_id": "e1", "lake_formation_config": {"instance_id": "default", "catalog": "main"}}


async def test_create_session(client: httpx.AsyncClient, twin: Twin) -> None:
    """A session is created from the documented body and answered with its id and status."""
    reply = await client.post(SESSIONS, json={**NEW_SESSION, "wait_timeout": "300", "colour": "red"})
    assert (reply.status_code, reply.text) == (200, '{"session_id":"s1","status":"RUNNING"}')
    expected = NewSession(endpoint_id="e1", instance_id="default", catalog="main", wait_timeout=300)
    assert twin.asked == [("create_session", expected)]


async def test_list_sessions(client: httpx.AsyncClient, twin: Twin) -> None:
    """The session list carries all filters on and answers sessions before the total."""
    reply = await client.get(
        SESSIONS, params={"endpoint_id": "e1", "session_id": "s1", "status": "FAIL", "start_time": 1, "end_time": 2}
    )
    assert reply.text == (
        '{"sessions":[{"session_id":"s1","status":"RUNNING","create_time":"2026-07-13T12:00:00.125Z",'
        '"endpoint_info":{"endpoint_id":"e1","endpoint_name":"duck"},"user_name":"ada"}],"total":1}'
    )
    start, end = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)
    assert twin.asked == [("list_sessions", ("e1", "s1", SessionStatus.FAIL, start, end, 10, 0))]


async def test_show_session(client: httpx.AsyncClient) -> None:
    """A session without trouble shows its id and status only."""
    assert (await client.get(SESSIONS + "/s1")).text == '{"session_id":"s1","status":"RUNNING"}'


async def test_close_session(client: httpx.AsyncClient, twin: Twin) -> None:
    """Closing answers an empty 200."""
    reply = await client.delete(SESSIONS + "/s1")
    assert (reply.status_code, reply.content, reply.headers["content-length"]) == (200, b"", "0")
    assert twin.asked == [("close_session", None)]


async def test_execute_is_not_a_session_of_that_name(client: httpx.AsyncClient, twin: Twin) -> None:
    """POST …/sessions/statements submits; it is synchronous unless told otherwise."""
    reply = await client.post(EXECUTE, json={"session_id": "s1", "statement": "SELECT 1"})
    assert reply.text == (
        '{"status":0,"session_id":"s1","statement_id":"t1","results":[{"status":"PGRES_TUPLES_OK",'
        '"statement_id":"t1","num_rows":2,"row_count":2,"page_no":1,"page_count":1,"err_code":"0",'
        '"sql_state":"00000","message":"","result_set":{"columns":[{"name":"n","table_id":0,"column_id":1,'
        '"format":0,"type":23,"size":4,"type_mod":-1}],"rows":[["1"],[null]]}}]}'
    )
    assert twin.asked == [("execute", Submission(session_id="s1", statement="SELECT 1"))]


async def test_a_session_may_be_named_statements(client: httpx.AsyncClient, twin: Twin) -> None:
    """GET and DELETE …/sessions/statements, and its cancel, speak of a session of that id."""
    for method, path in (("GET", EXECUTE), ("DELETE", EXECUTE), ("POST", EXECUTE + "/cancel")):
        assert (await client.request(method, path)).status_code == 404
    assert [verb for verb, _ in twin.asked] == ["show_session", "close_session", "cancel_session_statements"]


async def test_execute_takes_every_documented_field(client: httpx.AsyncClient, twin: Twin) -> None:
    """Numbers and booleans may come as strings, nulls stand for absent fields."""
    await client.post(
        EXECUTE,
        json={
            "session_id": "s1",
            "statement": "SELECT ?",
            "limit": "5",
            "bindings": [["a", None]],
            "is_sync": "false",
            "is_maintain_statement": "TRUE",
            "resultset_fetch_mode": "READ_OBS",
            "priority": None,
        },
    )
    expected = Submission(
        session_id="s1",
        statement="SELECT ?",
        limit=5,
        bindings=(("a", None),),
        is_sync=False,
        is_maintain_statement=True,
        fetch_mode="READ_OBS",
    )
    assert twin.asked == [("execute", expected)]


async def test_results_are_absent_while_running(client: httpx.AsyncClient, twin: Twin) -> None:
    """A running statement answers its status and ids and nothing else."""
    twin.view = RUNNING
    assert (await client.get(STATEMENT)).text == '{"status":1,"session_id":"s1","statement_id":"t1","progress":null}'


async def test_show_result_in_files(client: httpx.AsyncClient, twin: Twin) -> None:
    """A located result has the place of its files and its columns instead of rows."""
    twin.view = LOCATED
    reply = await client.get(STATEMENT, params={"is_enable_obs_path": "true", "page_num": 65535})
    assert twin.asked == [("show_result", (65535, True))]
    [result] = reply.json()["results"]
    assert (result["obs_endpoint"], result["obs_bucket_name"], result["obs_file_path_prefix"]) == (
        "file://",
        "results",
        "t1/",
    )
    assert [column["name"] for column in result["schema"]] == ["n"]
    assert "result_set" not in result


@pytest.mark.parametrize("body", [b"", b"  ", b"{}", b"{ }", b'{"why":["tired"]}'])
async def test_cancel_takes_any_object_or_nothing(client: httpx.AsyncClient, body: bytes) -> None:
    """Cancel answers an empty 200 with the verdict in headers."""
    reply = await client.post(STATEMENT + "/cancel", content=body)
    assert (reply.status_code, reply.content, reply.headers["content-length"]) == (200, b"", "0")
    assert "content-type" not in reply.headers
    verdict = {name: value for name, value in reply.headers.items() if name.startswith(("x-cancel", "x-statement"))}
    assert verdict == {
        "x-statement-state": "CANCELED",
        "x-cancel-outcome": "cancelled",
        "x-cancel-rung": "interrupted",
        "x-cancel-millis": "12.3",
    }


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"{", b"\xff", b'{"a":1,"a":2}', b'{"a":NaN}'])
async def test_cancel_refuses_what_is_no_object(client: httpx.AsyncClient, twin: Twin, body: bytes) -> None:
    """A body that is no JSON object gets the documented 400 and cancels nothing."""
    reply = await client.post(STATEMENT + "/cancel", content=body)
    assert reply.content == (
        b'{"error_code":"common.01000001","error_msg":"failed to read http request, please check your input, '
        b'code: 400, reason: Type mismatch., cause: TypeMismatchException"}'
    )
    assert twin.asked == []


CANCELS = (STATEMENT + "/cancel", SESSIONS + "/s1/cancel", "/v1/workspaces/w1/statements/cancel")


@pytest.mark.parametrize("path", CANCELS)
async def test_a_cancel_may_have_a_reason(client: httpx.AsyncClient, twin: Twin, path: str) -> None:
    """In words, which arrive as one line of plain text; null and blanks are as if there were none."""
    for given, words in (
        ("wrong month", "wrong month"),
        ("  two\r\nlines\t\x1b[31mand a\u202e turn\u2028 ", "two lines [31mand a turn"),
        ("\u5de5\u4f5c \U0001f600 '; --", "\u5de5\u4f5c \U0001f600 '; --"),
        ("x" * 512, "x" * 512),
        ("", None),
        (" \n ", None),
        (None, None),
    ):
        twin.asked.clear()
        assert (await client.post(path, json={"reason": given})).status_code == 200
        ((_, asked),) = twin.asked
        told = asked[2] if isinstance(asked, tuple) and len(asked) > 2 else None if isinstance(asked, tuple) else asked
        assert told == words


@pytest.mark.parametrize("path", CANCELS)
@pytest.mark.parametrize("bad", ["x" * 513, 7, True, ["why"], {"why": "x"}, "a\x00b", "\ud800"])
async def test_a_bad_reason_is_refused(client: httpx.AsyncClient, twin: Twin, path: str, bad: object) -> None:
    """The documented 400 names it, and nothing is cancelled."""
    reply = await client.post(path, content=json.dumps({"reason": bad}))
    assert reply.status_code == 400
    assert reply.json()["error_code"] == "common.01000001"
    assert "reason: reason" in reply.json()["error_msg"]
    assert twin.asked == []


async def test_cancel_of_a_session(client: httpx.AsyncClient, twin: Twin) -> None:
    """The form of the page's own example cancels what runs in the session; an unknown rung is left out."""
    twin.report = CancelReport(state=RecordStatus.SUCCESSFUL, outcome=CancelOutcome.ALREADY_SUCCEEDED)
    reply = await client.post(SESSIONS + "/s1/cancel", content=b"{ }")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["x-cancel-outcome"] == "already_succeeded"
    assert "x-cancel-rung" not in reply.headers
    assert [verb for verb, _ in twin.asked] == ["cancel_session_statements"]


async def test_session_records(client: httpx.AsyncClient, twin: Twin) -> None:
    """The history of a session has the documented fields first, and then what is known about the ending."""
    reply = await client.get(SESSIONS + "/s1/statements", params={"statement_id": "t_1", "status": "CANCELED"})
    assert twin.asked == [("session_records", ("t_1", RecordStatus.CANCELED, None, 10, 0))]
    queued, cancelled = reply.json()["records"]
    assert queued == {
        "statement_id": "t2",
        "statement_content": "SELECT 3",
        "create_time": "2026-07-13T12:00:00.125Z",
        "status": "SUBMITTED",
        "user_name": "ada",
    }
    assert cancelled == {
        "statement_id": "t1",
        "statement_content": "SELECT 1; SE",
        "create_time": "2026-07-13T12:00:00.125Z",
        "status": "CANCELED",
        "user_name": "ada",
        "duration": "1500",
        "effects": "partial",
        "reason": "user",
        "actor": "ada",
        "rung": "interrupted",
        "cancel_requested_at": "2026-07-13T12:00:00.125Z",
        "cancel_millis": 3.5,
        "sql_state": "57014",
        "message": "canceling statement due to user request",
        "part_count": 2,
        "parts": [
            {
                "statement_id": "t1_1",
                "status": "PGRES_TUPLES_OK",
                "rows": 1,
                "sql_state": "00000",
                "effects": "none",
            },
            {
                "statement_id": "t1_2",
                "status": "PGRES_FATAL_ERROR",
                "rows": 0,
                "sql_state": "57014",
                "effects": "none",
            },
        ],
    }


@pytest.mark.parametrize("rung", [Rung.DEQUEUED, Rung.KILLED])
@pytest.mark.parametrize("reason", list(Reason))
def test_every_cancelled_record_tells_its_error(reason: Reason, rung: Rung) -> None:
    """A statement cancelled without a part that failed has the SQLSTATE and the words of its cancel all the same."""
    state = StatementState.CANCELLED
    ending = Ending(state=state, finished_at=LATER, reason=reason, actor="ada", rung=rung)
    cancelled = msgspec.structs.replace(QUEUED, state=state, ending=ending)
    (record,) = render.records(1, [cancelled], 256).records
    (of_session,) = render.session_records(1, [cancelled], 256).records
    assert (record.sql_state, record.message) == ("57014", cancel_message(reason, None, "ada"))
    assert str(record.message).startswith(CANCEL_MESSAGES[reason])
    assert (of_session.sql_state, of_session.message) == (record.sql_state, record.message)


async def test_records(client: httpx.AsyncClient, twin: Twin) -> None:
    """The history of a workspace takes all filters; a time beyond 10^11 is in milliseconds."""
    reply = await client.get(
        "/v1/workspaces/w1/statement-records",
        params={
            "endpoint_id": "e1",
            "statement_id": "t1",
            "source": 1,
            "status": "ERROR",
            "start_time": 10**11,
            "end_time": 10**11 + 1,
            "limit": 100,
            "offset": 10**9,
        },
    )
    end = datetime.fromtimestamp(100_000_000.001, UTC)
    start = datetime.fromtimestamp(10**11, UTC)
    assert twin.asked == [("records", ("e1", "t1", 1, RecordStatus.ERROR, start, end, None, 100, 10**9))]
    assert list(reply.json()) == ["total", "records"]
    queued, cancelled = reply.json()["records"]
    assert list(cancelled)[:14] == [
        "id",
        "workspace_id",
        "endpoint_id",
        "session_id",
        "database_name",
        "statement_content",
        "dpu_duration",
        "duration",
        "dpu_cost",
        "status",
        "user_name",
        "create_time",
        "start_time",
        "finish_time",
    ]
    assert (cancelled["duration"], cancelled["finish_time"]) == ("1500", "2026-07-13T12:00:01.625Z")
    assert not {"duration", "start_time", "finish_time", "effects"} & set(queued)


async def test_rows_are_spliced_and_never_decoded(client: httpx.AsyncClient) -> None:
    """A page's rows arrive byte for byte as the service made them."""
    reply = await client.get(STATEMENT)
    assert b'"rows":[["1"],[null]]' in reply.content
    assert json.loads(reply.content)["results"][0]["result_set"]["rows"] == [["1"], [None]]


def test_error_has_its_place_in_the_result_and_on_record() -> None:
    """Behind its message; what has no place has no such field."""
    part = Part(number=1, status=PartStatus.FATAL_ERROR, sql_state="42703", message="no column", position=8)
    view = PartView(
        statement_id="t2", status=part.status, err_code="1", sql_state="42703", message="no column", position=8
    )
    shown = StatementView(status=-1, session_id="s1", statement_id="t2", state=RecordStatus.FAILED, results=(view,))
    body = msgspec.json.encode(render.statement(shown)).decode()
    assert '"sql_state":"42703","message":"no column","position":8,"result_set":' in body
    ending = Ending(state=StatementState.FAILED, finished_at=LATER)
    failed = msgspec.structs.replace(QUEUED, state=StatementState.FAILED, ending=ending, parts=(part,))
    (record,) = render.records(1, [failed], 256).records
    (of_session,) = render.session_records(1, [failed], 256).records
    assert (record.position, of_session.position) == (8, 8)
    without = msgspec.structs.replace(failed, parts=(msgspec.structs.replace(part, position=None),))
    assert b"position" not in msgspec.json.encode(render.records(1, [without], 256))
