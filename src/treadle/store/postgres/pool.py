"""Connections, prepared statements and what their failures mean.

One call is one round trip: asyncpg keeps each statement of ``queries/`` prepared on each connection,
and nothing is sent when a connection goes back to the pool. Lists and sweeps have a few connections
of their own, so that a claim or a cancel never waits behind them (C6); there each call is planned for
its own filters, for a plan that fits all of them reads the whole history.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from treadle.model.errors import BadRequest
from treadle.store.errors import StoreUnavailable
from treadle.store.sql import sql

if TYPE_CHECKING:
    Connections = asyncpg.Pool[asyncpg.Record]
    Proxy = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Record = asyncpg.Record

CONNECT_TIMEOUT: Final = 10.0
COMMAND_TIMEOUT: Final = 60.0
LIST_CONNECTIONS: Final = 3
LIST_SETTINGS: Final = {"plan_cache_mode": "force_custom_plan"}
SERVER_SETTINGS: Final = {"application_name": "treadle", "jit": "off"}

_GONE = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.ReadOnlySQLTransactionError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what asyncpg raises into what the service knows."""
    try:
        yield
    except asyncpg.CharacterNotInRepertoireError:
        raise BadRequest("must not contain the NUL character") from None
    except asyncpg.DataError as error:
        raise BadRequest(str(error)) from None
    except _GONE as error:
        raise StoreUnavailable(f"the store does not answer: {type(error).__name__}") from error


async def open_pool(dsn: str, size: int, **settings: str) -> "Connections":
    """A pool of at most ``size`` connections, made when they are needed."""
    with translated():
        return await asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=size,
            max_inactive_connection_lifetime=0,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            server_settings={**SERVER_SETTINGS, **settings},
            reset=_keep,
        )


async def _keep(connection: object) -> None:
    """No method leaves settings, locks or cursors behind: a reset would be a second round trip."""


class PoolBase:
    """The calls the rooms of the store are made of."""

    def __init__(self, dsn: str, pool: "Connections", lists: "Connections") -> None:
        self._dsn = dsn
        self._origin = secrets.token_hex(8)
        self._pool = pool
        self._lists = lists

    @asynccontextmanager
    async def _acquired(self, pool: "Connections | None" = None) -> "AsyncIterator[Proxy]":
        """A connection; one that was lost under way is thrown away and not given to the next caller."""
        with translated():
            async with (pool or self._pool).acquire() as connection:
                try:
                    yield connection
                except _GONE:
                    connection.terminate()
                    raise

    async def _row(self, name: str, *args: Any) -> "Record | None":
        """The first row of a statement."""
        async with self._acquired() as connection:
            return await connection.fetchrow(sql(name), *args)

    async def _done(self, name: str, *args: Any) -> bool:
        """Whether a statement changed a row."""
        return await self._row(name, *args) is not None

    async def _rows(self, name: str, *args: Any) -> "list[Record]":
        """All rows of a statement."""
        async with self._acquired() as connection:
            return await connection.fetch(sql(name), *args)

    async def _ids(self, name: str, *args: Any) -> tuple[str, ...]:
        """The ids a statement changed."""
        return tuple(row["id"] for row in await self._rows(name, *args))

    async def _swept(self, name: str, *args: Any) -> tuple[str, ...]:
        """The ids a sweep changed."""
        async with self._acquired(self._lists) as connection:
            return tuple(row["id"] for row in await connection.fetch(sql(name), *args))

    async def _page(
        self, name: str, where: tuple[Any, ...], limit: int, offset: int, *more: Any
    ) -> "tuple[int, list[Record]]":
        """``<name>_page`` and, unless the page itself shows where the list ends, ``<name>_count``."""
        async with self._acquired(self._lists) as connection:
            rows = await connection.fetch(sql(f"{name}_page"), *where, limit, offset, *more)
            if len(rows) < limit and (rows or not offset):
                return offset + len(rows), rows
            return await connection.fetchval(sql(f"{name}_count"), *where), rows

    async def ping(self) -> None:
        """Raise `StoreUnavailable` if PostgreSQL does not answer."""
        await self._row("ping")
