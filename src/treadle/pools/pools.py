"""The pools for work outside the event loop, one for each kind, so that none can exhaust another."""

from typing import Final

from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.pools.helpers import Helpers
from treadle.pools.threads import Threads

INTAKE_IDLE: Final = 60
"""Seconds after which an idle process that reads scripts exits; those for pages stay, because callers wait for pages.
"""

DIGEST_THREADS: Final = 2
"""Threads that hash large bodies, each for a few hundredths of a second."""


class Pools:
    """The pools by purpose; ``stops`` is reserved for the work that the end of a statement waits for.

    Of each pool a tenant uses all but one of the processes or threads at most, so that another one's work can begin.
    """

    def __init__(self, settings: Settings, figures: Metrics) -> None:
        self.pages = Helpers(
            "pages",
            size=settings.page_processes,
            line=settings.waiting_orders,
            seconds=settings.page_timeout,
            idle=0,
            figures=figures,
        )
        self.intake = Helpers(
            "intake",
            size=settings.intake_processes,
            line=settings.waiting_orders,
            seconds=settings.page_timeout,
            idle=INTAKE_IDLE,
            figures=figures,
        )
        self.readers = Threads("readers", settings.page_threads, settings.page_threads - 1, figures)
        self.stops = Threads("stops", settings.stop_threads, settings.stop_threads - 1, figures)
        self.files = Threads("files", settings.file_threads, settings.file_threads - 1, figures)
        self.digests = Threads("digests", DIGEST_THREADS, DIGEST_THREADS - 1, figures)
        passwords = settings.password_threads
        self.passwords = Threads("passwords", passwords, passwords, figures)

    def start(self) -> None:
        """Start the processes for pages in advance."""
        self.pages.start()

    def close(self) -> None:
        """Kill the processes; threads are daemons and not waited for."""
        self.pages.close()
        self.intake.close()
