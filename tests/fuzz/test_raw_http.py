"""Raw HTTP, byte by byte: whatever comes, the answers are clean and nothing smuggled is served."""

import asyncio
import json
import os
import random
import re
from collections.abc import AsyncIterator
from typing import Final

import pytest
from starlette.types import ASGIApp

from tests.api.test_http import Dial, Wire, request, serve
from tests.api.twin import Twin
from tests.fuzz.shapes import CANCEL, ODD, SMUGGLED, SMUGGLING, head
from treadle.config import Settings

ROUNDS: Final = int(os.environ.get("TREADLE_FUZZ_REQUESTS", "400"))
"""Mutated requests; thousands when there is time."""

_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n")


@pytest.fixture
async def dial(app: ASGIApp, settings: Settings) -> AsyncIterator[Dial]:
    """Opens connections to the real server."""
    async for way in serve(app, settings):
        yield way


async def everything(wire: Wire, raw: bytes) -> bytes:
    """All that is answered to ``raw`` and the end of the connection."""
    wire.writer.write(raw)
    wire.writer.write_eof()
    try:
        async with asyncio.timeout(20):
            return await wire.reader.read()
    except ConnectionError:
        return b""


def answers(raw: bytes) -> list[int]:
    """The statuses of a stream of responses, each of which is whole, clean and documented."""
    statuses = []
    while raw:
        found = _STATUS.match(raw)
        assert found, raw[:200]
        status = int(found[1])
        statuses.append(status)
        top, _, raw = raw.partition(b"\r\n\r\n")
        if status == 100:
            continue
        length = _LENGTH.search(top + b"\r\n")
        size = int(length[1]) if length else 0
        body, raw = raw[:size], raw[size:]
        assert len(body) == size
        if status >= 400:
            told = json.loads(body)
            assert told["error_code"]
            assert told["error_msg"]
    return statuses


def is_clean(raw: bytes) -> bool:
    """Whether no answer in it is a fault of the service."""
    return all(status < 500 for status in answers(raw))


async def is_well(dial: Dial) -> bool:
    """Whether somebody else is served."""
    wire = await dial()
    await wire.send(request("GET", "/healthz"))
    return (await wire.reply())[0] == 200


@pytest.mark.parametrize("name", ODD)
async def test_odd_requests_get_clean_answers(name: str, dial: Dial) -> None:
    """A documented answer or a closed connection, never a fault of ours, and the next caller is served."""
    assert is_clean(await everything(await dial(), ODD[name]))
    assert await is_well(dial)


@pytest.mark.parametrize("name", SMUGGLING)
async def test_nothing_smuggled_is_served(name: str, dial: Dial, twin: Twin) -> None:
    """Where two servers may disagree on where a request ends, what follows is never taken for a request."""
    assert is_clean(await everything(await dial(), SMUGGLING[name]))
    assert [verb for verb, _ in twin.asked if verb == "delete_workspace"] == []
    assert await is_well(dial)


async def test_what_is_smuggled_would_be_served_by_itself(dial: Dial, twin: Twin) -> None:
    """Behind a request that ends where everybody agrees it does the second one is served: the shapes show something."""
    assert answers(await everything(await dial(), head("Content-Length: 0") + SMUGGLED)) == [200, 200]
    assert [verb for verb, _ in twin.asked] == ["cancel", "delete_workspace"]


async def test_a_truncated_request_is_never_acted_on(dial: Dial, twin: Twin) -> None:
    """Cut anywhere before its end: no verb hears of it."""
    whole = head("Content-Length: 13") + b'{"force":true}'[:13]
    for end in range(0, len(whole), 7):
        assert is_clean(await everything(await dial(), whole[:end]))
    assert twin.asked == []
    chunked = head("Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n"
    for end in range(len(chunked) - 14, len(chunked)):
        assert is_clean(await everything(await dial(), chunked[:end]))
    assert twin.asked == []
    assert await is_well(dial)


def mutated(chance: random.Random) -> bytes:
    """A request that was good, until something happened to it."""
    seeds = (
        head("Content-Length: 2") + b"{}",
        head("Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
        head(first="GET /v1/workspaces?limit=10&name=a HTTP/1.1"),
        head("Content-Length: 2", first=CANCEL.replace("t1", "t1%20")) + b"{}",
        *SMUGGLING.values(),
        *ODD.values(),
    )
    raw = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(5):
            case 0:
                raw[at:at] = bytes([chance.randrange(256)])
            case 1:
                del raw[at : at + chance.randint(1, 8)]
            case 2 if raw:
                raw[at % len(raw)] ^= 1 << chance.randrange(8)
            case 3:
                piece = raw[at : at + chance.randint(1, 40)]
                raw[at:at] = piece * chance.randint(1, 4)
            case _:
                raw[at:at] = chance.choice((b"\r\n", b"\n", b"\x00", b": ", b"chunked", b"0\r\n\r\n", b"%00", b"\xff"))
    return bytes(raw)


async def test_mutated_requests_get_clean_answers(dial: Dial) -> None:
    """Many good requests to which something has happened; the seed of a bad one is in the failure."""
    for seed in range(ROUNDS):
        raw = mutated(random.Random(seed))
        assert is_clean(await everything(await dial(), raw)), (seed, raw)
    assert await is_well(dial)
