"""Faults in the metadata of a catalog that keep sessions from using it, found and repaired without an engine.

They date from versions that let them in. The database of the catalog is queried directly, so that this works where no
session can attach the catalog any more.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from treadle.model.entities import Catalog
from treadle.store.catalogs import catalog_address, connected
from treadle.store.postgres.pool import translated
from treadle.store.sql import sql

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

_MACROS: Final = {
    "default": "the default of parameter {} is nested: no session can attach the catalog",
    "null": "the default of parameter {} is NULL: no session can attach the catalog",
    "type": "the type of parameter {} is nested: its use ends the session",
}
_FIELDLESS: Final = "the struct has no field any more: no session can attach the catalog"
_NO_MAIN: Final = "the schema was dropped: no session can open"
_SHADOWING: Final = "a macro is called in place of the engine's function of that name, also by the service's own SQL"
_DOUBLED: Final = "data files with two lists of deleted rows, {}: rows are read twice, and deleted rows appear again"
_CURE_OF_DOUBLED: Final = "cannot be repaired: copy the rows of the previous snapshot, FROM {} AT (VERSION => {})"


class Harm(msgspec.Struct, frozen=True):
    """One fault that harms sessions: its place, its first snapshot, its description and the remedy.

    A fault that is not ``mendable`` is left unchanged.
    """

    schema: str
    name: str
    snapshot: int
    reason: str
    cure: str
    mendable: bool = True


async def mend(dsn: str, catalog: Catalog, functions: Collection[str] = (), *, apply: bool) -> tuple[Harm, ...]:
    """Find faults that harm the sessions of a catalog, and repair them all in one transaction with ``apply``.

    Macros that cannot be read are removed from every snapshot, macros with the name of one of the engine's
    ``functions`` are renamed; the fields that a struct lost last, and the schema main, are restored. Raises
    `StoreUnavailable`.
    """
    async with connected(catalog_address(dsn, catalog)) as connection:
        with translated():
            if not await connection.fetchval(sql("lake_has_macros")):
                return ()
            async with connection.transaction():
                return (
                    *await _unreadable(connection, apply=apply),
                    *await _structs(connection, apply=apply),
                    *await _main(connection, apply=apply),
                    *await _shadowing(connection, functions, apply=apply),
                    *await _doubled(connection),
                )


async def _unreadable(connection: "Connection", *, apply: bool) -> list[Harm]:
    def describe(row: "asyncpg.Record") -> tuple[str, str]:
        reason = _MACROS[row["harm"]].format(f'"{row["parameter_name"]}"')
        return reason, f"remove MACRO {row['macro_name']}{row['definition'] or ''}"

    rows = await connection.fetch(sql("lake_macros_unreadable"))
    return await _macros(connection, rows, describe, "lake_macros_remove" if apply else None)


async def _shadowing(connection: "Connection", functions: Collection[str], *, apply: bool) -> list[Harm]:
    def describe(row: "asyncpg.Record") -> tuple[str, str]:
        return _SHADOWING, f"rename to own_{row['macro_name']}"

    rows = await connection.fetch(sql("lake_macros_shadowing"), list(functions))
    return await _macros(connection, rows, describe, "lake_macros_rename" if apply else None)


async def _macros(
    connection: "Connection",
    rows: "Sequence[asyncpg.Record]",
    describe: "Callable[[asyncpg.Record], tuple[str, str]]",
    remedy: str | None,
) -> list[Harm]:
    """List macros with reason and cure, after executing ``remedy`` on them."""
    if remedy is not None and rows:
        await connection.execute(sql(remedy), [row["macro_id"] for row in rows])
    return [_harm(row, row["macro_name"], row["begin_snapshot"], *describe(row)) for row in rows]


async def _structs(connection: "Connection", *, apply: bool) -> list[Harm]:
    rows = await connection.fetch(sql("lake_structs_unreadable"))
    for row in rows if apply else ():
        await connection.execute(sql("lake_struct_restore"), row["table_id"], row["column_id"], row["snapshot"])
    return [_harm(row, row["name"], row["snapshot"], _FIELDLESS, f"bring back {row['fields']}") for row in rows]


async def _main(connection: "Connection", *, apply: bool) -> list[Harm]:
    row = await connection.fetchrow(sql("lake_main_lost"))
    if row is None:
        return []
    if apply:
        await connection.execute(sql("lake_main_restore"), row["schema_id"], row["snapshot"])
    return [
        Harm(schema="main", name="", snapshot=row["snapshot"], reason=_NO_MAIN, cure="bring back the schema, empty")
    ]


async def _doubled(connection: "Connection") -> list[Harm]:
    """Find files with two delete lists, written by concurrent writers before a rule of the catalog prevented it."""
    known = await connection.fetchval(sql("lake_has_deletes"))
    rows = await connection.fetch(sql("lake_deletes_doubled")) if known else []
    return [_beyond_repair(row) for row in rows]


def _beyond_repair(row: "asyncpg.Record") -> Harm:
    reason = _DOUBLED.format(row["files"])
    cure = _CURE_OF_DOUBLED.format(f"{row['schema_name']}.{row['table_name']}", row["snapshot"] - 1)
    return msgspec.structs.replace(_harm(row, row["table_name"], row["snapshot"], reason, cure), mendable=False)


def _harm(row: "asyncpg.Record", name: str, snapshot: int, reason: str, cure: str) -> Harm:
    return Harm(schema=row["schema_name"], name=name, snapshot=snapshot, reason=reason, cure=cure)
