"""Commands of an operator: who is there; keep a copy of everything, and bring it back."""

import os
from pathlib import Path

import click

from treadle.cli.common import Options, Refused, command
from treadle.data_folder import require_data
from treadle.model.errors import ConfigError
from treadle.store import backup as backups
from treadle.store.embedded import EmbeddedPostgres


@command("backup")
@click.option("--force", is_flag=True, help="Replace TARGET if it exists.")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
def backup(options: Options, force: bool, target: Path) -> None:
    """Copy the store and the catalogs into an archive.

    TARGET (.tar.gz) is consistent and as secret as the data folder; the service may go on meanwhile.
    """
    settings = options.settings
    require_data(settings)
    if os.path.lexists(target) and not force:
        raise Refused(f"{target} exists; --force replaces it")
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
    """Restore a backup into an empty data folder."""
    if options.settings.database_url is not None:
        raise ConfigError("database_url: restore works on the private PostgreSQL only")
    # The umask of the service: files are for their own user only.
    os.umask(0o077)
    backups.restore(source, options.settings.data_dir, _progress)
    EmbeddedPostgres(options.settings.data_dir).stop()


def _progress(step: str) -> None:
    click.echo(step, err=True)


COMMANDS = (backup, restore)
