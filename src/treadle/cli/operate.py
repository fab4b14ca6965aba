"""Commands of an operator: who is there; keep a copy of everything, and bring it back."""

import os
from pathlib import Path

import click

from treadle.app import operator, require_data
from treadle.cli.common import Options, command, lines, run_async
from treadle.cli.resources import require_workspace
from treadle.model.entities import Session
from treadle.model.errors import ConfigError
from treadle.model.states import SessionStatus
from treadle.store import backup as backups
from treadle.store.base import Page, SessionFilter
from treadle.store.embedded import EmbeddedPostgres


@command("sessions")
@click.option("--workspace", "workspace_id", help="Only of this workspace.")
@click.option("--status", type=click.Choice([s.value for s in SessionStatus]), help="Only in this status.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
def sessions(options: Options, workspace_id: str | None, status: str | None, limit: int) -> None:
    """List sessions, newest first.

    A line has its id, status, user, time of creation and, when it has ended, why.
    """
    where = SessionFilter(status=SessionStatus(status) if status else None)

    async def work() -> list[Session]:
        async with operator(options.settings) as service:
            await require_workspace(service, workspace_id)
            _, found = await service.deps.store.sessions(workspace_id, where, Page(limit=limit, counted=False))
            return list(found)

    options.show(
        run_async(work()),
        lambda found: lines(
            (s.id, s.status, s.user_name, f"{s.created_at:%Y-%m-%dT%H:%M:%SZ}", s.message) for s in found
        ),
    )


@command("backup")
@click.argument("target", type=click.Path(path_type=Path))
def backup(options: Options, target: Path) -> None:
    """Copy the store and the catalogs into an archive.

    TARGET (.tar.gz) is consistent and as secret as the data folder; the service may go on meanwhile.
    """
    settings = options.settings
    require_data(settings)
    if settings.database_url is not None:
        backups.backup(settings.database_url, settings.data_dir, target, _progress)
        return
    was_running = EmbeddedPostgres(settings.data_dir).running()
    server = EmbeddedPostgres.start(settings.data_dir)
    try:
        backups.backup(server, settings.data_dir, target, _progress)
    finally:
        if not was_running:
            server.stop()


@command("restore")
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def restore(options: Options, source: Path) -> None:
    """Bring a backup into an empty data folder."""
    if options.settings.database_url is not None:
        raise ConfigError("database_url: restore works on the private PostgreSQL only")
    # As of a service: what is written is for its own user.
    os.umask(0o077)
    backups.restore(source, options.settings.data_dir, _progress)
    EmbeddedPostgres(options.settings.data_dir).stop()


def _progress(step: str) -> None:
    click.echo(step, err=True)


COMMANDS = (sessions, backup, restore)
