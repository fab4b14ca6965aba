"""What a backup and a restore ask of the store and of the catalogs' databases. Blocking."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from treadle.model.entities import Catalog
from treadle.store.catalogs import catalog_address, provision
from treadle.store.dsn import Address
from treadle.store.errors import BackupError, StoreUnavailable
from treadle.store.mending import mend
from treadle.store.sql import sql

if TYPE_CHECKING:
    import psycopg


def all_catalogs(dsn: str) -> list[Catalog]:
    """Every catalog of every workspace, oldest first."""
    with _connected(dsn) as connection:
        return [Catalog(**row) for row in connection.execute(sql("catalogs_all")).fetchall()]


def move(dsn: str, catalog: Catalog) -> None:
    """Write where the files of a catalog are now into the store."""
    with _connected(dsn) as connection:
        connection.execute(sql("catalog_move"), (catalog.data_path, catalog.id))


def point_to_files(address: Address, data_path: str) -> None:
    """Write where its files are now into a catalog's own metadata, if anybody has attached it."""
    with _connected(address.dsn) as connection:
        found = connection.execute(sql("lake_has_metadata")).fetchone()
        if found and found["known"]:
            connection.execute(sql("lake_move"), (data_path,))


def harmed(dsn: str, catalog: Catalog, functions: Collection[str]) -> list[str]:
    """List the findings of `treadle catalog repair` in a catalog by schema and name; raises `BackupError`."""
    try:
        found = asyncio.run(mend(dsn, catalog, functions, apply=False))
    except StoreUnavailable as error:
        raise BackupError(f"the store does not answer: {error}") from error
    return [f"{catalog.name}.{one.schema}.{one.name}".rstrip(".") for one in found]


def leftovers(dsn: str, catalog: Catalog) -> list[str]:
    """What earlier versions left in a catalog and cannot be mended: inlined data, columns of types refused by now."""
    with _connected(catalog_address(dsn, catalog).dsn) as connection:
        known = connection.execute(sql("lake_has_metadata")).fetchone()
        if not known or not known["known"]:
            return []
        command = connection.execute(sql("lake_inlined")).fetchone()
        inlined = connection.execute(command["command"]).fetchall() if command else []
        inexact = connection.execute(sql("lake_inexact")).fetchall()
    found = [f"{row['name']}: inlined data" for row in inlined] + [row["name"] for row in inexact]
    return [f"{catalog.name}.{one}" for one in found]


def forget_results(dsn: str, now: datetime) -> None:
    """Say of every result that its time is over: results are in no backup."""
    with _connected(dsn) as connection:
        connection.execute(sql("results_forget"), (now,))


def provision_now(dsn: str, catalog: Catalog) -> None:
    """`provision`, for callers outside of an event loop."""
    asyncio.run(provision(dsn, catalog))


@contextmanager
def _connected(dsn: str) -> "Iterator[psycopg.Connection[dict[str, Any]]]":
    import psycopg
    from psycopg.rows import dict_row

    try:
        with psycopg.connect(dsn, connect_timeout=10, row_factory=dict_row) as connection:
            yield connection
    except psycopg.Error as error:
        raise BackupError(f"the store does not answer: {error}") from error
