"""The calls the rooms of the store are made of, and what their failures mean.

One call is one round trip: asyncpg keeps each statement of ``queries/`` prepared on each connection.
Lists and sweeps have a few connections of their own, so that a claim or a cancel never waits behind
them (C6); there each call is planned for its own filters, for a plan that fits all of them reads the
whole history. Everything else finds its rows by keys and is planned once. Commits that a later change
of the same row brings to disk go over connections that do not wait for it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from treadle.model.errors import BadRequest
from treadle.store.errors import StoreUnavailable
from treadle.store.filters import Page
from treadle.store.postgres.connections import LOST, Connections
from treadle.store.sql import sql

if TYPE_CHECKING:
    from treadle.store.postgres.connections import Connection

    Record = asyncpg.Record

LIST_CONNECTIONS: Final = 3
SOFT_CONNECTIONS: Final = 3
POINT_SETTINGS: Final = {"plan_cache_mode": "force_generic_plan"}
SOFT_SETTINGS: Final = {**POINT_SETTINGS, "synchronous_commit": "off"}
LIST_SETTINGS: Final = {"plan_cache_mode": "force_custom_plan"}

_GONE: Final = tuple(error for error in LOST if error is not asyncio.CancelledError)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what asyncpg raises into what the service knows."""
    try:
        yield
    except asyncpg.CharacterNotInRepertoireError:
        raise BadRequest("must not contain the NUL character") from None
    except asyncpg.DataError as error:
        raise BadRequest(str(error)) from None
    except asyncpg.DiskFullError as error:
        raise StoreUnavailable("the disk of the store is full (53100)") from error
    except _GONE as error:
        raise StoreUnavailable(f"the store does not answer: {type(error).__name__}") from error


class PoolBase:
    """The calls the rooms of the store are made of."""

    def __init__(self, dsn: str, pool: Connections, soft: Connections, lists: Connections) -> None:
        self._dsn = dsn
        self._origin = secrets.token_hex(8)
        self._pool = pool
        self._soft = soft
        self._lists = lists

    @asynccontextmanager
    async def _acquired(self, pool: Connections | None = None) -> "AsyncIterator[Connection]":
        """A connection for several calls."""
        with translated():
            async with (pool or self._pool).lent() as connection:
                yield connection

    async def _row(self, name: str, *args: Any, pool: Connections | None = None) -> "Record | None":
        """The first row of a statement."""
        with translated():
            return await (pool or self._pool).row(sql(name), *args)

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

    async def _page(self, name: str, where: tuple[Any, ...], page: Page, *more: Any) -> "tuple[int, list[Record]]":
        """``<name>_page`` and, unless the page itself shows where the list ends, ``<name>_count``."""
        async with self._acquired(self._lists) as connection:
            rows = await connection.fetch(sql(f"{name}_page"), *where, page.limit, page.offset, *more)
            if not page.counted:
                return 0, rows
            if len(rows) < page.limit and (rows or not page.offset) and page.after is None:
                return page.offset + len(rows), rows
            return await connection.fetchval(sql(f"{name}_count"), *where), rows

    def _after(self, page: Page) -> tuple[Any, Any]:
        """The place a page comes after, as arguments."""
        return (page.after.created_at, page.after.id) if page.after else (None, None)

    async def ping(self) -> None:
        """Raise `StoreUnavailable` if PostgreSQL does not answer."""
        await self._row("ping")
