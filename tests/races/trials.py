"""How often a race is run, where its moments lie, and what came of it."""

import itertools
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from tests.races.report import Outcome, percentile

TRIALS: Final = "TREADLE_TRIALS"
"""The environment variable with the number of trials; without it each race runs its own small one."""

REPORT: Final = "TREADLE_RACES_REPORT"
"""The environment variable with the file that gets a line for each race."""

RACES: Final = "TREADLE_RACES"
"""The environment variable with the names of the races to run, separated by commas; all of them without it."""

PROGRESS_SECONDS: Final = 5.0

T = TypeVar("T")


def wanted(small: int, cost: int) -> int:
    """The trials of a race: ``small`` of them, or what the environment asks for divided by what one costs."""
    asked = os.environ.get(TRIALS)
    return small if asked is None else max(1, int(asked) // cost)


class Tally:
    """The outcomes of one race."""

    def __init__(self, race: str, title: str, trials: int) -> None:
        self.race = race
        self.title = title
        self.trials = trials
        self.seconds: list[float] = []
        self.baseline = ""
        self._outcomes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._said = self._started

    def __getitem__(self, outcome: str) -> int:
        """How often a trial ended like that."""
        return self._outcomes[outcome]

    @property
    def seen(self) -> set[str]:
        """The outcomes that came up."""
        return set(self._outcomes)

    def count(self, outcome: str, seconds: float | None = None) -> None:
        """A trial is over; ``seconds`` is how long its cancel took."""
        with self._lock:
            self._outcomes[outcome] += 1
            if seconds is not None:
                self.seconds.append(seconds)
            self._progress()

    def _progress(self) -> None:
        now = time.monotonic()
        if TRIALS in os.environ and now - self._said >= PROGRESS_SECONDS:
            self._said = now
            done = self._outcomes.total()
            print(f"  {self.race} {done}/{self.trials} {dict(self._outcomes)}", file=sys.stderr, flush=True)

    def report(self, *, held: bool) -> None:
        """Write the line of the race, if anybody asked for it."""
        if (path := os.environ.get(REPORT)) is None:
            return
        shares = (0.5, 0.99, 1.0) if self.seconds else ()
        outcome = Outcome(
            race=self.race,
            title=self.title,
            trials=self._outcomes.total(),
            outcomes=dict(self._outcomes.most_common()),
            held=held,
            cancel_millis=[round(percentile(self.seconds, share) * 1000, 1) for share in shares],
            baseline=self.baseline,
            seconds=round(time.monotonic() - self._started, 1),
        )
        with Path(path).open("ab") as file:
            file.write(outcome.line())


def spread(tally: Tally, racers: Sequence[T], trial: Callable[[T, int], None]) -> None:
    """Run the trials over the racers, all at once, each with the next number; the first error ends it."""
    numbers = itertools.count()
    failed = threading.Event()

    def race(racer: T) -> None:
        while not failed.is_set() and (number := next(numbers)) < tally.trials:
            try:
                trial(racer, number)
            except BaseException:
                failed.set()
                raise

    with ThreadPoolExecutor(len(racers)) as pool:
        for done in [pool.submit(race, racer) for racer in racers]:
            done.result()


class Aim:
    """Moments, in seconds, that close in on the edge between too early and too late, so that both sides win often."""

    def __init__(self, seed: int, centre: float, width: float) -> None:
        self._chance = random.Random(seed)
        self._centre = centre
        self._width = width

    def next(self) -> float:
        """The next moment."""
        return max(0.0, self._centre + self._chance.uniform(-self._width, self._width))

    def was(self, *, early: bool) -> None:
        """Whether the last moment came early enough to stop something."""
        self._centre = min(1.0, max(0.0002, self._centre * (1.07 if early else 1 / 1.07)))
