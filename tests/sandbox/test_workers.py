"""The workers of a real service, as the kernel shows them."""

import asyncio
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import psycopg
import pytest
import structlog

from tests.sandbox.ground import Ground
from tests.store.servers import StockServer, has_stock_server
from tests.support.world import until, worker_of, world
from treadle import app
from treadle.config import load
from treadle.demo.processes import command_name, descendants
from treadle.model.errors import ConfigError
from treadle.store.dsn import Address
from treadle.worker import confine
from treadle.worker.confine import Means

LACKING = confine.available().lacking
confined_here = pytest.mark.skipif(bool(LACKING), reason=f"this kernel has no {' and no '.join(LACKING)}")
SECRET_NAMES = ("TREADLE_", "PG", "AWS_", "TOKEN", "SECRET", "PASSWORD", "KEY")
DAC = 0b110
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


def status(task: Path) -> dict[str, str]:
    """What the kernel says of a thread."""
    return dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)


@confined_here
def test_every_thread_of_a_worker_is_confined(place: Ground) -> None:
    """Each thread, the engine's included, has the filter and no new privileges; root's powers are gone."""
    with place.attacker.session() as session:
        session.rows("SELECT count(*) FROM (SELECT hash(i) % 1000 AS h, count(*) FROM range(4000000) t(i) GROUP BY h)")
        tasks = list(Path(f"/proc/{worker_of(place.attacker.service, session.id)}/task").iterdir())
        assert len(tasks) >= 5, "the engine has threads of its own"
        for task in tasks:
            shown = status(task)
            assert (shown["NoNewPrivs"], shown["Seccomp"]) == ("1", "2"), (task.name, shown["Name"])
            for held in ("CapEff", "CapPrm", "CapInh"):
                assert int(shown[held], 16) & ~DAC == 0, (task.name, held, shown[held])


def warm_workers(place: Ground) -> list[int]:
    """The workers that stand ready and have no catalog yet."""
    below = descendants(place.attacker.service.pid)
    workers = [pid for pid in below if command_name(pid) == "treadle-worker"]
    return [pid for pid in workers if len(os.listdir(f"/proc/{pid}/task")) == 1]


@pytest.mark.skipif(not os.geteuid(), reason="root may look into every process: run this as another user")
def test_a_worker_cannot_be_looked_into(place: Ground) -> None:
    """Nor changed, by a process of the same user; what it had before it knew its catalog was no secret."""
    with place.attacker.session() as session:
        proc = Path(f"/proc/{worker_of(place.attacker.service, session.id)}")
        for name in ("environ", "maps", "mem", "auxv", "smaps_rollup"):
            with pytest.raises(PermissionError):
                (proc / name).read_bytes()
        for name in ("fd", "map_files"):
            with pytest.raises(PermissionError):
                os.listdir(proc / name)
        for name in ("cwd", "root", "exe"):
            with pytest.raises(PermissionError):
                os.readlink(proc / name)
        with pytest.raises(PermissionError):
            (proc / "mem").open("r+b")
    [warm, *_] = until(lambda: warm_workers(place), "a warm worker stands ready")
    assert secret_names(warm) == []


def secret_names(pid: int) -> list[str]:
    """The names in the environment of a process that sound like secrets."""
    names = [entry.partition(b"=")[0].decode() for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")]
    return [name for name in names if any(word in name for word in SECRET_NAMES)]


@confined_here
@pytest.mark.skipif(bool(os.geteuid()), reason="only root can look into a worker")
def test_a_worker_is_given_nothing_it_does_not_need(place: Ground) -> None:
    """Its environment names no secret; its open files are the null device, the log, its link and its data folder."""
    with place.attacker.session() as session:
        pid = worker_of(place.attacker.service, session.id)
        assert secret_names(pid) == []
        opened = {int(fd.name): os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        assert (opened.pop(0), opened.pop(1)) == ("/dev/null", "/dev/null")
        opened.pop(2)
        own = place.own_lake["data_path"].rstrip("/")
        kinds = {to: to.partition(":")[0] for to in opened.values()}
        assert set(kinds.values()) <= {"socket", own, f"/proc/{pid}/statm", f"/proc/{pid}/clear_refs"}, kinds
        limits = Path(f"/proc/{pid}/limits").read_text()
        [core] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        [size] = [line for line in limits.splitlines() if line.startswith("Max file size")]
        assert core.split()[4:6] == ["0", "0"]
        assert size.split()[3:5] == [str(96 * 2**20)] * 2


def test_a_worker_has_an_empty_home_of_its_own(place: Ground) -> None:
    """Nothing of the home of the service's user is found from it, nothing gets into it, and it goes with its worker."""
    with place.attacker.session() as session:
        homes = list((place.data_dir / "tmp").glob("worker-*/home"))
        assert len(homes) >= 2
        assert [list(home.iterdir()) for home in homes] == [[]] * len(homes)
        if place.unlocked:
            names = ("home_directory", "extension_directory", "secret_directory")
            [row] = session.rows(f"SELECT {', '.join(f'system.main.current_setting({name!r})' for name in names)}")
            own = Path(str(row[0]))
            assert own in homes
            assert row == [str(own), str(own / "extensions"), str(own / "secrets")]
            session.close()
            until(lambda: not own.parent.exists(), "its folder is gone")


@confined_here
def test_a_worker_that_waits_has_one_thread(place: Ground) -> None:
    """One kept warm has no other thread that could miss its confinement."""
    assert until(lambda: warm_workers(place), "a warm worker stands ready")


class TcpServer(StockServer):
    """A stock PostgreSQL that listens on the loopback."""

    @property
    def _options(self) -> str:
        return f"{super()._options} -c listen_addresses=127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on, and that the kernel gives to nobody who calls from it."""
    with socket.socket() as probe:
        for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


@pytest.fixture
def behind_tcp() -> Iterator[str]:
    """The dsn of a server behind TCP, under the name of its host."""
    if not has_stock_server():
        pytest.skip("no PostgreSQL of its own on this machine: initdb and pg_ctl are not on the PATH")
    with tempfile.TemporaryDirectory(prefix="treadle-tcp-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "pg").mkdir()
        port = free_port()
        with mock.patch.dict(os.environ, {"PGPORT": str(port)}):
            server = TcpServer(folder / "pg")
        try:
            yield Address(host="localhost", port=port, user="treadle", database="treadle", password="x").dsn
        finally:
            server.stop()


def test_the_metadata_behind_tcp(behind_tcp: str, tmp_path: Path) -> None:
    """With an operator's PostgreSQL behind TCP, under a name, sessions open, write and commit as ever."""
    with psycopg.connect(behind_tcp) as connection:
        assert connection.info.hostaddr == "127.0.0.1"
    with world(tmp_path / "data", {"TREADLE_DATABASE_URL": behind_tcp, "TREADLE_SANDBOX": "on"}) as running:
        with running.session() as session:
            session.run("CREATE TABLE t AS SELECT i FROM range(100000) t(i)")
            session.run("INSERT INTO t VALUES (1), (2)")
        with running.session() as other:
            assert other.run("SELECT count(*) FROM t").rows == [["100002"]]


def test_a_kernel_without_the_means(tmp_path: Path) -> None:
    """Where the kernel lacks them the service says so once and goes on, unless they are required."""
    with mock.patch.object(confine, "available", return_value=Means()), structlog.testing.capture_logs() as said:
        app.check_sandbox(load(data_dir=tmp_path))
        [line] = said
        assert (line["event"], line["log_level"]) == ("workers_not_confined", "warning")
        assert "Landlock" in line["why"]
        with pytest.raises(ConfigError, match="no Landlock and no seccomp"):
            app.check_sandbox(load(data_dir=tmp_path, sandbox="require"))
        with pytest.raises(ConfigError):
            asyncio.run(app.Gateway(load(data_dir=tmp_path, sandbox="require")).start())
    with structlog.testing.capture_logs() as said:
        app.check_sandbox(load(data_dir=tmp_path, sandbox="off"))
    assert [line["log_level"] for line in said] == ["warning"]
