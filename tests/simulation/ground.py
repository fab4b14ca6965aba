"""What all scripted workers of a run stand on, and the pipes to them."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from random import Random
from typing import Any

from tests.simulation.lake import Lake
from tests.simulation.scenario import Limits, Noise, Opening, Program
from tests.simulation.truth import Truth


class Ground:
    """What all workers of a run stand on."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        outside: Context,
        random: Random,
        noise: Noise,
        limits: Limits,
        truth: Truth,
        lake: Lake,
        programs: tuple[Program, ...],
        openings: Callable[[str], Opening],
        note: Callable[..., None],
        lake_dir: Path,
    ) -> None:
        self.loop = loop
        self.outside = outside
        self.random = random
        self.noise = noise
        self.limits = limits
        self.truth = truth
        self.lake = lake
        self.programs = programs
        self.openings = openings
        self.note = note
        self.lake_dir = lake_dir
        self._pids = 100

    def pid(self) -> int:
        """A fresh process id."""
        self._pids += 1
        return self._pids

    def later(self, seconds: float, call: Callable[..., object], *args: object) -> asyncio.TimerHandle:
        """Call it, outside of any gateway."""
        return self.loop.call_later(seconds, call, *args, context=self.outside)

    def moment(self) -> float:
        """A short delay, often none."""
        return self.random.random() * 0.002 if self.random.random() < 0.3 else 0.0


class Pipe:
    """One direction of a socket pair: messages arrive late, in order and whole, or not at all."""

    def __init__(self, ground: Ground, arrive: Callable[[Any], None], context: Context) -> None:
        self._ground = ground
        self._arrive = arrive
        self._context = context
        self._messages: deque[object] = deque()
        self._last = 0.0

    def send(self, message: object) -> None:
        """Put it into the pipe."""
        ground = self._ground
        delay = ground.random.random() * ground.noise.pipe_seconds
        self._last = at = max(self._last, ground.loop.time() + delay)
        self._messages.append(message)
        ground.loop.call_at(at, self._next, context=self._context)

    def _next(self) -> None:
        # Calls of the same instant may come in any order, the messages may not.
        if self._messages:
            self._arrive(self._messages.popleft())

    def cut(self) -> None:
        """It breaks: what has not arrived may be lost, the last of it first."""
        for _ in range(self._ground.random.randint(0, len(self._messages))):
            self._messages.pop()
