"""Two tenants on one service, what the second keeps, and how the first could show that it got at it."""

import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from unittest import mock

import httpx

from bench import child
from tests.sandbox import homes
from tests.service.caller import Caller, Json, Sql
from tests.support.tokens import make_token
from tests.support.world import worker_of
from treadle.demo import local
from treadle.demo.local import LocalService

ROOT: Final = Path(__file__).resolve().parents[2]
UNLOCKED: Final = tuple(child.command("tests.sandbox.unlocked"))
LIMITS: Final = {
    "TREADLE_WORKER_MEMORY": "256MiB",
    "TREADLE_WORKER_SPILL": "64MiB",
    "TREADLE_WORKER_FILE_SIZE": "96MiB",
    "TREADLE_MAX_RESULT_BYTES": "16MiB",
    "TREADLE_MAX_STATEMENT_TIMEOUT": "2",
    "TREADLE_STATEMENT_TIMEOUT": "2",
    "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
}

TRACES: Final = ("new", "program", "export", "spill", "by-the-server")
"""How the names begin of what an attempt would leave."""

Snapshot = dict[str, tuple[int, str]]


class Trap:
    """A TCP port of this machine that nobody may reach: who knocks is counted."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.setblocking(False)
        self.port: int = self._door.getsockname()[1]

    def knocks(self) -> int:
        """How many have come so far."""
        count = 0
        with suppress(BlockingIOError):
            while True:
                self._door.accept()[0].close()
                count += 1
        return count

    def close(self) -> None:
        """Take it away."""
        self._door.close()


class Ground:
    """The service, the attacker's workspace, the victim's, and the world around."""

    def __init__(self, attacker: Caller, victim: Caller, outside: Path, trap: Trap, *, unlocked: bool) -> None:
        self.attacker = attacker
        self.victim = victim
        self.outside = outside
        self.trap = trap
        self.unlocked = unlocked
        """Whether the engine's own switches and the guard are off."""
        self.canary = f"canary-{secrets.token_hex(8)}"
        homes.fill(self.home, self.canary)
        self.neighbour = victim.session()
        self._prepare()

    @property
    def data_dir(self) -> Path:
        """The data folder of the service."""
        return self.attacker.service.data_dir

    @property
    def home(self) -> Path:
        """The home of the user who runs the service."""
        return self.outside.parent / "home"

    def _prepare(self) -> None:
        for folder in (self.outside, self.victim.files):
            (folder / "deep").mkdir(exist_ok=True)
            (folder / "canary.csv").write_text(f"a\n{self.canary}\n")
            (folder / "canary.json").write_text(json.dumps([{"a": self.canary}]))
            (folder / "deep" / "canary.txt").write_text(self.canary)
        self.neighbour.run(f"CREATE TABLE secret AS SELECT '{self.canary}' AS s, i FROM range(100000) t(i)")
        self.neighbour.run("CREATE TABLE kept AS SELECT 1 AS i")
        self.neighbour.run("COPY secret TO 'canary.parquet'")
        shown = self.neighbour.execute("SELECT s, i FROM secret")
        self.result = self.victim.results / shown["statement_id"] / "1.arrow"
        assert self.result.exists()
        own = self.attacker.files
        for name, place in {
            "link": self.outside,
            "tenant": self.victim.files,
            "sneaky.csv": self.outside / "canary.csv",
            "sneaky.parquet": self.lake_file,
            "root": Path("/"),
            "up": self.data_dir,
        }.items():
            (own / name).symlink_to(place)
        (own / "own.csv").write_text("a\n1\n")
        (self.spill / "canary.txt").write_text(self.canary)
        self.before = self.snapshot()

    @cached_property
    def lake(self) -> Json:
        """The victim's catalog, as an operator knows it."""
        return catalog_of(self.victim)

    @cached_property
    def own_lake(self) -> Json:
        """The attacker's catalog."""
        return catalog_of(self.attacker)

    @cached_property
    def lake_file(self) -> Path:
        """A data file of the victim's."""
        return next(Path(self.lake["data_path"]).rglob("secret/*.parquet"))

    @cached_property
    def spill(self) -> Path:
        """A scratch folder beside the workers' own."""
        folder = self.data_dir / "tmp" / "worker-of-nobody"
        folder.mkdir(mode=0o700)
        return folder

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What an attempt can name: everything an operator knows, none of it secret to the attacker."""
        return {
            "outside": str(self.outside),
            "home": str(self.home),
            "root": str(self.data_dir),
            "lake": self.lake["data_path"].rstrip("/"),
            "lake_file": str(self.lake_file),
            "result": str(self.result),
            "results": str(self.victim.results),
            "own_results": str(self.attacker.results),
            "foreign": str(self.victim.files),
            "files": str(self.attacker.files),
            "spill": str(self.spill),
            "postgres": str(self.data_dir / "postgres"),
            "database": self.lake["database"],
            "own_database": self.own_lake["database"],
            "data": self.lake["data_path"].rstrip("/"),
            "pid": str(worker_of(self.victim.service, self.neighbour.id)),
            "gateway": str(self.victim.service.pid),
            "port": str(self.trap.port),
            "door": self.victim.service.url.rpartition(":")[2],
        }

    def told(self, attempt: str) -> str:
        """An attempt with its names."""
        for name, value in self.names.items():
            attempt = attempt.replace(f"{{{name}}}", value)
        return attempt

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """What no answer may hold."""
        passwords: dict[str, str] = json.loads((self.data_dir / "postgres.secrets").read_text())
        return (self.canary, self.canary.encode().hex(), *passwords.values(), "root:x:0:0")

    def untold(self, reply: str, said: str) -> None:
        """Assert that a reply holds none of the secrets."""
        for secret in self.secrets:
            assert secret not in reply, (said, reply[:500])

    def snapshot(self) -> Snapshot:
        """What must not change, with what is in it."""
        found: Snapshot = {}
        tenant = (self.victim.files, Path(self.lake["data_path"]), self.victim.results)
        for root in (self.outside, self.home, *tenant, self.spill):
            for path in (root, *root.rglob("*")):
                found[str(path)] = _state(path)
        for name in ("postgres.secrets", "postgres/pg_hba.conf", "postgres/postgresql.conf", "postgres/PG_VERSION"):
            found[name] = _state(self.data_dir / name)
        # Others work there as well: only what an attempt would leave is looked for.
        for folder in (self.data_dir, self.data_dir / "results", Path("/dev/shm"), Path("/etc"), Path.home(), ROOT):
            found[f"in {folder}"] = (0, " ".join(name for name in os.listdir(folder) if name.startswith(TRACES)))
        return found

    def unharmed(self) -> None:
        """Assert that nothing outside has changed, that the service answers and that the neighbour goes on."""
        after = self.snapshot()
        changed = [path for path in {*self.before, *after} if self.before.get(path) != after.get(path)]
        assert not changed, changed
        assert self.trap.knocks() == 0
        assert self.attacker.http.get("/readyz").status_code == 200
        assert self.neighbour.rows("SELECT count(*) FROM secret") == [["100000"]]


LEAVES_NOTHING: Final = ("FROM ", "SELECT ", "COPY ")
"""How attempts begin after which a session without locks is as it was."""


class Intruder:
    """A session of the attacker's, opened again whenever an attempt has cost or changed it."""

    def __init__(self, ground: Ground) -> None:
        self._caller = ground.attacker
        self._unlocked = ground.unlocked
        self._sql: Sql | None = None
        self.lost = 0
        """How many sessions it has cost so far."""

    def attempt(self, said: str) -> Json:
        """The reply to a statement."""
        if self._sql is None:
            self._sql = self._caller.session()
        answer = self._sql.post(said)
        reply: Json = answer.json()
        if answer.status_code != 200 or self._sql.status() != "RUNNING":
            self.lost += 1
            self.close()
        elif self._unlocked and not said.startswith(LEAVES_NOTHING):
            self.close()
        return reply

    def close(self) -> None:
        """Let go of the session."""
        if self._sql is not None:
            sql, self._sql = self._sql, None
            sql.caller.http.delete(sql.path)


def catalog_of(caller: Caller) -> dict[str, Any]:
    """The catalog of a workspace."""
    command = [sys.executable, "-c", "from treadle.cli import main; main()", "catalog", "list", "--json"]
    arguments = ["--workspace", caller.workspace_id, "--data-dir", str(caller.service.data_dir)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found[0]


def _state(path: Path) -> tuple[int, str]:
    """Size and content of a file; of a folder the names in it."""
    if path.is_dir():
        return (0, " ".join(sorted(os.listdir(path))))
    content = path.read_bytes()
    return (len(content), hashlib.sha256(content).hexdigest())


@contextmanager
def ground(*, unlocked: bool) -> Iterator[Ground]:
    """A service for a while, with its engine's own locks or without them."""
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-")))
        folder.chmod(0o711)
        (folder / "outside").mkdir()
        if unlocked:
            undo.enter_context(mock.patch.object(local, "TREADLE", UNLOCKED))
        settings = LIMITS | {"HOME": str(folder / "home")}
        service = undo.enter_context(LocalService(folder / "data", settings))
        trap = Trap()
        undo.callback(trap.close)

        def tenant(project: str, user: str) -> Caller:
            headers = {"X-Auth-Token": make_token(service.data_dir, project, user, LIMITS)}
            http = httpx.Client(base_url=service.url, headers=headers, timeout=120.0)
            return Caller(service, undo.enter_context(http), project)

        attacker, victim = tenant("attacker", "mallory"), tenant("victim", "alice")
        yield Ground(attacker, victim, folder / "outside", trap, unlocked=unlocked)
