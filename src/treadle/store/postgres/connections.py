"""Connections to one server, lent one call at a time.

A call costs one round trip and nothing else: what comes back is kept as it is, for no method of the
store leaves settings, locks or cursors behind.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

CONNECT_TIMEOUT: Final = 10.0
COMMAND_TIMEOUT: Final = 60.0
SERVER_SETTINGS: Final = {"application_name": "treadle", "jit": "off", "max_parallel_workers_per_gather": "0"}
"""A count over a long history must not take every processor from the statements that run."""

LOST: Final = (
    OSError,
    asyncio.TimeoutError,
    asyncio.CancelledError,
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
"""What leaves nobody sure of the state of a connection, or of its server."""


class Admission(Protocol):
    """Decides whether calls may reach the server: the lease of a gateway."""

    name: str

    async def ready(self) -> None:
        """Wait until calls may go to the server; raises `asyncpg.InterfaceError` when they may not soon."""

    async def admit(self, connection: "Connection") -> None:
        """Check a new connection before its first use; raises `asyncpg.InterfaceError`."""


class Connections:
    """A pool of at most ``size`` connections, opened on demand; further callers wait for a free one.

    With an ``admission``, only admitted calls go through, and connections carry its name.
    """

    def __init__(self, dsn: str, size: int, admission: Admission | None = None, **settings: str) -> None:
        self._dsn = dsn
        self._admission = admission
        if admission is not None:
            settings["application_name"] = admission.name
        self._settings = {**SERVER_SETTINGS, **settings}
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._lent: set[Connection] = set()
        self._closed = False

    async def borrow(self) -> "Connection":
        """A connection: give it back. Raises what asyncpg raises when there is none to be had."""
        await self._free.acquire()
        try:
            if self._admission is not None:
                await self._admission.ready()
            connection = self._kept() or await self._connect()
        except BaseException:
            self._free.release()
            raise
        self._lent.add(connection)
        return connection

    def _kept(self) -> "Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def give_back(self, connection: "Connection", *, broken: bool = False) -> None:
        """Done with it; a ``broken`` one is thrown away and not lent again."""
        self._lent.discard(connection)
        if broken or self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)
        self._free.release()

    @asynccontextmanager
    async def lent(self) -> "AsyncIterator[Connection]":
        """Borrow for several calls; one that was lost under way is thrown away."""
        connection = await self.borrow()
        try:
            yield connection
        except BaseException as error:
            self.give_back(connection, broken=isinstance(error, LOST))
            raise
        self.give_back(connection)

    async def row(self, query: str, *args: Any) -> "asyncpg.Record | None":
        """The first row of one statement: `lent` without its cost, for the calls every statement makes."""
        connection = await self.borrow()
        try:
            row = await connection.fetchrow(query, *args)
        except BaseException as error:
            self.give_back(connection, broken=isinstance(error, LOST))
            raise
        self.give_back(connection)
        return row

    async def _connect(self) -> "Connection":
        if self._closed:
            raise asyncpg.InterfaceError("the store is closed")
        connection = await asyncpg.connect(
            self._dsn, timeout=CONNECT_TIMEOUT, command_timeout=COMMAND_TIMEOUT, server_settings=self._settings
        )
        if self._admission is not None:
            try:
                await self._admission.admit(connection)
            except BaseException:
                connection.terminate()
                raise
        return connection

    async def close(self) -> None:
        """Wait for what is lent, then let go of all."""
        self._closed = True
        for _ in range(self._size):
            await self._free.acquire()
        while self._idle:
            await self._idle.pop().close()

    def terminate(self) -> None:
        """Let go of all at once."""
        self._closed = True
        for connection in (*self._idle, *self._lent):
            connection.terminate()
