"""One round: a mixed load on a real service, a SIGKILL in the middle of it, and the whole truth afterwards."""

import contextlib
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from tests.crashes import leftovers, truth
from tests.crashes.ledger import Ledger
from tests.crashes.load import WRITERS, Load, prepare
from tests.crashes.targets import ORDER, Target, strike
from tests.support.tokens import make_token
from tests.support.world import World, until
from treadle.demo.client import Api, ApiError, Session
from treadle.demo.local import LocalService, ServiceFailed

QUIET: Final = 20.0
"""Seconds until nothing of a crash may be left, once no session works any more."""

SETTINGS: Final = {"TREADLE_SYNC_WAIT": "30"}

BACK: Final = 60.0
"""Seconds until a service whose PostgreSQL was killed answers again."""


@dataclass(frozen=True)
class Report:
    """What a round did. ``moment`` is when the kill came, in seconds after every client had begun."""

    seed: str
    target: Target
    moment: float
    statuses: Counter[str]
    acknowledged: int
    lost_replies: int
    cancels: int
    seconds: float

    def line(self) -> str:
        """The round on one line."""
        told = " ".join(f"{name.lower()} {count}" for name, count in sorted(self.statuses.items()))
        return (
            f"{self.seed:>8} {self.target:<34} at {self.moment:4.2f} s: {told}; acknowledged {self.acknowledged}, "
            f"unanswered {self.lost_replies}, cancels {self.cancels} ({self.seconds:.1f} s)"
        )


class Stage:
    """A data folder and the service on it, which is started whenever a round finds none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = ""
        self._service: LocalService | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._service is not None:
            self._service.stop()

    @property
    def service(self) -> LocalService:
        """The running service."""
        assert self._service is not None
        return self._service

    def world(self, name: str) -> World:
        """The workspace of that name on the running service."""
        if self._service is None:
            self._service = LocalService(self._folder, SETTINGS).__enter__()
        self._token = self._token or make_token(self._folder, "crashes", "writer")
        return World(self._service, self._token, name)

    def died(self) -> None:
        """The service was killed: the next round, or the next look, starts another."""
        self._service = None

    def die_while_starting(self, delay: float) -> None:
        """Start a service and kill it after ``delay`` seconds, ready or not."""
        service = LocalService(self._folder, SETTINGS)
        timer = threading.Timer(delay, lambda: os.kill(service.pid, signal.SIGKILL))
        timer.start()
        with contextlib.suppress(ServiceFailed):
            service.__enter__()
        timer.join()
        service.stop()

    def keep(self, place: Path) -> None:
        """Copy the logs of a failed round to ``place``."""
        place.mkdir(parents=True, exist_ok=True)
        for log in (self._folder / "serve.log", self._folder / "postgres" / "server.log"):
            if log.exists():
                shutil.copy(log, place)


def play(stage: Stage, seed: int, number: int) -> Report:
    """Play the round ``number`` of ``seed``; raises AssertionError when the service told anything but the truth."""
    name = f"{seed}-{number}"
    chance = random.Random(name)
    target, moment = ORDER[number % len(ORDER)], chance.uniform(0.1, 2.5)
    started = time.monotonic()
    ledger = Ledger()
    with closing(stage.world(f"round-{name}")) as world:
        prepare(world)
        load = Load(world, ledger, name)
        load.start()
        until(load.under_way, "every client has begun", timeout=BACK)
        time.sleep(moment)
        strike(target, stage.service, chance)
        if target.ends_service:
            stage.died()
        else:
            time.sleep(chance.uniform(0.2, 0.6))
        load.stop(service_gone=target.ends_service)
    if target is Target.GATEWAY_TWICE:
        stage.die_while_starting(chance.uniform(0.3, 3.0))
    if not target.ends_service:
        until(lambda: ready(stage.service), "the service is ready again", timeout=BACK)
    with closing(stage.world(f"round-{name}")) as world:
        until(lambda: serves(world), "the service serves again", timeout=BACK)
        statuses = judge(world, ledger, restarted=target.ends_service)
    return Report(
        seed=name,
        target=target,
        moment=moment,
        statuses=statuses,
        acknowledged=sum(1 for _ in ledger.acknowledged()),
        lost_replies=sum(one.told is None for one in ledger.entries),
        cancels=sum(one.verdict is not None for one in ledger.entries),
        seconds=time.monotonic() - started,
    )


def ready(service: LocalService) -> bool:
    """Whether the service says that it can serve; it cannot while PostgreSQL comes back."""
    with Api(service.url, "") as api:
        try:
            api.call("GET", "/readyz")
        except ApiError as refused:
            if refused.status != 503:
                raise
            return False
    return True


def serves(world: World) -> bool:
    """Whether a new session runs a statement; raises what is not a 503."""
    try:
        with world.session() as session:
            return session.run("SELECT 1").rows == [["1"]]
    except ApiError as refused:
        if refused.status != 503:
            raise
        return False


def judge(world: World, ledger: Ledger, *, restarted: bool, writers: int = WRITERS) -> Counter[str]:
    """Assert everything that must hold after a crash; counts the statuses of the records."""
    if restarted:
        assert not leftovers.strangers(world.service)
        assert not leftovers.old_backends(world.service.data_dir, ledger.session_ids)
        open_now = [one for one in _sessions(world) if one["session_id"] in ledger.session_ids]
        assert not open_now, f"sessions older than the crash are open: {open_now}"
    for one in _sessions(world):
        Session(world.api, world.workspace_id, one["session_id"]).close()
    until(lambda: not _sessions(world), "every session has ended", timeout=QUIET)
    statuses = truth.check(world, ledger, writers)
    data_dir = world.service.data_dir
    _none_left(lambda: leftovers.old_backends(data_dir, ledger.session_ids), "backends")
    _none_left(lambda: leftovers.idle_folders(world.service), "workers' folders")
    _none_left(lambda: leftovers.staged(data_dir), "staged output")
    _none_left(lambda: leftovers.ownerless_results(world, truth.records(world)), "results of nothing")
    _none_left(lambda: leftovers.orphans(world), "data files of no snapshot")
    return statuses


def _none_left(look: Callable[[], list[Any]], what: str) -> None:
    """Wait until nothing of it is left; fail with what is."""
    deadline = time.monotonic() + QUIET
    while left := look():
        assert time.monotonic() < deadline, f"left: {what}: {left[:5]}"
        time.sleep(0.1)


def _sessions(world: World) -> list[dict[str, Any]]:
    """The sessions of the world that have not ended."""
    found: list[dict[str, Any]] = []
    for status in ("CREATING", "WAITING", "RUNNING"):
        found += world.api.get(dict[str, Any], f"{world.base}/sessions?status={status}&limit=100")["sessions"]
    return found
