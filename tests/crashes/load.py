"""A mixed load of writers and a canceller, which go on until they are told to stop."""

import contextlib
import http.client
import random
import threading
import time
from collections.abc import Callable
from typing import Final

from tests.crashes.ledger import Entry, Kind, Ledger
from tests.support.world import World
from treadle.demo.client import ApiError, Session, StatementReply

WRITERS: Final = 4
PATIENCE: Final = 60.0
"""Seconds a client waits for the end of a statement after the load was told to stop."""

LOST = (OSError, http.client.HTTPException, ApiError)
SIZES: Final = (1, 100, 100, 100, 1000, 1000, 20_000, 400_000)
"""Rows of a write: most are over at once, some are met in their middle."""

ENDLESS: Final = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"


class SessionGone(Exception):
    """The session takes no more statements."""


def prepare(world: World, writers: int = WRITERS) -> None:
    """Make the tables of a round."""
    with world.session() as session:
        session.run("CREATE TABLE written (k bigint, i bigint)")
        for writer in range(writers):
            session.run(f"CREATE TABLE marks_{writer} (keys varchar)")
            session.run(f"INSERT INTO marks_{writer} VALUES ('')")


class Load:
    """Writers and a canceller on one service; everything they are told goes to the ledger."""

    def __init__(self, world: World, ledger: Ledger, seed: str, writers: int = WRITERS) -> None:
        self._stop = threading.Event()
        self._abandoned = threading.Event()
        self._writers = [
            Writer(world, ledger, number, random.Random(f"{seed}-{number}"), self._stop, self._abandoned)
            for number in range(writers)
        ]
        works: list[Callable[[], None]] = [writer.run for writer in self._writers]
        works.append(lambda: _cancel_some(world, ledger, random.Random(f"{seed}-cancel"), self._stop))
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def under_way(self) -> bool:
        """Whether every writer has submitted something."""
        return all(writer.submitted for writer in self._writers)

    def stop(self, *, service_gone: bool) -> None:
        """Let no more statements begin, wait for the ends of those that run, and for the threads.

        With ``service_gone`` there is nobody to wait for. Raises what a writer met unforeseen.
        """
        self._stop.set()
        if service_gone:
            self._abandoned.set()
        for thread in self._threads:
            thread.join(PATIENCE + 30)
            assert not thread.is_alive(), "a client never came back"
        for writer in self._writers:
            if writer.failure is not None:
                raise writer.failure


class Writer:
    """One client with one session at a time, and a table of marks of its own."""

    def __init__(
        self,
        world: World,
        ledger: Ledger,
        number: int,
        chance: random.Random,
        stop: threading.Event,
        abandoned: threading.Event,
    ) -> None:
        self.failure: BaseException | None = None
        self.submitted = False
        self._world = world
        self._ledger = ledger
        self._number = number
        self._chance = chance
        self._stop = stop
        self._abandoned = abandoned
        self._works: list[tuple[int, Callable[[Session], None]]] = [
            (30, self._insert),
            (10, self._table),
            (20, self._mark),
            (10, self._script),
            (12, self._transaction),
            (8, self._copy),
            (8, self._select),
            (1, self._endless),
        ]

    def run(self) -> None:
        """Open a session, write, and open another when that is gone."""
        try:
            while not self._stop.is_set():
                with contextlib.suppress(*LOST, SessionGone):
                    self._serve(self._world.session())
                self._stop.wait(0.05)
        except BaseException as error:
            self.failure = error

    def _serve(self, session: Session) -> None:
        self._ledger.session_ids.add(session.id)
        weights = [weight for weight, _ in self._works]
        while not self._stop.is_set():
            ((_, work),) = self._chance.choices(self._works, weights)
            work(session)
        session.close()

    # -- the kinds --------------------------------------------------------------------------

    def _insert(self, session: Session) -> None:
        entry, size = self._ledger.add(Kind.INSERT, session.id), self._chance.choice(SIZES)
        entry.pieces = ({f"rows {entry.key}": size},)
        self._do(session, entry, _rows(entry.key, size))

    def _table(self, session: Session) -> None:
        entry, size = self._ledger.add(Kind.TABLE, session.id), self._chance.choice(SIZES)
        entry.pieces = ({f"table made_{entry.key}": size},)
        self._do(session, entry, f"CREATE TABLE made_{entry.key} AS SELECT i FROM range({size}) t(i)")

    def _mark(self, session: Session) -> None:
        entry = self._ledger.add(Kind.MARK, session.id)
        entry.pieces = ({f"mark {entry.key}": 1},)
        self._do(session, entry, f"UPDATE marks_{self._number} SET keys = keys || ',{entry.key}'")

    def _script(self, session: Session) -> None:
        entry, size = self._ledger.add(Kind.SCRIPT, session.id), self._chance.choice(SIZES)
        parts = [entry.key * 10 + n + 1_000_000 for n in range(3)]
        entry.pieces = tuple({f"rows {part}": size} for part in parts)
        self._do(session, entry, "; ".join(_rows(part, size) for part in parts))

    def _transaction(self, session: Session) -> None:
        pieces: dict[str, int] = {}
        if not self._do(session, self._ledger.add(Kind.BEGIN, session.id), "BEGIN"):
            return
        for _ in range(self._chance.randint(1, 3)):
            entry, size = self._ledger.add(Kind.INSIDE, session.id), self._chance.choice(SIZES)
            if self._do(session, entry, _rows(entry.key, size)):
                pieces[f"rows {entry.key}"] = size
            else:
                pieces = {}  # the transaction is aborted: its COMMIT is a rollback
                break
        if self._chance.random() < 0.2:
            self._do(session, self._ledger.add(Kind.ROLLBACK, session.id), "ROLLBACK")
        else:
            entry = self._ledger.add(Kind.COMMIT, session.id)
            entry.pieces = (pieces,)
            if not self._do(session, entry, "COMMIT"):
                self._do(session, self._ledger.add(Kind.ROLLBACK, session.id), "ROLLBACK")

    def _copy(self, session: Session) -> None:
        entry, size = self._ledger.add(Kind.COPY, session.id), self._chance.choice(SIZES)
        entry.pieces = ({f"file {entry.key}.parquet": size},)
        self._do(session, entry, f"COPY (SELECT i FROM range({size}) t(i)) TO '{entry.key}.parquet' (FORMAT parquet)")

    def _select(self, session: Session) -> None:
        entry = self._ledger.add(Kind.SELECT, session.id)
        entry.rows = self._chance.choice((1, 1500, 200_000))
        self._do(session, entry, f"SELECT i FROM range({entry.rows}) t(i)")

    def _endless(self, session: Session) -> None:
        self._do(session, self._ledger.add(Kind.ENDLESS, session.id), ENDLESS)

    # -- one statement ----------------------------------------------------------------------

    def _do(self, session: Session, entry: Entry, sql: str) -> bool:
        """Submit and wait for the end, whatever it is; True for success.

        Raises `SessionGone` when the session takes no more statements, and what the submit raised.
        """
        sync = entry.kind is not Kind.ENDLESS and self._chance.random() < 0.4
        try:
            reply = session.submit(f"{entry.mark} {sql}", sync=sync)
        except ApiError as refused:
            if refused.status in (400, 404, 409):
                raise SessionGone from refused
            raise
        self.submitted = True
        entry.statement_id = reply.statement_id
        ended = self._end_of(session, reply)
        if ended is None:
            raise SessionGone
        entry.told = ended.status
        return ended.status in (0, 2)

    def _end_of(self, session: Session, reply: StatementReply) -> StatementReply | None:
        """Ask until it has ended, through every loss that mends; None when the service is gone for good."""
        deadline, given_up = float("inf"), False
        while not reply.ended:
            if self._stop.is_set() and not given_up:
                deadline = min(deadline, time.monotonic() + PATIENCE)
                given_up = self._give_up(session, reply.statement_id)
            assert time.monotonic() < deadline, f"statement {reply.statement_id} never ended"
            time.sleep(0.003)
            try:
                reply = session.show(reply.statement_id)
            except LOST:
                if self._abandoned.wait(0.05):
                    return None
        return reply

    def _give_up(self, session: Session, statement_id: str) -> bool:
        """The load stops: what still runs is cancelled. A cancel that was refused is asked for again."""
        with contextlib.suppress(*LOST):
            session.cancel(statement_id)
            return True
        return False


def _rows(key: int, size: int) -> str:
    return f"INSERT INTO written SELECT {key}, i FROM range({size}) t(i)"


def _cancel_some(world: World, ledger: Ledger, chance: random.Random, stop: threading.Event) -> None:
    """Now and then cancel something that may run, and note the verdict."""
    connection = world.connect(world.token)
    while not stop.wait(chance.uniform(0.02, 0.25)):
        pending = ledger.pending()
        if not pending:
            continue
        entry = chance.choice(pending)
        session = Session(connection, world.workspace_id, entry.session_id)
        with contextlib.suppress(*LOST):
            entry.verdict = session.cancel(entry.statement_id or "")
