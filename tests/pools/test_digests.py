"""A large body is hashed beside the event loop, a small one at once."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.identity.people import Clock, process
from treadle.metrics import Metrics
from treadle.pools.digests import INLINE_BYTES, digest_of_body
from treadle.pools.threads import Threads
from treadle.service.accounts import Accounts
from treadle.service.audit import ORIGIN, Origin
from treadle.store.memory import MemoryStore

HUGE = bytes(256 * 2**20)


@pytest.mark.parametrize("size", [0, 1, INLINE_BYTES, INLINE_BYTES + 1, 12 * 2**20])
async def test_the_digest_is_that_of_the_whole_body(size: int) -> None:
    """On both sides of the limit."""
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert await digest_of_body(body, Threads("digests", 1, 1, Metrics()).of("a")) == sha256(body).digest()


async def test_the_event_loop_goes_on_while_a_large_body_is_hashed() -> None:
    """Of the time of the hashing, the longest pause of the loop is a small part."""
    pauses, began = [], time.monotonic()
    hashing = asyncio.create_task(digest_of_body(HUGE, Threads("digests", 1, 1, Metrics()).of("a")))
    last = began
    while not hashing.done():
        await asyncio.sleep(0)
        now = time.monotonic()
        pauses.append(now - last)
        last = now
    assert hashing.result() == sha256(HUGE).digest()
    assert max(pauses) < (last - began) / 2


@asynccontextmanager
async def held(work: Callable[[Callable[[], Any]], Any]) -> AsyncIterator[None]:
    """A share of a pool is taken until the block ends."""
    gate = threading.Event()
    taken = asyncio.create_task(work(gate.wait))
    try:
        await asyncio.sleep(0)
        yield
    finally:
        gate.set()
        await taken


async def test_a_large_body_waits_for_the_share_of_its_address_only(tmp_path: Path) -> None:
    """A small one, and one from another address, are hashed at once."""
    service: Accounts = process(MemoryStore(), Clock(), tmp_path)
    large = bytes(INLINE_BYTES + 1)
    ORIGIN.set(Origin(address="192.0.2.1"))
    async with held(service.deps.pools.digests.of("192.0.2.1")):
        waiting = asyncio.create_task(service.digest(large))
        assert await service.digest(b"small") == sha256(b"small").digest()
        ORIGIN.set(Origin(address="192.0.2.2"))
        assert await service.digest(large) == sha256(large).digest()
        for _ in range(100):
            await asyncio.sleep(0)
        assert not waiting.done()
    assert await waiting == sha256(large).digest()
