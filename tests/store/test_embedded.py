"""The private server: started, found, killed, started again."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import psycopg
import pytest

import treadle
from tests.store.things import new_session, new_statement
from treadle.store import cluster
from treadle.store.base import Wake
from treadle.store.dsn import Address
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.errors import EmbeddedError, StoreUnavailable
from treadle.store.migrate import migrate
from treadle.store.postgres import PostgresStore

SOURCES = str(Path(treadle.__file__).parents[1])
START = (
    "import sys, pathlib; from treadle.store.embedded import EmbeddedPostgres as E;"
    "print(E.start(pathlib.Path(sys.argv[1])).service_dsn)"
)


@pytest.fixture
def home(folder: Path) -> Iterator[Path]:
    """A data folder whose server is stopped in the end."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "data"
    yield path
    EmbeddedPostgres(path).stop()


def eventually(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether it comes true within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def pid(home: Path) -> int:
    """The process id of the postmaster."""
    postmaster = cluster.postmaster(home / "postgres")
    assert postmaster is not None
    return postmaster.pid


def kill(home: Path) -> None:
    """Kill -9 of the postmaster; its children see it and go."""
    process = psutil.Process(pid(home))
    children = process.children()
    process.kill()
    psutil.wait_procs([process, *children], timeout=10)


def value(dsn: str, query: str) -> object:
    """The first value of a query."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_it_starts_once_and_is_found_again(home: Path) -> None:
    """The same server answers the second start, also through a link to the folder."""
    first = EmbeddedPostgres.start(home)
    link = home.with_name("link")
    link.symlink_to(home)
    again = EmbeddedPostgres.start(link)
    assert first.service_dsn == again.service_dsn
    assert value(first.service_dsn, "SELECT current_user || current_database()") == "treadletreadle"
    assert value(first.admin_dsn, "SELECT current_user") == "postgres"
    assert not again.ensure_running()
    for program in ("pg_dump", "psql"):
        assert (first.bin_path / program).exists()


def test_its_settings_are_ours(private: EmbeddedPostgres) -> None:
    """Enough connections, dead clients noticed, no network, no just-in-time compiling."""
    wanted = {
        "max_connections": "500",
        "client_connection_check_interval": "1s",
        "jit": "off",
        "listen_addresses": "",
        "password_encryption": "scram-sha-256",
        "fsync": "on",
        "synchronous_commit": "on",
    }
    found = {name: value(private.service_dsn, f"SHOW {name}") for name in wanted}
    assert found == wanted


def test_nobody_comes_in_without_a_password(private: EmbeddedPostgres) -> None:
    """Not the superuser, not the service, not with a wrong one, and not into a database of others."""
    for user in ("postgres", "treadle"):
        for password in ("", "wrong"):
            with pytest.raises(psycopg.OperationalError):
                value(Address(host=private.host, user=user, database="postgres", password=password).dsn, "SELECT 1")


def test_its_passwords_are_ours_alone(private: EmbeddedPostgres, folder: Path) -> None:
    """They are in a file of mode 0600 and nowhere in the server's log or command line."""
    secrets = folder / "data" / "postgres.secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    log = cluster.log_path(folder / "data" / "postgres").read_text()
    for dsn in (private.admin_dsn, private.service_dsn):
        assert Address.parse(dsn).password not in log
        assert Address.parse(dsn).password not in repr(Address.parse(dsn))


def test_a_killed_server_starts_again_with_its_data(home: Path) -> None:
    """Kill -9 of the postmaster loses nothing that was committed."""
    server = EmbeddedPostgres.start(home)
    with psycopg.connect(server.service_dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS x")
    kill(home)
    assert not server.running()
    assert server.ensure_running()
    assert value(server.service_dsn, "SELECT x FROM kept") == 42


def test_a_pid_file_that_names_a_stranger_is_no_server(home: Path) -> None:
    """In a restarted container the recorded process id may belong to anybody."""
    server = EmbeddedPostgres.start(home)
    pid_file = home / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    kill(home)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert not server.running()
    assert EmbeddedPostgres.start(home).running()


def test_an_initialisation_that_was_cut_short_is_made_again(home: Path) -> None:
    """Leftovers of a killed first start do not matter."""
    broken = home / "postgres.init"
    broken.mkdir(parents=True)
    (broken / "PG_VERSION").write_text("18")
    assert EmbeddedPostgres.start(home).running()
    assert not broken.exists()


def test_a_folder_of_something_else_is_left_alone(folder: Path) -> None:
    """A folder that is not a cluster, or one of another version, is an error that says so."""
    other = Path(tempfile.mkdtemp(dir=folder))
    (other / "postgres").mkdir()
    (other / "postgres" / "precious").touch()
    with pytest.raises(EmbeddedError, match="not empty"):
        EmbeddedPostgres.start(other)
    old = Path(tempfile.mkdtemp(dir=folder))
    (old / "postgres").mkdir()
    (old / "postgres" / "PG_VERSION").write_text("16\n")
    (old / "postgres.secrets").write_text('{"admin": "a", "service": "b"}')
    with pytest.raises(EmbeddedError, match="16"):
        EmbeddedPostgres.start(old)


def test_a_lost_password_file_is_told(home: Path) -> None:
    """Nobody can log in any more, and no new password is made up."""
    server = EmbeddedPostgres.start(home)
    (home / "postgres.secrets").rename(home / "kept")
    with pytest.raises(EmbeddedError, match="missing"):
        EmbeddedPostgres.start(home)
    (home / "kept").rename(home / "postgres.secrets")
    server.stop()
    assert not server.running()
    server.stop()


@pytest.mark.parametrize("temporary", ["", "long" * 20])
def test_a_very_long_folder_works(folder: Path, monkeypatch: pytest.MonkeyPatch, temporary: str) -> None:
    """The socket goes elsewhere when its path would be too long, also where that of the temporary folder is."""
    if temporary:
        made = Path(tempfile.mkdtemp(dir=folder)) / temporary
        made.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(made))
    home = Path(tempfile.mkdtemp(dir=folder)) / ("long" * 20) / ("with a 'space+plus" * 4) / "data"
    server = EmbeddedPostgres.start(home)
    try:
        assert len(server.host) < 100
        assert value(server.service_dsn, "SELECT 1") == 1
        found = Path(server.host).lstat()
        assert stat.S_ISDIR(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o700
    finally:
        host = Path(server.host)
        server.stop()
    assert not host.exists()


def test_an_odd_folder_that_only_we_may_enter_works(folder: Path) -> None:
    """Blanks, quotes and signs in the name are kept, and others may pass through it but not look into it."""
    closed = Path(tempfile.mkdtemp(dir=folder))
    closed.chmod(0o700)
    server = EmbeddedPostgres.start(closed / "it's a+b%41")
    try:
        assert value(server.service_dsn, "SELECT 1") == 1
        assert value(server.admin_dsn, "SELECT 1") == 1
        migrate(server.service_dsn)
        assert stat.S_IMODE(closed.stat().st_mode) & 0o066 == 0
    finally:
        server.stop()


def test_processes_that_start_it_at_once_share_it(home: Path) -> None:
    """One of them makes it, the others find it, none says a word, and it outlives them all."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": SOURCES, "XDG_RUNTIME_DIR": "/nonexistent"},
        )
        for _ in range(3)
    ]
    said = [process.communicate(timeout=60) for process in started]
    assert {err for _, err in said} == {""}
    assert len({out for out, _ in said}) == 1
    assert value(said[0][0].strip(), "SELECT 1") == 1


def test_a_killed_starter_leaves_no_lock(home: Path) -> None:
    """A start that was killed in the middle does not block the next one."""
    starter = subprocess.Popen(
        [sys.executable, "-c", START, str(home)], env={**os.environ, "PYTHONPATH": SOURCES}, start_new_session=True
    )
    assert eventually(lambda: (home / "postgres.init").exists() or (home / "postgres").exists())
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    assert EmbeddedPostgres.start(home).running()


async def test_the_store_survives_a_restart_of_its_server(home: Path) -> None:
    """Calls during the outage say so, later ones work, and wakes arrive again on a new connection."""
    server = EmbeddedPostgres.start(home)
    migrate(server.service_dsn)
    store = await PostgresStore.connect(server.service_dsn)
    sender = await PostgresStore.connect(server.service_dsn)
    heard: list[Wake] = []
    stop = await store.listen(heard.append)
    of = await new_session(store)
    kill(home)
    with pytest.raises(StoreUnavailable):
        await new_statement(store, of)
    with pytest.raises(StoreUnavailable):
        await store.ping()
    server.ensure_running()
    await store.ping()
    made = await new_statement(store, of)
    assert await store.statement(made.id) == made
    await woken(sender, heard)
    await stop()
    await store.close()
    await sender.close()


async def woken(sender: PostgresStore, heard: list[Wake]) -> None:
    """Notify until it is heard: a wake while the listener reconnects is lost, as wakes may be."""
    async with asyncio.timeout(20):
        while not heard:
            with suppress(StoreUnavailable, asyncpg.PostgresError):
                await sender.notify(Wake(session_id="s"))
            await asyncio.sleep(0.02)
