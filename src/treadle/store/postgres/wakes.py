"""Wakes between processes, over LISTEN/NOTIFY on a connection of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg
import msgspec

from treadle.store.base import Wake
from treadle.store.errors import StoreUnavailable
from treadle.store.postgres.connections import CONNECT_TIMEOUT, SERVER_SETTINGS
from treadle.store.postgres.pool import PoolBase, translated
from treadle.store.sql import sql

CHANNEL: Final = "treadle_wake"
PAYLOAD_MOST: Final = 4000
PROBE_EVERY: Final = 30.0
RETRY_FIRST: Final = 0.1
RETRY_MOST: Final = 2.0


class _Letter(msgspec.Struct, frozen=True):
    """A wake and the store it came from, so that nobody hears himself."""

    origin: str
    wake: Wake


_letter = msgspec.json.Decoder(_Letter)


class Wakes(PoolBase):
    """Notify and listen."""

    async def notify(self, wake: Wake) -> None:
        text = msgspec.json.encode(_Letter(self._origin, wake)).decode()
        if len(text) > PAYLOAD_MOST:
            short = msgspec.structs.replace(wake, intent=None)
            text = msgspec.json.encode(_Letter(self._origin, short)).decode()
        await self._rows("notify", text)

    async def listen(self, callback: Callable[[Wake], None]) -> Callable[[], Awaitable[None]]:
        """Call back on every wake from another process; returns how to stop.

        A lost connection is made again; wakes of the time between are lost, as wakes may be. Raises
        `StoreUnavailable` when there is no connection to begin with.
        """
        listener = _Listener(self._dsn, self._origin, callback)
        await listener.connect()
        task = asyncio.create_task(listener.run(), name="store-listen")

        async def stop() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        return stop


class _Listener:
    def __init__(self, dsn: str, origin: str, callback: Callable[[Wake], None]) -> None:
        self._dsn = dsn
        self._origin = origin
        self._callback = callback
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._lost = asyncio.Event()

    async def connect(self) -> None:
        self._lost = lost = asyncio.Event()
        with translated():
            connection = await asyncpg.connect(
                self._dsn, timeout=CONNECT_TIMEOUT, command_timeout=CONNECT_TIMEOUT, server_settings=SERVER_SETTINGS
            )
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._heard)
        self._connection = connection

    async def run(self) -> None:
        try:
            while True:
                await self._until_lost()
                await self._reconnect()
        finally:
            if self._connection is not None:
                self._connection.terminate()

    async def _until_lost(self) -> None:
        """Wait for the end of the connection; a probe finds one that died without a word."""
        while not self._lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_EVERY):
                    await self._lost.wait()
                return
            try:
                with translated():
                    assert self._connection is not None
                    await self._connection.fetchrow(sql("ping"))
            except StoreUnavailable:
                return

    async def _reconnect(self) -> None:
        pause = RETRY_FIRST
        while True:
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
            try:
                await self.connect()
            except (StoreUnavailable, asyncpg.PostgresError):
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MOST)
            else:
                return

    def _heard(self, *heard: object) -> None:
        """Connection, process id, channel and payload, as asyncpg calls it."""
        try:
            letter = _letter.decode(str(heard[-1]))
        except msgspec.DecodeError:
            return
        if letter.origin != self._origin:
            self._callback(letter.wake)
