"""Helper processes: fair, replaceable, and let go of by everybody who leaves."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from tests.support.world import until
from treadle.metrics import Metrics
from treadle.model.errors import TooMany, Unavailable
from treadle.pools import orders
from treadle.pools.helpers import Helpers, TookTooLong
from treadle.results.reader import read_page
from treadle.results.writer import PartWriter

ALICE, BOB = ("project-a", "alice"), ("project-b", "bob")

LONG = b"SELECT " + b"'text' || " * 600_000 + b"1"
"""A statement that takes seconds to read."""


def helpers(kind: str = "intake", **settings: float) -> Helpers:
    """A pool of two processes."""
    given = {"size": 2, "line": 50, "seconds": 120.0, "idle": 0} | settings
    return Helpers(
        kind,
        size=int(given["size"]),
        line=int(given["line"]),
        seconds=given["seconds"],
        idle=int(given["idle"]),
        figures=Metrics(),
    )


@pytest.fixture
async def pool() -> AsyncIterator[Helpers]:
    """Two processes that read scripts."""
    made = helpers()
    yield made
    made.close()


async def count(pool: Helpers, tenant: tuple[str, str], script: bytes = b"SELECT 1; SELECT 2") -> int:
    """How many statements a script has."""
    reply, _ = await pool.ask(tenant, orders.CountStatements(), script)
    assert isinstance(reply, orders.Counted)
    return reply.count


async def begun(pool: Helpers, number: int) -> list[psutil.Process]:
    """The processes of the pool once so many of them work."""

    def working() -> list[psutil.Process]:
        found = [psutil.Process(pid) for pid in pool.pids]
        return [one for one in found if one.cpu_times().user > 0.2]

    return list(await asyncio.to_thread(until, lambda: len(found := working()) >= number and found, "they work"))


async def test_one_tenant_leaves_a_process_to_others(pool: Helpers) -> None:
    """Beside any number of long scripts of one tenant, another's is read at once."""
    long = [asyncio.create_task(count(pool, ALICE, LONG)) for _ in range(5)]
    await asyncio.sleep(0)
    assert await count(pool, BOB) == 2
    assert not any(task.done() for task in long)
    for task in long:
        task.cancel()
    await asyncio.gather(*long, return_exceptions=True)


async def test_a_process_that_dies_is_replaced(pool: Helpers) -> None:
    """Its order is carried out by the next one; one that costs two processes their lives is refused."""
    asked = asyncio.create_task(count(pool, ALICE, LONG))
    for _ in range(2):
        (busy,) = await begun(pool, 1)
        busy.send_signal(signal.SIGKILL)
        await asyncio.to_thread(busy.wait)
    with pytest.raises(Unavailable):
        await asked
    assert await count(pool, ALICE) == 2


async def test_an_order_has_a_bound_of_time() -> None:
    """The process that takes longer is killed, and another one serves on."""
    pool = helpers(seconds=1.0)
    try:
        with pytest.raises(TookTooLong):
            await count(pool, ALICE, LONG)
    finally:
        pool.close()


async def test_who_leaves_frees_the_process(pool: Helpers, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that nobody waits for any more is ended, by force where it does not end by itself."""
    monkeypatch.setattr("treadle.pools.helpers.TAKEN_BACK_SECONDS", 0.1)
    left = asyncio.create_task(count(pool, ALICE, LONG))
    (busy,) = await begun(pool, 1)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    assert await count(pool, ALICE) == 2
    assert not busy.is_running()


async def test_a_line_is_bounded() -> None:
    """Who lets too many orders wait is refused; others are not."""
    pool = helpers(line=3)
    waiting = [asyncio.create_task(count(pool, ALICE, LONG)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany):
        await count(pool, ALICE)
    assert await count(pool, BOB) == 2
    pool.close()
    assert {type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)} == {Unavailable}


async def test_a_closed_pool_leaves_no_process() -> None:
    """Whatever they were doing."""
    pool = helpers()
    asked = [asyncio.create_task(count(pool, one, LONG)) for one in (ALICE, BOB)]
    busy = await begun(pool, 2)
    pool.close()
    assert not any(one.is_running() for one in busy)
    assert {type(one) for one in await asyncio.gather(*asked, return_exceptions=True)} == {Unavailable}


async def test_idle_processes_end() -> None:
    """And come again when there is something to do."""
    pool = helpers(idle=1)
    try:
        assert await count(pool, ALICE) == 2
        await asyncio.to_thread(until, lambda: not pool.pids, "the process has ended")
        assert await count(pool, ALICE) == 2
    finally:
        pool.close()


async def test_a_process_knows_no_secret_and_no_stray_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is a short list, and the current folder is no place for code."""
    monkeypatch.setenv("TREADLE_DATABASE_URL", "postgresql://secret")
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "was-run"
    for name in ("argparse.py", "msgspec.py", "sitecustomize.py"):
        (tmp_path / name).write_text(f"open({str(marker)!r}, 'w')\n")
    pool = helpers()
    try:
        assert await count(pool, ALICE) == 2
        (pid,) = pool.pids
        environment = psutil.Process(pid).environ()
    finally:
        pool.close()
    assert not [name for name in environment if name.startswith("TREADLE_")]
    assert not marker.exists()


async def test_memory_goes_back(tmp_path: Path) -> None:
    """A process that has made a large page holds little of it afterwards, and its page is the one of the file."""
    values = pa.array([os.urandom(2**20) for _ in range(48)], pa.binary())
    batch = pa.record_batch([values], names=["blob"])
    with PartWriter(tmp_path, "s", 1, batch.schema, ()) as writer:
        writer.write(batch)
        writer.finish()
    pool = helpers("pages", size=1)
    try:
        order = orders.MakePage(str(tmp_path), "s", 1, 1, 1000, 2**30)
        _, rows = await pool.ask(ALICE, order)
        assert rows == read_page(tmp_path, "s", 1, 1, 1000).rows_json
        del rows
        await pool.ask(ALICE, orders.MakePage(str(tmp_path), "s", 1, 2, 1000, 2**30))
        (pid,) = pool.pids
        assert psutil.Process(pid).memory_info().rss < 256 * 2**20
    finally:
        pool.close()
