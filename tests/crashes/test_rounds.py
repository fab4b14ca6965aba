"""Rounds of kill -9 in a mixed write load, each process of the service in turn; `scripts/crash` plays many."""

import os
from collections.abc import Iterator

import pytest

from tests.crashes.rounds import Stage, play

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "5"))
SEED = int(os.environ.get("CRASH_SEED", "3"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One data folder; the service on it is started by whichever round finds none."""
    with Stage(tmp_path_factory.mktemp("rounds") / "data") as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_truth_survives_a_kill(stage: Stage, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """What was acknowledged is there once, every record agrees with the rows, nothing sticks, nothing is left."""
    report = play(stage, SEED, number)
    with capsys.disabled():
        print(f"\n{report.line()}")
