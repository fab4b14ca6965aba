"""Commands that look after a catalog."""

import click
import msgspec

from treadle.app import operator_lakes
from treadle.cli.common import Options, Refused, command, lines, run_async
from treadle.cli.resources import catalog, principal_of
from treadle.store.mending import Harm


@command("repair", catalog)
@click.option("--workspace", "workspace_id", required=True, help="Id of the workspace.")
@click.option("--instance", "instance_id", default="default", show_default=True, help="Metastore instance.")
@click.option("--apply", "apply", is_flag=True, help="Mend what is found. Take a backup first (`treadle backup`).")
@click.argument("name")
def repair(options: Options, workspace_id: str, instance_id: str, name: str, apply: bool) -> None:
    """Find definitions that keep sessions from a catalog.

    A line has the definition, the snapshot that brought it, why it cannot be read, and what mends it. Nothing is
    changed without --apply, which mends all of it in one transaction. It works where no session can open the catalog.
    """

    async def work() -> tuple[Harm, ...]:
        async with operator_lakes(options.settings) as (service, lakes):
            await principal_of(service, workspace_id)
            found = await lakes.of_session(workspace_id, instance_id, name)
            if found is None:
                raise Refused(f"no such catalog: {instance_id}.{name}")
            return await lakes.mend(found, apply=apply)

    done = "mended" if apply else "not mended: take a backup, then say --apply"
    options.show(
        [{**msgspec.structs.asdict(one), "mended": apply} for one in run_async(work())],
        lambda rows: (
            lines(
                (f"{one['schema']}.{one['name']}".rstrip("."), str(one["snapshot"]), one["reason"], one["cure"], done)
                for one in rows
            )
            if rows
            else ""
        ),
    )


COMMANDS = (catalog,)
