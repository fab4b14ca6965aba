"""What a worker may still do once it knows its catalog, and the steps by which it gives up all else.

Entered once, by a worker with a single thread, before an engine has attached anything and before any
SQL of a user: threads take their confinement from the one that starts them. The plan is a value; the
kernel's means are `landlock` and `seccomp`.
"""

import os
import platform
import resource
import sysconfig
import zoneinfo
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

import treadle
from treadle.wire import Attach
from treadle.worker import landlock, process, seccomp
from treadle.worker.landlock import FILL, OWN, READ, Access, Rule
from treadle.worker.upstream import Upstream, upstream

LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
TIME: Final = ("/etc/localtime", "/usr/share/zoneinfo")
MACHINE: Final = ("/sys/devices/system/cpu", "/dev/urandom")
NULL: Final = "/dev/null"
OWN_MEMORY: Final = "/proc/self/statm"
"""How much memory this process holds, which it looks at to give some back."""
OWN_PEAK: Final = "/proc/self/clear_refs"
"""By writing there the peak of that is counted anew."""

CERTIFICATES: Final = ("/etc/ssl", "/etc/pki", "/usr/lib/ssl", "/usr/share/ca-certificates")
"""What TLS reads; only of use behind TCP."""


class Mode(StrEnum):
    """How much of it an operator wants."""

    REQUIRE = "require"
    """All of it, or no service."""
    ON = "on"
    """What the kernel has."""
    OFF = "off"


class Means(msgspec.Struct, frozen=True):
    """What the kernel has to confine a process with: the version of its Landlock, 0 without, and seccomp."""

    landlock: int = 0
    seccomp: bool = False

    @property
    def lacking(self) -> tuple[str, ...]:
        """The names of those that are not there."""
        lacks = {"Landlock": not self.landlock, "seccomp": not self.seccomp}
        return tuple(name for name, lack in lacks.items() if lack)


class Plan(msgspec.Struct, frozen=True):
    """What is left to a worker: the files, and TCP to the ``ports``."""

    rules: tuple[Rule, ...]
    ports: tuple[int, ...] = ()


class Cage(msgspec.Struct, frozen=True):
    """How the workers of a service are confined.

    ``file_size`` is the bytes of the largest file one may write, 0 any.
    """

    mode: Mode = Mode.ON
    file_size: int = 0

    def enter(self, order: Attach) -> Attach:
        """Give up what the worker of this order does not need; the order as it can be carried out then.

        Raises `OSError` when the kernel takes back what it promised: such a worker must not go on.
        """
        if self.mode is Mode.OFF:
            return order
        server = upstream(order.catalog.dsn)
        confine(plan_of(order, server, installed()), available(), self.file_size)
        return msgspec.structs.replace(order, catalog=msgspec.structs.replace(order.catalog, dsn=server.dsn))


def available() -> Means:
    """What this kernel has and lets us use."""
    return Means(landlock=landlock.abi(), seccomp=seccomp.available())


def installed() -> tuple[str, ...]:
    """Where the programs are that a worker may still have to load a part of."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple(dict.fromkeys((*(sysconfig.get_path(name) for name in names), str(Path(treadle.__file__).parent))))


def plan_of(order: Attach, server: Upstream, programs: Iterable[str]) -> Plan:
    """What the worker of an order needs: to look at programs, to work in its own folders, to fill the results'."""
    looked_at = [*programs, *LIBRARIES, *TIME, *zoneinfo.TZPATH, *MACHINE, OWN_MEMORY, *server.files]
    if server.ports:
        looked_at += CERTIFICATES
    own = (order.temp_dir, *order.copy_dirs, *_folder(order.catalog.data_path))
    rules = (
        *(Rule(path, READ) for path in dict.fromkeys(looked_at)),
        Rule(NULL, Access.READ_FILE | Access.WRITE_FILE),
        Rule(OWN_PEAK, Access.WRITE_FILE),
        Rule(order.results_dir, FILL),
        *(Rule(path, OWN) for path in own),
    )
    return Plan(rules, server.ports)


def _folder(path: str) -> tuple[str, ...]:
    """A data path that is a folder of this machine."""
    return () if "://" in path else (path,)


def confine(plan: Plan, means: Means, file_size: int) -> None:
    """Give up all but the plan, by every means there is.

    Raises `RuntimeError` in a process of several threads, and `OSError` when the kernel refuses.
    """
    if len(os.listdir("/proc/self/task")) != 1:
        raise RuntimeError("a worker is confined while it has one thread")
    _bound(file_size)
    process.drop_capabilities()
    seccomp.no_new_privileges()
    if means.landlock:
        # A rule holds as long as its file is known; of what is in /proc nobody else keeps it.
        os.open(OWN_MEMORY, os.O_PATH | os.O_CLOEXEC)
        landlock.restrict(plan.rules, plan.ports, means.landlock)
    if means.seccomp:
        seccomp.restrict(seccomp.filter_of(platform.machine(), os.getpid(), tcp=bool(plan.ports)))


def _bound(file_size: int) -> None:
    """Leave no core, raise no limit, write no larger file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
