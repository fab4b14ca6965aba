"""Two gateways and one database: real services on a server that is the operator's."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.crashes.targets import workers
from tests.service.caller import ENDLESS, Caller
from tests.support.tokens import make_token
from tests.support.world import alive, has_stopped, log_of, until
from treadle.demo.local import TREADLE, LocalService
from treadle.store.embedded import EmbeddedPostgres

pytestmark = pytest.mark.timeout(400)

START = 100.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server beside the services."""
    made = EmbeddedPostgres.start(tmp_path_factory.mktemp("operator") / "server")
    yield made
    made.stop()


Settings = dict[str, str]


@pytest.fixture
def settings(server: EmbeddedPostgres) -> Iterator[Settings]:
    """A fresh database, as services are told of it."""
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE shared OWNER treadle")
    yield {"TREADLE_DATABASE_URL": server.service_dsn.replace("/treadle?", "/shared?")}
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE shared WITH (FORCE)")


class Rival:
    """A gateway with a data folder of its own."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.service = LocalService(folder, settings)
        self._settings = settings
        self._undo = ExitStack()

    def start(self, name: str) -> "Rival":
        self._undo.enter_context(self.service)
        token = make_token(self.service.data_dir, "p", "ann", self._settings)
        http = httpx.Client(base_url=self.service.url, headers={"X-Auth-Token": token}, timeout=120.0)
        self._undo.enter_context(http)
        self.caller = Caller(self.service, http, name)
        return self

    def ended(self) -> int | None:
        """The exit code, once it has ended."""
        assert self.service._process is not None
        return self.service._process.poll()

    def stop(self) -> None:
        if self.service._process is not None and self.ended() is None:
            os.kill(self.service.pid, signal.SIGCONT)
        self._undo.close()

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in log_of(self.service) if line["event"] == name]


@pytest.fixture
def rival(settings: Settings, tmp_path: Path) -> Iterator[Callable[[str], Rival]]:
    """Makes gateways of the same database; none is left."""
    made: list[Rival] = []

    def make(name: str) -> Rival:
        made.append(Rival(tmp_path / name, settings))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def serve(folder: Path, settings: Settings) -> "subprocess.CompletedProcess[str]":
    """`treadle serve` that is to end by itself."""
    command = [*TREADLE, "serve", "--port", "0", "--data-dir", str(folder)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=START, check=False, env=os.environ | settings
    )


@contextmanager
def paused(rival: Rival) -> Iterator[None]:
    """The gateway's process stands still, and nothing else does."""
    os.kill(rival.service.pid, signal.SIGSTOP)
    try:
        until(lambda: has_stopped(rival.service.pid), "it stands still")
        yield
    finally:
        os.kill(rival.service.pid, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.parametrize("same_folder", [False, True], ids=["another folder", "the same folder"])
def test_a_second_gateway_is_refused_and_the_first_is_unharmed(
    same_folder: bool, rival: Callable[[str], Rival], settings: Settings, tmp_path: Path
) -> None:
    """One line that says who is there; what runs goes on, and commands find the store through either folder."""
    first = rival("first").start("one")
    session = first.caller.session()
    running = session.start(ENDLESS)
    until(lambda: session.show(running)["status"] == 1, "the statement runs")
    refused = serve(first.service.data_dir if same_folder else tmp_path / "second", settings)
    assert refused.returncode == 1
    assert refused.stdout == ""
    [line] = [line for line in refused.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("treadle: ")
    assert ("another service runs on" if same_folder else str(first.service.pid)) in line
    assert "Traceback" not in refused.stderr
    assert session.show(running)["status"] == 1
    assert session.cancel(running) == "cancelled"
    assert session.rows("SELECT 42") == [["42"]]
    for command in (["statements"], ["sessions"], ["workspace", "list"]):
        told = subprocess.run(
            [*TREADLE, *command, "--data-dir", str(tmp_path / "beside")],
            capture_output=True,
            text=True,
            timeout=START,
            check=False,
            env=os.environ | settings,
        )
        assert told.returncode == 0, told.stderr
    assert session.rows("SELECT 42") == [["42"]]
    assert first.ended() is None


@pytest.mark.slow
def test_a_gateway_takes_over_from_one_that_was_killed(rival: Callable[[str], Rival]) -> None:
    """With a line about it; what the dead one left has ended truthfully."""
    first = rival("first").start("one")
    session = first.caller.session()
    running = session.start(ENDLESS)
    until(lambda: session.show(running)["status"] == 1, "the statement runs")
    os.kill(first.service.pid, signal.SIGKILL)
    second = rival("second").start("two")
    [taken] = second.events("store_taken_over")
    assert str(first.service.pid) in taken["former"]
    second.caller.base = first.caller.base
    record = second.caller.record(running)
    assert (record["status"], record["reason"]) == ("ERROR", "owner_lost")


@pytest.mark.slow
def test_a_gateway_that_stood_still_for_too_long_ends(rival: Callable[[str], Rival]) -> None:
    """Another has the store by then: the first writes nothing more, stops its engines and says who has it."""
    first = rival("first").start("one")
    session = first.caller.session()
    running = session.start(ENDLESS)
    until(lambda: session.show(running)["status"] == 1, "the statement runs")
    engines = workers(first.service)
    with paused(first):
        second = rival("second").start("two")
        [stale] = second.events("gateway_paused")
        assert str(first.service.pid) in stale["holder"]
        second.caller.base = first.caller.base
        before = second.caller.record(running)
        assert (before["status"], before["reason"]) == ("ERROR", "owner_lost")
        fresh = second.caller.session(second.caller.endpoint("fresh"))
    until(lambda: first.ended() == 1, "the first ends")
    assert not [pid for pid in engines if alive(pid)]
    [lost] = first.events("store_lost")
    assert str(second.service.pid) in lost["error"]
    last = (first.service.data_dir / "serve.log").read_text().splitlines()[-1]
    assert last.startswith("treadle: database_url: another gateway")
    assert second.caller.record(running) == before
    assert fresh.rows("SELECT 42") == [["42"]]


@pytest.mark.slow
def test_a_gateway_that_stood_still_alone_goes_on(rival: Callable[[str], Rival]) -> None:
    """Nobody else has taken the store meanwhile."""
    first = rival("first").start("one")
    session = first.caller.session()
    with paused(first):
        pass
    assert session.rows("SELECT 42") == [["42"]]
    assert first.events("lease_interrupted") == []


@pytest.mark.slow
def test_a_gateway_outlives_a_restart_of_its_server(
    rival: Callable[[str], Rival], server: EmbeddedPostgres, tmp_path: Path, settings: Settings
) -> None:
    """It has the lock again before it does anything, and a second one is refused as before."""
    first = rival("first").start("one")
    session = first.caller.session()
    for _ in range(2):
        server.stop()
        server.ensure_running()
        until(lambda: first.caller.http.get(session.path).status_code == 200, "the store answers", timeout=60)
        refused = serve(tmp_path / "second", settings)
        assert refused.returncode == 1
        assert str(first.service.pid) in refused.stderr
    assert first.caller.http.get(session.path).json()["status"] == "RUNNING"
    assert len(first.events("lease_regained")) == 2
