"""Whether an answer was delivered, on the real server, on both event loops."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop
from uvicorn import Server

from tests.api.test_http import request
from tests.api.twin import Twin
from treadle.api.app import build
from treadle.api.delivery import Peer
from treadle.api.http import server_config
from treadle.config import Settings
from treadle.model.errors import TooMany

Run = Callable[[Coroutine[Any, Any, None]], None]
OPEN = json.dumps({"endpoint_id": "e1", "lake_formation_config": {"instance_id": "i1", "catalog": "main"}}).encode()
ASKED = request("POST", "/v1/workspaces/w1/sessions", OPEN)


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """How a test runs; the service runs on uvloop."""
    runner: Run = request.param
    return runner


async def served(twin: Twin, settings: Settings, use: Callable[[int], Awaitable[None]], **options: Any) -> None:
    """A server on a port for a while."""
    config = server_config(build(twin, settings), **options)
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        await use(server.servers[0].sockets[0].getsockname()[1])
    finally:
        await server.shutdown()


async def happens(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (what is waited for sets no event)
            await asyncio.sleep(0.001)


async def settled(twin: Twin, count: int) -> list[bool]:
    """What was said of so many answers."""
    await happens(lambda: len(twin.delivered) >= count)
    return twin.delivered


def raw(port: int) -> socket.socket:
    """A caller that sends its request and does nothing more by itself."""
    caller = socket.create_connection(("127.0.0.1", port))
    caller.sendall(ASKED)
    return caller


@pytest.mark.parametrize("header", ["Connection: keep-alive", "Connection: close"])
def test_who_reads_an_answer_and_leaves_at_once_was_answered(
    header: str, run: Run, twin: Twin, settings: Settings
) -> None:
    """However quick they are: the end of the connection follows the answer."""

    async def use(port: int) -> None:
        for number in range(100):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request("POST", "/v1/workspaces/w1/sessions", OPEN, header))
            await reader.readuntil(b'"session_id":"s1"')
            writer.close()
            assert await settled(twin, number + 1) == [True] * (number + 1)

    run(served(twin, settings, use))


def test_one_connection_opens_many(run: Run, twin: Twin, settings: Settings) -> None:
    """Also one after the other in the same packet."""

    async def use(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASKED * 5)
        for _ in range(5):
            await reader.readuntil(b'"session_id":"s1"')
        assert await settled(twin, 5) == [True] * 5
        writer.close()

    run(served(twin, settings, use))


def test_who_left_before_the_answer_has_none(run: Run, twin: Twin, settings: Settings) -> None:
    """The event loop has seen the end of the connection meanwhile."""

    async def use(port: int) -> None:
        twin.gate = asyncio.Event()
        caller = raw(port)
        await happens(lambda: twin.asked)
        caller.close()
        await asyncio.sleep(0.05)
        twin.gate.set()
        assert await settled(twin, 1) == [False]

    run(served(twin, settings, use))


@pytest.mark.parametrize("linger", [None, b"\x01\0\0\0\0\0\0\0"], ids=["closed", "reset"])
def test_who_leaves_while_the_answer_is_made_has_none(
    linger: bytes | None, run: Run, twin: Twin, settings: Settings
) -> None:
    """The kernel knows that the connection has ended, and the event loop does not."""

    async def use(port: int) -> None:
        class Leaving(asyncio.Event):
            async def wait(self) -> Any:
                caller.close()

        twin.gate = Leaving()
        caller = raw(port)
        if linger:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        assert await settled(twin, 1) == [False]

    run(served(twin, settings, use))


def test_who_leaves_just_before_the_answer_is_written_has_none(
    run: Run, twin: Twin, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last look: the kernel says so when the answer comes too late."""
    left = Peer.left

    async def use(port: int) -> None:
        caller = raw(port)

        def look_and_let_leave(peer: Peer) -> bool:
            found = left(peer)
            if not found:
                caller.close()
            # The body follows the head without another look.
            return False

        monkeypatch.setattr(Peer, "left", look_and_let_leave)
        assert await settled(twin, 1) == [False]

    run(served(twin, settings, use))


def test_an_answer_that_cannot_be_sent_is_none(
    run: Run, twin: Twin, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something else is answered in its place."""

    async def refuse(*_: object) -> None:
        raise TooMany("answers")

    async def use(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        monkeypatch.setattr("treadle.api.dispatch.deliver", refuse)
        writer.write(ASKED)
        assert b" 429 " in await reader.readuntil(b"\r\n")
        assert await settled(twin, 1) == [False]
        writer.close()

    run(served(twin, settings, use))


def test_a_request_that_is_broken_off_had_no_answer(
    run: Run, twin: Twin, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the service goes down while it is being answered."""

    async def use(port: int) -> None:
        class BrokenOff(asyncio.Event):
            async def wait(self) -> Any:
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_soon(task.cancel)

        monkeypatch.setattr("treadle.api.dispatch.deliver", lambda *_: asyncio.sleep(60))
        twin.gate = BrokenOff()
        caller = raw(port)
        assert await settled(twin, 1) == [False]
        caller.close()

    run(served(twin, settings, use))
