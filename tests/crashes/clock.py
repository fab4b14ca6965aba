"""A service whose wall clock jumps: `treadle serve` as it is, its one source of wall time offset by a file."""

from pathlib import Path

SITE = '''
"""Loaded by every Python process of the service before anything else."""
import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import treadle.outside

_step = Path(os.environ["WALL_CLOCK_STEP"]) if "WALL_CLOCK_STEP" in os.environ else None


def _seconds():
    return float(_step.read_text()) if _step else 0.0


class _Datetime(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(seconds=_seconds())


class _Time:
    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def time_ns():
        return time.time_ns() + int(_seconds() * 1e9)


treadle.outside.datetime = _Datetime
treadle.outside.time = _Time
'''


class WallClock:
    """The wall clock of a service that is started with `settings`."""

    def __init__(self, folder: Path) -> None:
        self._step = folder / "step"
        self._site = folder / "site"
        self._site.mkdir(parents=True)
        (self._site / "sitecustomize.py").write_text(SITE)
        self.step(0)

    @property
    def settings(self) -> dict[str, str]:
        """What the service's environment needs."""
        return {"PYTHONPATH": str(self._site), "WALL_CLOCK_STEP": str(self._step)}

    def step(self, seconds: float) -> None:
        """Set the service's wall clock so many seconds off the machine's."""
        fresh = self._step.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self._step)
