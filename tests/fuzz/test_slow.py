"""Callers who take their time: to ask, to send, to take their answer, or only to be there."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.api.test_http import Dial, request, serve
from tests.api.twin import Twin
from tests.fuzz.shapes import head
from treadle.api import intake
from treadle.api.app import build
from treadle.api.http import Bounds
from treadle.config import Settings

pytestmark = pytest.mark.alone
"""Those who are not slow must not be made so."""

BIG = 32 * 2**20
HEAD_SECONDS = 1.5
"""For a head that ends in time: far more than this process, which is caller and server, may be held up."""

SEND_SECONDS = 1.5
"""For an answer that is taken slowly, as far from its pauses of 0.02 s."""


async def big(scope: Scope, receive: Receive, send: Send) -> None:
    """An application whose answer is larger than any buffer."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % BIG)]})
    await send({"type": "http.response.body", "body": bytes(BIG)})


async def dialled(app: ASGIApp, settings: Settings, **bounds: Any) -> AsyncIterator[Dial]:
    """A server with bounds of its own."""
    async for way in serve(app, settings, bounds=Bounds(**bounds)):
        yield way


@pytest.fixture
async def hurried(app: ASGIApp, settings: Settings) -> AsyncIterator[Dial]:
    """A server that waits 0.2 s for a head."""
    async for way in dialled(app, settings, head_seconds=0.2):
        yield way


async def test_a_head_that_trickles_is_not_waited_for(hurried: Dial, twin: Twin) -> None:
    """However regularly its bytes come, it must end in time: then a 408, and the connection ends."""
    wire = await hurried()
    first = asyncio.create_task(wire.reply())
    for byte in head("X-Slow: " + "a" * 2000):
        if first.done():
            break
        wire.writer.write(bytes([byte]))
        await asyncio.sleep(0.01)
    status, headers, body = await first
    assert (status, json.loads(body)["error_code"], headers["connection"]) == (408, "common.00000408", "close")
    assert twin.asked == []


async def test_a_slow_head_behind_a_request_waits_its_turn(app: ASGIApp, settings: Settings) -> None:
    """The answer before is whole, and a head that ends in time is served; between requests nothing is waited for."""
    async for dial in dialled(app, settings, head_seconds=HEAD_SECONDS):
        wire = await dial()
        await wire.send(request("GET", "/healthz") + request("GET", "/healthz")[:20])
        assert (await wire.reply())[0] == 200
        await wire.send(request("GET", "/healthz")[20:])
        assert (await wire.reply())[0] == 200
        await asyncio.sleep(1.2 * HEAD_SECONDS)
        await wire.send(request("GET", "/healthz"))
        assert (await wire.reply())[0] == 200


async def test_a_body_that_trickles_is_not_waited_for(
    twin: Twin, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has had its time a body must come at some speed, or it is a 408."""
    monkeypatch.setattr(intake, "SLOWEST", 1_000_000)
    async for dial in serve(build(twin, settings, body_idle=0.1), settings):
        wire = await dial()
        await wire.send(head("Content-Length: 60000"))
        first = asyncio.create_task(wire.reply())
        while not first.done():
            wire.writer.write(b" " * 10)
            await asyncio.sleep(0.02)
        assert (await first)[0] == 408
        assert twin.asked == []


async def test_an_answer_that_is_not_taken_is_given_up(settings: Settings) -> None:
    """Who takes nothing of it for a while is cut off; who takes it slowly gets all of it."""
    async for dial in dialled(big, settings, send_seconds=SEND_SECONDS):
        idle, slow = await dial(), await dial()
        for wire in (idle, slow):
            await wire.send(request("GET", "/big"))
        taken = len(await slow.reader.readuntil(b"\r\n\r\n")) * 0
        while taken < BIG:
            taken += len(await asyncio.wait_for(slow.reader.read(4 * 2**20), 10))
            await asyncio.sleep(0.02)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(idle.reader.readexactly(2 * BIG), 10)


async def test_connections_are_bounded(app: ASGIApp, settings: Settings) -> None:
    """One too many is closed as it comes; when one has gone the next is served."""
    async for dial in dialled(app, settings, connections=3):
        wires = [await dial() for _ in range(3)]
        for wire in wires:
            await wire.send(request("GET", "/healthz"))
            assert (await wire.reply())[0] == 200
        extra = await dial()
        with suppress(ConnectionError):
            assert await extra.ended()
        wires[0].writer.close()
        await wires[0].writer.wait_closed()
        async with asyncio.timeout(10):
            while True:
                wire = await dial()
                try:
                    await wire.send(request("GET", "/healthz"))
                    assert (await wire.reply())[0] == 200
                    break
                except (ConnectionError, asyncio.IncompleteReadError):
                    continue
