"""Commands that look into a catalog, have it maintained, and mend it."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import click
import msgspec

from treadle.app import lakes_of, operator
from treadle.cli.common import Options, Refused, command, run_async
from treadle.cli.listing import table
from treadle.cli.resources import catalog, principal_of
from treadle.config import Settings
from treadle.data_folder import is_served
from treadle.model.entities import Catalog
from treadle.model.maintenance import Due, Facts, Moments, Snapshot, Thresholds, due
from treadle.service import Service
from treadle.store.base import CatalogName, Wake
from treadle.store.mending import Harm

LOOK_SECONDS: Final = 0.5
"""Seconds between two looks of a command that waits."""

WORKSPACE = click.option("--workspace", "workspace_id", required=True, help="Id of the workspace.")
INSTANCE = click.option("--instance", "instance_id", default="default", show_default=True, help="Metastore instance.")


class Files(msgspec.Struct, frozen=True):
    """The files of a table, for a person."""

    schema: str
    table: str
    files: int
    bytes: int
    small_files: int
    files_with_deletes: int


@command("snapshots", catalog)
@WORKSPACE
@INSTANCE
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.argument("name")
def show_snapshots(options: Options, workspace_id: str, instance_id: str, limit: int, name: str) -> None:
    """List the snapshots of a catalog, newest first.

    A line has its number, when it was made, by whom, and what it changed.
    """

    async def work() -> list[Snapshot]:
        async with operator(options.settings) as service:
            found = await _catalog(service, workspace_id, instance_id, name)
            return list(await lakes_of(service).snapshots(found, limit))

    options.show(
        run_async(work()),
        lambda found: table(
            ("SNAPSHOT", "MADE", "AUTHOR", "CHANGES"),
            ((str(s.snapshot_id), f"{s.snapshot_time:%Y-%m-%dT%H:%M:%SZ}", s.author or "-", s.changes) for s in found),
        ),
    )


@command("files", catalog)
@WORKSPACE
@INSTANCE
@click.argument("name")
def show_files(options: Options, workspace_id: str, instance_id: str, name: str) -> None:
    """Count the data files of each table of a catalog.

    A line has the schema, the table, its files and their bytes, how many are small and how many have deleted rows.
    """

    async def work() -> list[Files]:
        async with operator(options.settings) as service:
            found = await _catalog(service, workspace_id, instance_id, name)
            return _files(await _facts(service, options.settings, found))

    options.show(run_async(work()), _text_of_files)


@command("maintain", catalog)
@WORKSPACE
@INSTANCE
@click.option(
    "--wait", "seconds", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait."
)
@click.argument("name")
def maintain(options: Options, workspace_id: str, instance_id: str, seconds: float, name: str) -> None:
    """Have the running service maintain a catalog now, and wait until nothing is due any more."""
    settings = options.settings
    if not settings.maintenance:
        raise Refused("maintenance = false: the service maintains no catalog")
    if settings.database_url is None and not is_served(settings.data_dir):
        raise Refused(f"no service runs on {settings.data_dir}")

    async def work() -> list[Files]:
        async with operator(settings) as service:
            found = await _catalog(service, workspace_id, instance_id, name)
            service.deps.signals.wake(Wake(catalog=CatalogName(workspace_id, instance_id, name)))
            left = await _wait(service, settings, found, seconds)
            if left:
                duties = ", ".join(sorted({step.duty.value for step in left}))
                raise Refused(f"within {seconds:g} s not everything was done, and the service goes on: {duties}")
            return _files(await _facts(service, settings, found))

    options.show(run_async(work()), _text_of_files)


@command("repair", catalog)
@WORKSPACE
@INSTANCE
@click.option("--apply", "apply", is_flag=True, help="Repair what is found. Take a backup first (`treadle backup`).")
@click.argument("name")
def repair(options: Options, workspace_id: str, instance_id: str, name: str, apply: bool) -> None:
    """Find faults that harm the sessions of a catalog: broken definitions, and remains of earlier versions.

    Each line has the object, the first affected snapshot, the fault and the remedy. Without --apply nothing is changed;
    with it every repairable fault is repaired in one transaction. This works even if no session can open the catalog.
    """
    from treadle.engines.duckdb.functions import function_names

    functions = function_names()

    async def work() -> tuple[Harm, ...]:
        async with operator(options.settings) as service:
            found = await _catalog(service, workspace_id, instance_id, name)
            return await lakes_of(service).mend(found, functions, apply=apply)

    def done(row: dict[str, Any]) -> str:
        if row["repaired"] or not row["repairable"]:
            return "repaired" if row["repaired"] else "not repaired"
        return "not repaired: take a backup, then use --apply"

    options.show(
        [_fault(one, repaired=apply and one.mendable) for one in run_async(work())],
        lambda rows: table(
            ("OBJECT", "SNAPSHOT", "FAULT", "REMEDY", "OUTCOME"),
            (
                (
                    f"{one['schema']}.{one['name']}".rstrip("."),
                    str(one["snapshot"]),
                    one["fault"],
                    one["remedy"],
                    done(one),
                )
                for one in rows
            ),
        ),
    )


def _fault(one: Harm, *, repaired: bool) -> dict[str, Any]:
    """A fault as printed."""
    return {
        "schema": one.schema,
        "name": one.name,
        "snapshot": one.snapshot,
        "fault": one.reason,
        "remedy": one.cure,
        "repairable": one.mendable,
        "repaired": repaired,
    }


async def _catalog(service: Service, workspace_id: str, instance_id: str, name: str) -> Catalog:
    principal, _ = await principal_of(service, workspace_id)
    for one in await service.list_catalogs(principal, workspace_id):
        if (one.instance_id, one.name) == (instance_id, name):
            return one
    raise Refused(f"no such catalog: {instance_id}.{name}")


async def _wait(service: Service, settings: Settings, found: Catalog, seconds: float) -> tuple[Due, ...]:
    """What is still due when nothing is, or the time is over."""
    thresholds = Thresholds(
        small_files=settings.maintenance_small_files, deleted_share=settings.maintenance_deleted_share
    )
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        left = due(await _facts(service, settings, found), thresholds, {})
        if not left or loop.time() >= deadline:
            return left
        await asyncio.sleep(LOOK_SECONDS)


async def _facts(service: Service, settings: Settings, found: Catalog) -> Facts:
    """As the service sees it, but that a statement which runs may keep files for longer; raises `Refused`."""
    now = service.deps.clock.now()
    moments = Moments.of(now, None, retention=settings.file_retention, ttl=settings.snapshot_ttl)
    facts = await lakes_of(service).facts(found, settings.maintenance_deleted_share, moments)
    if facts is None:
        raise Refused("the catalog's metadata does not answer")
    if facts.inlined:
        raise Refused("the catalog holds rows of an earlier version: copy the tables that `treadle doctor` names")
    return facts


def _text_of_files(found: Sequence[Files]) -> str:
    return table(
        ("SCHEMA", "TABLE", "FILES", "BYTES", "SMALL FILES", "FILES WITH DELETES"),
        (tuple(map(str, msgspec.structs.astuple(one))) for one in found),
    )


def _files(facts: Facts) -> list[Files]:
    return [Files(t.schema, t.name, t.files, t.bytes, t.small[0].files, t.deleted) for t in facts.tables]


COMMANDS = (catalog,)
