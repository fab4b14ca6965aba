"""Parts of the list commands: headings, ages and durations, and periodic refresh."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

from treadle.app import operator
from treadle.cli.common import Options, lines, run_async
from treadle.model.words import MOST_REASON, reason_of
from treadle.service import Service

T = TypeVar("T")

WATCH_SECONDS: Final = 2.0
"""Default seconds between two refreshes."""

_CLEAR: Final = "\x1b[2J\x1b[H"
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))

watched = click.option(
    "--watch",
    is_flag=False,
    flag_value=WATCH_SECONDS,
    type=click.FloatRange(min=0.1),
    metavar="[SECONDS]",
    help=f"Repeat the list every {WATCH_SECONDS:g} s, or every SECONDS, until Ctrl-C.",
)


class Words(click.ParamType[str]):
    """A reason in words."""

    name = "WORDS"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Convert to one line of text; fails if it is too long or has no words."""
        text = str(value)
        plain = reason_of(text)
        if plain is None or len(text) > MOST_REASON:
            self.fail(f"must be text of at most {MOST_REASON} characters", param, ctx)
        return plain


def show(
    options: Options, look: Callable[[Service], Awaitable[T]], text: Callable[[T], str], watch: float | None = None
) -> None:
    """Print a list; with ``watch`` again every so many seconds, until it is interrupted."""

    async def work() -> None:
        async with operator(options.settings) as service:
            if watch is None:
                options.show(await look(service), text)
                return
            interrupted = _first_interrupt()
            while not interrupted.is_set():
                found = await look(service)
                if not options.as_json:
                    click.echo(_CLEAR if sys.stdout.isatty() else "", nl=False)
                options.show(found, text)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(interrupted.wait(), watch)

    if watch is None:
        run_async(work())
        return
    with contextlib.suppress(KeyboardInterrupt):
        run_async(work())


def _first_interrupt() -> asyncio.Event:
    """Get an event that the first Ctrl-C sets, so that only the second one breaks off a query."""
    loop, interrupted = asyncio.get_running_loop(), asyncio.Event()

    def on_interrupt() -> None:
        interrupted.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    return interrupted


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format rows under their headings; empty without rows."""
    found = list(rows)
    return lines((headings, *found)) if found else ""


def now() -> datetime:
    """Read the wall clock of this machine."""
    return datetime.now(UTC)


def age(since: datetime, until: datetime) -> str:
    """Format an age in its largest unit: ``42s``, ``7m``, ``3h``, ``12d``."""
    seconds = max((until - since).total_seconds(), 0.0)
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def duration(since: datetime | None, until: datetime) -> str:
    """Format the duration so far; empty before the start."""
    if since is None:
        return ""
    seconds = max((until - since).total_seconds(), 0.0)
    return f"{seconds:.3f}s" if seconds < 60 else f"{int(seconds // 60)}m{int(seconds % 60):02}s"


def common_cells(one: dict[str, Any], id_field: str) -> tuple[str, ...]:
    """Format the first cells of a session or a statement: id, status, user, endpoint, creation and age."""
    made: datetime = one["created_at"]
    return (
        one[id_field],
        one["status"],
        one["user_name"],
        one["endpoint_name"] or one["endpoint_id"],
        f"{made:%Y-%m-%dT%H:%M:%SZ}",
        age(made, now()),
    )


async def endpoint_names(service: Service, things: Iterable[Any]) -> dict[str, str]:
    """Look up the endpoint names of sessions or statements, by endpoint id."""
    ids = list({thing.endpoint_id for thing in things})
    return {one.id: one.name for one in await service.deps.store.endpoints_of(ids)} if ids else {}
