"""What a service holds while it is idle: processes, descriptors, connections, folders, memory."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from tests.crashes import leftovers
from tests.crashes.targets import postmaster, workers
from treadle.demo.local import LocalService
from treadle.demo.processes import command_name, descendants, proportional_bytes
from treadle.store.embedded import EmbeddedPostgres

MIB: Final = 2**20

LAZY: Final = 6
"""Threads of pools and connections that start when they are first needed, up to the settings."""

COUNTS: Final = {
    **dict.fromkeys(("workers", "helpers", "folders", "staged"), 0),
    **dict.fromkeys(("descriptors", "threads", "connections"), LAZY),
}
"""What is counted, and by how much it may differ."""

_BACKENDS: Final = """
    SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Holdings:
    """What a service holds: counts, and memory in bytes (PSS)."""

    workers: int
    helpers: int
    descriptors: int
    threads: int
    connections: int
    folders: int
    staged: int
    memory: int
    postgres_memory: int

    def line(self) -> str:
        """The holdings on one line."""
        return (
            f"workers {self.workers}, helpers {self.helpers}, descriptors {self.descriptors}, threads {self.threads}, "
            f"connections {self.connections}, folders {self.folders}, staged files {self.staged}, "
            f"gateway {self.memory / MIB:.0f} MiB, PostgreSQL {self.postgres_memory / MIB:.0f} MiB"
        )

    def beyond(self, others: Sequence["Holdings"]) -> list[str]:
        """List the counts that are higher than in each of ``others``."""
        found = []
        for name, slack in COUNTS.items():
            now, before = getattr(self, name), max(getattr(other, name) for other in others)
            if now > before + slack:
                found.append(f"{name} {now} > {before}")
        return found


def holdings(service: LocalService) -> Holdings:
    """Measure what the service holds now."""
    names = Counter(command_name(pid) for pid in descendants(service.pid))
    server = postmaster(service.data_dir)
    tmp = service.data_dir / "tmp"
    with psycopg.connect(EmbeddedPostgres.start(service.data_dir).admin_dsn) as connection:
        row = connection.execute(_BACKENDS).fetchone()
    return Holdings(
        workers=len(workers(service)),
        helpers=names["treadle-helper"],
        descriptors=len(os.listdir(f"/proc/{service.pid}/fd")),
        threads=len(os.listdir(f"/proc/{service.pid}/task")),
        connections=row[0] if row else 0,
        folders=len(list(tmp.glob("*"))),
        staged=len(leftovers.staged(service.data_dir)),
        memory=proportional_bytes(service.pid),
        postgres_memory=sum(map(proportional_bytes, {server, *descendants(server)})) if server else 0,
    )


def settled(service: LocalService, baselines: Sequence[Holdings], seconds: float) -> Holdings:
    """Measure again and again until no count is above the baselines; after ``seconds`` returns the last measure."""
    deadline = time.monotonic() + seconds
    while (found := holdings(service)).beyond(baselines) and time.monotonic() < deadline:
        time.sleep(1.0)
    return found
