"""Random histories of a few statements against the table of `treadle.model.states`."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.store.servers import Databases
from tests.store.things import OWNER, at, ending, intent, new_session, statement
from treadle.model.entities import CommitPoint, Session
from treadle.model.states import TRANSITIONS, Effects, SessionStatus, StatementEvent, StatementState
from treadle.store.base import Store
from treadle.store.errors import DuplicateId
from treadle.store.filters import Scope
from treadle.store.memory import MemoryStore
from treadle.store.postgres import PostgresStore

T = TypeVar("T")
ENDINGS = {
    StatementEvent.SUCCEED: StatementState.SUCCEEDED,
    StatementEvent.FAIL: StatementState.FAILED,
    StatementEvent.CANCEL: StatementState.CANCELLED,
}


class Histories(RuleBasedStateMachine):
    """The model is a state, an intent and a commit point for each statement, moved by the table only."""

    dsn: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.states: dict[str, StatementState] = {}
        self.asked: dict[str, int | None] = {}
        self.committing: dict[str, int | None] = {}
        self.chosen: set[str] = set()
        self.buried: dict[str, int] = {}
        self.step = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    async def open(self) -> tuple[Store, Session]:
        store: Store = await PostgresStore.connect(self.dsn, pool_size=1) if self.dsn else MemoryStore()
        return store, await new_session(store)

    @initialize()
    def start(self) -> None:
        self.store, self.session = self.run(self.open())
        self.closed = False

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run(self.store.close())
        self.loop.close()

    def now(self) -> int:
        self.step += 1
        return self.step

    def move(self, statement_id: str, event: StatementEvent) -> bool:
        """Move the model if the table knows the event; says whether it does."""
        after = TRANSITIONS.get((self.states[statement_id], event))
        self.states[statement_id] = after or self.states[statement_id]
        return after is not None

    def pick(self, number: int) -> str | None:
        return list(self.states)[number % len(self.states)] if self.states else None

    @rule()
    def submit(self) -> None:
        made = statement(self.session)
        assert (self.run(self.store.submit(made)) is None) is self.closed
        if not self.closed:
            self.states[made.id] = StatementState.QUEUED
            self.asked[made.id] = self.committing[made.id] = None

    @rule()
    def submit_to_an_idle_session(self) -> None:
        made = statement(self.session)
        waits = StatementState.QUEUED in self.states.values()
        stored = self.run(self.store.submit(made, owner=OWNER, soft=True))
        assert (stored is None) is self.closed
        if stored is not None:
            self.states[made.id] = StatementState.QUEUED
            self.asked[made.id] = self.committing[made.id] = None
            assert waits or self.move(made.id, StatementEvent.CLAIM)
            assert stored.state is self.states[made.id]

    @rule(number=st.integers(0, 3))
    def cancel_before(self, number: int) -> None:
        chosen, when = f"mine-{number}", self.now()
        left = self.run(self.store.entomb(self.session, chosen, intent(when), at(1000), 4))
        assert left is (chosen not in self.chosen)
        if left:
            self.buried.setdefault(chosen, when)

    @rule(number=st.integers(0, 3))
    def submit_chosen(self, number: int) -> None:
        chosen = f"mine-{number}"
        made = statement(self.session, chosen_id=chosen)
        if chosen in self.chosen and not self.closed:
            with pytest.raises(DuplicateId):
                self.run(self.store.submit(made))
        elif not self.closed:
            stored = self.run(self.store.submit(made))
            assert stored is not None
            self.chosen.add(chosen)
            self.states[made.id] = StatementState.QUEUED
            self.committing[made.id] = None
            self.asked[made.id] = self.buried.pop(chosen, None)
            if self.asked[made.id] is not None:
                self.move(made.id, StatementEvent.CANCEL)
            assert stored.state is self.states[made.id]

    @rule()
    def claim(self) -> None:
        claimed = self.run(self.store.claim(self.session.id, OWNER, at(self.now())))
        waiting = [key for key, state in self.states.items() if state is StatementState.QUEUED]
        assert (claimed.id if claimed else None) == (waiting[0] if waiting else None)
        if claimed:
            assert self.move(claimed.id, StatementEvent.CLAIM)

    @rule(number=st.integers(0, 5))
    def cancel(self, number: int) -> None:
        if (statement_id := self.pick(number)) is None:
            return
        when, before = self.now(), self.states[statement_id]
        after = self.run(self.store.request_cancel(statement_id, intent(when)))
        if not before.final and self.asked[statement_id] is None:
            self.asked[statement_id] = when
        if before is StatementState.QUEUED:
            self.move(statement_id, StatementEvent.CANCEL)
        assert after is not None
        assert after.state is self.states[statement_id]

    @rule(number=st.integers(0, 5), owner=st.sampled_from([OWNER, "gateway-2"]))
    def begin_commit(self, number: int, owner: str) -> None:
        if (statement_id := self.pick(number)) is None:
            return
        when = self.now()
        may = (
            self.states[statement_id] is StatementState.RUNNING and self.asked[statement_id] is None and owner == OWNER
        )
        assert self.run(self.store.begin_commit(statement_id, owner, CommitPoint(part=1), at(when))) is may
        if may:
            self.committing[statement_id] = when

    @rule(number=st.integers(0, 5), owner=st.sampled_from([OWNER, "gateway-2"]), part=st.integers(1, 2))
    def leave_commit(self, number: int, owner: str, part: int) -> None:
        if (statement_id := self.pick(number)) is None:
            return
        elsewhere = self.committing[statement_id] is not None and part != 1
        may = self.states[statement_id] is StatementState.RUNNING and owner == OWNER and not elsewhere
        assert self.run(self.store.leave_commit(statement_id, owner, part)) is may
        if may:
            self.committing[statement_id] = None

    @rule(
        number=st.integers(0, 5),
        event=st.sampled_from(list(ENDINGS)),
        owner=st.sampled_from([OWNER, OWNER, "gateway-2"]),
    )
    def finish(self, number: int, event: StatementEvent, owner: str) -> None:
        if (statement_id := self.pick(number)) is None:
            return
        running = self.states[statement_id] is StatementState.RUNNING
        done = self.run(self.store.finish(statement_id, owner, ending(ENDINGS[event]), [], at(100)))
        assert (done is not None) is (running and owner == OWNER)
        if done:
            assert self.move(statement_id, event)

    @rule()
    def cancel_all(self) -> None:
        when = self.now()
        told = self.run(self.store.request_cancels(Scope(session_id=self.session.id), intent(when)))
        ids = [one.statement.id for one in told]
        assert ids == [key for key, state in self.states.items() if not state.final]
        for key in ids:
            self.asked[key] = when if self.asked[key] is None else self.asked[key]
            if self.states[key] is StatementState.QUEUED:
                self.move(key, StatementEvent.CANCEL)

    @rule(really=st.booleans())
    def close(self, really: bool) -> None:
        if really and len(self.states) > 3:
            self.closed = True
            move = self.store.move_session
            self.run(move(self.session.id, frozenset(SessionStatus), SessionStatus.CLOSED, ended_at=at(1)))

    @invariant()
    def the_store_agrees(self) -> None:
        for key, state in self.states.items():
            stored = self.run(self.store.statement(key))
            assert stored is not None
            assert stored.state is state
            assert (stored.ending is not None) is state.final
            asked, committing = self.asked[key], self.committing[key]
            assert (stored.cancel.requested_at if stored.cancel else None) == (None if asked is None else at(asked))
            assert stored.committing_at == (None if committing is None else at(committing))
            if state is StatementState.CANCELLED:
                assert stored.ending is not None
                assert stored.ending.effects is not Effects.COMMITTED


@pytest.mark.parametrize("where", ["memory", "private", "stock"])
def test_every_history_keeps_to_the_table(where: str, request: pytest.FixtureRequest) -> None:
    """No order of events takes a statement anywhere the table does not, in either store."""
    dsn = None
    if where != "memory":
        databases: Databases = request.getfixturevalue(f"{where}_databases")
        dsn = databases.emptied()
    machine = type("Histories", (Histories,), {"dsn": dsn})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100 if where == "memory" else 15,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
