"""The databases of the DuckLake catalogs: one role and one database each, and the truth they hold."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from treadle.model.entities import Catalog
from treadle.model.maintenance import TIERS, Facts, Moments, Small, Snapshot, Table
from treadle.store.dsn import Address
from treadle.store.errors import StoreUnavailable
from treadle.store.postgres.pool import translated
from treadle.store.scram import scram_verifier
from treadle.store.sql import sql

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

CONNECTION_LIMIT: Final = 400
"""Backends of one catalog: below the server's 500, so that the service itself always gets in."""

BUSY: Final = (
    asyncpg.ObjectInUseError,
    asyncpg.InternalServerError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
)
"""What a server says that has no time now: of a template in use, and of a tuple that was concurrently updated."""

TIMEOUT: Final = 10.0
POLL: Final = 0.01

LOCK_SECONDS: Final = 5
"""Seconds a look at the metadata waits for a lock."""


def lake_name(catalog_id: str) -> str:
    """The name of a catalog's database and of its role, derived from the catalog's id."""
    try:
        digits = uuid.UUID(catalog_id).hex
    except ValueError:
        digits = hashlib.sha256(catalog_id.encode()).hexdigest()[:32]
    return f"lake_{digits}"


def lake_path(data_dir: Path, catalog_id: str) -> str:
    """The folder of a catalog's Parquet files, with a slash at its end."""
    return f"{data_dir}/lake/{catalog_id}/"


def worker_application(worker: str) -> str:
    """The ``application_name`` under which the worker of that name attaches its catalog."""
    return f"treadle-{worker}"


def catalog_address(dsn: str, catalog: Catalog) -> Address:
    """Where a catalog's database is, as its own role; ``dsn`` is any database of the server."""
    return Address.parse(dsn).at(database=catalog.database, user=catalog.role, password=catalog.password)


async def provision(dsn: str, catalog: Catalog) -> None:
    """Make the role and the database of a catalog, or mend what is there.

    ``dsn`` needs a role with CREATEDB and CREATEROLE. Only the catalog's role and its makers may
    connect to the database. Raises `StoreUnavailable`.
    """
    async with connected(Address.parse(dsn)) as connection:
        await connection.execute(sql("lake_lock"), catalog.role)
        try:
            await _make(connection, catalog)
        except BUSY as error:
            raise StoreUnavailable(f"database {catalog.database} cannot be made now: {error}") from error


async def _make(connection: "Connection", catalog: Catalog) -> None:
    verifier = scram_verifier(catalog.password)
    if not await connection.fetchval(sql("lake_role_exists"), catalog.role):
        await _command(connection, "lake_role_create", catalog.role, verifier, CONNECTION_LIMIT)
    else:
        await _command(connection, "lake_role_alter", catalog.role, verifier, CONNECTION_LIMIT)
    await _command(connection, "lake_role_grant", catalog.role)
    if not await connection.fetchval(sql("lake_database_exists"), catalog.database):
        await _command(connection, "lake_database_create", catalog.database, catalog.role)
    await _command(connection, "lake_database_close", catalog.database)


async def destroy(dsn: str, catalog: Catalog) -> None:
    """End the backends of a catalog and drop its database and its role, which may be missing already.

    The Parquet files stay. Raises `StoreUnavailable`, also when a session is connected that the service may not end (an
    operator's, for example). No other client can connect from then on, and a further call continues.
    """
    async with connected(Address.parse(dsn)) as connection:
        await connection.execute(sql("lake_lock"), catalog.role)
        try:
            await _drop(connection, catalog)
        except asyncpg.PostgresError as error:
            raise StoreUnavailable(f"database {catalog.database} cannot be dropped now: {error}") from error


async def _drop(connection: "Connection", catalog: Catalog) -> None:
    if await connection.fetchval(sql("lake_database_exists"), catalog.database):
        await _command(connection, "lake_database_shut", catalog.database)
        await connection.execute(sql("lake_database_terminate"), catalog.database)
        await _command(connection, "lake_database_drop", catalog.database)
    if await connection.fetchval(sql("lake_role_exists"), catalog.role):
        await connection.execute(sql("lake_role_terminate"), catalog.role)
        await _command(connection, "lake_role_drop", catalog.role)


async def terminate_backends(dsn: str, application_name: str, timeout: float) -> bool:
    """End every backend of that name; True when none is left within ``timeout`` seconds.

    Raises `StoreUnavailable`: then nothing is known.
    """
    async with connected(Address.parse(dsn)) as connection:
        try:
            async with asyncio.timeout(timeout):
                with translated():
                    while await connection.fetchval(sql("backends_terminate"), application_name):  # noqa: ASYNC110
                        await asyncio.sleep(POLL)
        except TimeoutError:
            return False
        except asyncpg.PostgresError as error:
            # Then nothing is known either: what the server refuses it may grant to the next try.
            raise StoreUnavailable(f"backends of {application_name} are left: {error}") from error
    return True


async def committed(dsn: str, catalog: Catalog, marker: str) -> bool:
    """Whether a commit whose extra information is ``marker`` is durable in the catalog.

    The marker is the statement's id, or that of its part (``<id>_<n>``). End the session's backends
    first: a commit under way is not yet seen. False for a catalog nobody has attached so far.
    Raises `StoreUnavailable`: then nobody can tell now.
    """
    async with connected(catalog_address(dsn, catalog)) as connection:
        with translated():
            if not await connection.fetchval(sql("lake_has_changes")):
                return False
            return bool(await connection.fetchval(sql("lake_committed"), marker))


async def referenced(dsn: str, catalog: Catalog, names: Sequence[str]) -> frozenset[str]:
    """Which of these file names (without folders) the catalog's metadata knows of, in any snapshot.

    None of them for a catalog nobody has attached so far. Raises `StoreUnavailable`.
    """
    async with connected(catalog_address(dsn, catalog)) as connection:
        with translated():
            if not await connection.fetchval(sql("lake_has_changes")):
                return frozenset()
            return frozenset(row["name"] for row in await connection.fetch(sql("lake_referenced"), names))


async def holds_inlined(dsn: str, catalog: Catalog) -> bool:
    """Check whether the catalog's metadata still has inlined rows or deletes of an existing table.

    Only earlier versions inlined rows. The first session on a catalog writes them to files, unless a column of the
    table has a type that files do not hold. False for a catalog that was never attached. Raises `StoreUnavailable`.
    """
    async with connected(catalog_address(dsn, catalog)) as connection:
        with translated():
            return await _holds_inlined(connection)


async def _holds_inlined(connection: "Connection") -> bool:
    inlined = await connection.fetchval(sql("lake_inlined"))
    return bool(await connection.fetchval(f"SELECT EXISTS ({inlined})"))


async def facts(dsn: str, catalog: Catalog, deleted_share: float, moments: Moments) -> Facts:
    """Read facts about the files and snapshots of the catalog; none if it was never attached.

    Raises `StoreUnavailable`, also while another session has locked the metadata.
    """
    async with connected(catalog_address(dsn, catalog)) as connection:
        try:
            return await _facts(connection, deleted_share, moments)
        except asyncpg.LockNotAvailableError as error:
            raise StoreUnavailable(f"the metadata of {catalog.database} is locked") from error


async def _facts(connection: "Connection", deleted_share: float, moments: Moments) -> Facts:
    with translated():
        await connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        if not await connection.fetchval(sql("lake_has_changes")):
            return Facts()
        if await _holds_inlined(connection):
            return Facts(inlined=True)
        tables = await connection.fetch(sql("lake_tables"), list(TIERS), deleted_share)
        ages = await connection.fetchrow(sql("lake_ages"), moments.expire, moments.remove)
        return Facts(tables=tuple(map(_table, tables)), **dict(ages or {}))


async def snapshots(dsn: str, catalog: Catalog, limit: int) -> Sequence[Snapshot]:
    """The snapshots of the catalog, newest first. Raises `StoreUnavailable`."""
    async with connected(catalog_address(dsn, catalog)) as connection:
        with translated():
            if not await connection.fetchval(sql("lake_has_changes")):
                return []
            return [Snapshot(**dict(row)) for row in await connection.fetch(sql("lake_snapshots"), limit)]


def _table(row: asyncpg.Record) -> Table:
    values = dict(row)
    sizes = zip(values.pop("small_files"), values.pop("small_bytes"), strict=True)
    return Table(small=tuple(Small(files, size) for files, size in sizes), **values)


@asynccontextmanager
async def connected(address: Address) -> "AsyncIterator[Connection]":
    """A connection to one database; raises `StoreUnavailable`."""
    try:
        with translated():
            connection = await asyncpg.connect(
                address.dsn,
                timeout=TIMEOUT,
                command_timeout=6 * TIMEOUT,
                server_settings={"application_name": "treadle"},
            )
    except asyncpg.PostgresError as error:
        raise StoreUnavailable(f"database {address.database} lets nobody in: {error}") from error
    try:
        with translated():
            yield connection
    finally:
        connection.terminate()


async def _command(connection: "Connection", name: str, *args: object) -> None:
    """Run the command that ``queries/<name>.sql`` writes, with its names quoted by the server."""
    await connection.execute(await connection.fetchval(sql(name), *args))
