"""A cancel keeps its bound (C3) while neighbours fill every pool, and of the pool for stops all that one tenant may."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.service.caller import ENDLESS
from tests.support.inside import Inside, inside, until
from tests.support.world import BOUND, alive
from treadle.demo.processes import cpu_seconds
from treadle.pools import orders
from treadle.pools.helpers import Helpers
from treadle.pools.threads import Threads

DEAF = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"

CANCELS = 1000
"""Cancels of one neighbour that wait for their clean-up."""


@asynccontextmanager
async def filled(*pools: tuple[Threads, tuple[str, ...]]) -> AsyncIterator[None]:
    """Each of the tenants has `CANCELS` jobs in the pool, none of which ends before the block does."""
    gate = threading.Event()
    jobs = [asyncio.create_task(pool.of(tenant)(gate.wait)) for pool, all_ in pools for tenant in all_ * CANCELS]
    try:
        await asyncio.sleep(0)
        yield
    finally:
        gate.set()
        await asyncio.gather(*jobs)


@asynccontextmanager
async def stuck(*pools: Helpers) -> AsyncIterator[None]:
    """No process of the pools works, and two tenants wait for theirs."""
    waiting = []
    for pool in pools:
        pool.start()
        waiting += [
            asyncio.create_task(pool.ask((tenant,), orders.CountStatements(), b"SELECT 1"))
            for tenant in ("one", "other")
            for _ in range(20)
        ]
    await asyncio.sleep(0)
    pids = [helper.pid for pool in pools for helper in pool._alive]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for task in waiting:
            task.cancel()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        await asyncio.gather(*waiting, return_exceptions=True)


async def check_cancels(world: Inside, running: dict[str, str], rungs: dict[str, str]) -> None:
    """Each statement is stopped with 200 within the bound."""
    for session, statement_id in running.items():
        began = time.monotonic()
        answer = await world.cancel(session, statement_id)
        assert (answer.status_code, answer.headers["x-cancel-outcome"]) == (200, "cancelled")
        assert answer.headers["x-cancel-rung"] == rungs[session]
        assert time.monotonic() - began < BOUND


@pytest.mark.slow
@pytest.mark.parametrize("full", ["every other pool", "the share of stops"])
async def test_a_cancel_keeps_its_bound(tmp_path: Path, full: str) -> None:
    """One by interrupt, one by kill, one in the queue; the killed worker and its folder are gone by then."""
    async with inside(tmp_path / "data") as world:
        soft, hard = await world.session(), await world.session()
        running = {soft: (await world.submit(soft, ENDLESS))["statement_id"]}
        pids = world.gateway._workers.alive
        deaf = await world.submit(hard, DEAF)
        running[hard] = deaf["statement_id"]
        queued = await world.submit(soft, "CREATE TABLE never AS SELECT 1 AS x")
        busy = {pid: cpu_seconds(pid) or 0.0 for pid in pids}

        async def both() -> bool:
            return sum((cpu_seconds(pid) or 0.0) - was > 0.2 for pid, was in busy.items()) >= 2

        await until(both, "both engines work")
        pools = world.pools
        others = [(pool, ("one", "other")) for pool in (pools.readers, pools.files, pools.digests, pools.passwords)]
        async with contextlib.AsyncExitStack() as stack:
            if full == "every other pool":
                await stack.enter_async_context(filled(*others))
                await stack.enter_async_context(stuck(pools.pages, pools.intake))
            else:
                await stack.enter_async_context(filled((pools.stops, ("one",))))
            answer = await world.cancel(soft, queued["statement_id"])
            assert (answer.status_code, answer.headers["x-cancel-rung"]) == (200, "dequeued")
            await check_cancels(world, running, {soft: "interrupted", hard: "killed"})
            [gone] = [pid for pid in pids if not alive(pid)]
            assert gone not in world.gateway._workers.alive
            assert len(list((tmp_path / "data" / "tmp").glob("worker-*"))) == len(world.gateway._workers.alive)
        reply = await world.submit(
            soft, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'never'", is_sync=True
        )
        assert reply["results"][-1]["result_set"]["rows"] == [["0"]]
