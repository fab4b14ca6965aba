"""The store in PostgreSQL: the private one or the operator's, 15 or newer."""

import asyncio
from typing import Final, Self

from treadle.store.postgres.audit import Audit
from treadle.store.postgres.connections import Admission, Connections
from treadle.store.postgres.pool import (
    LIST_CONNECTIONS,
    LIST_SETTINGS,
    POINT_SETTINGS,
    SOFT_CONNECTIONS,
    SOFT_SETTINGS,
)
from treadle.store.postgres.principals import Principals
from treadle.store.postgres.sessions import Sessions
from treadle.store.postgres.statements import Statements
from treadle.store.postgres.wakes import Wakes
from treadle.store.postgres.workspaces import Workspaces

CLOSE_TIMEOUT: Final = 5.0


class PostgresStore(Principals, Workspaces, Sessions, Statements, Wakes, Audit):
    """Everything `treadle.store.base.Store` asks for.

    Every method raises `StoreUnavailable` while PostgreSQL does not answer, and works again after.
    """

    @classmethod
    async def connect(cls, dsn: str, *, pool_size: int = 10, admission: Admission | None = None) -> Self:
        """Open the store at a ``postgresql://`` dsn whose tables are up to date (`treadle.store.migrate`).

        ``pool_size`` counts all its connections except that of `listen`; there are at least three. A gateway's
        ``admission`` blocks calls once another gateway has taken over the store. Raises `StoreUnavailable` when
        PostgreSQL does not answer.
        """
        lists, soft = (max(1, min(most, pool_size // 3)) for most in (LIST_CONNECTIONS, SOFT_CONNECTIONS))
        store = cls(
            dsn,
            Connections(dsn, max(1, pool_size - lists - soft), admission, **POINT_SETTINGS),
            Connections(dsn, soft, admission, **SOFT_SETTINGS),
            Connections(dsn, lists, admission, **LIST_SETTINGS),
        )
        try:
            await store.ping()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Let go of connections; those in use get a few seconds."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await asyncio.gather(*(pool.close() for pool in (self._pool, self._soft, self._lists)))
        except TimeoutError:
            for pool in (self._pool, self._soft, self._lists):
                pool.terminate()
