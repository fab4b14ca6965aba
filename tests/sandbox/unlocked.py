"""The service with an engine that has none of its own locks and no guard: what still holds is the kernel.

``python -m tests.sandbox.unlocked serve …`` is `treadle serve …` whose workers come from such a
zygote, which is this module again, with ``--fd``. For tests only: the service has no setting for it.
"""

import sys
from collections.abc import Sequence
from typing import Final
from unittest import mock

import duckdb

from bench import child
from treadle.cli import main as treadle
from treadle.engines.duckdb import adapter, opening
from treadle.engines.duckdb.planned import Kind, Planned
from treadle.scheduler import forking
from treadle.worker import zygote

STREAMED: Final = frozenset(("SELECT", "EXPLAIN", "PRAGMA", "CALL"))


def unjudged(connection: duckdb.DuckDBPyConnection, script: str, guard: object) -> Sequence[Planned]:
    """Every statement as it comes, straight to the engine."""
    return [
        Planned(
            kind=Kind.QUERY if statement.type.name in STREAMED else Kind.COMMAND,
            text=statement.query,
            tag=statement.type.name,
            statements=(statement,),
        )
        for statement in connection.extract_statements(script)
    ]


def unlocked(*_: object) -> None:
    """Close no door."""


CONFIG: Final = opening._CONFIG | {"autoinstall_known_extensions": "true", "autoload_known_extensions": "true"}


def serve() -> None:
    """The command line, with workers from this module's zygote."""

    def command(self: forking.Zygote, fd: int) -> list[str]:
        told = ordinary(self, fd)
        return [*child.command("tests.sandbox.unlocked"), *told[3:]]

    ordinary = forking.Zygote._command
    with mock.patch.object(forking.Zygote, "_command", command):
        treadle()


def host() -> None:
    """The zygote, with the engine's locks off."""
    with (
        mock.patch.object(opening, "_CONFIG", CONFIG),
        mock.patch.object(opening, "lock", unlocked),
        mock.patch.object(adapter, "split", unjudged),
    ):
        zygote.main()


if __name__ == "__main__":
    host() if "--fd" in sys.argv else serve()
