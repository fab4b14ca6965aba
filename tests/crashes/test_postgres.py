"""The store's PostgreSQL stopped, slow, or killed while a cancel is under way: honest answers, nothing lost."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.crashes import truth
from tests.crashes.ledger import Ledger
from tests.crashes.load import ENDLESS, Load, prepare
from tests.crashes.rounds import serves
from tests.crashes.targets import postmaster
from tests.support.world import BOUND, World, alive, has_stopped, spent, start, until, world
from treadle.demo.client import ApiError, Session
from treadle.demo.local import LocalService
from treadle.demo.processes import descendants
from treadle.service.identity import REMEMBERED_SECONDS
from treadle.store.embedded import EmbeddedPostgres

CANCEL_TIMEOUT = 3.0
SETTINGS = {"TREADLE_CANCEL_TIMEOUT": str(CANCEL_TIMEOUT)}
DOWN_SECONDS = 30.0
"""Seconds within which a service ends whose PostgreSQL hangs: its grace, and five for each of four last words."""

BURSTS = 25
"""How often the slow server stops and goes on."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service whose PostgreSQL is maltreated."""
    with world(tmp_path_factory.mktemp("postgres") / "data", SETTINGS) as made:
        yield made


@contextmanager
def stopped(data_dir: Path) -> Iterator[None]:
    """While this holds, no process of the private PostgreSQL runs; its sockets stay open."""
    server = postmaster(data_dir)
    # The one that makes the others first: then there are no more of them than are found.
    _signal([server], signal.SIGSTOP)
    pids = [server]
    try:
        until(lambda: has_stopped(server), "the postmaster stands still")
        pids += descendants(server)
        _signal(pids, signal.SIGSTOP)
        yield
    finally:
        _signal(pids, signal.SIGCONT)


@contextmanager
def locked(data_dir: Path, statement_id: str) -> Iterator[None]:
    """While this holds, no change of the statement's record comes through: it waits inside PostgreSQL."""
    with psycopg.connect(EmbeddedPostgres.start(data_dir).service_dsn) as connection:
        connection.execute("SELECT 1 FROM statements WHERE id = %s FOR UPDATE", [statement_id])
        yield


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


Ask = Callable[[World, Session, str], object]


def cancel_one(_: World, session: Session, statement_id: str) -> None:
    """The operation of a statement."""
    session.cancel(statement_id)


def cancel_session(running: World, session: Session, _: str) -> None:
    """The operation of a session."""
    session.api.call("POST", f"{running.base}/sessions/{session.id}/cancel", {})


def cancel_many(running: World, session: Session, statement_id: str) -> None:
    """The operation of a workspace."""
    session.api.call("POST", f"{running.base}/statements/cancel", {"statement_ids": [statement_id]})


def close_session(_: World, session: Session, __: str) -> None:
    """The end of a session."""
    session.close()


def delete_endpoint(running: World, _: Session, __: str) -> None:
    """The end of an endpoint, and of all that is on it."""
    running.api.call("DELETE", f"{running.base}/endpoints/{running.endpoint_id}")


class Canceller(threading.Thread):
    """A stop under way: ``status`` and ``text`` are what it was answered, ``seconds`` how long that took."""

    def __init__(self, running: World, session: Session, statement_id: str, ask: Ask = cancel_one) -> None:
        super().__init__(daemon=True)
        self.status = 0
        self.text = ""
        self.seconds = 0.0
        self._ask = partial(ask, running, running.same(session), statement_id)

    def run(self) -> None:
        """Ask once."""
        started = time.monotonic()
        try:
            self._ask()
            self.status = 200
        except ApiError as refused:
            self.status, self.text = refused.status, str(refused)
        self.seconds = time.monotonic() - started


def settled(running: World, session: Session, statement_id: str, asked: Canceller) -> None:
    """A cancel answered 200 was true; one answered 408 takes effect, unless it says that one should ask again."""
    if asked.status == 200:
        assert running.record(statement_id)["status"] == "CANCELED"
    elif asked.status == 503 or "ask again" in asked.text:
        session.cancel(statement_id)
    until(lambda: running.record(statement_id)["status"] == "CANCELED", "the cancel takes effect")


@pytest.mark.slow
def test_a_cancel_asked_of_a_stopped_postgres_takes_effect(running: World) -> None:
    """SIGSTOP of the whole server: the gateway lives; once the server goes on the statement stops."""
    with running.session() as session:
        statement = start(running, session, ENDLESS)
        pid = running.worker(session.id)
        asking = Canceller(running, session, statement.statement_id)
        with stopped(running.service.data_dir):
            asking.start()
            for _ in range(10):
                began = time.monotonic()
                running.api.call("GET", "/healthz")
                assert time.monotonic() - began < BOUND
        asking.join(90)
        settled(running, session, statement.statement_id, asking)
        until(lambda: spent(pid, 0.2) < 0.05, "the worker is idle")
        assert session.run("SELECT 1").rows == [["1"]]


@pytest.mark.slow
@pytest.mark.parametrize("ask", [cancel_one, cancel_session, cancel_many])
@pytest.mark.parametrize("later", [0.0, REMEMBERED_SECONDS + 0.5], ids=["at_once", "unknown_caller"])
def test_a_cancel_asked_of_a_stopped_postgres_is_answered_in_time(running: World, ask: Ask, later: float) -> None:
    """C18 holds for the intent as well: when it cannot be written the answer says so within cancel_timeout."""
    with running.session() as session:
        statement = start(running, session, ENDLESS)
        asking = Canceller(running, session, statement.statement_id, ask)
        with stopped(running.service.data_dir):
            time.sleep(later)
            asking.start()
            asking.join(CANCEL_TIMEOUT + 3)
            answered_in_time = not asking.is_alive()
        asking.join(90)
        settled(running, session, statement.statement_id, asking)
        assert answered_in_time, f"answered {asking.status} after {asking.seconds:.1f} s"
        assert asking.status in {408, 503}, asking.text
        assert session.run("SELECT 1").rows == [["1"]]


@pytest.mark.slow
@pytest.mark.parametrize("ask", [close_session, delete_endpoint])
def test_a_close_asked_of_a_stopped_postgres_is_answered_in_time(
    tmp_path_factory: pytest.TempPathFactory, ask: Ask
) -> None:
    """C18 for whatever ends a session: 408 says how far it has come, and the close goes on or is asked for again."""
    with world(tmp_path_factory.mktemp("close") / "data", SETTINGS) as running:
        session = running.session()
        statement = start(running, session, ENDLESS)
        pid = running.worker(session.id)
        asking = Canceller(running, session, statement.statement_id, ask)
        with stopped(running.service.data_dir):
            asking.start()
            asking.join(CANCEL_TIMEOUT + 3)
            answered_in_time = not asking.is_alive()
        asking.join(90)
        assert answered_in_time, f"answered {asking.status} after {asking.seconds:.1f} s"
        assert asking.status in {408, 503}, asking.text
        if asking.status == 503 or "ask again" in asking.text:
            ask(running, running.same(session), statement.statement_id)
        until(lambda: not alive(pid), "the session is closed and its worker gone")
        assert running.record(statement.statement_id)["status"] == "CANCELED"


@pytest.mark.slow
def test_a_service_whose_postgres_is_stopped_goes_down(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SIGTERM: the service ends in the time it is given and a little more; the next start tells what became of it."""
    folder = tmp_path_factory.mktemp("down") / "data"
    settings = {**SETTINGS, "TREADLE_SHUTDOWN_GRACE": "2"}
    with world(folder, settings) as running:
        session = running.session()
        statement = start(running, session, ENDLESS)
        pid, gateway, token = running.worker(session.id), running.service.pid, running.token
        with stopped(folder):
            os.kill(gateway, signal.SIGTERM)
            began = time.monotonic()
            until(lambda: not alive(gateway), "the service has ended", timeout=60)
            assert time.monotonic() - began < DOWN_SECONDS
            until(lambda: not alive(pid), "its worker is gone with it", timeout=BOUND)
        until(lambda: not EmbeddedPostgres(folder).running(), "the server ends as soon as it goes on")
    with LocalService(folder) as service, closing(World(service, token)) as after:
        record = after.record(statement.statement_id)
        assert record["status"] in {"CANCELED", "ERROR"}
        assert after.same(session).status() in {"CLOSED", "FAIL"}


@pytest.mark.slow
def test_an_intent_that_was_on_its_way_takes_effect(running: World) -> None:
    """Answered 408 with the intent in the server's hands: once it goes on the statement stops, unasked."""
    with running.session() as session:
        statement = start(running, session, ENDLESS)
        asking = Canceller(running, session, statement.statement_id)
        with locked(running.service.data_dir, statement.statement_id):
            asking.run()
        assert asking.status == 408
        until(lambda: running.record(statement.statement_id)["status"] == "CANCELED", "the cancel takes effect")


@pytest.mark.slow
def test_a_cancel_during_the_death_of_postgres_takes_effect(running: World) -> None:
    """Kill -9 of the postmaster, and a cancel at once: 200, 408 or 503, and the statement ends CANCELED."""
    with running.session() as session:
        statement = start(running, session, ENDLESS)
        os.kill(postmaster(running.service.data_dir), signal.SIGKILL)
        asking = Canceller(running, session, statement.statement_id)
        asking.run()
        assert asking.status in {200, 408, 503}
        until(lambda: serves(running), "PostgreSQL is back", timeout=60)
        settled(running, running.same(session), statement.statement_id, asking)
    with running.session() as fresh:
        assert fresh.run("SELECT 1").rows == [["1"]]


@pytest.mark.slow
def test_a_slow_postgres_loses_nothing(running: World) -> None:
    """A mixed load on a server that stops again and again: every record agrees with the rows."""
    ledger = Ledger()
    prepare(running)
    load = Load(running, ledger, "slow")
    load.start()
    until(load.under_way, "every client has begun", timeout=60)
    for _ in range(BURSTS):
        with stopped(running.service.data_dir):
            time.sleep(0.15)
        time.sleep(0.05)
    load.stop(service_gone=False)
    assert truth.check(running, ledger)["SUCCESSFUL"] > 0
