"""Commands that run the service or show how it would run."""

import functools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from treadle.app import serve as serve_forever
from treadle.cli.common import Options, Refused, command, run_async
from treadle.config import Settings
from treadle.model.errors import TreadleError


@command("serve")
@click.option("--port", type=int, help="Port to listen on; 0 picks a free one.")
@click.option("--host", help="Address to listen on.")
def serve(options: Options) -> None:
    """Run the service until SIGINT or SIGTERM."""
    say = functools.partial(print, flush=True)
    run_async(serve_forever(options.settings, say))


@command("config")
def show_config(options: Options) -> None:
    """Print the settings of this environment, secrets masked.

    They are read as `serve` would read them here and now, from the options, the environment and the file of --config; a
    service that runs may have others.
    """
    values = options.settings.model_dump(mode="json")
    if values["database_url"] is not None:
        values["database_url"] = "***"
    if options.as_json:
        click.echo(msgspec.json.encode(values).decode())
        return
    for name, value in values.items():
        if value is not None:
            click.echo(f"{name} = {msgspec.json.encode(value).decode()}")


@command("demo")
@click.option(
    "--scale", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True, help="TPC-H scale factor."
)
def demo(options: Options, scale: float) -> None:
    """Demonstrate a query and two cancels on a temporary service.

    TPC-H is loaded, a heavy statement and a deaf one are cancelled, and the processor is looked at. Everything is in a
    temporary folder, which is removed at the end; with --data-dir it is in that folder, and kept.
    """
    from treadle.demo.client import ApiError, StatementFailed
    from treadle.demo.interrupt import interruptible
    from treadle.demo.local import LocalService, ServiceFailed, make_token
    from treadle.demo.show import DemoFailed, run_demo
    from treadle.demo.tables import GenerationFailed

    say = functools.partial(print, flush=True)
    with interruptible("treadle: interrupted"), _folder_of_demo(options.settings) as data_dir:
        say(f"Starting a service on {data_dir} ...")
        try:
            with LocalService(data_dir) as service:
                token = make_token(data_dir)
                run_demo(service.url, token, service.pid, data_dir, scale, say)
        except (ApiError, StatementFailed, ServiceFailed, DemoFailed, GenerationFailed) as failed:
            raise TreadleError(str(failed)) from failed
    if data_dir.exists():
        kept = os.path.relpath(data_dir)
        say(f"The data is kept in {kept}; `treadle serve` with the same --data-dir goes on with it.")


@contextmanager
def _folder_of_demo(settings: Settings) -> Iterator[Path]:
    """The folder of --data-dir, or a temporary one."""
    if click.get_current_context().params["data_dir"] is not None:
        yield settings.data_dir
        return
    if settings.database_url is not None:
        raise Refused(
            "database_url is set: a temporary service has a PostgreSQL of its own; unset it or give --data-dir"
        )
    with tempfile.TemporaryDirectory(prefix="treadle-demo-") as folder:
        yield Path(folder)


COMMANDS = (serve, show_config, demo)
