"""The identity service's part of the API, and how requests find out who calls."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.api.callers import ACCESS, PASSWORD, SECRET
from tests.api.conftest import MAX_BODY
from tests.api.twin import Twin
from tests.support.signing import Key, Wire, sign
from treadle.api.dispatch import STRANGERS_BODY
from treadle.service.logins import Named

HOST = "test"
KEY = Key(ACCESS, SECRET)
REFUSED = "Incorrect IAM authentication information: verify aksk signature fail"


def asking(password: str = PASSWORD, **scope: Any) -> dict[str, Any]:
    """The body of a log-in."""
    user = {"name": "ada", "password": password, "domain": {"name": "default"}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}}
    return {"auth": {**auth, **({"scope": scope} if scope else {})}}


@pytest.fixture
def stranger(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A caller without a token."""
    del client.headers["X-Auth-Token"]
    return client


async def send(client: httpx.AsyncClient, wire: Wire) -> httpx.Response:
    """Send what was signed as it is."""
    url = httpx.URL(f"http://{HOST}").copy_with(raw_path=wire.target)
    return await client.send(httpx.Request(wire.method, url, headers=list(wire.headers), content=wire.body))


async def test_a_password_gives_a_token(stranger: httpx.AsyncClient, twin: Twin) -> None:
    """201, the token in the header alone, the documented body."""
    reply = await stranger.post("/v3/auth/tokens?nocatalog=true", json=asking(project={"name": "demo"}))
    assert (reply.status_code, reply.headers["x-subject-token"]) == (201, "fresh-token")
    assert "fresh-token" not in reply.text
    domain = {"id": "default", "name": "default"}
    assert reply.json() == {
        "token": {
            "catalog": [],
            "expires_at": "2026-07-14T12:00:00.125000Z",
            "issued_at": "2026-07-13T12:00:00.125000Z",
            "methods": ["password"],
            "project": {"domain": domain, "id": "p1", "name": "demo"},
            "roles": [{"id": "operator", "name": "operator"}],
            "user": {"domain": domain, "id": "u1", "name": "ada", "password_expires_at": ""},
        }
    }
    assert twin.logins[0].user == Named(name="ada", domain_name="default")
    assert (twin.logins[0].project, twin.logins[0].domain) == (Named(name="demo"), None)


@pytest.mark.parametrize(
    ("scope", "project", "domain"),
    [
        ({}, None, None),
        ({"project": {"id": "p1"}}, Named(id="p1"), None),
        ({"project": {"name": "demo", "domain": {"id": "d"}}}, Named(name="demo", domain_id="d"), None),
        ({"domain": {"name": "default"}}, None, Named(name="default")),
    ],
)
async def test_a_token_is_for_what_is_asked(
    stranger: httpx.AsyncClient, twin: Twin, scope: dict[str, Any], project: Named | None, domain: Named | None
) -> None:
    """A project or a domain, by id or by name, or neither."""
    assert (await stranger.post("/v3/auth/tokens", json=asking(**scope))).status_code == 201
    assert (twin.logins[0].project, twin.logins[0].domain) == (project, domain)


async def test_a_wrong_password_is_refused_in_the_identity_services_form(stranger: httpx.AsyncClient) -> None:
    """401 with the number outside and the string inside, as its 403."""
    reply = await stranger.post("/v3/auth/tokens", json=asking("wrong"))
    text = "The username or password is wrong."
    assert (reply.status_code, reply.json()) == (
        401,
        {
            "error": {"code": "401", "message": text, "title": "Unauthorized"},
            "error_code": 401,
            "error_msg": text,
            "title": "Unauthorized",
        },
    )
    assert PASSWORD not in reply.text


@pytest.mark.parametrize(
    "identity",
    [
        {"methods": ["token"], "token": {"id": "x"}},
        {"methods": ["hw_ak_sk"], "access": {"access": {"key": "k"}}},
        {"methods": ["password", "totp"]},
    ],
)
async def test_a_method_that_there_is_not_is_refused_with_those_there_are(
    stranger: httpx.AsyncClient, twin: Twin, identity: dict[str, Any]
) -> None:
    """401, as Keystone does it: the methods stand beside the message."""
    body = asking()
    body["auth"]["identity"].update(identity)
    if "password" not in identity["methods"]:
        del body["auth"]["identity"]["password"]
    reply = await stranger.post("/v3/auth/tokens", json=body)
    text = "Attempted to authenticate with an unsupported method."
    detail = {"code": "401", "message": text, "title": "Unauthorized", "identity": {"methods": ["password"]}}
    told = {"error": detail, "error_code": 401, "error_msg": text, "title": "Unauthorized"}
    assert (reply.status_code, reply.json()) == (401, told)
    assert twin.logins == []


async def test_a_method_may_be_named_twice(stranger: httpx.AsyncClient, twin: Twin) -> None:
    """It is one method all the same, as in Keystone."""
    body = asking()
    body["auth"]["identity"]["methods"] *= 2
    assert (await stranger.post("/v3/auth/tokens", json=body)).status_code == 201
    assert len(twin.logins) == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("auth", None),
        ("auth.identity.methods", [7]),
        ("auth.identity.methods", []),
        ("auth.identity.methods", None),
        ("auth.identity.password", None),
        ("auth.identity.password.user.password", ""),
        ("auth.identity.password.user.password", "x" * 129),
        ("auth.identity.password.user.name", 7),
        ("auth.identity.password.user.name", None),
        ("auth.scope", {"project": {"name": "a"}, "domain": {"name": "b"}}),
        ("auth.scope.project", {}),
        ("auth.scope.project.name", "x" * 65),
    ],
)
async def test_what_is_no_login_is_named(stranger: httpx.AsyncClient, twin: Twin, path: str, value: object) -> None:
    """400 with the field, in the documented form."""
    body: dict[str, Any] = asking(project={"name": "demo"})
    *outer, last = path.split(".")
    place = body
    for name in outer:
        place = place[name]
    place[last] = value
    reply = await stranger.post("/v3/auth/tokens", json=body)
    assert (reply.status_code, reply.json()["error_code"]) == (400, "common.01000001")
    assert f"reason: {path}" in reply.json()["error_msg"], reply.text
    assert twin.logins == []


async def test_a_stranger_may_not_say_much(stranger: httpx.AsyncClient) -> None:
    """What has to be read before its sender is known is bounded: the body of a log-in, and one that is signed."""
    login = json.dumps(asking("x" * STRANGERS_BODY))
    assert (await stranger.post("/v3/auth/tokens", content=login)).status_code == 413
    for size, status in ((MAX_BODY // 2, 400), (MAX_BODY // 2 + 1, 413)):
        wire = sign(KEY, "POST", HOST, "/v1/workspaces", body=b" " * size)
        assert (await send(stranger, wire)).status_code == status


async def test_a_token_is_shown_and_ended(client: httpx.AsyncClient, twin: Twin) -> None:
    """By whose it is; anything else is unknown, and without a subject there is nothing to ask about."""
    subject = {"X-Subject-Token": "fresh-token"}
    reply = await client.get("/v3/auth/tokens", headers=subject)
    assert (reply.status_code, reply.headers["x-subject-token"]) == (200, "fresh-token")
    assert reply.json()["token"]["user"]["name"] == "ada"
    assert (await client.head("/v3/auth/tokens", headers=subject)).status_code == 200
    reply = await client.delete("/v3/auth/tokens", headers=subject)
    assert (reply.status_code, reply.content, twin.dropped) == (204, b"", ["fresh-token"])
    for method in ("GET", "DELETE"):
        assert (await client.request(method, "/v3/auth/tokens")).status_code == 400
        assert (await client.request(method, "/v3/auth/tokens", headers={"X-Subject-Token": "x"})).status_code == 404


async def test_the_callers_projects_are_found_by_their_name(client: httpx.AsyncClient) -> None:
    """Exactly one of that name, as the SDK's look-up of a region wants it."""
    reply = await client.get("/v3/projects", params={"name": "demo"})
    assert reply.json() == {
        "projects": [
            {
                "id": "p1",
                "name": "demo",
                "domain_id": "default",
                "parent_id": "default",
                "links": {"self": "/v3/projects/p1"},
                "description": "",
                "enabled": True,
                "is_domain": False,
            }
        ],
        "links": {"self": "/v3/projects", "next": None, "previous": None},
    }
    for path, query, count in (
        ("/v3/auth/projects", {}, 2),
        ("/v3/projects", {"domain_id": "default"}, 2),
        ("/v3/projects", {"domain_id": "other"}, 0),
        ("/v3/projects", {"name": "dem"}, 0),
        ("/v3/projects", {"page": "1", "per_page": "10"}, 2),
    ):
        assert len((await client.get(path, params=query)).json()["projects"]) == count
    (domain,) = (await client.get("/v3/auth/domains")).json()["domains"]
    assert (domain["id"], domain["name"]) == ("default", "default")


async def test_a_signature_is_as_good_as_a_token(stranger: httpx.AsyncClient, twin: Twin) -> None:
    """The body that had to be read to know the signer is the body the operation reads."""
    body = b'{"session_id":"s1","statement":"SELECT 1"}'
    wire = sign(KEY, "POST", HOST, "/v1/workspaces/w1/sessions/statements", body=body, project_id="p1")
    reply = await send(stranger, wire)
    assert reply.status_code == 200, reply.text
    verb, submission = twin.asked[-1]
    assert (verb, submission.statement) == ("execute", "SELECT 1")
    assert (twin.signed[0].access, twin.signed[0].project_id) == (ACCESS, "p1")
    assert twin.signed[0].at.replace(tzinfo=UTC) <= datetime.now(UTC)


async def test_a_bad_signature_is_refused_with_its_reason(stranger: httpx.AsyncClient, twin: Twin) -> None:
    """In the gateway's form, which names the request; nothing of the request is told before."""
    wire = sign(KEY, "POST", HOST, "/v1/workspaces/**/sessions/statements", body=b"{")
    for wrong in (
        Wire(wire.method, wire.path, wire.query, wire.headers, b"["),
        wire.with_header(b"x-sdk-date", b"19990101T000000Z"),
        wire.with_header(b"authorization", b"SDK-HMAC-SM3 Access=A, SignedHeaders=host, Signature=0"),
    ):
        reply = await send(stranger, wrong.with_header(b"x-request-id", b"r-1"))
        told = {"error_code": "APIG.0301", "error_msg": REFUSED, "request_id": "r-1"}
        assert (reply.status_code, reply.json()) == (401, told)
    reply = await send(stranger, wire.with_header(b"authorization", b"Basic YTpi"))
    assert reply.json()["error_msg"] == "Incorrect IAM authentication information: x-auth-token not found"
    assert twin.asked == []


async def test_a_token_beside_a_signature_decides_alone(client: httpx.AsyncClient, twin: Twin) -> None:
    """A right token needs no signature; a wrong one is not helped by a right signature."""
    wire = sign(KEY, "GET", HOST, "/v1/workspaces")
    bad = wire.with_header(b"authorization", wire.header(b"authorization")[:-1] + b"x")
    assert (await send(client, bad.with_header(b"x-auth-token", b"operator-token"))).status_code == 200
    assert (await send(client, wire.with_header(b"x-auth-token", b"wrong"))).json()["error_code"] == "APIG.1002"
    assert twin.signed == []


async def test_a_body_beyond_the_limit_is_not_read_for_its_signature(stranger: httpx.AsyncClient) -> None:
    """413, as for anybody else."""
    wire = sign(KEY, "POST", HOST, "/v1/workspaces", body=b"x" * 70_000)
    assert (await send(stranger, wire)).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "headers", "repeatable"),
    [
        ("GET", "/v1/workspaces", {}, True),
        ("HEAD", "/v1/workspaces", {}, True),
        ("DELETE", "/v1/workspaces/w1/sessions/s1", {}, True),
        ("POST", "/v1/workspaces/w1/sessions/s1/statements/t1/cancel", {}, True),
        ("POST", "/v1/workspaces/w1/sessions/s1/cancel", {}, False),
        ("POST", "/v1/workspaces/w1/sessions/statements", {}, False),
        ("POST", "/v1/workspaces/w1/sessions/statements", {"Idempotency-Key": "k"}, True),
        ("POST", "/v1/workspaces", {}, False),
    ],
)
async def test_what_may_be_repeated_is_told(
    stranger: httpx.AsyncClient, twin: Twin, method: str, path: str, headers: dict[str, str], repeatable: bool
) -> None:
    """What reads, removes, stops one statement, or has a key of its own that was signed."""
    body = json.dumps({"name": "x", "session_id": "s1", "statement": "SELECT 1"}) if method == "POST" else ""
    reply = await send(stranger, sign(KEY, method, HOST, path, headers=headers, body=body))
    assert reply.status_code == 200, reply.text
    assert twin.signed[0].repeatable is repeatable
