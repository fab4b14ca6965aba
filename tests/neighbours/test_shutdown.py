"""The service ends within its grace, whatever it is doing for whom."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from bench.neighbour import LOADS
from bench.served import Target
from bench.traffic import send_traffic
from tests.support.tokens import make_token
from tests.support.world import until
from treadle.demo.local import LocalService

GRACE = 3.0

SLACK = 20.0
"""Seconds that a machine full of other tests may take beyond the grace; the work itself would take minutes."""


def _helpers(pid: int) -> list[psutil.Process]:
    return [one for one in psutil.Process(pid).children() if "treadle.pools.helper" in one.cmdline()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pages of 1,900 doubles", "scripts of 6 MB with a binding"])
def test_a_shutdown_waits_for_no_page_and_no_script(tmp_path: Path, kind: str) -> None:
    """SIGTERM while all processes work: it exits in time, and leaves none of them."""
    data = tmp_path / "data"
    with LocalService(data, {"TREADLE_SHUTDOWN_GRACE": str(GRACE)}) as service:
        target = Target.of(service, make_token(data, "demo", "demo"))
        traffic = LOADS[kind](target)
        with send_traffic(traffic):
            until(lambda: any(one.cpu_times().user > 1.0 for one in _helpers(service.pid)), "a helper works", 120)
            busy, began = _helpers(service.pid), time.monotonic()
            gateway = psutil.Process(service.pid)
            os.kill(service.pid, signal.SIGTERM)
            until(lambda: gateway.status() == psutil.STATUS_ZOMBIE, "the service has ended", GRACE + SLACK)
            assert time.monotonic() - began < GRACE + SLACK
            until(lambda: not any(one.is_running() for one in busy), "no helper is left")
