import re

import httpx
import pytest
from starlette.types import ASGIApp, Message
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from tests.api.conftest import MAX_BODY
from tests.api.twin import Twin
from treadle.api.app import build
from treadle.config import Settings
from treadle.model.errors import Unavailable

CANCEL = "/v1/workspaces/w1/sessions/s1/statements/t1/cancel"


@pytest.fixture
def anonymous(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A caller without a token."""
    del client.headers["X-Auth-Token"]
    return client


async def test_health_is_always_ok(anonymous: httpx.AsyncClient, twin: Twin) -> None:
    """A process that answers is healthy, also when it cannot serve."""
    twin.unready = Unavailable("the store is away")
    reply = await anonymous.get("/healthz")
    assert (reply.status_code, reply.text) == (200, '{"status":"ok"}')


async def test_readiness_says_why_not(anonymous: httpx.AsyncClient, twin: Twin) -> None:
    """Ready is 200; unready is 503 with the reason."""
    assert (await anonymous.get("/readyz")).text == '{"status":"ready"}'
    twin.unready = Unavailable("the store is away")
    reply = await anonymous.get("/readyz")
    assert (reply.status_code, reply.json()["solution_msg"]) == (503, "the store is away")


async def test_metrics(anonymous: httpx.AsyncClient) -> None:
    """The metrics are what the composition root hands in, under their own content type."""
    reply = await anonymous.get("/metrics")
    assert (reply.headers["content-type"], reply.content) == ("text/plain; version=0.0.4", b"treadle_up 1\n")


async def test_without_metrics_there_is_no_such_page(twin: Twin, settings: Settings) -> None:
    """An application built without metrics does not know the path."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build(twin, settings)), base_url="http://t") as client:
        assert (await client.get("/metrics")).status_code == 404
        assert "/metrics" not in (await client.get("/openapi.json")).json()["paths"]


async def test_the_root_leads_to_the_docs(anonymous: httpx.AsyncClient) -> None:
    """Also with a query; only for a GET."""
    for path in ("/", "/?a=1"):
        reply = await anonymous.get(path)
        assert (reply.status_code, reply.headers["location"], reply.content) == (307, "/docs", b"")
    assert (await anonymous.post("/")).status_code == 405


async def test_the_docs_need_no_other_host(anonymous: httpx.AsyncClient) -> None:
    """The page and everything it names come from here, and a policy keeps it so."""
    page = await anonymous.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 4
    for name in named:
        reply = await anonymous.get(f"/{name}")
        assert reply.status_code == 200
        assert reply.content
    assert "://" not in page.text
    assert (await anonymous.get("/docs/../app.py")).status_code == 404


@pytest.mark.parametrize("given", ["a", "A-1_b.c", "x" * 128])
async def test_a_valid_request_id_is_echoed(client: httpx.AsyncClient, given: str) -> None:
    """The caller's name for a request comes back, once, on success and on errors."""
    for path in ("/healthz", "/nothing", "/v1/workspaces/w1/sessions/s1", "/v1/workspaces/**/sessions/s1"):
        reply = await client.get(path, headers={"X-Request-Id": given})
        assert reply.headers.get_list("x-request-id") == [given]


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", "é", "a/b"])
async def test_an_invalid_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    """A name that is none is not repeated."""
    reply = await client.get("/healthz", headers=httpx.Headers({"X-Request-Id": given}, encoding="utf-8"))
    [made] = reply.headers.get_list("x-request-id")
    assert re.fullmatch(r"[0-9a-f]{32}", made)


async def test_two_request_ids_are_none(client: httpx.AsyncClient) -> None:
    """Of two names neither counts."""
    reply = await client.get("/healthz", headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")])
    assert reply.headers["x-request-id"] not in {"a", "b", "a, b"}


async def test_the_access_log_tells_no_secrets(client: httpx.AsyncClient, twin: Twin) -> None:
    """One line a request, with the route's template and neither token nor body nor ids."""
    with capture_logs() as logs:
        await client.post(CANCEL, content=b'{"secret":"body"}', headers={"X-Request-Id": "r-1"})
        await client.get("/nothing/secret")
        await client.get("/healthz")
    lines = [{name: value for name, value in line.items() if name != "ms"} for line in logs]
    template = "/v1/workspaces/{workspace_id}/sessions/{session_id}/statements/{statement_id}/cancel"
    assert lines[0] == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "route": template,
        "status": 200,
        "request_id": "r-1",
        "project": "p1",
    }
    assert [(line["route"], line["status"], line["log_level"]) for line in lines[1:]] == [
        (None, 404, "info"),
        ("/healthz", 200, "debug"),
    ]
    assert "secret" not in str(logs)
    assert "token" not in str(logs)


async def test_each_request_is_observed_once(twin: Twin, settings: Settings) -> None:
    """Whoever watches hears the route's template, method, status and seconds of a request, and no path."""
    seen: list[tuple[str, str, int, float]] = []
    app = build(twin, settings, observe=lambda *told: seen.append(told))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        await client.post(CANCEL, headers={"X-Auth-Token": "operator-token"})
        await client.post(CANCEL)
        await client.head("/healthz")
        await client.get("/nothing/there")
        await client.put("/healthz")
    template = "/v1/workspaces/{workspace_id}/sessions/{session_id}/statements/{statement_id}/cancel"
    assert [told[:3] for told in seen] == [
        (template, "POST", 200),
        (template, "POST", 401),
        ("/healthz", "HEAD", 200),
        ("none", "GET", 404),
        ("none", "PUT", 405),
    ]
    assert all(0 < told[3] < 10 for told in seen)


async def test_the_request_id_is_bound_for_logs(
    client: httpx.AsyncClient, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is logged inside a request carries its name, and nothing after it does."""
    seen: list[object] = []
    ready = twin.ready

    async def looking() -> None:
        seen.append(get_contextvars().get("request_id"))
        await ready()

    monkeypatch.setattr(twin, "ready", looking)
    await client.get("/readyz", headers={"X-Request-Id": "r-1"})
    assert (seen, get_contextvars()) == (["r-1"], {})


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY, 200), (MAX_BODY + 1, 413)])
async def test_the_body_limit_has_an_edge(client: httpx.AsyncClient, size: int, status: int) -> None:
    """A body of the greatest size is read, one byte more is not, declared or counted."""
    body = b"{}" + b" " * (size - 2)

    async def pieces() -> object:
        for start in range(0, size, 1000):
            yield body[start : start + 1000]

    for content in (body, pieces()):
        reply = await client.post(CANCEL, content=content)  # type: ignore[arg-type]
        assert reply.status_code == status


async def test_what_is_not_http_is_turned_away(app: ASGIApp) -> None:
    """A web socket is closed, and the server's start and stop are answered."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "any"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "websocket"}, receive, send)
    await app({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == [
        "websocket.close",
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
