"""Wakes inside one process: who watches is told, once, and nothing is kept of who does not."""

import asyncio

import pytest

from tests.store import things
from treadle.store.base import Wake
from treadle.store.signals import Signals

STATEMENT = things.statement(things.session(things.endpoint("w")))


async def test_every_listener_hears_every_wake() -> None:
    """Wakes go to all listeners in order, from when they began to listen."""
    signals, first, second = Signals(), list[Wake](), list[Wake]()
    wakes = [Wake(session_id=str(n)) for n in range(3)]
    signals.wake(wakes[0])
    signals.on_wake(first.append)
    signals.wake(wakes[1])
    signals.on_wake(second.append)
    signals.wake(wakes[2])
    assert (first, second) == (wakes[1:], wakes[2:])


async def test_everybody_who_watches_is_told() -> None:
    """The end is told to all watchers of that thing and to no other, and nobody is watched afterwards."""
    signals = Signals()
    with signals.watch(STATEMENT.id) as one, signals.watch(STATEMENT.id) as two, signals.watch("other") as other:
        assert signals.is_watched(STATEMENT.id)
        signals.ended(STATEMENT)
        assert (await one, await two) == (STATEMENT, STATEMENT)
        assert not other.done()
        assert not signals.is_watched(STATEMENT.id)
        signals.ended(STATEMENT)
    assert not signals.is_watched("other")


async def test_who_has_given_up_is_no_trouble() -> None:
    """A watcher that was cancelled, or has left, keeps the end from nobody else."""
    signals = Signals()
    with signals.watch(STATEMENT.id) as patient:
        with signals.watch(STATEMENT.id):
            pass
        with signals.watch(STATEMENT.id) as impatient:
            impatient.cancel()
            signals.ended(STATEMENT)
            assert impatient.cancelled()
        assert await patient == STATEMENT


async def test_nothing_is_kept_after_the_watch() -> None:
    """However the watch is left, by an error too, the thing is watched no more."""
    signals = Signals()
    with pytest.raises(TimeoutError), signals.watch(STATEMENT.id) as told:
        await asyncio.wait_for(told, 0.001)
    with signals.watch(STATEMENT.id), signals.watch(STATEMENT.id):
        pass
    assert not signals.is_watched(STATEMENT.id)


async def test_a_second_watch_after_the_end() -> None:
    """A watch that begins after the end waits for the next one, and the one before does not end it."""
    signals = Signals()
    with signals.watch(STATEMENT.id) as first:
        signals.ended(STATEMENT)
        with signals.watch(STATEMENT.id) as second:
            assert first.done()
            assert not second.done()
            signals.ended(STATEMENT)
            assert await second == STATEMENT
    assert not signals.is_watched(STATEMENT.id)
