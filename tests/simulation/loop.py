"""An event loop whose time is virtual and whose order is chosen: the ground of the simulation.

Time stands still while anything can run and jumps to the next timer when nothing can. Which of the
callbacks that are ready runs next is drawn from a seeded source, or is the oldest. Threads do not
exist: what is handed to an executor runs in one piece, a little later.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from random import Random
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

STEPS: int = 300_000
"""Callbacks one run may take: more is a run that never ends."""


class Group:
    """Tasks that live and die together: those of one gateway process."""

    def __init__(self) -> None:
        self.dead = False
        self.tasks: list[asyncio.Task[Any]] = []

    def add(self, task: asyncio.Task[Any]) -> None:
        """A task of the group; in a dead group it never begins."""
        if self.dead:
            task.cancel()
        elif len(self.tasks) > 64:
            self.tasks = [known for known in self.tasks if not known.done()]
        self.tasks.append(task)

    def kill(self) -> None:
        """Nothing of the group goes on."""
        self.dead = True
        for task in self.tasks:
            task.cancel()

    @property
    def alive(self) -> list[asyncio.Task[Any]]:
        """What has not ended."""
        return [task for task in self.tasks if not task.done()]


GROUP: ContextVar[Group | None] = ContextVar("group", default=None)
"""The group whose code runs now; tasks, timers and callbacks inherit it."""


class Stuck(Exception):
    """Nothing is ready and nothing is due: whoever is waited for never comes."""


class Endless(Exception):
    """The run takes more callbacks than any run should."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks one at a time under virtual time."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(self, order: Random, *, shuffled: float, thread_delay: Callable[[], float]) -> None:
        super().__init__()
        self._order = order
        self._shuffled = shuffled
        self._thread_delay = thread_delay
        self._at = 0.0
        self.steps = 0

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._at

    def _run_once(self) -> None:
        ready, scheduled, draw = self._ready, self._scheduled, self._order.random
        while True:
            while scheduled and (scheduled[0].when() <= self._at or scheduled[0].cancelled()):
                timer = heapq.heappop(scheduled)
                if not timer.cancelled():
                    ready.append(timer)
            if not ready:
                if not scheduled:
                    raise Stuck
                self._at = scheduled[0].when()
                continue
            count = len(ready)
            if count > 1 and draw() < self._shuffled:
                ready.rotate(-int(draw() * count))
            handle = ready.popleft()
            if not handle.cancelled():
                self.steps += 1
                handle._run()
                if self._stopping:
                    return
                if self.steps > STEPS:
                    raise Endless

    def call_later(
        self,
        delay: float,
        callback: "Callable[[Unpack[Ts]], object]",
        *args: "Unpack[Ts]",
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call it after so many seconds; at once means as soon as anything."""
        if delay <= 0.0:
            timer = asyncio.TimerHandle(self._at, callback, args, self, context)
            self._ready.append(timer)
            return timer
        return super().call_later(delay, callback, *args, context=context)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """A task, in the group of whoever makes it."""
        task = asyncio.Task(coro, loop=self, name=str(name or "task"), context=context)
        group = context.get(GROUP) if context is not None else GROUP.get()
        if group is not None:
            group.add(task)
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Run it in one piece, a little later."""
        future: asyncio.Future[T] = self.create_future()
        self.call_later(self._thread_delay(), self._run_in_thread, future, func, args)
        return future

    def _run_in_thread(self, future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if future.done():
            return
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)

    def call_soon_threadsafe(
        self, callback: "Callable[[Unpack[Ts]], object]", *args: "Unpack[Ts]", context: Context | None = None
    ) -> asyncio.Handle:
        """There is one thread."""
        return self.call_soon(callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are passed over when their time comes."""
