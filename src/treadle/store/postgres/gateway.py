"""The lease of a store, which allows one gateway at a time.

The gateway holds an advisory lock on a separate connection. The lock ends with the process, so that the next gateway
takes over at once. A row names the holder and is renewed every second: a paused gateway keeps its lock but does not
renew the row, and a gateway that starts meanwhile takes over after `LEASE` seconds.

The new gateway first writes its name, then ends the connections of every other gateway, and only then reads the store.
Connections check the name before their first use. Hence no later call of a former holder is executed, however long it
was paused or cut off.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from treadle.model.errors import ConfigError
from treadle.store.errors import StoreUnavailable
from treadle.store.postgres.connections import CONNECT_TIMEOUT, LOST, SERVER_SETTINGS
from treadle.store.postgres.pool import translated
from treadle.store.sql import sql

if TYPE_CHECKING:
    from treadle.store.postgres.connections import Connection

    Record = asyncpg.Record

log = structlog.get_logger("treadle.gateway")

KEY: Final = 7_328_331_204_114
LEASE: Final = 20.0
"""Seconds without a renewal after which another gateway that starts may take over."""

RENEW: Final = 1.0
YIELD: Final = 3.0
"""Seconds for which a free lock is left to a former holder with another folder, which may only be disconnected."""

PATIENCE: Final = 2.0
"""Seconds that a call waits for an interrupted lock."""

POLL: Final = 0.1
COMMAND_TIMEOUT: Final = 60.0
END_TIMEOUT: Final = 30.0
CALLS: Final = "treadle-gateway "
LOCK: Final = "treadle-lease "
"""Prefixes of the names of a gateway's connections, before its id: for its calls, and for the lock."""

KEEPALIVES: Final = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}
"""Releases the lock within seconds, not hours, after the holder's machine has failed."""


class StoreTaken(ConfigError):
    """Another gateway serves the store."""


class GatewayLease:
    """The lease that makes this process the gateway of its store: `acquire`, update the tables, `register`."""

    def __init__(self, dsn: str, gateway_id: str, data_dir: Path, on_lost: Callable[[StoreTaken], None]) -> None:
        self.name = CALLS + gateway_id
        self.held = False
        """Whether calls may go to the store now."""
        self._id = gateway_id
        self._dsn = dsn
        self._place = f"{socket.gethostname()}:{data_dir.resolve()}"
        self._on_lost = on_lost
        self._connection: Connection | None = None
        self._dropped = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    async def acquire(self) -> None:
        """Acquire the lock; raises `StoreTaken` when another live gateway holds it, and `StoreUnavailable`."""
        with translated():
            self._connection = connection = await self._connect()
            try:
                await self._lock(connection)
            except BaseException:
                connection.terminate()
                raise

    async def register(self) -> None:
        """Write the name of the new holder and end the connections of others. The tables must be up to date."""
        connection = self._connection
        assert connection is not None
        with translated():
            former = await _row(connection)
            await self._put(connection)
        if former is not None:
            log.warning("store_taken_over", former=_described(former))
        self._renewing = asyncio.create_task(self._renew_forever(), name="gateway-lease")

    async def release(self) -> None:
        """Release the lock for the next gateway."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        connection, held, self.held = self._connection, self.held, False
        if connection is None:
            return
        if held:
            # A hanging server must not delay the shutdown; without a row, or with an old one, the next gateway starts
            # anyway.
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                async with asyncio.timeout(RENEW):
                    await connection.execute(sql("gateway_drop"), self._id)
        connection.terminate()

    async def ready(self) -> None:
        """Wait until the lock is held, for an interrupted lock up to `PATIENCE` seconds.

        Raises `asyncpg.InterfaceError` after that, and at once if the lock is lost for good.
        """
        deadline = monotonic() + PATIENCE
        while not self.held:
            if self._renewing is None or self._renewing.done() or monotonic() > deadline:
                raise asyncpg.InterfaceError("the lease of this gateway is interrupted")
            await asyncio.sleep(POLL / 10)

    async def admit(self, connection: "Connection") -> None:
        """Check a new connection; raises `asyncpg.InterfaceError` when this process is not the gateway of the store."""
        if not await connection.fetchval(sql("gateway_holds"), self._id):
            raise asyncpg.InterfaceError("another gateway serves the store")

    # -- the lock ---------------------------------------------------------------------------

    async def _lock(self, connection: "Connection") -> None:
        seen, since = await _row(connection), monotonic()
        yielded = False
        while True:
            if await connection.fetchval(sql("gateway_lock"), KEY):
                if yielded or seen is None or seen["place"] == self._place:
                    return
                yielded = True
                await connection.execute(sql("gateway_unlock"), KEY)
                await asyncio.sleep(YIELD)
                continue
            current = await _row(connection)
            if current is not None and current != seen:
                if seen is not None:
                    # The row has been renewed since it was first read.
                    raise _taken(current)
                seen, since = current, monotonic()
            elif monotonic() - since > LEASE:
                await self._end_paused(connection, seen)
                since = monotonic()
            await asyncio.sleep(POLL)

    async def _end_paused(self, connection: "Connection", holder: "Record | None") -> None:
        """Release the lock of a holder that does not renew; raises `StoreTaken` when that cannot be done."""
        if holder is None or not await connection.fetchval(sql("gateway_terminate"), LOCK + holder["holder"]):
            raise _taken(holder)
        log.warning("gateway_paused", holder=_described(holder), seconds=LEASE)

    async def _put(self, connection: "Connection") -> None:
        await connection.execute(sql("gateway_put"), self._id, self._place, os.getpid())
        deadline = monotonic() + END_TIMEOUT
        while (left := await connection.fetchrow(sql("gateway_others_terminate"), self.name, CALLS)) and left["found"]:
            if monotonic() > deadline:
                raise StoreUnavailable("connections of another gateway are left")
            await asyncio.sleep(POLL)
        self.held = True

    # -- keeping it -------------------------------------------------------------------------

    async def _renew_forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW):
                    await self._dropped.wait()
            try:
                if not await self._renew():
                    await self._regain()
            except StoreTaken as taken:
                self.held = False
                log.error("store_lost", error=str(taken))
                self._on_lost(taken)
                return
            except Exception:
                log.exception("lease_not_renewed")

    async def _renew(self) -> bool:
        """Renew the row; False when the connection is lost, or another gateway is the holder."""
        if self._connection is None or self._dropped.is_set():
            return False
        try:
            return await self._connection.fetchval(sql("gateway_renew"), self._id, timeout=COMMAND_TIMEOUT) is not None
        except (*LOST, asyncpg.PostgresError) as error:
            if isinstance(error, asyncio.CancelledError):
                raise
            return False

    async def _regain(self) -> None:
        """Block calls until the lock is held again; raises `StoreTaken` when another gateway has it."""
        self.held = False
        if self._connection is not None:
            self._connection.terminate()
        log.warning("lease_interrupted")
        while True:
            try:
                if await self._is_regained():
                    break
            except (*LOST, asyncpg.PostgresError, StoreUnavailable) as error:
                if isinstance(error, asyncio.CancelledError):
                    raise
            await asyncio.sleep(POLL)
        log.warning("lease_regained")

    async def _is_regained(self) -> bool:
        self._connection = connection = await self._connect()
        regained = False
        try:
            locked = await connection.fetchval(sql("gateway_lock"), KEY)
            current = await _row(connection)
            if current is not None and current["holder"] != self._id:
                raise _taken(current)
            if locked:
                await self._put(connection)
            else:
                # The server may not have noticed yet that the old connection is lost.
                await connection.fetchval(sql("gateway_terminate"), LOCK + self._id)
            regained = locked
        finally:
            if not regained:
                connection.terminate()
        return bool(regained)

    async def _connect(self) -> "Connection":
        self._dropped = dropped = asyncio.Event()
        connection = await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            server_settings={**SERVER_SETTINGS, **KEEPALIVES, "application_name": LOCK + self._id},
        )
        connection.add_termination_listener(lambda _: dropped.set())
        return connection


async def _row(connection: "Connection") -> "Record | None":
    """Read the row of the current or last holder; None if no gateway with a lease has served the store."""
    with suppress(asyncpg.UndefinedTableError):
        return await connection.fetchrow(sql("gateway_get"))
    return None


def _described(holder: "Record") -> str:
    host, _, folder = str(holder["place"]).partition(":")
    return f"process {holder['pid']} on {host}, data folder {folder}"


def _taken(holder: "Record | None") -> StoreTaken:
    who = f" ({_described(holder)})" if holder is not None else ""
    return StoreTaken(f"database_url: another gateway{who} serves this database; a store has one gateway at a time")
