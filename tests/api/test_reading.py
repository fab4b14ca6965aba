import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.twin import Twin
from tests.support.properties import examples
from treadle.api.app import build
from treadle.config import Settings

SESSIONS = "/v1/workspaces/w1/sessions"
EXECUTE = SESSIONS + "/statements"
AURA_EXECUTE = "/v2/workspaces/w1/aura-sessions/statements"
RECORDS = "/v1/workspaces/w1/statement-records"
CANCELS = "/v1/workspaces/w1/statements/cancel"
NEW_SESSION = {"endpoint_id": "e1", "lake_formation_config": {"instance_id": "default", "catalog": "main"}}
SUBMISSION = {"session_id": "s1", "statement": "SELECT 1"}
ENDPOINT = {"name": "duck", "type": "sql"}
TAGS_TEXT = "strings, each of 1-128 printable characters, none of them a comma"
IDS_TEXT = "strings, each of 1-64 letters, digits, hyphens and underscores"
BINDINGS_TEXT = "of at most 1 arrays of at most 200 strings, each of at most 500 characters"
NAME_TEXT = "a string: 1-64 letters, digits, Chinese characters and any of `_ - .` and space"


def reason(reply: httpx.Response) -> str:
    """The part of a 400's message that says what is wrong."""
    assert reply.status_code == 400, reply.text
    message: str = reply.json()["error_msg"]
    start = "failed to read http request, please check your input, code: 400, reason: "
    assert message.startswith(start)
    return message.removeprefix(start)


@pytest.mark.parametrize(
    ("path", "names", "low", "high"),
    [
        (SESSIONS, ("limit",), 1, 100),
        (SESSIONS, ("offset",), 0, 1_000_000_000),
        (SESSIONS + "/s1/statements", ("limit",), 1, 100),
        (SESSIONS + "/s1/statements", ("offset",), 0, 1_000_000_000),
        (RECORDS, ("limit",), 1, 100),
        (RECORDS, ("offset",), 0, 1_000_000_000),
        (RECORDS, ("source",), 0, 1),
        (RECORDS, ("start_time", "end_time"), 0, 253_402_300_799_999),
        (SESSIONS + "/s1/statements/t1", ("wait",), 0, 60),
        ("/v2/workspaces/w1/aura-sessions/s1/statements/t1", ("wait",), 0, 60),
        ("/v1/workspaces", ("limit",), 1, 100),
        ("/v1/workspaces/w1/endpoints", ("offset",), 0, 1_000_000_000),
    ],
)
async def test_query_numbers_have_their_documented_edges(
    client: httpx.AsyncClient, path: str, names: tuple[str, ...], low: int, high: int
) -> None:
    """Both edges are taken, one beyond either is a 400 that names the parameter and its range."""
    for name in names:
        for value in (low, high):
            assert (await client.get(path, params={name: value})).status_code == 200
        for wrong in (low - 1, high + 1, "ten", "", "1.0", " 1", "0x1", "9" * 400, "\u0661"):
            reply = await client.get(path, params={name: wrong})
            allowed = f"{name}: must be an integer from {low} to {high}., cause: TypeMismatchException"
            assert reason(reply) == allowed


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        (SESSIONS, "status=running", "status: must be one of CLOSED, CREATING, FAIL, RUNNING, WAITING."),
        (RECORDS, "status=DONE", "status: must be one of CANCELED, ERROR, FAILED, RUNNING, SUBMITTED, SUCCESSFUL."),
        (RECORDS, "endpoint_id=" + "a" * 37, "endpoint_id: must be a string of 1 to 36 characters."),
        (RECORDS, "endpoint_id=", "endpoint_id: must be a string of 1 to 36 characters."),
        (RECORDS, "endpoint_id=%00", "endpoint_id: holds a NUL character."),
        (RECORDS, "endpoint_id=%ff", "query: not a readable query string."),
        (RECORDS, "limit=1&limit=2", "limit: given more than once."),
        (RECORDS, "&".join(f"a{n}=1" for n in range(200)), "query: not a readable query string."),
        (
            SESSIONS + "/s1/statements",
            "statement_id=a.b",
            "statement_id: must be a string: 1-64 letters, digits, hyphens and underscores.",
        ),
        (SESSIONS + "/s1/statements/t1", "is_enable_obs_path=yes", "is_enable_obs_path: must be true or false."),
    ],
)
async def test_a_wrong_query_is_named(client: httpx.AsyncClient, path: str, query: str, expected: str) -> None:
    """A 400 for a parameter says which and what is allowed."""
    assert reason(await client.get(f"{path}?{query}")).startswith(expected)


async def test_unknown_parameters_and_fields_are_ignored(client: httpx.AsyncClient) -> None:
    """What the documentation does not name changes nothing."""
    assert (await client.get(RECORDS + "?colour=red&colour=blue")).status_code == 200
    assert (await client.post(EXECUTE, json={**SUBMISSION, "colour": ["red"]})).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (
            SESSIONS,
            {},
            "endpoint_id: is required and must be a string: 1-36 letters, digits and hyphens; "
            "lake_formation_config: is required and must be an object.",
        ),
        (SESSIONS, {"endpoint_id": None}, "endpoint_id: is required and must be a string"),
        (SESSIONS, {**NEW_SESSION, "endpoint_id": "a_b"}, "endpoint_id: must be a string: 1-36 letters"),
        (SESSIONS, {**NEW_SESSION, "endpoint_id": "a\n"}, "endpoint_id: must be a string: 1-36 letters"),
        (SESSIONS, {**NEW_SESSION, "lake_formation_config": 5}, "lake_formation_config: must be an object."),
        (
            SESSIONS,
            {**NEW_SESSION, "lake_formation_config": {"instance_id": "x"}},
            "lake_formation_config.catalog: is required and must be a string: 1-255 letters",
        ),
        (
            SESSIONS,
            {**NEW_SESSION, "lake_formation_config": {"instance_id": "x" * 65, "catalog": "c"}},
            "lake_formation_config.instance_id: must be a string: 1-64 letters",
        ),
        (SESSIONS, {**NEW_SESSION, "wait_timeout": 299}, "wait_timeout: must be an integer from 300 to 7200."),
        (SESSIONS, {**NEW_SESSION, "wait_timeout": 7201}, "wait_timeout: must be an integer from 300 to 7200."),
        (SESSIONS, {**NEW_SESSION, "wait_timeout": 300.5}, "wait_timeout: must be an integer from 300 to 7200."),
        (SESSIONS, {**NEW_SESSION, "wait_timeout": True}, "wait_timeout: must be an integer from 300 to 7200."),
        (
            EXECUTE,
            {},
            "statement: is required and must be a string of at most 10000000 characters; "
            "session_id: is required and must be a string: 1-36 letters, digits and hyphens.",
        ),
        (EXECUTE, {"session_id": "s1"}, "statement: is required and must be a string of at most 10000000 characters."),
        (EXECUTE, {**SUBMISSION, "statement": 5}, "statement: must be a string of at most 10000000 characters."),
        (EXECUTE, {**SUBMISSION, "session_id": ""}, "session_id: must be a string: 1-36 letters"),
        (EXECUTE, {**SUBMISSION, "limit": 0}, "limit: must be an integer from 1 to 2147483647."),
        (EXECUTE, {**SUBMISSION, "limit": 2**31}, "limit: must be an integer from 1 to 2147483647."),
        (EXECUTE, {**SUBMISSION, "is_sync": 1}, "is_sync: must be true or false."),
        (EXECUTE, {**SUBMISSION, "is_sync": "yes"}, "is_sync: must be true or false."),
        (EXECUTE, {**SUBMISSION, "resultset_fetch_mode": "FILES"}, "resultset_fetch_mode: must be one of DEFAULT"),
        (EXECUTE, {**SUBMISSION, "bindings": ["a"]}, "bindings: must be an array of at most 10000 arrays"),
        (EXECUTE, {**SUBMISSION, "bindings": [[1]]}, "bindings: must be an array of at most 10000 arrays"),
        (EXECUTE, {**SUBMISSION, "bindings": [[]] * 10_001}, "bindings: must be an array of at most 10000 arrays"),
        (EXECUTE, {**SUBMISSION, "tags": ["a,b"]}, f"tags: must be an array of at most 16 {TAGS_TEXT}."),
        (AURA_EXECUTE, {**SUBMISSION, "bindings": [["x" * 501]]}, f"bindings: must be an array {BINDINGS_TEXT}."),
        (EXECUTE, [SUBMISSION], "body: must be a JSON object."),
        (CANCELS, {"statement_ids": ["a b"]}, f"statement_ids: must be an array of at most 10000 {IDS_TEXT}."),
        (CANCELS, {"tag": "nightly"}, "tag: must be one of the fields statement_ids, session_id, endpoint_id, tags,"),
        (CANCELS, {"tags": ["nightly"], "user": "ada"}, "user: must be one of the fields statement_ids, "),
        ("/v1/workspaces", {"name": "a/b"}, f"name: must be {NAME_TEXT}."),
        ("/v1/workspaces", {"name": "x", "description": "d" * 256}, "description: must be a string of at most 255"),
        ("/v1/workspaces/w1/endpoints", {"name": "x"}, "type: is required and must be sql."),
        ("/v1/workspaces/w1/endpoints", {**ENDPOINT, "type": "ray"}, "type: must be sql."),
        ("/v1/workspaces/w1/endpoints", {**ENDPOINT, "config": []}, "config: must be an object."),
        ("/v1/workspaces/w1/endpoints", {**ENDPOINT, "config": {"engine": "Duck DB"}}, "config.engine: must be a"),
    ],
)
async def test_a_wrong_body_is_named(
    client: httpx.AsyncClient, twin: Twin, path: str, body: Any, expected: str
) -> None:
    """A 400 for a body says which field is wrong and what is allowed."""
    assert reason(await client.post(path, json=body)).startswith(expected)
    assert twin.asked == []


@pytest.mark.parametrize(
    "body",
    [
        {**NEW_SESSION, "wait_timeout": 300},
        {**NEW_SESSION, "wait_timeout": 7200},
        {**NEW_SESSION, "endpoint_id": "e" * 36},
        {**NEW_SESSION, "lake_formation_config": {"instance_id": "x" * 64, "catalog": "c_" * 127 + "c"}},
    ],
)
async def test_the_edges_of_a_body_are_taken(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """The greatest and least documented values pass."""
    assert (await client.post(SESSIONS, json=body)).status_code == 200


async def test_the_longest_wait_is_a_setting(twin: Twin, settings: Settings) -> None:
    """One text for whatever is no wait, with the setting in it."""
    app = build(twin, settings.model_copy(update={"max_wait": 5.0}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        client.headers["X-Auth-Token"] = "operator-token"
        for wrong in (-1, 6, 3_601, "x"):
            reply = await client.get(EXECUTE.replace("/statements", "/s1/statements/t1"), params={"wait": wrong})
            assert reason(reply).startswith("wait: must be an integer from 0 to 5.")


async def test_the_length_of_a_statement_is_a_setting(twin: Twin, settings: Settings) -> None:
    """A statement of the greatest length set is taken, one character more is not."""
    app = build(twin, settings.model_copy(update={"max_statement_chars": 8}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        client.headers["X-Auth-Token"] = "operator-token"
        assert (await client.post(EXECUTE, json=SUBMISSION)).status_code == 200
        reply = await client.post(EXECUTE, json={**SUBMISSION, "statement": "SELECT 10"})
    assert reason(reply).startswith("statement: must be a string of at most 8 characters.")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"statement":\n oops}', "body: invalid JSON at line 2 column 2 (Expecting value)."),
        (b'{"statement":"\xff"}', "body: not UTF-8 at byte 14."),
        (b'{"limit":NaN}', "body: NaN is not a JSON number."),
        (b'{"limit":-Infinity}', "body: -Infinity is not a JSON number."),
        (b"", "body: is empty and must be a JSON object."),
        (b" \n", "body: is empty and must be a JSON object."),
        (b'{"limit":1e999}', "body: holds a number beyond 64 bits."),
        (b'{"limit":9223372036854775808}', "body: holds an integer beyond 64 bits."),
        (b'{"limit":' + b"9" * 5000 + b"}", "body: holds an integer beyond 64 bits."),
        (b'{"limit":1,"limit":1}', "limit: given more than once."),
        (b'{"statement":"a\\u0000b"}', "statement: holds a NUL character or an unpaired surrogate."),
        (b'{"statement":"\\ud800"}', "statement: holds a NUL character or an unpaired surrogate."),
        (b'{"bindings":[["\\udfff"]]}', "bindings: holds a NUL character or an unpaired surrogate."),
        (b'{"\\u0000":1}', "body: holds a NUL character or an unpaired surrogate."),
        (b'{"statement":"a\x00b"}', "body: invalid JSON at line 1 column 16 "),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "body: nested too deeply."),
        (b"[" * 20_000, "body: nested too deeply."),
    ],
)
async def test_unreadable_json_is_a_400_with_its_place(client: httpx.AsyncClient, raw: bytes, expected: str) -> None:
    """What JSON libraries let pass, or fall over, is refused without the name of a class."""
    found = reason(await client.post(EXECUTE, content=raw))
    assert found.startswith(expected)
    assert "Exception" not in found


async def test_text_survives(client: httpx.AsyncClient, twin: Twin) -> None:
    """Statements of any script, escaped or not, brackets and all, arrive as they were sent."""
    for statement in ("SELECT '工作 \N{GRINNING FACE}'", "SELECT [" * 100, "", "'\\u0000'"):
        for ascii_only in (True, False):
            raw = json.dumps({**SUBMISSION, "statement": statement}, ensure_ascii=ascii_only).encode()
            assert (await client.post(EXECUTE, content=raw)).status_code == 200
            assert twin.asked[-1][1].statement == statement


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/json;charset=utf8", "nonsense"])
async def test_the_content_type_does_not_matter(client: httpx.AsyncClient, media_type: str | None) -> None:
    """A body is JSON whatever it is called."""
    headers = {"Content-Type": media_type} if media_type else {}
    reply = await client.post(EXECUTE, content=json.dumps(SUBMISSION).encode(), headers=headers)
    assert reply.status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "statement",
        "session_id",
        "limit",
        "bindings",
        "is_sync",
        "is_maintain_statement",
        "resultset_fetch_mode",
        "endpoint_id",
        "lake_formation_config",
        "wait_timeout",
        "name",
        "type",
        "config",
        "reserved_resource",
    ]
)
NEAR_MISSES = st.dictionaries(FIELDS, JSON | st.sampled_from(["s1", "5", 300, "sql", True, {}, []]), max_size=8)
PATHS = (SESSIONS, EXECUTE, "/v1/workspaces", "/v1/workspaces/w1/endpoints", SESSIONS + "/s1/statements/t1/cancel")


@given(raw=st.binary(max_size=60) | (JSON | NEAR_MISSES).map(lambda value: json.dumps(value).encode()))
@examples(120)
async def test_no_body_is_ever_a_500(client: httpx.AsyncClient, raw: bytes) -> None:
    """Any bytes at all are answered with 200, 400 or 404."""
    for path in PATHS:
        assert (await client.post(path, content=raw)).status_code in {200, 400, 404}


PARAMETERS = st.sampled_from(["limit", "offset", "status", "source", "start_time", "end_time", "statement_id"])
PAIR = st.tuples(PARAMETERS, st.text(max_size=20) | st.integers().map(str)).map("=".join)


@given(query=st.binary(max_size=40) | PAIR.map(lambda pair: pair.encode("utf-8", "surrogatepass")))
@examples(120)
async def test_no_query_is_ever_a_500(client: httpx.AsyncClient, query: bytes) -> None:
    """Any query string at all is answered with 200 or 400."""
    reply = await client.get(f"{RECORDS}?{quote(query, safe='=&+%;')}")
    assert reply.status_code in {200, 400}
