"""What every command shares: its options, its output, its exit code."""

import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import click
import msgspec
import uvloop

from treadle import config, logs
from treadle.app import operator
from treadle.cli.terminal import seen, seen_json
from treadle.data_folder import is_served
from treadle.model.errors import NotStopped, TreadleError
from treadle.service import Service

P = ParamSpec("P")
T = TypeVar("T")


ALONE_SECONDS: Final = 1.0
"""Seconds a command waits for a stop where no service runs that could make it."""


class Refused(TreadleError):
    """A command that cannot be carried out; the message says why."""


class Options:
    """What every command takes: where the data is, which file configures it, how to print."""

    def __init__(self, settings: config.Settings, *, as_json: bool) -> None:
        self.settings = settings
        self.as_json = as_json

    def show(self, value: Any, text: Callable[[Any], str]) -> None:
        """Print a value, as JSON or as text; a text that is empty is not printed."""
        if self.as_json:
            click.echo(seen_json(msgspec.json.encode(value).decode()))
        elif shown := text(value):
            click.echo("\n".join(map(seen, shown.split("\n"))))


def command(
    name: str, group: click.Group | None = None
) -> Callable[[Callable[Concatenate[Options, P], None]], click.Command]:
    """A command, of ``group`` if given, with the common options and its errors turned into exit codes."""

    def decorate(function: Callable[Concatenate[Options, P], None]) -> click.Command:
        @wraps(function)
        def run(
            data_dir: Path | None, config_file: Path | None, as_json: bool, *args: P.args, **kwargs: P.kwargs
        ) -> None:
            try:
                overrides = {n: kwargs.pop(n) for n in ("host", "port") if n in kwargs}
                settings = config.load(config_file, data_dir=data_dir, **overrides)
                level: logs.Level = settings.log_level if name == "serve" else "warning"
                logs.configure(level, settings.log_format, log_sql=settings.log_sql)
                function(Options(settings, as_json=as_json), *args, **kwargs)
            except BrokenPipeError:
                raise  # whoever reads has seen enough
            except (TreadleError, OSError) as error:
                click.echo(f"treadle: {seen(describe(error))}", err=True)
                sys.exit(1)

        for option in (
            click.option("--json", "as_json", is_flag=True, help="Print JSON."),
            click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file of settings."),
            click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of everything kept."),
        ):
            run = option(run)
        made = click.command(name, help=function.__doc__)(run)
        if group is not None:
            group.add_command(made)
        return made

    return decorate


def describe(error: BaseException) -> str:
    """One line for a person."""
    return " ".join(str(error).split()) or type(error).__name__


def lines(rows: Iterable[Sequence[str]]) -> str:
    """Rows as text in columns."""
    table = [tuple(seen(str(cell)) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


@asynccontextmanager
async def stopping(settings: config.Settings) -> AsyncIterator[Service]:
    """`operator`, for what the service carries out; where none runs that is said soon, and the intent stays."""
    alone = settings.database_url is None and not is_served(settings.data_dir)
    if alone:
        settings = settings.model_copy(update={"cancel_timeout": ALONE_SECONDS})
    async with operator(settings) as service:
        try:
            yield service
        except NotStopped as late:
            if not alone:
                raise
            raise Refused(f"no service runs on {settings.data_dir}: what was asked is done when it starts") from late


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine."""
    return uvloop.run(work)
