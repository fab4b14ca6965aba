"""Which processes are attached to a workspace's catalog: PostgreSQL's own word for cold and warm."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, LiteralString, Self

import psycopg

from treadle.store.embedded import EmbeddedPostgres

READY_SECONDS: Final = 10.0
"""How long a warm worker may take to attach before the bench believes that none will."""

LOOK: Final = 0.02
STEADY_LOOKS: Final = 15
"""So many looks without a change, `LOOK` seconds apart, are calm."""

_BACKENDS: Final[LiteralString] = """
    SELECT a.pid FROM pg_stat_activity a JOIN catalogs c ON c.database = a.datname
    WHERE c.workspace_id = %s AND a.backend_type = 'client backend'
"""


class Catalogs:
    """Looks into the service's private PostgreSQL."""

    def __init__(self, connection: "psycopg.Connection") -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def of(cls, data_dir: Path) -> "Iterator[Self]":
        """The catalogs of the service in that folder."""
        with psycopg.connect(EmbeddedPostgres.start(data_dir).service_dsn, autocommit=True) as connection:
            yield cls(connection)

    def attached(self, workspace_id: str) -> frozenset[int]:
        """The backends that serve the workspace's catalog now."""
        return frozenset(row[0] for row in self._connection.execute(_BACKENDS, (workspace_id,)).fetchall())

    def wait_steady(self, workspace_id: str) -> bool:
        """Wait until no process comes to the catalog or leaves it; whether one is attached then."""
        deadline, steady = time.monotonic() + READY_SECONDS, 0
        before = self.attached(workspace_id)
        while steady < STEADY_LOOKS and time.monotonic() < deadline:
            time.sleep(LOOK)
            now = self.attached(workspace_id)
            steady, before = (steady + 1 if now == before else 0), now
        return bool(before)

    def wait_warm(self, workspace_id: str) -> bool:
        """Wait until a process is attached, and stays, though the workspace has no session; False when none is."""
        deadline = time.monotonic() + READY_SECONDS
        while not (warm := self.wait_steady(workspace_id)) and time.monotonic() < deadline:
            pass
        return warm
