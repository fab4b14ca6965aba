"""The command that reads the audit."""

from datetime import datetime
from typing import Any

import click

from treadle.app import operator
from treadle.cli.common import Options, command, run_async
from treadle.cli.listing import table
from treadle.cli.moments import Moment
from treadle.model.audit import Entry
from treadle.store.filters import AuditFilter

_HEADINGS = ("AT", "USER", "ADDRESS", "ACTION", "RESOURCE", "OUTCOME", "DETAIL")


@command("audit")
@click.option("--since", type=Moment(), help="Only from then on: a date and time, or 90s, 15m, 24h, 7d ago.")
@click.option("--until", type=Moment(), help="Only before then.")
@click.option("--user", "user_name", help="Only what a user of that name did, or joined.")
@click.option("--action", help="Only that action: its name, or what follows the last colon (cancelStatement).")
@click.option("--workspace", "workspace_id", help="Only in this workspace.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
def audit(
    options: Options,
    since: datetime | None,
    until: datetime | None,
    user_name: str | None,
    action: str | None,
    workspace_id: str | None,
    limit: int,
) -> None:
    """Show the audit log, newest first."""
    where = AuditFilter(since=since, until=until, user_name=user_name, action=action, workspace_id=workspace_id)

    async def work() -> list[dict[str, Any]]:
        async with operator(options.settings) as service:
            return [_as_json(entry) for entry in await service.deps.store.audit(where, limit)]

    options.show(run_async(work()), lambda found: table(_HEADINGS, map(_row, found)))


def _as_json(entry: Entry) -> dict[str, Any]:
    """An entry as JSON has it."""
    event = entry.event
    return {
        "at": event.at,
        "action": event.action,
        "outcome": event.outcome,
        "project_id": event.by.project_id,
        "user_id": event.by.user_id,
        "user_name": event.by.user_name,
        "address": event.by.address,
        "request_id": event.by.request_id,
        "workspace_id": event.workspace_id,
        "resource": event.resource,
        "detail": event.detail,
        "times": event.times,
        "others": [
            {"project_id": by.project_id, "user_id": by.user_id, "user_name": by.user_name}
            | {"address": by.address, "request_id": by.request_id}
            for by in entry.others
        ],
    }


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    others = len(entry["others"])
    times = f" ({entry['times']} times)" if entry["times"] > 1 else ""
    return (
        f"{entry['at']:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        entry["user_name"] + (f" and {others} more" if others else ""),
        entry["address"],
        entry["action"].rpartition(":")[2],
        entry["resource"] or entry["workspace_id"],
        f"{entry['outcome']}{times}",
        entry["detail"],
    )


COMMANDS = (audit,)
