"""The two stores side by side: the same calls in any order have the same answers and leave the same rows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.store.servers import Databases
from tests.store.things import OWNER, at, ending, endpoint, intent, session, statement, workspace
from tests.support.properties import histories
from treadle.model.entities import CommitPoint, Part, Session, SessionEnd
from treadle.model.errors import IllegalTransition
from treadle.model.states import Effects, PartStatus, Reason, RecordStatus, SessionStatus, StatementState
from treadle.store.base import Store
from treadle.store.filters import Page, RecordFilter, Scope, SessionFilter
from treadle.store.memory import MemoryStore
from treadle.store.postgres import PostgresStore

OWNERS = st.sampled_from([OWNER, OWNER, OWNER, "gateway-2"])
NUMBERS = st.integers(0, 7)
PARTS = st.builds(
    Part,
    number=st.integers(1, 3),
    status=st.sampled_from(PartStatus),
    rows=st.integers(0, 2**40),
    message=st.sampled_from(["", "é \t", "it's"]),
)
EVERYTHING = Page(limit=100)
Call = Callable[[Store], Awaitable[Any]]


class Twins(RuleBasedStateMachine):
    """Every rule asks both stores; an answer is a value or the kind of an error."""

    dsn = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.stores: Sequence[Store] = ()
        self.sessions: list[str] = []
        self.statements: list[str] = []
        self.known: dict[str, Session] = {}
        self.clock = 0

    def both(self, call: Call) -> Any:
        """The answer of both; they must agree."""
        memory, postgres = (self.loop.run(self._answer(call, store)) for store in self.stores)
        assert memory == postgres
        return memory

    async def _answer(self, call: Call, store: Store) -> Any:
        try:
            found = await call(store)
        except (IllegalTransition, LookupError) as error:
            return type(error)
        return list(found) if isinstance(found, tuple | list) else found

    def now(self) -> int:
        """Seconds; every call comes a second later."""
        self.clock += 1
        return self.clock

    @initialize()
    def start(self) -> None:
        self.stores = (MemoryStore(), self.loop.run(PostgresStore.connect(self.dsn, pool_size=1)))
        room = workspace()
        self.place = endpoint(room.id)
        self.both(lambda store: store.add_workspace(room))
        self.both(lambda store: store.add_endpoint(self.place))
        self.open_session()

    def teardown(self) -> None:
        for store in self.stores:
            self.loop.run(store.close())
        self.loop.close()

    def a_session(self, number: int) -> str:
        return self.sessions[number % len(self.sessions)]

    def a_statement(self, number: int) -> str:
        return self.statements[number % len(self.statements)] if self.statements else "nothing"

    # -- sessions ---------------------------------------------------------------------------

    @rule()
    def open_session(self) -> None:
        made = session(self.place, created_at=at(self.now()))
        self.both(lambda store: store.add_session(made))
        self.known[made.id] = made
        self.sessions.append(made.id)

    @rule(
        number=NUMBERS,
        expected=st.frozensets(st.sampled_from(SessionStatus), min_size=1),
        to=st.sampled_from(SessionStatus),
        ended=st.sampled_from([True, True, True, False]),
        reason=st.none() | st.sampled_from(Reason),
        owner=st.none() | OWNERS,
    )
    def move_session(
        self,
        number: int,
        expected: frozenset[SessionStatus],
        to: SessionStatus,
        ended: bool,
        reason: Reason | None,
        owner: str | None,
    ) -> None:
        end = at(self.now()) if ended is to.final else None
        target = self.a_session(number)
        self.both(
            lambda store: store.move_session(
                target, expected, to, owner=owner, reason=reason, message="m", ended_at=end
            )
        )

    @rule(number=NUMBERS, reason=st.sampled_from(Reason))
    def request_close(self, number: int, reason: Reason) -> None:
        when, target = at(self.now()), self.a_session(number)
        self.both(lambda store: store.request_close(target, when, "ann", reason))

    # -- statements -------------------------------------------------------------------------

    @rule(number=NUMBERS, owner=st.none() | OWNERS)
    def submit(self, number: int, owner: str | None) -> None:
        made = statement(self.known[self.a_session(number)], created_at=at(self.now()))
        if self.both(lambda store: store.submit(made, owner=owner)) is not None:
            self.statements.append(made.id)

    @rule(number=NUMBERS, owner=OWNERS)
    def claim(self, number: int, owner: str) -> None:
        when, target = at(self.now()), self.a_session(number)
        self.both(lambda store: store.claim(target, owner, when))

    @rule(number=NUMBERS, reason=st.sampled_from(Reason))
    def cancel(self, number: int, reason: Reason) -> None:
        asked, target = intent(self.now(), reason), self.a_statement(number)
        self.both(lambda store: store.request_cancel(target, asked))

    @rule(
        number=NUMBERS,
        wide=st.booleans(),
        state=st.none() | st.sampled_from(StatementState),
        before=st.none() | st.integers(0, 40),
        dry_run=st.booleans(),
    )
    def cancel_many(
        self, number: int, wide: bool, state: StatementState | None, before: int | None, dry_run: bool
    ) -> None:
        scope = Scope(
            workspace_id=self.place.workspace_id,
            session_id=None if wide else self.a_session(number),
            state=state,
            submitted_before=None if before is None else at(before),
        )
        asked = intent(self.now())
        self.both(lambda store: store.request_cancels(scope, asked, dry_run=dry_run))

    @rule(number=NUMBERS, owner=OWNERS, part=st.integers(1, 3), last=st.booleans())
    def begin_commit(self, number: int, owner: str, part: int, last: bool) -> None:
        when, target, point = at(self.now()), self.a_statement(number), CommitPoint(part=part, last=last)
        self.both(lambda store: store.begin_commit(target, owner, point, when))

    @rule(number=NUMBERS, owner=OWNERS, part=st.integers(1, 3))
    def leave_commit(self, number: int, owner: str, part: int) -> None:
        target = self.a_statement(number)
        self.both(lambda store: store.leave_commit(target, owner, part))

    @rule(number=NUMBERS, owner=OWNERS, part=PARTS)
    def add_part(self, number: int, owner: str, part: Part) -> None:
        target = self.a_statement(number)
        self.both(lambda store: store.add_parts(target, owner, [part]))

    @rule(
        number=NUMBERS,
        owner=OWNERS,
        state=st.sampled_from(StatementState),
        effects=st.sampled_from(Effects),
        parts=st.lists(PARTS, max_size=2),
        keep=st.integers(0, 20),
        closing=st.none() | st.sampled_from(SessionStatus),
    )
    def finish(
        self,
        number: int,
        owner: str,
        state: StatementState,
        effects: Effects,
        parts: list[Part],
        keep: int,
        closing: SessionStatus | None,
    ) -> None:
        when, target = self.now(), self.a_statement(number)
        end = ending(state, finished_at=at(when), effects=effects)
        where = self.a_session(number)
        last = (
            SessionEnd(session_id=where, status=closing, reason=Reason.QUOTA, message="", ended_at=at(when))
            if closing is not None
            else None
        )
        self.both(lambda store: store.finish(target, owner, end, parts, at(when + keep), session=last))

    # -- time passes ------------------------------------------------------------------------

    @rule(limit=st.integers(1, 3))
    def expire(self, limit: int) -> None:
        when = at(self.now())
        due = self.both(lambda store: store.due_results(when, limit))
        self.both(lambda store: store.expire_results([one.statement_id for one in due]))

    @rule(age=st.integers(0, 30), limit=st.integers(1, 3))
    def purge(self, age: int, limit: int) -> None:
        before = at(self.now() - age)
        self.both(lambda store: store.purge_records(before, limit))
        self.statements = [key for key in self.statements if self.both(partial(_statement, key)) is not None]
        self.sessions = [key for key in self.sessions if self.both(partial(_session, key)) is not None]
        if not self.sessions:
            self.open_session()

    # -- what is seen -----------------------------------------------------------------------

    @rule(
        status=st.none() | st.sampled_from(RecordStatus), limit=st.integers(1, 4), offset=st.integers(0, 3), cut=NUMBERS
    )
    def look(self, status: RecordStatus | None, limit: int, offset: int, cut: int) -> None:
        page = Page(limit=limit, offset=offset)
        self.both(lambda store: store.records(None, RecordFilter(status=status), page, cut))
        self.both(lambda store: store.sessions(self.place.workspace_id, SessionFilter(), page))

    @invariant()
    def the_rows_agree(self) -> None:
        if not self.stores:
            return
        for key in self.statements:
            found = self.both(partial(_statement, key))
            assert found is not None
            assert (found.ending is not None) is found.state.final
            assert found.ending is None or found.ending.state is found.state
        for key in self.sessions:
            assert self.both(partial(_session, key)) is not None
        self.both(lambda store: store.running())
        self.both(lambda store: store.open_sessions())
        assert len(self.both(lambda store: store.queued_sessions())) <= len(self.sessions)


def _statement(key: str, store: Store) -> Awaitable[Any]:
    return store.statement(key)


def _session(key: str, store: Store) -> Awaitable[Any]:
    return store.session(None, key)


def test_both_stores_are_one(private_databases: Databases) -> None:
    """No order of calls has an answer in memory that it has not in PostgreSQL."""
    machine = type("TwinsThere", (Twins,), {"dsn": private_databases.emptied()})

    class Cleared(machine):  # type: ignore[misc, valid-type]
        """The lists are of the whole store, so each history begins with an empty one."""

        def __init__(self) -> None:
            private_databases.emptied()
            super().__init__()

    run_state_machine_as_test(Cleared, settings=histories(10, 30))
