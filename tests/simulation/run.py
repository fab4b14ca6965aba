"""Many runs: seeds in, failures out, on as many processors as there are."""

import gc
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from tests.simulation.generate import scenario
from tests.simulation.mutants import mutated
from tests.simulation.scenario import Scenario
from tests.simulation.shrink import shrink
from tests.simulation.trace import silence
from tests.simulation.world import World, play

CHUNK: Final = 50
"""Seeds a process is given at once."""

FAST: Final = Path("/dev/shm")
"""A folder in memory, where there is one."""


class Failure(msgspec.Struct, frozen=True):
    """A seed that broke a clause."""

    seed: int
    clause: str
    text: str


@contextmanager
def stage() -> Iterator[Path]:
    """A folder for runs, and quiet loggers."""
    restore = silence()
    folder = Path(tempfile.mkdtemp(prefix="treadle-simulation-", dir=FAST if FAST.is_dir() else None))
    gc.disable()
    try:
        yield folder / "run"
    finally:
        gc.enable()
        shutil.rmtree(folder, ignore_errors=True)
        restore()


def failures(seeds: range, mutant: str | None = None, *, most: int = 1) -> list[Failure]:
    """Play these seeds one after another, until ``most`` of them have failed."""
    found = []
    with stage() as folder, mutated(mutant):
        for seed in seeds:
            if seed % CHUNK == 0:
                gc.collect()
            violations = play(scenario(seed), folder).truth.violations
            if violations:
                found.append(Failure(seed, violations[0].clause, violations[0].text))
                if len(found) >= most:
                    break
    return found


def in_parallel(seeds: range, mutant: str | None, jobs: int) -> Iterator[tuple[int, list[Failure]]]:
    """How many seeds are done, and which of them failed, chunk by chunk."""
    chunks = iter([seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)])
    with ProcessPoolExecutor(jobs) as pool:
        running = {pool.submit(failures, chunk, mutant, most=CHUNK): len(chunk) for chunk in islice(chunks, 2 * jobs)}
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                yield running.pop(one), one.result()
                if (chunk := next(chunks, None)) is not None:
                    running[pool.submit(failures, chunk, mutant, most=CHUNK)] = len(chunk)


def smallest(failure: Failure, mutant: str | None = None) -> World:
    """The run of the smallest scenario that fails as this seed does."""
    with stage() as folder, mutated(mutant):

        def fails(candidate: Scenario) -> bool:
            violations = play(candidate, folder).truth.violations
            return bool(violations) and violations[0].clause == failure.clause

        return play(shrink(scenario(failure.seed), fails), folder)


def digest(seeds: range) -> str:
    """A digest of everything that happens in these runs."""
    found = hashlib.sha256()
    with stage() as folder:
        for seed in seeds:
            text = "\n".join(play(scenario(seed), folder).trace.lines())
            found.update(text.replace(str(folder), "FOLDER").encode())
    return found.hexdigest()


def processors() -> int:
    """How many may be used."""
    return len(os.sched_getaffinity(0))
