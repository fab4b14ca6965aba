"""One kind of blocking work keeps no other kind waiting, nor the end of the process."""

import asyncio
import subprocess
import sys
import threading

import pytest

from treadle.metrics import Metrics
from treadle.pools.threads import Threads

ENDLESS = """
import asyncio, threading
from treadle.metrics import Metrics
from treadle.pools.threads import Threads

async def main():
    pool = Threads("stuck", 2, 2, Metrics())
    begun = threading.Event()
    stuck = asyncio.ensure_future(pool.run(lambda: (begun.set(), threading.Event().wait())))
    await asyncio.to_thread(begun.wait)
    print("begun", flush=True)

asyncio.run(main())
"""


async def test_a_full_pool_keeps_no_other_waiting() -> None:
    """With every thread of one pool stuck, another does its work."""
    figures, gate = Metrics(), threading.Event()
    files, stops = Threads("files", 2, 2, figures), Threads("stops", 1, 1, figures)
    stuck = [asyncio.create_task(files.run(gate.wait)) for _ in range(5)]
    try:
        assert await asyncio.wait_for(stops.run(lambda: 7), 30) == 7
    finally:
        gate.set()
        await asyncio.gather(*stuck)


async def test_one_tenant_leaves_a_thread_to_others() -> None:
    """However much one tenant has to do, another's work begins."""
    pool, gate = Threads("files", 2, 1, Metrics()), threading.Event()
    stuck = [asyncio.create_task(pool.of("a")(gate.wait)) for _ in range(5)]
    try:
        assert await asyncio.wait_for(pool.of("b")(lambda: 7), 30) == 7
        assert not any(task.done() for task in stuck)
    finally:
        gate.set()
        await asyncio.gather(*stuck)


async def test_work_that_nobody_waits_for_never_begins() -> None:
    """A caller that leaves before its turn has nothing done."""
    pool, gate = Threads("files", 1, 1, Metrics()), threading.Event()
    done: list[int] = []
    first = asyncio.create_task(pool.run(gate.wait))
    left = asyncio.create_task(pool.run(done.append, 1))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    gate.set()
    await first
    await pool.run(done.append, 2)
    assert done == [2]


async def test_what_is_raised_is_raised_to_the_caller() -> None:
    """And the thread goes on."""
    pool = Threads("files", 1, 1, Metrics())
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)
    assert await pool.run(lambda: 7) == 7


def test_a_process_ends_whatever_its_threads_do() -> None:
    """Work without an end does not keep the service alive."""
    done = subprocess.run([sys.executable, "-c", ENDLESS], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "begun\n", done.stderr
    assert done.returncode == 0
