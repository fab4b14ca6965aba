"""The private PostgreSQL in ``<data_dir>/postgres``, from the binaries of a wheel.

It listens on a unix socket only, asks everybody for a password, outlives the process that started it
and is found by the next one. Started and stopped under a file lock, so that a command line and a
service may come at once. When we are root it runs as a user of its own, as PostgreSQL demands.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import msgspec
import structlog

from treadle.store import cluster
from treadle.store.dsn import Address
from treadle.store.errors import EmbeddedError
from treadle.store.unfinished import is_unfinished

log = structlog.get_logger("treadle")

START_TIMEOUT: Final = 120.0
"""Seconds for a start, recovery after a crash included."""

STOP_TIMEOUT: Final = 60.0
LOCK_TIMEOUT: Final = START_TIMEOUT + STOP_TIMEOUT
POLL: Final = 0.1

ADMIN: Final = "postgres"
SERVICE: Final = "treadle"


class Secrets(msgspec.Struct, frozen=True):
    """The passwords of the superuser and of the service's role, kept in a file only we can read."""

    admin: str
    service: str


class EmbeddedPostgres:
    """The private server of a data folder."""

    def __init__(self, data_dir: Path, *, restoring: bool = False) -> None:
        self._data_dir = data_dir.resolve()
        self._restoring = restoring
        self._pgdata = self._data_dir / "postgres"
        self._secrets: Secrets | None = None

    @classmethod
    def start(cls, data_dir: Path) -> Self:
        """Bring the server of ``data_dir`` up unless it is up, and make it ready for the service.

        Blocking: a second the first time, later less. Raises `EmbeddedError`.
        """
        server = cls(data_dir)
        server.ensure_running()
        return server

    def ensure_running(self) -> bool:
        """Start the server again if it has died; True when it had to be started. Raises `EmbeddedError`.

        Blocking, and quick while the server runs: call it from time to time, in a thread.
        """
        if self._secrets is not None and self.running():
            return False
        if not self._restoring and is_unfinished(self._data_dir):
            raise EmbeddedError(
                f"data_dir: {self._data_dir} holds an unfinished restore: `treadle restore` it again, or remove it"
            )
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            self._secrets = self._read_secrets()
            cluster.prepare(self._pgdata, ADMIN, self._secrets.admin)
            started = self._bring_up()
            self._make_ready(self._secrets)
        return started

    def running(self) -> bool:
        """Whether a server accepts connections on the folder's socket."""
        postmaster = cluster.postmaster(self._pgdata)
        return postmaster is not None and postmaster.accepts()

    def stop(self) -> None:
        """Shut the server down, connections cut off; nothing happens when it does not run.

        One that does not answer is told to, and ends when it goes on: the data of either is safe.
        """
        if cluster.postmaster(self._pgdata) is None:
            return
        with self._locked():
            postmaster = cluster.postmaster(self._pgdata)
            if postmaster is None:
                return
            if not postmaster.answers():
                log.warning("postgres_hangs", pid=postmaster.pid)
                postmaster.end()
                return
            done = cluster.run(
                "pg_ctl",
                ["-D", str(self._pgdata), "-m", "fast", "-w", "-t", str(int(STOP_TIMEOUT)), "stop"],
                timeout=2 * STOP_TIMEOUT,
            )
            if done.returncode and cluster.postmaster(self._pgdata) is not None:
                raise EmbeddedError(f"the private PostgreSQL did not stop: {done.stderr.strip()}")
            cluster.remove_socket_dir(self._pgdata)

    @property
    def bin_path(self) -> Path:
        """The folder of ``pg_dump``, ``psql`` and the others."""
        return cluster.bin_path()

    @property
    def host(self) -> str:
        """The folder of the socket. Raises `EmbeddedError` when the server does not run."""
        postmaster = cluster.postmaster(self._pgdata)
        if postmaster is None:
            raise EmbeddedError("the private PostgreSQL is not running")
        return postmaster.socket_dir

    @property
    def admin_dsn(self) -> str:
        """The superuser at database ``postgres``, password included: never log it."""
        return self._address(ADMIN, "postgres", self._known().admin).dsn

    @property
    def service_dsn(self) -> str:
        """The service's role at its database, password included: never log it."""
        return self._address(SERVICE, SERVICE, self._known().service).dsn

    def _address(self, user: str, database: str, password: str) -> Address:
        return Address(host=self.host, user=user, database=database, password=password)

    def _known(self) -> Secrets:
        if self._secrets is None:
            raise EmbeddedError("the private PostgreSQL has not been started")
        return self._secrets

    def _bring_up(self) -> bool:
        """Start the server unless it accepts connections; patient with one that is just starting."""
        deadline = time.monotonic() + START_TIMEOUT
        started, said = False, ""
        while time.monotonic() < deadline:
            if self.running():
                return started
            if cluster.postmaster(self._pgdata) is None:
                started, said = True, cluster.launch(self._pgdata, deadline - time.monotonic())
            if not self.running():
                time.sleep(POLL)
        raise EmbeddedError(f"the private PostgreSQL did not start (its log: {cluster.log_path(self._pgdata)}) {said}")

    def _make_ready(self, secrets: Secrets) -> None:
        """Once: the service's role and database, closed to all others."""
        ready = self._pgdata / "treadle.ready"
        if ready.exists():
            return
        from treadle.store import bootstrap

        bootstrap.make_ready(self.admin_dsn, SERVICE, secrets.service)
        ready.touch(mode=0o600)

    def _read_secrets(self) -> Secrets:
        """The passwords of this folder, made on first sight."""
        path = self._data_dir / "postgres.secrets"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Secrets)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError) as error:
            raise EmbeddedError(f"{path} cannot be read: {type(error).__name__}") from None
        if cluster.initialised(self._pgdata):
            raise EmbeddedError(f"{path} is missing: without it nobody can log in to {self._pgdata}")
        made = Secrets(cluster.new_password(), cluster.new_password())
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(made))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        return made

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One starter or stopper at a time; the lock dies with its holder."""
        import fcntl

        deadline = time.monotonic() + LOCK_TIMEOUT
        with (self._data_dir / "postgres.lock").open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise EmbeddedError("another process holds the lock of the private PostgreSQL") from None
                    time.sleep(POLL)
            yield
