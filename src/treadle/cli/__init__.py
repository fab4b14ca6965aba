"""The command line. Errors are one line with exit code 1, or 2 for wrong usage.

The help is a table, so that printing it imports none of the modules of the commands.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

import click

from treadle import __version__

MODULES: Final[Mapping[str, tuple[str, str]]] = {
    "audit": ("audit", "Show the audit log, newest first."),
    "backup": ("operate", "Copy the store and the catalogs into an archive."),
    "cancel": ("statements", "Stop statements and wait until they have stopped."),
    "catalog": ("catalogs", "Catalogs of a workspace."),
    "config": ("running", "Print the settings of this environment, secrets masked."),
    "credential": ("credentials", "Access keys (AK/SK) that requests are signed with."),
    "demo": ("running", "Demonstrate a query and two cancels on a temporary service."),
    "doctor": ("doctor", "Check the protection and the dependencies of the service."),
    "endpoint": ("resources", "Endpoints of a workspace."),
    "policy": ("policies", "Custom policies of projects, in addition to the built-in roles."),
    "project": ("identity", "Projects, which own workspaces."),
    "restore": ("operate", "Restore a backup into an empty data folder."),
    "serve": ("running", "Run the service until SIGINT or SIGTERM."),
    "sessions": ("sessions", "List sessions, newest first."),
    "statements": ("statements", "List statements, newest first."),
    "token": ("tokens", "Tokens for the header X-Auth-Token."),
    "user": ("identity", "Users and their rights in projects."),
    "workspace": ("resources", "Workspaces."),
}
"""The module and the help line of every command."""


class Commands(click.Group):
    """Imports the module of a command on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return sorted(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in MODULES:
            return None
        commands: Sequence[click.Command] = import_module(f"treadle.cli.{MODULES[cmd_name][0]}").COMMANDS
        return next(one for one in commands if one.name == cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, MODULES[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="treadle")
def main() -> None:
    """Treadle: a SQL statement service whose cancel is true."""
