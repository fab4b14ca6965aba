"""The real server on loopback, spoken to byte by byte."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from pydantic import ByteSize
from starlette.types import ASGIApp
from uvicorn import Server

from tests.api.conftest import MAX_BODY
from tests.api.twin import DONE, ROWS, Twin
from treadle.api.app import build
from treadle.api.http import MAX_HEAD, MAX_URI, server_config
from treadle.config import Settings
from treadle.model.entities import Principal
from treadle.service.views import LEFT_OUT

Reply = tuple[int, dict[str, str], bytes]
CANCEL = "/v1/workspaces/w1/sessions/s1/statements/t1/cancel"
MALFORMED = (
    b'{"error_code":"common.01000001","error_msg":"failed to read http request, please check your input, '
    b'code: 400, reason: Type mismatch., cause: TypeMismatchException"}'
)


class Wire:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, raw: bytes) -> None:
        """Write bytes as they are."""
        self.writer.write(raw)
        await self.writer.drain()

    async def reply(self) -> Reply:
        """The next response: status, headers, body."""
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        names = [line.split(": ", 1)[0].lower() for line in lines]
        assert len(names) == len(set(names))
        headers = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in lines}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body

    async def ended(self) -> bool:
        """Whether the server closed the connection and sent nothing more."""
        return await asyncio.wait_for(self.reader.read(), 10) == b""


Dial = Callable[[], Awaitable[Wire]]


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    """A request with a token and a length."""
    lines = [f"{method} {path} HTTP/1.1", "Host: t", "X-Auth-Token: operator-token", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


async def pour(wire: Wire, size: int) -> None:
    """Send that many bytes, as fast as they are taken."""
    for _ in range(size // 2**20):
        await wire.send(b"x" * 2**20)


async def serve(app: ASGIApp, settings: Settings, **options: Any) -> AsyncIterator[Dial]:
    """A running server and how to reach it."""
    config = server_config(app, **options)
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    wires: list[Wire] = []

    async def dial() -> Wire:
        wires.append(Wire(*await asyncio.open_connection("127.0.0.1", port)))
        return wires[-1]

    yield dial
    for wire in wires:
        wire.writer.close()
    await server.shutdown()


@pytest.fixture
async def dial(app: ASGIApp, settings: Settings) -> AsyncIterator[Dial]:
    """Opens connections to the real server."""
    async for way in serve(app, settings):
        yield way


@pytest.fixture
async def impatient(twin: Twin, settings: Settings) -> AsyncIterator[Dial]:
    """A server that waits 50 ms for the rest of a body."""
    async for way in serve(build(twin, settings, body_idle=0.05), settings):
        yield way


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHo st: t\r\n\r\n",
        b"CONNECT t:1 HTTP/1.1\r\nHost: t\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_the_documented_body(dial: Dial, raw: bytes) -> None:
    """A request that cannot be parsed is a documented 400 with a name, and the connection ends."""
    wire = await dial()
    await wire.send(raw)
    status, headers, body = await wire.reply()
    assert (status, headers["content-type"], body) == (400, "application/json", MALFORMED)
    assert headers["x-request-id"]
    assert await wire.ended()


async def test_answers_that_nobody_takes_are_bounded(settings: Settings, twin: Twin) -> None:
    """Of what a user is answered and does not read only so much is held; then 429, until it is taken."""
    large = 16 * 2**20
    rows = msgspec.json.encode([["x" * large]])
    twin.view = replace(DONE, results=(replace(ROWS, rows=rows),))
    bounded = settings.model_copy(update={"answer_memory": ByteSize(1), "max_page_bytes": ByteSize(large + 10)})
    shown = request("GET", CANCEL.removesuffix("/cancel"))
    async for dial in serve(build(twin, bounded), bounded):
        slow, other = await dial(), await dial()
        await slow.send(shown)
        head = (await slow.reader.readuntil(b"\r\n\r\n")).decode()
        await other.send(shown)
        status, headers, _ = await other.reply()
        assert (status, headers["retry-after"]) == (429, "1")
        length = int(re.search(r"content-length: (\d+)", head)[1])  # type: ignore[index]
        assert rows in await slow.reader.readexactly(length)
        await other.send(shown)
        status, _, body = await other.reply()
        assert status == 200
        assert rows in body


async def test_a_submit_is_answered_though_its_rows_find_no_room(settings: Settings, twin: Twin) -> None:
    """The statement ran: its state and ids are told, and that its rows are to be asked for."""
    large = 16 * 2**20
    rows = msgspec.json.encode([["x" * large]])
    twin.view = replace(DONE, results=(replace(ROWS, rows=rows, row_count=1),))
    bounded = settings.model_copy(update={"answer_memory": ByteSize(1), "max_page_bytes": ByteSize(large + 10)})
    asked = msgspec.json.encode({"session_id": "s1", "statement": "SELECT 1"})
    async for dial in serve(build(twin, bounded), bounded):
        slow, other = await dial(), await dial()
        await slow.send(request("GET", CANCEL.removesuffix("/cancel")))
        head = (await slow.reader.readuntil(b"\r\n\r\n")).decode()
        await other.send(request("POST", f"{CANCEL.split('/sessions/')[0]}/sessions/statements", asked))
        status, _, body = await other.reply()
        told = msgspec.json.decode(body)
        assert (status, told["status"], told["statement_id"]) == (200, DONE.status, DONE.statement_id)
        [result] = told["results"]
        assert (result["row_count"], result["result_set"]["rows"]) == (0, [])
        assert result["message"].startswith(LEFT_OUT)
        length = int(re.search(r"content-length: (\d+)", head)[1])  # type: ignore[index]
        await slow.reader.readexactly(length)


class Slow(Twin):
    """Does not know its callers at once."""

    def __init__(self) -> None:
        super().__init__()
        self.known = asyncio.Event()

    async def authenticate(self, token: str | None) -> Principal:
        """The caller, after a while."""
        await self.known.wait()
        return await super().authenticate(token)


async def test_what_was_asked_for_is_done_when_the_caller_has_left(settings: Settings) -> None:
    """A cancel that came whole is not lost because nobody waits for its answer."""
    slow = Slow()
    async for dial in serve(build(slow, settings), settings):
        wire = await dial()
        await wire.send(request("POST", CANCEL, b"{}"))
        wire.writer.close()
        await wire.writer.wait_closed()
        later = await dial()
        for _ in range(3):
            # Meanwhile the server has seen that nobody is there any more.
            await later.send(request("GET", "/healthz"))
            assert (await later.reply())[0] == 200
        slow.known.set()
        await later.send(request("POST", CANCEL, b"{}"))
        assert (await later.reply())[0] == 200
    assert [verb for verb, _ in slow.asked] == ["cancel", "cancel"]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET /" + b"a" * (MAX_URI + 1) + b" HTTP/1.1\r\nHost: t\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX-Big: " + b"a" * MAX_HEAD + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 40_000, 431),
        (b"GET / HTTP/1.1\r\nX-Endless: " + b"a" * (MAX_HEAD * 3), 431),
    ],
)
async def test_the_head_of_a_request_is_bounded(dial: Dial, raw: bytes, status: int) -> None:
    """A target or headers beyond the gateway's bounds are refused, also when they never end."""
    wire = await dial()
    wire.writer.write(raw)
    found, headers, body = await wire.reply()
    assert (found, json.loads(body)["error_code"]) == (status, "APIG.0201")
    assert headers["connection"] == "close"


async def test_a_head_within_the_bounds_is_served(dial: Dial) -> None:
    """Long targets and headers below the bounds pass, however they are cut."""
    wire = await dial()
    raw = request("GET", "/healthz?" + "a" * (MAX_URI - 100), b"", "X-Big: " + "b" * 80_000)
    for start in range(0, len(raw), 30_000):
        await wire.send(raw[start : start + 30_000])
    assert (await wire.reply())[0] == 200


async def test_pipelined_requests_are_answered_in_order(dial: Dial) -> None:
    """Requests sent without waiting get their answers in their order, on one connection."""
    wire = await dial()
    await wire.send(
        request("GET", "/healthz", b"", "X-Request-Id: one")
        + request("POST", CANCEL, b"{}", "X-Request-Id: two")
        + request("GET", "/nothing", b"", "X-Request-Id: three")
    )
    replies = [await wire.reply() for _ in range(3)]
    assert [(status, headers["x-request-id"]) for status, headers, _ in replies] == [
        (200, "one"),
        (200, "two"),
        (404, "three"),
    ]


async def test_garbage_does_not_take_the_place_of_an_answer(dial: Dial, twin: Twin) -> None:
    """While a request is served, a malformed one behind it waits for its turn to be refused."""
    twin.gate = asyncio.Event()
    wire = await dial()
    await wire.send(request("POST", CANCEL) + request("GET", "/healthz") + b"nonsense\r\n\r\n")
    twin.gate.set()
    assert [(await wire.reply())[0] for _ in range(3)] == [200, 200, 400]
    assert await wire.ended()


async def test_a_broken_body_is_refused_once(dial: Dial, twin: Twin) -> None:
    """A body whose chunks are no chunks gets one 400 and reaches no verb."""
    wire = await dial()
    head = f"POST {CANCEL} HTTP/1.1\r\nHost: t\r\nX-Auth-Token: operator-token\r\nTransfer-Encoding: chunked\r\n\r\n"
    await wire.send(head.encode() + b"2\r\n{}\r\nzz\r\n")
    assert (await wire.reply())[::2] == (400, MALFORMED)
    assert await wire.ended()
    assert twin.asked == []


async def test_a_broken_body_behind_another_request_waits_its_turn(dial: Dial, twin: Twin) -> None:
    """The request before is answered first; the broken one is refused and reaches no verb."""
    twin.gate = asyncio.Event()
    wire = await dial()
    head = f"POST {CANCEL} HTTP/1.1\r\nHost: t\r\nX-Auth-Token: operator-token\r\nTransfer-Encoding: chunked\r\n\r\n"
    await wire.send(request("POST", CANCEL) + head.encode() + b"zz\r\n")
    twin.gate.set()
    assert [(await wire.reply())[0] for _ in range(2)] == [200, 400]
    assert await wire.ended()
    assert len(twin.asked) == 1


async def test_a_body_that_breaks_after_its_answer_ends_the_connection(dial: Dial) -> None:
    """Nothing more is said to a caller that was answered and then sends no valid body."""
    wire = await dial()
    await wire.send(b"POST /nothing HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (await wire.reply())[0] == 404
    await wire.send(b"zz\r\n")
    assert await wire.ended()


async def test_an_oversize_body_leaves_the_connection_usable(dial: Dial) -> None:
    """413 comes before the body does; the rest is thrown away and the next request served."""
    wire = await dial()
    await wire.send(request("POST", CANCEL, b"x" * (MAX_BODY + 1))[:-MAX_BODY])
    assert (await wire.reply())[::2] == (
        413,
        b'{"error_code":"APIG.0201","error_msg":"Request entity too large."}',
    )
    await wire.send(b"x" * MAX_BODY + request("GET", "/healthz"))
    assert (await wire.reply())[0] == 200


async def test_an_oversize_chunked_body_leaves_the_connection_usable(dial: Dial) -> None:
    """A body that grows beyond the limit is refused while it comes, and the next request served."""
    wire = await dial()
    head = f"POST {CANCEL} HTTP/1.1\r\nHost: t\r\nX-Auth-Token: operator-token\r\nTransfer-Encoding: chunked\r\n\r\n"
    await wire.send(head.encode() + b"8000\r\n" + b" " * 0x8000 + b"\r\n8001\r\n" + b" " * 0x8001 + b"\r\n")
    assert (await wire.reply())[0] == 413
    await wire.send(b"5\r\nagain\r\n0\r\n\r\n" + request("GET", "/healthz"))
    assert (await wire.reply())[0] == 200


async def test_an_endless_body_is_not_read_for_ever(dial: Dial) -> None:
    """What is thrown away after an early answer has a bound: then the connection ends."""
    wire = await dial()
    await wire.send(request("POST", "/nothing", b"", "Expect-Nothing: 1").replace(b"Length: 0", b"Length: 99999999"))
    assert (await wire.reply())[0] == 404
    with pytest.raises(ConnectionError):
        await pour(wire, 99 * 2**20)


async def test_a_body_in_small_pieces_is_read(dial: Dial, twin: Twin) -> None:
    """A body that comes byte by byte, with a large one behind it, is one body."""
    wire = await dial()
    for byte in request("POST", CANCEL, b'{"a": 1}'):
        await wire.send(bytes([byte]))
    assert (await wire.reply())[0] == 200
    body = b"{}" + b" " * (MAX_BODY - 2)
    await wire.send(request("POST", CANCEL, body)[: -len(body)])
    await wire.send(body)
    assert (await wire.reply())[0] == 200
    assert [verb for verb, _ in twin.asked] == ["cancel", "cancel"]


async def test_a_body_that_stays_away_is_a_408(impatient: Dial, twin: Twin) -> None:
    """A caller that stops in the middle of its body is told so, and the connection ends."""
    wire = await impatient()
    await wire.send(request("POST", CANCEL, b'{"a": 1}')[:-3])
    status, headers, body = await wire.reply()
    assert (status, json.loads(body)["error_code"], headers["connection"]) == (408, "common.00000408", "close")
    assert await wire.ended()
    assert twin.asked == []


async def test_a_caller_that_leaves_reaches_no_verb(dial: Dial, twin: Twin) -> None:
    """A request cut off in its body is not acted on."""
    wire = await dial()
    await wire.send(request("POST", CANCEL, b'{"a": 1}')[:-3])
    wire.writer.close()
    await wire.writer.wait_closed()
    other = await dial()
    await other.send(request("GET", "/healthz"))
    assert (await other.reply())[0] == 200
    assert twin.asked == []


async def test_consent_that_was_not_given_ends_the_connection(dial: Dial) -> None:
    """A caller that asks before it sends is told to go on, or is refused and the connection closed."""
    wire = await dial()
    await wire.send(request("POST", CANCEL, b"{}", "Expect: 100-continue")[:-2])
    assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    await wire.send(b"{}")
    assert (await wire.reply())[0] == 200
    await wire.send(request("POST", "/nothing", b"{}", "Expect: 100-continue")[:-2])
    status, headers, _ = await wire.reply()
    assert (status, headers["connection"]) == (404, "close")
    assert await wire.ended()


async def test_trailers_are_no_headers(dial: Dial, twin: Twin) -> None:
    """A token behind the body does not count."""
    wire = await dial()
    head = f"POST {CANCEL} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    await wire.send(head.encode() + b"2\r\n{}\r\n0\r\nX-Auth-Token: operator-token\r\n\r\n")
    assert (await wire.reply())[0] == 401


async def test_an_offer_of_http2_is_declined(dial: Dial, twin: Twin) -> None:
    """A caller that offers an upgrade is served in HTTP/1.1, body and following requests included."""
    wire = await dial()
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA")
    for _ in range(2):
        await wire.send(request("POST", CANCEL, b"{}", *offer))
        assert (await wire.reply())[0] == 200
    await wire.send(request("GET", "/healthz", b"", *offer))
    assert (await wire.reply())[0] == 200
    assert [verb for verb, _ in twin.asked] == ["cancel", "cancel"]


async def test_head_on_the_wire(dial: Dial) -> None:
    """HEAD is answered with the length of GET's body and without the body."""
    wire = await dial()
    await wire.send(request("HEAD", "/healthz") + request("GET", "/healthz"))
    head = await wire.reader.readuntil(b"\r\n\r\n")
    assert b"content-length: 15\r\n" in head
    assert (await wire.reply())[2] == b'{"status":"ok"}'
