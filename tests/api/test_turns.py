"""Large bodies take turns, tenant by tenant, with the event loop free in between."""

import asyncio
from time import sleep

from treadle.api.turns import Turns


async def test_turns_go_round_the_tenants_one_at_a_time() -> None:
    """Another tenant's body is next, however many of one tenant's wait."""
    turns, order, held = Turns(), [], 0

    async def take(tenant: str) -> None:
        nonlocal held
        async with turns.turn((tenant,)):
            held += 1
            assert held == 1
            order.append(tenant)
            await asyncio.sleep(0)
            held -= 1

    await asyncio.gather(*(take(tenant) for tenant in "aaaabb"))
    assert order == ["a", "a", "b", "a", "b", "a"]


async def test_the_loop_is_free_for_as_long_as_a_turn_took() -> None:
    """Others get on between two turns."""
    turns, steps, seen = Turns(), 0, []

    async def others() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    async def take() -> None:
        async with turns.turn(("a",)):
            seen.append(steps)
            sleep(0.02)  # noqa: ASYNC251 (it stands for work that holds the loop)

    beside = asyncio.create_task(others())
    await asyncio.gather(*(take() for _ in range(3)))
    beside.cancel()
    assert seen[1] - seen[0] > 10
    assert seen[2] - seen[1] > 10


async def test_who_leaves_takes_no_turn() -> None:
    """And keeps nobody from theirs."""
    turns = Turns()
    async with turns.turn(("a",)):
        waiting = asyncio.create_task(turns.turn(("b",)).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with turns.turn(("c",)):
        pass
