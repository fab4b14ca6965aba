"""`treadle doctor`: what protects the service here and what it stands on, one line each."""

import os
import platform
import resource
import shutil
import socket
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
import psutil
import psycopg

from treadle.cli.common import Options, command, lines
from treadle.config import Settings
from treadle.model.errors import TreadleError
from treadle.store import cluster
from treadle.store.dsn import Address
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.errors import BackupError, EmbeddedError
from treadle.store.lakes import all_catalogs, harmed, leftovers
from treadle.worker import confine, seccomp
from treadle.worker.confine import Means, Mode, Plan
from treadle.worker.process import HEADROOM

CONNECT_SECONDS: Final = 5
LEAST_DISK: Final = 256 * 2**20
"""Bytes without which nothing can be kept."""

WANTED_FILES: Final = 1024
ANY: Final = resource.RLIM_INFINITY


class State(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"
    """The service cannot do without it, as it is set."""


class Finding(msgspec.Struct, frozen=True):
    """One line."""

    check: str
    state: State
    detail: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything; nothing is changed or made."""
    means = confine.available()
    mode = Mode(settings.sandbox)
    yield Finding("kernel", State.OK, f"{platform.system()} {platform.release()} {platform.machine()}")
    yield _mode(mode)
    yield _landlock(means, mode)
    yield _seccomp(means, mode)
    yield _tried(means, mode)
    yield _user()
    yield _limits(settings)
    yield _memory(settings)
    yield _postgres(settings)
    yield _disk(settings)
    yield _catalogs(settings)


def _mode(mode: Mode) -> Finding:
    if mode is Mode.OFF:
        return Finding("sandbox", State.WARNING, "off: the kernel does not confine workers")
    return Finding("sandbox", State.OK, mode.value)


def _lack(mode: Mode) -> State:
    return State.MISSING if mode is Mode.REQUIRE else State.WARNING


def _landlock(means: Means, mode: Mode) -> Finding:
    if not means.landlock:
        return Finding("landlock", _lack(mode), "none: files outside are kept by the engine's own switches alone")
    gaps = ((3, "cutting files short"), (4, "TCP"), (5, "devices"), (6, "signals and abstract sockets"))
    open_ = [what for version, what in gaps if means.landlock < version]
    if open_:
        return Finding("landlock", State.WARNING, f"ABI {means.landlock}: it does not see {', '.join(open_)}")
    return Finding("landlock", State.OK, f"ABI {means.landlock}: files, TCP, devices, signals, abstract sockets")


def _seccomp(means: Means, mode: Mode) -> Finding:
    if not means.seccomp:
        return Finding("seccomp", _lack(mode), "none: system calls are not filtered")
    refused = len(seccomp.DENIED) + len(seccomp.CONDITIONAL)
    return Finding("seccomp", State.OK, f"{refused} system calls refused or judged")


def _tried(means: Means, mode: Mode) -> Finding:
    """What a process that has been confined here can still do: found out by doing it."""
    if mode is Mode.OFF or not (means.landlock or means.seccomp):
        return Finding("confinement", State.WARNING, "not tried")
    escapes = confined_attempts(means)
    held = State.WARNING if means.lacking else State.OK
    if escapes:
        return Finding("confinement", _lack(mode), f"tried, and still possible: {', '.join(escapes)}")
    return Finding("confinement", held, "tried, and it holds")


def confined_attempts(means: Means) -> tuple[str, ...]:
    """What a child that has given up everything still manages of what the means are to refuse."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _attempt_and_exit(writing, means)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        said = answers.read()
    os.waitpid(child, 0)
    return tuple(msgspec.json.decode(said, type=list[str])) if said else ("the attempt itself failed",)


def _attempt_and_exit(writing: int, means: Means) -> None:
    try:
        confine.confine(Plan(()), means, 0)
        attempts: dict[str, Callable[[], object]] = {}
        if means.landlock:
            attempts["reading a foreign folder"] = lambda: os.listdir("/")
        if means.seccomp:
            attempts["a network socket"] = lambda: socket.socket(socket.AF_INET)
            attempts["a new process"] = lambda: os.fork() or os._exit(0)
        os.write(writing, msgspec.json.encode([what for what, deed in attempts.items() if _works(deed)]))
    finally:
        os._exit(0)


def _works(deed: Callable[[], object]) -> bool:
    try:
        deed()
    except OSError:
        return False
    return True


def _user() -> Finding:
    if os.geteuid() == 0:
        return Finding("user", State.WARNING, "root: workers are root's as well; give the service a user of its own")
    return Finding("user", State.OK, f"uid {os.geteuid()}")


def _limits(settings: Settings) -> Finding:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    _, space = resource.getrlimit(resource.RLIMIT_AS)
    wanted = int(settings.worker_memory) * 3 // 2 + HEADROOM
    if space != ANY and space < wanted:
        return Finding("limits", State.MISSING, f"address space: {_size(space)}, a worker needs {_size(wanted)}")
    if files != ANY and files < WANTED_FILES:
        return Finding("limits", State.WARNING, f"open files: {files}, {WANTED_FILES} are wanted")
    largest = _size(int(settings.worker_file_size)) if settings.worker_file_size else "any"
    return Finding("limits", State.OK, f"open files {files}, a worker's address space and core; largest file {largest}")


def _memory(settings: Settings) -> Finding:
    there = psutil.virtual_memory().total
    bound = _cgroup_bound()
    usable = there if bound is None else min(there, bound)
    worker = int(settings.worker_memory)
    detail = f"{_size(usable)} in all, {_size(worker)} a worker"
    if usable < worker:
        return Finding("memory", State.WARNING, f"{detail}: one worker may take more than there is")
    return Finding("memory", State.OK, detail if bound is None else f"{detail}, bounded by a cgroup")


def _cgroup_bound() -> int | None:
    """Bytes this process's cgroup may use; None when it has no bound of its own."""
    try:
        [own] = [line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
        text = Path("/sys/fs/cgroup", own.removeprefix("0::/"), "memory.max").read_text().strip()
        return None if text == "max" else int(text)
    except (OSError, ValueError):
        return None


def _postgres(settings: Settings) -> Finding:
    if settings.database_url is not None:
        return _operators(settings.database_url)
    try:
        programs = cluster.bin_path()
    except TreadleError as error:
        return Finding("postgres", State.MISSING, str(error))
    if EmbeddedPostgres(settings.data_dir).running():
        return Finding("postgres", State.OK, "the private one answers")
    there = "there, started" if cluster.initialised(settings.data_dir / "postgres") else "made and started"
    return Finding("postgres", State.OK, f"the private one is {there} with the service ({programs})")


def _operators(dsn: str) -> Finding:
    try:
        with psycopg.connect(Address.parse(dsn).dsn, connect_timeout=CONNECT_SECONDS) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        # The words of the driver name host and user and never the password.
        return Finding("postgres", State.MISSING, f"does not answer: {str(error).splitlines()[0]}")
    return Finding("postgres", State.OK, f"the operator's answers, version {version // 10000}.{version % 10000}")


def _disk(settings: Settings) -> Finding:
    place = next(folder for folder in (settings.data_dir, *settings.data_dir.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    spill = int(settings.worker_spill)
    if free < LEAST_DISK:
        return Finding("disk", State.MISSING, f"{_size(free)} free in {place}")
    if free < spill:
        return Finding("disk", State.WARNING, f"{_size(free)} free in {place}, one worker may spill {_size(spill)}")
    return Finding("disk", State.OK, f"{_size(free)} free in {place}")


def _catalogs(settings: Settings) -> Finding:
    """What earlier versions left in them that cannot be mended."""
    from treadle.engines.duckdb.extensions import ExtensionDamaged
    from treadle.engines.duckdb.functions import function_names

    private = EmbeddedPostgres(settings.data_dir)
    if settings.database_url is None and not private.running():
        return Finding("catalogs", State.OK, "not checked: the private PostgreSQL is not running")
    try:
        dsn = settings.database_url or _dsn_of(private)
        catalogs = all_catalogs(dsn)
        copied = [one for catalog in catalogs for one in leftovers(dsn, catalog)]
        functions = function_names() if catalogs else ()
        repaired = [one for catalog in catalogs for one in harmed(dsn, catalog, functions)]
    except (BackupError, EmbeddedError, ExtensionDamaged) as error:
        return Finding("catalogs", State.WARNING, f"not looked at: {str(error).splitlines()[0]}")
    found = (("to be copied (docs/types.md)", copied), ("see `treadle catalog repair`", repaired))
    if copied or repaired:
        return Finding(
            "catalogs", State.WARNING, "; ".join(f"{what}: {', '.join(names)}" for what, names in found if names)
        )
    return Finding("catalogs", State.OK, "every table can be read and written")


def _dsn_of(private: EmbeddedPostgres) -> str:
    private.ensure_running()  # the server runs; this reads its password
    return private.service_dsn


def _size(count: int) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count} {unit}"
        count //= 1024
    return f"{count} GiB"


@command("doctor")
def doctor(options: Options) -> None:
    """Check the protection and the dependencies of the service.

    Exit code 1 when something it cannot do without is missing.
    """
    found = list(examine(options.settings))
    options.show(found, lambda all_: lines((one.state, one.check, one.detail) for one in all_))
    if any(one.state is State.MISSING for one in found):
        raise SystemExit(1)


COMMANDS = (doctor,)
