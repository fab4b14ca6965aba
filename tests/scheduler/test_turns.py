"""Commits take turns, and nobody waits for ever."""

import asyncio

import pytest

from treadle.scheduler import turns
from treadle.scheduler.turns import Turns


async def test_turns_are_given_one_after_another() -> None:
    """The second waits until the first gives back; another catalog does not wait."""
    line, never = Turns(), asyncio.Event()
    assert await line.take("a", never)
    assert await line.take("b", never)
    second = asyncio.create_task(line.take("a", never))
    await asyncio.sleep(0)
    assert not second.done()
    line.give("a")
    assert await second


async def test_a_hurried_one_does_not_wait() -> None:
    """A statement that is asked to stop leaves the line, and the line goes on without it."""
    line, hurry, never = Turns(), asyncio.Event(), asyncio.Event()
    assert await line.take("a", never)
    waiting = asyncio.create_task(line.take("a", hurry))
    behind = asyncio.create_task(line.take("a", never))
    await asyncio.sleep(0)
    hurry.set()
    assert not await waiting
    line.give("a")
    assert await behind


async def test_a_hanging_commit_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while the next one goes without a turn, which it must not give back."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.01)
    line, never = Turns(), asyncio.Event()
    assert await line.take("a", never)
    assert not await line.take("a", never)


async def test_a_patient_one_waits_as_long_as_the_line_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns that are given back are a reason to wait on; one that hangs is not, nor is a hurry."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.05)
    line, hurry, never = Turns(), asyncio.Event(), asyncio.Event()
    assert await line.take("a", never)
    before = asyncio.create_task(line.take("a", never, patient=True))
    await asyncio.sleep(0)
    patient = asyncio.create_task(line.take("a", never, patient=True))
    hurried = asyncio.create_task(line.take("a", hurry, patient=True))
    await asyncio.sleep(0.03)
    line.give("a")
    assert await before
    await asyncio.sleep(0.03)
    assert not patient.done()
    hurry.set()
    assert not await hurried
    assert not await patient
