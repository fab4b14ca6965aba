"""Commands of an operator: what is there, what runs, stop it, keep a copy."""

from pathlib import Path

import click

from treadle.app import operator, require_data
from treadle.cli.common import Options, command, lines, run_async
from treadle.model.entities import Session, Statement
from treadle.model.errors import ConfigError, NotFound
from treadle.model.states import Reason, RecordStatus, SessionStatus
from treadle.service.views import CancelReport
from treadle.store import backup as backups
from treadle.store.base import Page, RecordFilter, SessionFilter
from treadle.store.embedded import EmbeddedPostgres


@command("sessions")
@click.option("--workspace", "workspace_id", help="Only of this workspace.")
@click.option("--status", type=click.Choice([s.value for s in SessionStatus]), help="Only in this status.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
def sessions(options: Options, workspace_id: str | None, status: str | None, limit: int) -> None:
    """List sessions, newest first."""
    where = SessionFilter(status=SessionStatus(status) if status else None)

    async def work() -> list[Session]:
        async with operator(options.settings) as service:
            _, found = await service.deps.store.sessions(workspace_id, where, Page(limit=limit))
            return list(found)

    options.show(
        run_async(work()),
        lambda found: lines(
            (s.id, s.status, s.user_name, f"{s.created_at:%Y-%m-%dT%H:%M:%SZ}", s.message) for s in found
        ),
    )


@command("statements")
@click.option("--workspace", "workspace_id", help="Only of this workspace.")
@click.option("--session", "session_id", help="Only of this session.")
@click.option("--status", type=click.Choice([s.value for s in RecordStatus]), help="Only in this status.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
def statements(
    options: Options, workspace_id: str | None, session_id: str | None, status: str | None, limit: int
) -> None:
    """List statements, newest first."""
    where = RecordFilter(session_id=session_id, status=RecordStatus(status) if status else None)

    async def work() -> list[Statement]:
        async with operator(options.settings) as service:
            _, found = await service.deps.store.records(
                workspace_id, where, Page(limit=limit), options.settings.record_chars
            )
            return list(found)

    options.show(run_async(work()), lambda found: lines(_row(statement) for statement in found))


def _row(statement: Statement) -> tuple[str, ...]:
    ending = statement.ending
    reason = f"{ending.reason} by {ending.actor}" if ending and ending.reason else ""
    text = " ".join(statement.content.split())[:60]
    return statement.id, statement.record_status, statement.user_name, reason, text


@command("cancel")
@click.argument("statement_id")
def cancel(options: Options, statement_id: str) -> None:
    """Stop a statement and wait until it has stopped."""

    async def work() -> CancelReport:
        async with operator(options.settings) as service:
            statement = await service.deps.store.statement(statement_id)
            if statement is None:
                raise NotFound
            return await service.stop(statement, "operator", Reason.OPERATOR)

    options.show(
        run_async(work()),
        lambda r: f"{r.outcome} ({r.state}{f', {r.rung}' if r.rung else ''}) after {r.millis:.1f} ms",
    )


@command("backup")
@click.argument("target", type=click.Path(path_type=Path))
def backup(options: Options, target: Path) -> None:
    """Write a consistent copy of the store and the catalogs to TARGET (.tar.gz)."""
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
    backups.restore(source, options.settings.data_dir, _progress)
    EmbeddedPostgres(options.settings.data_dir).stop()


def _progress(step: str) -> None:
    click.echo(step, err=True)


COMMANDS = (sessions, statements, cancel, backup, restore)
