"""C2, C3, C7, C10, C11, C14 for every kind of statement, cancelled at several moments: the engine is looked at.

``ZOO_ROUNDS`` (1) says how often; `scripts/cancel-latency` does the same at full size and publishes the figures.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.zoo import KINDS, Kind
from tests.conformance.zoo.stock import ROOT, SMALL, Stock
from tests.conformance.zoo.trial import Moment, Seat
from tests.support.world import BOUND, world

ROUNDS = int(os.environ.get("ZOO_ROUNDS", "1"))
SETTINGS = {"TREADLE_CANCEL_GRACE": "0.6"}
"""A short grace: whether deaf statements end is the point here, and how soon they are given up is a setting."""

PAGE = ROOT / "docs" / "cancel-latency.md"


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """A service of the zoo's own with the data the kinds read, at its small size."""
    cache: Path = tmp_path_factory.mktemp("benchmarks")
    copy_dirs = {"TREADLE_COPY_DIRS": json.dumps([str(cache)])}
    with world(tmp_path_factory.mktemp("zoo") / "data", SETTINGS | copy_dirs) as running:
        yield Stock(running, SMALL, cache)


@pytest.mark.slow
@pytest.mark.timeout(120 * ROUNDS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_cancelled_statement_has_stopped_and_left_nothing(stock: Stock, kind: Kind) -> None:
    """At whatever moment: the worker is idle or gone, the record tells the truth, nothing is left, the session goes on.

    A statement that ends by itself is run to its end once, so that it is known to work; its late
    cancels may find it ended.
    """
    with Seat(stock, kind) as seat:
        typical = seat.duration() if kind.finite else 0.0
        for number in range(ROUNDS):
            later = Moment.END if kind.finite and number % 2 else Moment.MIDDLE
            for moment in (Moment.EARLY, later):
                assert seat.trial(moment, typical).seconds < BOUND


def test_there_are_kinds_enough() -> None:
    """At least sixty, each under a name of its own."""
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 60


def test_the_page_of_latencies_names_every_kind() -> None:
    """docs/cancel-latency.md has one row for each kind of the zoo and none for another."""
    named = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(kind.name for kind in KINDS)
