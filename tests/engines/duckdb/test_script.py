"""A request as its worker runs it, on a real catalog; the test is its owner, and decides what is sent when."""

import queue
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.engines.duckdb.sessions import Place, Session
from treadle.model.states import Effects
from treadle.wire import (
    AtCommit,
    Attach,
    BeforeStart,
    Cancel,
    Cancelled,
    Commit,
    Execute,
    Failed,
    Finished,
    FromWorker,
    Retry,
    ToWorker,
    from_worker,
)
from treadle.worker.contention import Contention
from treadle.worker.fence import REPEAT_SECONDS, Fence
from treadle.worker.link import Link
from treadle.worker.script import Last, Script

PATIENCE = 60.0


class Worker:
    """A session whose requests run in a thread of their own, and the messages it sends."""

    def __init__(self, session: Session, place: Attach) -> None:
        self.session = session
        self.contention = Contention()
        self._place = place
        self._ours, self._theirs = socket.socketpair()
        self._ours.settimeout(PATIENCE)
        self._link = Link(self._theirs)
        self._orders: queue.SimpleQueue[ToWorker] = queue.SimpleQueue()
        self.interrupts = 0
        self.fence = Fence(self._interrupt)
        threading.Thread(target=self.fence.strike_forever, daemon=True).start()
        self._executing = ThreadPoolExecutor(1)
        self._count = 0
        self.spent = 0.0
        """Processor seconds of the last request in the executing thread."""

    def _interrupt(self) -> None:
        self.interrupts += 1
        self.session.engine.interrupt()

    def close(self) -> None:
        """End the session."""
        self._executing.shutdown()
        self._ours.close()
        self._theirs.close()
        self.session.engine.close()

    def start(self, sql: str) -> tuple[str, "Future[Last]"]:
        """Order a request; returns its id and its last message to come."""
        self._count += 1
        order = Execute(statement_id=f"s{self._count}", content=sql)
        self.fence.announce(order.statement_id)
        return order.statement_id, self._executing.submit(self._run, order)

    def _run(self, order: Execute) -> Last:
        began = time.thread_time()
        engine, orders = self.session.engine, self._orders
        last = Script(order, self._place, engine, self.fence, self._link, orders, self.contention).run()
        self.fence.forget(order.statement_id)
        self.spent = time.thread_time() - began
        return last

    def send(self, *messages: ToWorker) -> None:
        """Send messages that arrive together: the listening thread has heard all before the executing one takes any."""
        for message in messages:
            if isinstance(message, Cancel):
                self.fence.cancel(message.statement_id)
        for message in messages:
            self._orders.put(message)

    @contextmanager
    def held(self) -> Iterator[None]:
        """The executing thread does nothing until the block ends."""
        gate = threading.Event()
        self._executing.submit(gate.wait)
        try:
            yield
        finally:
            gate.set()

    def receive(self) -> FromWorker:
        """The next message of the worker."""
        head = self._ours.recv(4, socket.MSG_WAITALL)
        return from_worker(self._ours.recv(int.from_bytes(head), socket.MSG_WAITALL))

    def silent(self) -> bool:
        """Whether it has sent nothing more."""
        self._ours.setblocking(False)
        try:
            return not self._ours.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self._ours.settimeout(PATIENCE)

    def run(self, sql: str) -> Last:
        """Run a request whose commits are all granted."""
        statement_id, last = self.start(sql)
        while not last.done() or not self.silent():
            if self.silent():
                time.sleep(0.001)
                continue
            match self.receive():
                case AtCommit(point=point):
                    self.send(Commit(statement_id=statement_id, part=point.part))
                case BeforeStart(part=part):
                    self.send(Retry(statement_id=statement_id, part=part, granted=True))
                case _:
                    pass
        return last.result()

    def value(self, query: str) -> object:
        """The one value of a query."""
        [(found,)] = self.session.run(query)
        return found


@contextmanager
def worker(place: Place) -> Iterator[Worker]:
    """A worker with the table ``t`` of ten rows."""
    session = Session(place)
    made = Worker(session, session.order)
    try:
        assert isinstance(made.run("CREATE TABLE t AS SELECT i, 0 AS n FROM range(10) r(i)"), Finished)
        yield made
    finally:
        made.close()


UPDATE = "UPDATE t SET n = n + 1"


def orders_before(statement_id: str) -> dict[str, list[ToWorker]]:
    """What the owner may send to a statement that waits for its turn, a cancel among it."""
    granted, cancel = Retry(statement_id=statement_id, part=1, granted=True), Cancel(statement_id=statement_id)
    return {"instead of its turn": [cancel], "before its turn": [cancel, granted], "after its turn": [granted, cancel]}


@pytest.mark.parametrize("when", orders_before(""))
def test_a_statement_that_waits_for_its_turn_never_starts_once_it_is_cancelled(place: Place, when: str) -> None:
    """It neither changes a row nor asks to commit; the next one, which the cancel was not for, does both."""
    with worker(place) as made:
        made.contention.lost(UPDATE, 0.1)
        statement_id, last = made.start(UPDATE)
        assert made.receive() == BeforeStart(statement_id=statement_id, part=1)
        made.send(*orders_before(statement_id)[when])
        ended = last.result(PATIENCE)
        assert isinstance(ended, Cancelled)
        assert (ended.number, ended.wrote) == (1, False)
        assert made.silent()
        assert made.value("SELECT sum(n)::BIGINT FROM t") == 0
        assert made.session.engine.settings().get("transaction", "none") == "none"
        assert isinstance(made.run(UPDATE), Finished)
        assert made.value("SELECT sum(n)::BIGINT FROM t") == 10


SCRIPT = ";".join(f"INSERT INTO t VALUES ({i}, 1)" for i in range(2000))
TRIALS = 20


def check_untouched(made: Worker) -> None:
    """Nothing was written, no transaction is open, and a late interrupt hits nothing of the next request."""
    assert made.value("SELECT count(*) FROM t WHERE n = 1") == 0
    assert made.session.engine.settings().get("transaction", "none") == "none"
    assert isinstance(made.run(UPDATE), Finished)
    assert made.value("SELECT sum(n)::BIGINT FROM t") == 10
    assert isinstance(made.run("UPDATE t SET n = 0"), Finished)


def test_a_script_that_is_cancelled_before_it_is_split_is_not_split(place: Place) -> None:
    """It takes next to none of the time that its splitting takes."""
    with worker(place) as made:
        statement_id, last = made.start(f"{SCRIPT}; SELECT nothing(")
        assert isinstance(last.result(PATIENCE), Failed)
        whole = made.spent
        with made.held():
            statement_id, last = made.start(SCRIPT)
            made.send(Cancel(statement_id=statement_id))
        ended = last.result(PATIENCE)
        assert isinstance(ended, Cancelled)
        assert (ended.number, ended.wrote, made.silent()) == (1, False, True)
        assert made.spent < whole / 5
        check_untouched(made)


def test_a_cancel_while_a_script_is_split_stops_it_before_its_first_part(place: Place) -> None:
    """Wherever it falls, no part asks to commit once it has come."""
    with worker(place) as made:
        made.start(f"{SCRIPT}; SELECT nothing(")[1].result(PATIENCE)
        whole = made.spent
        for trial in range(TRIALS):
            statement_id, last = made.start(SCRIPT)
            time.sleep(3 * whole * trial / TRIALS)  # on a busy machine it takes longer than its processor seconds
            made.send(Cancel(statement_id=statement_id))
            ended = last.result(PATIENCE)
            assert isinstance(ended, Cancelled)
            while not made.silent():
                assert isinstance(made.receive(), AtCommit)
            check_untouched(made)


PRIVATE = {
    "INSERT": ("INSERT INTO own SELECT i FROM range(10) r(i)", 20),
    "UPDATE": ("UPDATE own SET i = 7", 10),
    "RETURNING": ("INSERT INTO own VALUES (7) RETURNING i", 11),
}


@pytest.mark.parametrize("form", PRIVATE)
def test_no_interrupt_reaches_the_commit_of_a_temporary_table(
    place: Place, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """A cancel that comes during it comes too late: the rows are there, and the owner was not asked."""
    sql, count = PRIVATE[form]
    with worker(place) as made:
        made.run("CREATE TEMP TABLE own AS SELECT i FROM range(10) r(i)")
        commit = made.session.engine.commit
        struck: list[int] = []

        def cancelled() -> bool:
            made.send(Cancel(statement_id=statement_id))
            time.sleep(20 * REPEAT_SECONDS)
            struck.append(made.interrupts)
            return commit()

        monkeypatch.setattr(made.session.engine, "commit", cancelled)
        with made.held():
            statement_id, last = made.start(sql)
        ended = last.result(PATIENCE)
        monkeypatch.setattr(made.session.engine, "commit", commit)
        assert isinstance(ended, Finished)
        assert ended.part.effects is Effects.NONE
        assert (struck, made.silent()) == ([0], True)
        assert made.value("SELECT count(*) FROM own") == count
        check_untouched(made)


@pytest.mark.parametrize("form", PRIVATE)
def test_a_cancel_just_before_the_commit_of_a_temporary_table_undoes_the_write(
    place: Place, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Its work is done, and nothing of it is kept."""
    sql, _ = PRIVATE[form]
    with worker(place) as made:
        made.run("CREATE TEMP TABLE own AS SELECT i FROM range(10) r(i)")
        shield = made.fence.shield

        def cancelled() -> bool:
            made.send(Cancel(statement_id=statement_id))
            return shield()

        monkeypatch.setattr(made.fence, "shield", cancelled)
        with made.held():
            statement_id, last = made.start(sql)
        ended = last.result(PATIENCE)
        monkeypatch.setattr(made.fence, "shield", shield)
        assert isinstance(ended, Cancelled)
        assert made.silent()
        assert made.session.run("SELECT count(*), sum(i)::BIGINT FROM own") == [(10, 45)]
        check_untouched(made)
