"""The command line: what went wrong is said in one line; exit code 1, and 2 for wrong usage."""

import click

from treadle import __version__
from treadle.cli import audit, catalogs, doctor, identity, operate, resources, running, statements, tokens


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="treadle")
def main() -> None:
    """Treadle: a SQL statement service whose cancel is true."""


for module in (running, tokens, resources, catalogs, identity, operate, statements, audit, doctor):
    for entry in module.COMMANDS:
        main.add_command(entry)
