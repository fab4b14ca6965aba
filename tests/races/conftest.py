"""The services the races run on, and the counting of their outcomes."""

import os
import sys
from collections.abc import Generator, Iterator

import pytest

from tests.races.trials import RACES, TRIALS, Tally, wanted
from tests.support.world import World, world

FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """A race has a number (R1 …), a title, its trials in an ordinary run and, as a divisor, what a trial costs."""
    config.addinivalue_line("markers", "race(number, title, small, cost=1): a race and how often it is run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the races that were not asked for; R3 stands for R3a, R3b and so on.

    Nothing runs beside a race: it drives the machine as hard as it should be driven, and where its moments lie is
    measured.
    """
    for item in items:
        if item.get_closest_marker("race") is not None:
            item.add_marker("alone")
    names = [name.upper() for name in os.environ.get(RACES, "").split(",") if name]
    unwanted = [item for item in items if names and not _asked(item, names)]
    if unwanted:
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]


def _asked(item: pytest.Item, names: list[str]) -> bool:
    marker = item.get_closest_marker("race")
    if marker is None:
        return True
    number = str(marker.args[0])
    return any(name in (number.upper(), number.rstrip("abcdefghi").upper()) for name in names)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the race itself failed."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
        if report.failed and TRIALS in os.environ:
            # At once: the other races may take hours.
            print(report.longreprtext, file=sys.stderr, flush=True)
    return report


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """The outcomes of the test's race."""
    marker = request.node.get_closest_marker("race")
    number, title, small, cost = marker.args[0], marker.args[1], marker.kwargs["small"], marker.kwargs.get("cost", 1)
    counted = Tally(number, title, wanted(small, cost))
    yield counted
    counted.report(held=not request.node.stash.get(FAILED, True))


@pytest.fixture(scope="session")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service as it is shipped, but that it kills after 20 s only: a slow machine is no lost interrupt.

    And a quick one is no flood: four readers of pages ask more than 2,000 times a second.
    """
    settings = {"TREADLE_CANCEL_GRACE": "20", "TREADLE_USER_RATE": "100000", "TREADLE_PROJECT_RATE": "100000"}
    with world(tmp_path_factory.mktemp("races") / "data", settings) as running:
        yield running


@pytest.fixture(scope="session")
def brisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service that kills after 0.3 s, and whose workers have little memory, so that they spill soon."""
    settings = {"TREADLE_CANCEL_GRACE": "0.3", "TREADLE_WORKER_MEMORY": "160MiB", "TREADLE_POLL_INTERVAL": "0.2"}
    with world(tmp_path_factory.mktemp("brisk") / "data", settings) as running:
        yield running
