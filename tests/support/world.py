"""A real service and eyes for what its engines do: processors, processes, files, rows."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.tokens import make_token
from treadle.demo.client import Api, Session, StatementReply
from treadle.demo.local import LocalService
from treadle.demo.processes import cpu_seconds
from treadle.store.catalogs import worker_application

ALICE = ("project-a", "alice")

BOUND = 5.0
"""Seconds within which any cancel ends (C3)."""

IDLE_SHARE = 0.2
"""Share of one processor that an idle worker stays below."""

HOUSEKEEPING = 0.15
"""Processor seconds in which a worker may give back up to 96 MiB after its answer; 0.03 on a quiet machine."""


def until(condition: Callable[[], Any], what: str, timeout: float = 30.0) -> Any:
    """Wait until ``condition`` is true and return its value; fail with ``what`` when it never is."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.005)
    raise AssertionError(f"never happened: {what}")


def trials(most: int, least: int, seconds: float = 40.0) -> Iterator[int]:
    """The numbers of ``most`` trials; on a slow machine of ``least``, and of no more once ``seconds`` are over."""
    began = time.monotonic()
    for number in range(most):
        if number >= least and time.monotonic() - began > seconds:
            return
        yield number


def log_of(service: LocalService) -> list[dict[str, Any]]:
    """What a service has logged so far."""
    lines = (service.data_dir / "serve.log").read_text(errors="replace").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def opened(service: LocalService, session_id: str) -> dict[str, Any]:
    """What the service has logged of the opening of a session, once it has."""

    def find() -> dict[str, Any]:
        lines = [line for line in log_of(service) if line["event"] == "session_opened"]
        return next((line for line in reversed(lines) if line["session_id"] == session_id), {})

    line: dict[str, Any] = until(find, f"session {session_id} has a worker")
    return line


def worker_of(service: LocalService, session_id: str) -> int:
    """The process id of a session's worker."""
    return int(opened(service, session_id)["pid"])


class World:
    """A running service with one workspace and one endpoint of its own."""

    def __init__(
        self, service: LocalService, token: str, name: str = "world", settings: Mapping[str, str] | None = None
    ) -> None:
        self.service = service
        self.settings = dict(settings or {})
        self.token = token
        self._connections: list[Api] = []
        self.api = self.connect(token)
        self.workspace_id = self.api.ensure_workspace(name)
        self.endpoint_id = self.api.ensure_endpoint(self.workspace_id, name)

    @property
    def base(self) -> str:
        """The path of the workspace."""
        return f"/v1/workspaces/{self.workspace_id}"

    @property
    def files(self) -> Path:
        """The workspace's files folder."""
        return self.service.data_dir / "files" / self.workspace_id

    def session(self) -> Session:
        """A fresh session with a connection of its own."""
        return self.connect(self.token).open_session(self.workspace_id, self.endpoint_id)

    def same(self, session: Session) -> Session:
        """The same session over another connection, for another thread."""
        return Session(self.connect(self.token), self.workspace_id, session.id)

    def connect(self, token: str) -> Api:
        """A connection for a token, closed at the end."""
        self._connections.append(Api(self.service.url, token))
        return self._connections[-1]

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            connection.close()

    def log(self) -> list[dict[str, Any]]:
        """What the service has logged so far."""
        return log_of(self.service)

    def worker(self, session_id: str) -> int:
        """The process id of the session's worker."""
        return worker_of(self.service, session_id)

    def application(self, session_id: str) -> str:
        """How the session's worker calls itself on the catalog's server."""
        return worker_application(opened(self.service, session_id)["worker"])

    def record(self, statement_id: str) -> dict[str, Any]:
        """The statement's record."""
        query = urlencode({"statement_id": statement_id})
        found = self.api.get(dict[str, Any], f"{self.base}/statement-records?{query}")
        assert found["total"] == 1
        record: dict[str, Any] = found["records"][0]
        return record

    def result_files(self, statement_id: str) -> list[str]:
        """The files of a statement's result."""
        folder = self.service.data_dir / "results" / self.workspace_id / statement_id
        return sorted(path.name for path in folder.glob("*"))

    def data_files(self) -> list[str]:
        """The Parquet files of the catalogs."""
        found = [name for _, _, names in os.walk(self.service.data_dir / "lake") for name in names]
        return sorted(name for name in found if name.endswith(".parquet"))

    def stray_files(self) -> list[str]:
        """Everything in the files folder, staged output included."""
        return sorted(str(path.relative_to(self.files)) for path in self.files.rglob("*") if path.is_file())


@contextmanager
def world(data_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[World]:
    """A service of its own for a while."""
    with (
        LocalService(data_dir, settings) as service,
        closing(World(service, make_token(data_dir, *ALICE, settings=settings), settings=settings)) as made,
    ):
        yield made


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    return cpu_seconds(pid) is not None


def has_stopped(pid: int) -> bool:
    """Whether SIGSTOP has reached every thread: the first that takes it stops the others."""
    states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()]
    return set(states) == {"T"}


def spent(pid: int, seconds: float) -> float:
    """Processor seconds the process uses within the next ``seconds``; 0 when it is gone."""
    before = cpu_seconds(pid)
    time.sleep(seconds)
    after = cpu_seconds(pid)
    return 0.0 if before is None or after is None else after - before


def rests(pid: int, seconds: float) -> bool:
    """Whether the worker does next to nothing for so many seconds, at once or after its housekeeping."""
    at_once, idle = spent(pid, seconds), seconds * IDLE_SHARE
    return at_once <= idle or (at_once <= HOUSEKEEPING and spent(pid, seconds) <= idle)


def start(world: World, session: Session, sql: str, *, busy: float = 0.2) -> StatementReply:
    """Submit and wait until the engine really works on it: its processor time has grown."""
    pid = world.worker(session.id)
    before = cpu_seconds(pid) or 0.0
    reply = session.submit(sql)
    until(lambda: (cpu_seconds(pid) or 0.0) - before >= busy, "the worker works")
    return reply


def temp_files(world: World) -> list[str]:
    """Spill files of all workers."""
    root = world.service.data_dir / "tmp"
    return [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
