"""All work beside the event loop, each kind in a pool of its own: none can use up what another needs."""

from typing import Final

from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.pools.helpers import Helpers
from treadle.pools.threads import Threads

INTAKE_IDLE: Final = 60
"""Seconds after which a process that reads scripts ends; those for pages are waited for, and stay."""


class Pools:
    """``stops`` is for what the end of a statement waits for, and for nothing else."""

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
        self.stops = Threads("stops", settings.stop_threads, settings.stop_threads, figures)
        self.files = Threads("files", settings.file_threads, settings.file_threads - 1, figures)
        passwords = settings.password_threads
        self.passwords = Threads("passwords", passwords, passwords, figures)

    def start(self) -> None:
        """Have the processes for pages ready."""
        self.pages.start()

    def close(self) -> None:
        """Kill the processes; threads are waited for by nobody."""
        self.pages.close()
        self.intake.close()
