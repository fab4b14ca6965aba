"""What a submit may bring with it, and cancels of many: as the HTTP room reads and says them."""

import httpx
import pytest

from tests.api.twin import LATER, Twin
from treadle.model.errors import Conflict
from treadle.model.states import CancelOutcome, RecordStatus, Rung
from treadle.service.views import CancelEntry, CancelFilter, CancelReport, OnDisconnect, Submission

EXECUTE = "/v1/workspaces/w1/sessions/statements"
STATEMENT = "/v1/workspaces/w1/sessions/s1/statements/t1"
BULK = "/v1/workspaces/w1/statements/cancel"
PLAIN = {"session_id": "s1", "statement": "SELECT 1"}


def submission(**fields: object) -> Submission:
    """What the verb is asked."""
    return Submission(session_id="s1", statement="SELECT 1", **fields)  # type: ignore[arg-type]


async def test_fields_and_headers_of_a_submit(client: httpx.AsyncClient, twin: Twin) -> None:
    """Tags of both places are merged, in order and each once; id and key come from where they are."""
    body = {
        **PLAIN,
        "statement_id": "my-id",
        "tags": ["b", "a"],
        "on_disconnect": "cancel",
        "keepalive": "30",
    }
    headers = [("X-Statement-Tags", "a, c d,"), ("X-Statement-Tags", "é"), ("Idempotency-Key", "k 1")]
    raw = [(name.encode(), value.encode()) for name, value in headers]
    assert (await client.post(EXECUTE, json=body, headers=raw)).status_code == 200
    assert (await client.post(EXECUTE, json=PLAIN, headers={"X-Statement-Id": "x_y"})).status_code == 200
    assert twin.asked == [
        (
            "execute",
            submission(
                statement_id="my-id",
                tags=("b", "a", "c d", "é"),
                on_disconnect=OnDisconnect.CANCEL,
                keepalive=30,
                idempotency_key="k 1",
            ),
        ),
        ("execute", submission(statement_id="x_y")),
    ]


@pytest.mark.parametrize(
    ("field", "body", "headers"),
    [
        ("statement_id", {"statement_id": "a b"}, {}),
        ("statement_id", {"statement_id": ""}, {}),
        ("statement_id", {"statement_id": "a" * 65}, {}),
        ("statement_id", {"statement_id": "load_5"}, {}),
        ("statement_id", {}, {"X-Statement-Id": "load_5"}),
        ("statement_id", {"statement_id": "a"}, {"X-Statement-Id": "b"}),
        ("X-Statement-Id", {}, {"X-Statement-Id": "a b"}),
        ("X-Statement-Id", {}, {"X-Statement-Id": ""}),
        ("tags", {"tags": ["a,b"]}, {}),
        ("tags", {"tags": ["a\nb"]}, {}),
        ("tags", {"tags": ["\u200e"]}, {}),
        ("tags", {"tags": [""]}, {}),
        ("tags", {"tags": ["x" * 129]}, {}),
        ("tags", {"tags": [str(n) for n in range(17)]}, {}),
        ("tags", {"tags": [str(n) for n in range(10)]}, {"X-Statement-Tags": ",".join("abcdefg")}),
        ("tags", {"tags": "a"}, {}),
        ("keepalive", {"keepalive": 0}, {}),
        ("keepalive", {"keepalive": 86_401}, {}),
        ("on_disconnect", {"on_disconnect": "explode"}, {}),
        ("Idempotency-Key", {}, {"Idempotency-Key": ""}),
        ("Idempotency-Key", {}, {"Idempotency-Key": "k" * 129}),
        ("Idempotency-Key", {}, {"Idempotency-Key": "é"}),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    client: httpx.AsyncClient, twin: Twin, field: str, body: dict[str, object], headers: dict[str, str]
) -> None:
    """A 400 that names the field or the header, and nothing is asked of the service."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    reply = await client.post(EXECUTE, json={**PLAIN, **body}, headers=raw)
    assert reply.status_code == 400, reply.text
    assert f"reason: {field}" in reply.json()["error_msg"]
    assert twin.asked == []


async def test_a_conflict_has_the_shape_of_the_documented_errors(client: httpx.AsyncClient, twin: Twin) -> None:
    """409 with a code that follows the documented ones, and the reason as its solution."""
    twin.failure = Conflict("there is a statement x already")
    reply = await client.post(EXECUTE, json=PLAIN)
    assert (reply.status_code, reply.json()) == (
        409,
        {
            "error_code": "common.00000409",
            "error_msg": "conflict",
            "solution_msg": "there is a statement x already",
        },
    )


async def test_a_cancel_may_say_that_it_comes_before_the_submit(client: httpx.AsyncClient, twin: Twin) -> None:
    """By header or query; the answer says what was done."""
    twin.report = CancelReport(state=RecordStatus.CANCELED, outcome=CancelOutcome.TOMBSTONED)
    reply = await client.post(STATEMENT + "/cancel", headers={"X-Cancel-Before-Submit": "true"})
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["x-cancel-outcome"] == "tombstoned"
    assert "x-cancel-rung" not in reply.headers
    await client.post(STATEMENT + "/cancel", params={"before_submit": "true"})
    await client.post(STATEMENT + "/cancel", headers={"X-Cancel-Before-Submit": "false"})
    assert twin.asked == [("cancel", True), ("cancel", True), ("cancel", None)]
    assert (await client.post(STATEMENT + "/cancel", headers={"X-Cancel-Before-Submit": "2"})).status_code == 400


async def test_a_bulk_cancel_has_one_outcome_a_statement(client: httpx.AsyncClient, twin: Twin) -> None:
    """All filters are carried on, ids once each; what is not known of an outcome is absent."""
    twin.entries = [
        CancelEntry(
            statement_id="t1",
            session_id="s1",
            state=RecordStatus.CANCELED,
            outcome=CancelOutcome.CANCELLED,
            rung=Rung.DEQUEUED,
            millis=1.26,
        ),
        CancelEntry(statement_id="t9", outcome=CancelOutcome.NOT_FOUND),
    ]
    body = {
        "statement_ids": ["t1", "t9", "t1"],
        "session_id": "s1",
        "endpoint_id": "e1",
        "tags": ["a"],
        "user_name": "ada",
        "status": "RUNNING",
        "submitted_before": int(LATER.timestamp() * 1000),
        "dry_run": True,
    }
    reply = await client.post(BULK, json=body)
    assert reply.json() == {
        "total": 2,
        "dry_run": True,
        "outcomes": [
            {
                "statement_id": "t1",
                "session_id": "s1",
                "state": "CANCELED",
                "outcome": "cancelled",
                "rung": "dequeued",
                "millis": 1.3,
            },
            {"statement_id": "t9", "outcome": "not_found", "millis": 0.0},
        ],
    }
    await client.post(BULK, json={})
    where = CancelFilter(
        statement_ids=("t1", "t9"),
        session_id="s1",
        endpoint_id="e1",
        tags=("a",),
        user_name="ada",
        status=RecordStatus.RUNNING,
        submitted_before=LATER,
    )
    assert twin.asked == [("cancel_statements", (where, True)), ("cancel_statements", (CancelFilter(), False))]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("statement_ids", {"statement_ids": ["a b"]}),
        ("statement_ids", {"statement_ids": ["a"] * 10_001}),
        ("status", {"status": "FAILED"}),
        ("submitted_before", {"submitted_before": -1}),
        ("dry_run", {"dry_run": "perhaps"}),
        ("body", []),
    ],
)
async def test_a_bulk_cancel_must_make_sense(client: httpx.AsyncClient, twin: Twin, field: str, body: object) -> None:
    """An unreadable filter cancels nothing, and no filter at all is no cancel of everything."""
    reply = await client.post(BULK, json=body)
    assert reply.status_code == 400
    assert f"reason: {field}" in reply.json()["error_msg"]
    assert (await client.post(BULK)).status_code == 400
    assert twin.asked == []


async def test_the_wait_for_a_result(client: httpx.AsyncClient, twin: Twin) -> None:
    """Seconds, up to the setting."""
    assert (await client.get(STATEMENT, params={"wait": 60})).status_code == 200
    assert twin.asked == [("show_result", (1, False, 60))]
    for wrong in ("61", "-1", "x", "3601"):
        reply = await client.get(STATEMENT, params={"wait": wrong})
        assert (reply.status_code, "reason: wait" in reply.text) == (400, True)


async def test_records_are_asked_for_by_tag(client: httpx.AsyncClient, twin: Twin) -> None:
    """In both lists."""
    await client.get("/v1/workspaces/w1/sessions/s1/statements", params={"tag": "a b"})
    await client.get("/v1/workspaces/w1/statement-records", params={"tag": "é"})
    assert [arguments[-3] for _, arguments in twin.asked] == ["a b", "é"]
    assert (await client.get("/v1/workspaces/w1/statement-records", params={"tag": "a,b"})).status_code == 400
