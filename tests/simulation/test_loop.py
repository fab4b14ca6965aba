"""The virtual loop: time that jumps, an order that is drawn, groups that die."""

import asyncio
import contextvars
import time
from random import Random

import pytest

from tests.simulation.loop import GROUP, Group, Stuck, VirtualLoop


def loop(seed: int = 0, shuffled: float = 1.0) -> VirtualLoop:
    """A loop of that seed."""
    return VirtualLoop(Random(seed), shuffled=shuffled, thread_delay=lambda: 0.001)


def test_time_jumps() -> None:
    """An hour passes at once, and to the microsecond."""
    started, virtual = time.monotonic(), loop()

    async def wait() -> float:
        await asyncio.sleep(3600.0)
        return asyncio.get_running_loop().time()

    assert virtual.run_until_complete(wait()) == 3600.0
    virtual.close()
    assert time.monotonic() - started < 10


def orders(seed: int, shuffled: float) -> list[int]:
    """In which order ten tasks run."""
    virtual, seen = loop(seed, shuffled), list[int]()

    async def note(number: int) -> None:
        seen.append(number)

    async def go() -> None:
        await asyncio.gather(*(note(number) for number in range(10)))

    virtual.run_until_complete(go())
    virtual.close()
    return seen


def test_the_order_is_drawn_from_the_seed() -> None:
    """The same seed gives the same order, another one another, and without shuffling it is the usual one."""
    assert orders(1, 1.0) == orders(1, 1.0) != orders(2, 1.0)
    assert sorted(orders(1, 1.0)) == orders(1, 0.0) == list(range(10))


def test_threads_are_virtual() -> None:
    """What is handed to a thread runs on the loop, and its error comes back."""
    virtual = loop()

    async def go() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(lambda: 7)

    assert virtual.run_until_complete(go()) == 7
    virtual.close()


def test_waiting_for_ever_is_seen() -> None:
    """When nothing is ready and nothing is due, the loop says so."""
    virtual = loop()
    never = virtual.create_future()
    with pytest.raises(Stuck):
        virtual.run_until_complete(never)
    never.cancel()
    virtual.close()


def test_a_group_dies_as_one() -> None:
    """Tasks of a dead group go no further, nor do those they made, nor such as are made later."""
    virtual, group, seen = loop(), Group(), list[str]()

    async def child() -> None:
        await asyncio.sleep(1.0)
        seen.append("child")

    async def parent() -> None:
        asyncio.get_running_loop().call_later(2.0, lambda: asyncio.ensure_future(child()))
        await asyncio.gather(child(), child())
        seen.append("parent")

    async def go() -> None:
        inside = contextvars.copy_context()
        inside.run(GROUP.set, group)
        inside.run(virtual.create_task, parent())
        await asyncio.sleep(0.5)
        group.kill()
        await asyncio.sleep(5.0)

    virtual.run_until_complete(go())
    virtual.close()
    assert seen == []
    assert group.alive == []
