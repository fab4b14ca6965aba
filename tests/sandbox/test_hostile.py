"""Hostile SQL in families, through the whole service: with every layer, and with the kernel's alone."""

import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import duckdb
import pytest

from tests.sandbox.attempts import BOMBS, FAMILIES, GUARDED, HONEST, LOOSENED, WRITERS
from tests.sandbox.ground import Ground, Intruder
from tests.support.world import worker_of
from treadle.demo.processes import cpu_seconds
from treadle.engines.duckdb.engine_settings import NAMES
from treadle.engines.duckdb.settings import SETTINGS

FACTOR = 2.0
"""How much slower than honest work a bomb may make a neighbour, in the middle of all probes."""

ROUNDS = int(os.environ.get("TREADLE_SANDBOX_ROUNDS", "1"))
BURNING = 0.75
"""Seconds of each turn of honest work and of bombs."""

QUIET_PROBES = 20
LEAST_PROBES = 20
SLOWLY = 6
"""Rounds more until there are enough probes, on a machine that has no time, and the bombs are no slower than they may.

A stall of the machine's is as long as a turn: it is found in one round, and in the middle of several no more.
"""

BEYOND = (
    *("threads = 1000", "worker_threads = 1000", "threads = 0", "max_expression_depth = 100000"),
    *("max_expression_depth = 1", "disabled_optimizers = 'unused_columns'", "pivot_limit = 1000000000"),
    *("default_order = 'DESC'", "pivot_filter_threshold = 18446744073709551615"),
)
"""Values past the bounds of settings that a session may change."""

NAMES_ONLY = "FROM glob("
"""That a path is there can be asked: the kernel hides what is in it, and what is beside it."""

HARMLESS = (
    # What looks like a way out becomes the name of a folder.
    "COPY (SELECT 1 AS a, '../../../../../outside' AS p) TO 'parts' (FORMAT csv, PARTITION_BY (p), OVERWRITE)",
)
OWN_AFFAIR = (
    # The link is replaced, not what it leads to.
    *(writer.format("sneaky.csv") for writer in WRITERS),
    # A worker puts the results of its own workspace there. It cannot look at what is there.
    *(writer.format("{own_results}/new.csv") for writer in WRITERS),
)
"""What comes through when only the kernel is left."""


def refused_or_empty(reply: dict[str, object]) -> bool:
    """Whether a reply is a refusal, or shows nothing."""
    if reply.get("status") == 0:
        results = reply["results"]
        assert isinstance(results, list)
        return not results[-1]["result_set"]["rows"]
    return reply.get("status") != 2


@pytest.mark.timeout(300)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_kernels_families_are_refused(place: Ground, family: str) -> None:
    """What reaches out of the sandbox fails or finds nothing, tells no secret and changes nothing outside."""
    intruder = Intruder(place)
    came_through = []
    for attempt in FAMILIES[family]:
        said = place.told(attempt)
        reply = intruder.attempt(said)
        place.untold(json.dumps(reply), said)
        if not refused_or_empty(reply):
            came_through.append(said)
    intruder.close()
    place.unharmed()
    harmless = [place.told(attempt) for attempt in (*HARMLESS, *(OWN_AFFAIR if place.unlocked else ()))]
    assert [said for said in came_through if said not in harmless and not said.startswith(NAMES_ONLY)] == []
    if not place.unlocked:
        assert len(came_through) <= 1
    print(
        f"{family}: {len(FAMILIES[family])} attempts, {len(came_through)} came through, {intruder.lost} sessions lost"
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("family", GUARDED)
def test_the_guards_families_stay_inside(place: Ground, family: str) -> None:
    """The guard refuses its own cases; where there is no guard, they harm nobody but the one who tries."""
    intruder = Intruder(place)
    for attempt in GUARDED[family]:
        said = place.told(attempt)
        reply = intruder.attempt(said)
        if not place.unlocked:
            assert reply.get("status") == -1, (said, reply)
        # What a case itself says is no secret: the guard's cases look for /etc/passwd by its name.
        place.untold(json.dumps(reply), said)
    intruder.close()
    place.unharmed()


@pytest.mark.timeout(300)
def test_no_setting_of_the_engine_can_be_changed(place: Ground) -> None:
    """Neither SET nor RESET nor PRAGMA changes a setting that is not the session's own, or past its bounds."""
    if place.unlocked:
        pytest.skip("without the engine's locks its settings are open, which is the point of this run")
    names = [str(name) for (name,) in duckdb.sql("SELECT DISTINCT name FROM duckdb_settings()").fetchall()]
    assert len(names) > 100
    intruder = Intruder(place)
    for name in names:
        if name.lower() in SETTINGS or name.lower() in ("schema", *NAMES):
            continue
        for attempt in (f"SET {name} = '1'", f"SET GLOBAL {name} = true", f"RESET {name}", f"PRAGMA {name} = '1'"):
            reply = intruder.attempt(attempt)
            assert reply.get("status") == -1, (attempt, reply)
    for beyond in BEYOND:
        for attempt in (f"SET {beyond}", f"SET GLOBAL {beyond}", f"SET LOCAL {beyond}", f"PRAGMA {beyond}"):
            reply = intruder.attempt(attempt)
            assert reply.get("status") == -1, (attempt, reply)
    intruder.close()
    place.unharmed()


class Neighbour:
    """Another tenant's `SELECT 1`, over and over, timed."""

    def __init__(self, place: Ground) -> None:
        self._sql = place.victim.session()

    def once(self) -> float:
        """One more: in how many seconds."""
        began = time.perf_counter()
        assert self._sql.rows("SELECT 1") == [["1"]]
        return time.perf_counter() - began

    @contextmanager
    def going_on(self, seconds: list[float]) -> Iterator[None]:
        """It goes on meanwhile, in a thread of its own, and ``seconds`` grow."""
        over = threading.Event()
        failed: list[BaseException] = []

        def go_on() -> None:
            try:
                while not over.wait(0.005):
                    seconds.append(self.once())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert not failed, failed

    def close(self) -> None:
        """Let go of the session."""
        self._sql.close()


class Felt:
    """What the neighbour felt of one family of bombs, and of as much honest work: seconds of each `SELECT 1`."""

    def __init__(self) -> None:
        self.quiet: list[float] = []
        self.honest: list[float] = []
        self.bombed: list[float] = []

    @property
    def probes(self) -> int:
        """How many there are of either, at least."""
        return min(len(self.honest), len(self.bombed))

    @property
    def settled(self) -> bool:
        """Whether there are probes enough, and they say what they should."""
        return self.probes >= LEAST_PROBES and self.ratio <= FACTOR

    @property
    def ratio(self) -> float:
        """How much slower the bombs make the neighbour than honest work does."""
        return statistics.median(self.bombed) / statistics.median(self.honest)

    def __str__(self) -> str:
        quiet, honest, bombed = (
            statistics.median(one) * 1e3 if one else 0.0 for one in (self.quiet, self.honest, self.bombed)
        )
        return (
            f"quiet {quiet:.1f} ms, beside honest work {honest:.1f} ms, beside bombs {bombed:.1f} ms "
            f"({bombed / honest:.2f} and {bombed / quiet:.2f} times), {len(self.bombed)} probes"
        )


def keep_busy(post: Callable[[], object]) -> None:
    """Say it again and again, for as long as a bomb may burn."""
    until = time.monotonic() + BURNING
    while time.monotonic() < until:
        post()


@pytest.mark.alone
@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", BOMBS)
def test_bombs_burst_where_they_are(place: Ground, family: str) -> None:
    """What eats the machine ends within its limits, and slows the neighbour no more than twice what honest work does.

    Quiet, honest work and bombs take turns in one run, so that all three have the same machine.
    """
    neighbour, felt = Neighbour(place), Felt()
    honest = place.attacker.session()
    intruder = Intruder(place)
    neighbour.once()
    rounds = 0
    while rounds < ROUNDS or (not felt.settled and rounds < ROUNDS + SLOWLY):
        rounds += 1
        for bomb, sql in BOMBS[family].items():
            said = f"{LOOSENED}; {sql}" if place.unlocked else sql
            felt.quiet += [neighbour.once() for _ in range(QUIET_PROBES)]
            with neighbour.going_on(felt.honest):
                keep_busy(partial(honest.post, HONEST[family]))
            with neighbour.going_on(felt.bombed):
                keep_busy(partial(burst, intruder, bomb, said))
    for session in (neighbour, honest, intruder):
        session.close()
    sizes = {path: path.stat().st_size for path in place.attacker.files.rglob("*") if path.is_file()}
    assert all(size <= 96 * 2**20 for size in sizes.values()), sizes
    place.unharmed()
    assert cpu_seconds(worker_of(place.victim.service, place.neighbour.id)) is not None
    print(f"{family}, {'the kernel alone' if place.unlocked else 'every layer'}: {felt}")
    assert felt.probes >= LEAST_PROBES
    assert felt.ratio <= FACTOR, str(felt)


def burst(intruder: Intruder, bomb: str, said: str) -> None:
    """A bomb that ends, one way or the other."""
    reply = intruder.attempt(said)
    assert reply.get("status") != 3, (bomb, reply)
