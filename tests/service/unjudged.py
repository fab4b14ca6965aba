"""The service with workers that do not judge definitions, so that the engine's own errors about them are met.

``python -m tests.service.unjudged serve …`` is `treadle serve …` whose workers come from such a zygote, which is
this module again, with ``--fd``. For tests only: the service has no setting for it.
"""

import sys
from unittest import mock

from bench import child
from treadle.cli import main as treadle
from treadle.engines.duckdb import kept
from treadle.scheduler import forking
from treadle.worker import zygote


def unjudged(*_: object, **__: object) -> None:
    """Refuse nothing."""


def serve() -> None:
    """The command line, with workers from this module's zygote."""

    def command(self: forking.Zygote, fd: int) -> list[str]:
        told = ordinary(self, fd)
        return [*child.command("tests.service.unjudged"), *told[3:]]

    ordinary = forking.Zygote._command
    with mock.patch.object(forking.Zygote, "_command", command):
        treadle()


def host() -> None:
    """The zygote, without the judgement."""
    with mock.patch.object(kept, "refuse_before", unjudged):
        zygote.main()


if __name__ == "__main__":
    host() if "--fd" in sys.argv else serve()
