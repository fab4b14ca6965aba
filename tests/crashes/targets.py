"""Whom a round kills, and how."""

import os
import random
import signal
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

from tests.support.world import alive, until
from treadle.demo.local import LocalService
from treadle.demo.processes import command_name, cpu_seconds, descendants


class Target(StrEnum):
    """Who gets the SIGKILL."""

    GATEWAY = "gateway"
    GATEWAY_TWICE = "gateway, and again while it starts"
    ALL = "gateway and postmaster"
    ZYGOTE = "zygote"
    WORKER = "worker"
    POSTMASTER = "postmaster"
    BACKEND = "PostgreSQL backend"
    HELPER = "process that makes pages"

    @property
    def ends_service(self) -> bool:
        """Whether `treadle serve` itself dies."""
        return self in {Target.GATEWAY, Target.GATEWAY_TWICE, Target.ALL}


ORDER: Final = (
    Target.GATEWAY,
    Target.WORKER,
    Target.POSTMASTER,
    Target.ZYGOTE,
    Target.ALL,
    Target.BACKEND,
    Target.GATEWAY_TWICE,
    Target.HELPER,
)
"""Round after round, so that a short run meets each of them."""


def named(service: LocalService, name: str) -> list[int]:
    """The service's processes of that short name, oldest first."""
    return sorted(pid for pid in descendants(service.pid) if command_name(pid) == name)


def workers(service: LocalService) -> list[int]:
    """The workers, warm ones included."""
    return named(service, "treadle-worker")


def postmaster(data_dir: Path) -> int:
    """The process id of the private PostgreSQL; 0 when there is none."""
    try:
        pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return pid if alive(pid) else 0


def backends(data_dir: Path) -> list[int]:
    """The server processes that serve somebody: worker, service, or pool."""
    found = []
    for pid in descendants(postmaster(data_dir)):
        with suppress(OSError):
            if b"[local]" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return sorted(found)


def strike(target: Target, service: LocalService, chance: random.Random) -> int:
    """Kill it; the process id, 0 when there was none to kill. A killed gateway is reaped, its workers are gone."""
    match target:
        case Target.ZYGOTE:
            return _kill_one(named(service, "treadle-zygote"), chance)
        case Target.HELPER:
            return _kill_one(named(service, "treadle-helper"), chance)
        case Target.WORKER:
            return _kill_one(_by_work(workers(service), chance), chance)
        case Target.POSTMASTER:
            return _kill_one([postmaster(service.data_dir)], chance)
        case Target.BACKEND:
            return _kill_one(backends(service.data_dir), chance)
        case _:
            return _kill_gateway(service, with_postgres=target is Target.ALL)


def _by_work(pids: list[int], chance: random.Random) -> list[int]:
    """One of them, a busy one more likely than one that stands warm."""
    return chance.choices(pids, [(cpu_seconds(pid) or 0.0) + 0.01 for pid in pids]) if pids else []


def _kill_one(pids: Iterable[int], chance: random.Random) -> int:
    found = [pid for pid in pids if pid]
    if not found:
        return 0
    pid = chance.choice(found)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return pid


def _kill_gateway(service: LocalService, *, with_postgres: bool) -> int:
    own = [*workers(service), *named(service, "treadle-zygote")]
    server = postmaster(service.data_dir)
    os.kill(service.pid, signal.SIGKILL)
    if with_postgres and server:
        os.kill(server, signal.SIGKILL)
    service.stop()
    until(lambda: not any(alive(pid) for pid in own), "workers and zygote died with their gateway", timeout=5)
    return service.pid
