"""A cancel whose statement has started or ended since it was looked at: its step in the store says what it met."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.store.things import OWNER, at, ending, intent, new_session, new_statement
from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.audit import By
from treadle.model.entities import CancelIntent, Principal, Session, Statement
from treadle.model.states import Reason, Rung, StatementState
from treadle.outside import SystemClock, new_id
from treadle.service import Deps, Service
from treadle.store.base import Asked
from treadle.store.filters import AuditFilter, Scope
from treadle.store.memory import MemoryStore
from treadle.store.signals import Signals

ANN = Principal(project_id="p1", project_name="project", user_id="u1", user_name="ann")
BOB = By(project_id="p1", user_id="u2", user_name="bob", address="192.0.2.2", request_id="r2")
COUNTED = 'treadle_statements_ended_total{reason="operator",state="cancelled"} 1.0'


class Meanwhile(MemoryStore):
    """A store in which something happens between a look at a statement and the step that stops it."""

    def __init__(self) -> None:
        super().__init__()
        self.happens: Callable[[], Awaitable[object]] | None = None

    async def request_cancels(
        self, scope: Scope, intent: CancelIntent, *, dry_run: bool = False, by: By | None = None
    ) -> Sequence[Asked]:
        happens, self.happens = self.happens, None
        if happens is not None:
            await happens()
        return await super().request_cancels(scope, intent, dry_run=dry_run, by=by)


class Room:
    """The verbs, over a session that runs in another process."""

    def __init__(self, folder: Path) -> None:
        self.store, self.metrics = Meanwhile(), Metrics()
        nothing: Any = None
        self.deps = Deps(
            store=self.store,
            signals=Signals(),
            clock=SystemClock(),
            new_id=new_id,
            new_secret=lambda: "",
            settings=Settings(data_dir=folder),
            plant=nothing,
            check_ready=nothing,
            metrics=self.metrics,
            look_seconds=0.001,
        )
        self.service = Service(self.deps)

    async def statement(self, *, runs: bool) -> Statement:
        """A statement that Bob has asked to stop, if it runs."""
        of: Session = await new_session(self.store)
        made = await new_statement(self.store, of)
        if runs:
            await self.store.claim(of.id, OWNER, at(1))
            await self.store.request_cancel(made.id, intent(), by=BOB)
        found = await self.store.statement(made.id)
        assert found is not None
        return found

    async def finish(self, statement: Statement, state: StatementState) -> None:
        """The owner writes the end."""
        reason = Reason.USER if state is StatementState.CANCELLED else None
        rung = Rung.INTERRUPTED if state is StatementState.CANCELLED else Rung.TOO_LATE
        end = ending(state, reason=reason, actor="bob" if reason else None, rung=rung)
        assert await self.store.finish(statement.id, OWNER, end, (), at(99))

    async def cancelled_by(self) -> list[tuple[str, str, list[str]]]:
        """Each event of the audit: who, the outcome, and who else."""
        await self.deps.audit.flush()
        entries = await self.store.audit(AuditFilter(), 10)
        return [(one.event.by.user_name, one.event.outcome, [by.user_name for by in one.others]) for one in entries]


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A service without an owner."""
    return Room(tmp_path)


async def cancel(room: Room, statement: Statement) -> tuple[str, float]:
    """Ann cancels, not knowing what happens meanwhile: the outcome, and the milliseconds until the stop."""
    report = await room.service.cancel(ANN, statement.workspace_id, statement.session_id, statement.id)
    return report.outcome, report.millis


@pytest.mark.parametrize("state", [StatementState.CANCELLED, StatementState.SUCCEEDED])
async def test_what_ran_has_ended_since(room: Room, state: StatementState) -> None:
    """The second of two cancels is attached to the event of the first."""
    running = await room.statement(runs=True)
    room.store.happens = lambda: room.finish(running, state)
    assert await cancel(room, running) == (f"already_{state}", 0.0)
    assert await room.cancelled_by() == [("bob", "requested", ["ann"])]


async def test_what_waited_was_taken_from_the_queue_since(room: Room) -> None:
    """By another cancel: that one's outcome is `cancelled`, and it is counted once."""
    queued = await room.statement(runs=False)

    async def other() -> None:
        await room.service.stop(queued, "bob", Reason.OPERATOR)

    room.store.happens = other
    assert await cancel(room, queued) == ("already_cancelled", 0.0)
    assert await room.cancelled_by() == [("bob", "cancelled", ["ann"])]
    assert COUNTED in room.metrics.render()[1].decode().splitlines()


async def test_what_waited_has_run_and_ended_since(room: Room) -> None:
    """Nothing of it was stopped: the cancel is an event of its own."""
    queued = await room.statement(runs=False)

    async def run() -> None:
        await room.store.claim(queued.session_id, OWNER, at(1))
        await room.finish(queued, StatementState.SUCCEEDED)

    room.store.happens = run
    assert await cancel(room, queued) == ("already_succeeded", 0.0)
    assert await room.cancelled_by() == [("ann", "already_succeeded", [])]
