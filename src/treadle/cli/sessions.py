"""The command that lists sessions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

from treadle.cli.common import Options, command
from treadle.cli.listing import common_cells, duration, endpoint_names, now, show, table, watched
from treadle.cli.moments import Moment
from treadle.cli.resources import require_workspace
from treadle.model.entities import Session
from treadle.model.states import SessionStatus
from treadle.service import Service
from treadle.store.filters import Page, SessionFilter

_HEADINGS = ("SESSION", "STATUS", "USER", "ENDPOINT", "OPENED", "AGE", "DURATION", "MESSAGE")


@command("sessions")
@click.option("--workspace", "workspace_id", help="Only sessions of this workspace.")
@click.option(
    "--status",
    type=click.Choice([s.value for s in SessionStatus], case_sensitive=False),
    help="Only sessions with this status.",
)
@click.option("--user", "user_name", help="Only sessions opened by this user.")
@click.option(
    "--since", type=Moment(), help="Only sessions created since then: a date and time, or 90s, 15m, 24h, 7d ago."
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@watched
def sessions(
    options: Options,
    workspace_id: str | None,
    status: str | None,
    user_name: str | None,
    since: datetime | None,
    limit: int,
    watch: float | None,
) -> None:
    """List sessions, newest first.

    Each line has the id, status, user, endpoint, time of creation and age, the time it was open, and the reason of its
    end.
    """
    where = SessionFilter(status=SessionStatus(status) if status else None, user_name=user_name, created_from=since)

    async def look(service: Service) -> list[dict[str, Any]]:
        await require_workspace(service, workspace_id)
        _, found = await service.deps.store.sessions(workspace_id, where, Page(limit=limit, counted=False))
        return _as_json(found, await endpoint_names(service, found))

    show(options, look, lambda found: table(_HEADINGS, map(_row, found)), watch)


def _as_json(found: Sequence[Session], endpoints: Mapping[str, str]) -> list[dict[str, Any]]:
    """Convert sessions for JSON: all stored fields and the name of the endpoint."""
    return [
        {**msgspec.structs.asdict(one), "endpoint_name": endpoints.get(one.endpoint_id, one.endpoint_name)}
        for one in found
    ]


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        *common_cells(one, "id"),
        duration(one["opened_at"], one["ended_at"] or now()),
        one["message"],
    )


COMMANDS = (sessions,)
