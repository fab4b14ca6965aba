"""The store in memory as one gateway reaches it: late, sometimes not at all, sometimes without a reply."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from random import Random
from typing import Any, Final

from msgspec.structs import replace

from tests.simulation.loop import Group
from tests.simulation.scenario import Noise
from tests.simulation.truth import Truth
from treadle.model.entities import CancelIntent, Session, Statement
from treadle.model.states import StatementState
from treadle.store.base import Wake
from treadle.store.errors import StoreUnavailable
from treadle.store.memory import MemoryStore
from treadle.store.rules import started
from treadle.store.signals import Seat, Signals

PAUSE_AFTER_FAILURE: Final = 2.0
"""Seconds until whoever met a failure tries again, at most."""

ON_DISK_SECONDS: Final = 1.0
"""Seconds until a change that nobody waited for is on disk."""

QUIET: Final = frozenset({"open_sessions", "queued_sessions", "running", "due_results", "purge_records"})
"""What is asked so often that a trace does without."""


class Memory:
    """The one store of a run, which outlives the gateways."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        outside: Context,
        random: Random,
        truth: Truth,
        note: Callable[..., None],
    ) -> None:
        self.loop = loop
        self.outside = outside
        self.random = random
        self.truth = truth
        self.note = note
        self.store = MemoryStore()
        self.noise = Noise()
        self.down_until = 0.0
        self._soft: dict[str, tuple[Statement, float]] = {}

    @property
    def statements(self) -> dict[str, Statement]:
        """The rows."""
        return self.store._statements

    @property
    def sessions(self) -> dict[str, Session]:
        """The rows."""
        return self.store._sessions

    @property
    def down(self) -> bool:
        """Whether it does not answer now."""
        return self.loop.time() < self.down_until

    def go_down(self, seconds: float) -> None:
        """It dies and comes back: what had not reached the disk may be gone."""
        self.down_until = max(self.down_until, self.loop.time() + seconds)
        for row, at in list(self._soft.values()):
            young = self.loop.time() - at < ON_DISK_SECONDS
            if young and self.statements.get(row.id) is row and self.random.random() < 0.7:
                self.note("lost row", row.id)
                del self.statements[row.id]
        self._soft.clear()
        self.truth.see(self.statements, self.sessions)

    def apply(self, method: Callable[..., Coroutine[Any, Any, Any]], args: Any, kwargs: Any) -> Any:
        """Do it in one step, as every method of the store in memory does, and look at what it changed."""
        try:
            method(*args, **kwargs).send(None)
        except StopIteration as done:
            result = done.value
        else:
            raise RuntimeError("the store in memory has waited for something")
        self.truth.see(self.statements, self.sessions)
        # What has a name, a key or a lease is on disk before it is answered, as in PostgreSQL.
        if kwargs.get("soft") and isinstance(result, Statement) and result.nameless:
            self._soft[result.id] = result, self.loop.time()
        return result


class Reached:
    """The store through the connection of one gateway; has every method of `treadle.store.base.Store`."""

    def __init__(self, memory: Memory, group: Group) -> None:
        self._memory = memory
        self._group = group

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._memory.store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._call(name, method, args, kwargs)

        setattr(self, name, call)
        return call

    async def _call(self, name: str, method: Any, args: Any, kwargs: Any) -> Any:
        if self._group.dead:
            raise asyncio.CancelledError
        memory = self._memory
        noise, draw = memory.noise, memory.random.random
        before, after = (draw() * noise.store_seconds, draw() * noise.store_seconds) if noise.store_seconds else (0, 0)
        memory.truth.trouble.add(before + after)
        answer: asyncio.Future[Any] = memory.loop.create_future()
        memory.loop.call_later(before, self._arrive, name, method, args, kwargs, answer, after, context=memory.outside)
        return await answer

    def _arrive(
        self, name: str, method: Any, args: Any, kwargs: Any, answer: "asyncio.Future[Any]", after: float
    ) -> None:
        memory = self._memory
        noise, draw = memory.noise, memory.random.random
        if self._group.dead and draw() < 0.5:
            return
        if memory.down or (noise.fails_before and draw() < noise.fails_before):
            memory.note("store", name, "fails")
            self._fail(answer, after)
            return
        try:
            result = memory.apply(method, args, kwargs)
        except Exception as error:
            memory.loop.call_later(after, _raise, answer, error, context=memory.outside)
            return
        if name not in QUIET:
            memory.note("store", name, _short(args[0]) if args else "", _short(result))
        if noise.fails_after and draw() < noise.fails_after:
            memory.note("store", name, "loses its reply")
            self._fail(answer, after)
        else:
            memory.loop.call_later(after, _answer, answer, result, context=memory.outside)

    def _fail(self, answer: "asyncio.Future[Any]", after: float) -> None:
        self._memory.truth.trouble.add(PAUSE_AFTER_FAILURE)
        error = StoreUnavailable("the store does not answer")
        self._memory.loop.call_later(after, _raise, answer, error, context=self._memory.outside)


def _answer(answer: "asyncio.Future[Any]", result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _raise(answer: "asyncio.Future[Any]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _short(result: object) -> object:
    match result:
        case Statement():
            intended = " (to stop)" if result.cancel and not result.state.final else ""
            return f"{result.id} {result.state}{intended}"
        case Session():
            return f"{result.id} {result.status}"
        case _ if callable(result):
            return "a function"
        case _:
            return result


class NotedSeat:
    """A seat that tells of what starts on it before it is on record; implements `treadle.store.signals.Seat`."""

    def __init__(self, memory: Memory, seat: Seat) -> None:
        self._memory = memory
        self._seat = seat
        self.owner = seat.owner
        self.take, self.release = seat.take, seat.release

    def start(self, statement: Statement) -> bool:
        """Start it now, to be recorded soon."""
        if not self._seat.start(statement):
            return False
        session = self._memory.sessions[statement.session_id]
        known = replace(statement, endpoint_id=session.endpoint_id, database_name=session.catalog)
        self._memory.note("starts", statement.id)
        self._memory.truth.starts(started(known, self.owner, statement.created_at))
        return True


class LossySignals(Signals):
    """Wakes that are lost, or late; what was not lost comes to the living only."""

    def __init__(self, memory: Memory, group: Group) -> None:
        super().__init__()
        self._memory = memory
        self._group = group

    def wake(self, wake: Wake) -> None:
        """Something was written that an owner should look at."""
        self._send(super().wake, wake)

    def stop(self, session_id: str, statement_id: str, intent: CancelIntent) -> str | None:
        """Stop what runs in the session under that id."""
        running = super().stop(session_id, statement_id, intent)
        if running is not None:
            self._memory.note("stops", running)
            self._memory.truth.brought(running, intent)
        return running

    def seat(self, session_id: str, project_id: str) -> Seat | None:
        """The session, held for the next statement, if it is idle."""
        seat = super().seat(session_id, project_id)
        return NotedSeat(self._memory, seat) if seat is not None else None

    def ended(self, thing: Statement | Session) -> None:
        """Something has come to its end."""
        if isinstance(thing, Statement) and thing.state is StatementState.RUNNING:
            self._memory.truth.wrong("C1", f"{thing.id} is announced as ended and is {thing.state}")
        self._send(super().ended, thing)

    def _send(self, deliver: Callable[[Any], None], message: Any) -> None:
        memory = self._memory
        noise, draw = memory.noise, memory.random.random
        if self._group.dead:
            return
        if noise.wake_lost and draw() < noise.wake_lost:
            memory.note("lost wake", message.__class__.__name__)
        elif noise.wake_late and draw() < noise.wake_late:
            memory.loop.call_later(draw() * 0.2, self._late, deliver, message)
        else:
            deliver(message)

    def _late(self, deliver: Callable[[Any], None], message: Any) -> None:
        if not self._group.dead:
            deliver(message)
