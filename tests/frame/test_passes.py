"""How `scripts/test` shares the tests out over its passes and processes."""

import socket
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support import units
from tests.support.passes import LONGEST, ROOMS, WORDS, add_to_tally, choose, longest_first, place, total

ROOT = Path(__file__).parents[2]


class Test:
    """As much of a test as is looked at."""

    __test__ = False

    def __init__(self, nodeid: str, *markers: str) -> None:
        self.nodeid = nodeid
        self.markers = markers

    def get_closest_marker(self, name: str) -> str | None:
        """The marker of that name."""
        return name if name in self.markers else None


def made(*tests: Test) -> list[pytest.Item]:
    """They pass as pytest's own."""
    return cast(list[pytest.Item], list(tests))


def test_what_is_named_is_there() -> None:
    """Rooms are folders of tests, and what takes longest are places."""
    assert all((ROOT / room).is_dir() for room in ROOMS)
    assert all(
        (ROOT / name).exists() and place(f"{name}::test" if ".py" in name else f"{name}/x.py::test") == name
        for name in LONGEST
    )


def test_a_file_is_a_place_unless_its_room_is() -> None:
    """Tests of one place run in one process."""
    assert place("tests/service/test_sql.py::test_one[a::b]") == "tests/service/test_sql.py"
    assert place("tests/frame/test_demo.py::test_two") == "tests/frame"


def test_each_test_is_in_one_pass() -> None:
    """Alone or not; without a choice all run."""
    quiet, busy = made(Test("a.py::quiet", "alone", "slow"), Test("a.py::busy", "slow"))
    for which, expected in (("only", [quiet]), ("never", [busy]), (None, [quiet, busy])):
        items = [quiet, busy]
        left_out = choose(items, which)
        assert items == expected
        assert {*items, *left_out} == {quiet, busy}


def test_what_takes_longest_begins_first() -> None:
    """And the rest stays in its order."""
    names = ["tests/a.py::x", f"{LONGEST[0]}::y", f"{LONGEST[0]}::x", "tests/b.py::x"]
    items = made(*map(Test, names))
    longest_first(items)
    assert [item.nodeid for item in items] == [names[1], names[2], names[0], names[3]]


def test_the_sum_counts_every_pass(tmp_path: Path) -> None:
    """An error is a failure, one that was expected is none."""
    counts: dict[str, Any] = dict.fromkeys(WORDS, 0)
    add_to_tally(tmp_path / "tally", counts | {"passed": 5, "error": 1, "xfailed": 1})
    add_to_tally(tmp_path / "tally", counts | {"passed": 2, "failed": 1, "skipped": 3})
    assert total(tmp_path / "tally") == "8 passed, 2 failed, 3 skipped"


def test_the_places_of_the_unit_tier_are_there() -> None:
    """A file that was renamed is missed."""
    named = [place.partition("::")[0] for place in (*units.PLACES, *units.EXCEPT)]
    assert [place for place in named if not (ROOT / place).exists()] == []
    assert [place for place in units.EXCEPT if not place.startswith(units.PLACES)] == []


def test_a_unit_test_does_without_processes_and_ports() -> None:
    """While it runs what it would start is refused."""
    test = units.Refusal().pytest_runtest_protocol()
    next(test)
    with pytest.raises(AssertionError, match="does without subprocess"):
        subprocess.run(["true"], check=True)
    with socket.socket() as door, pytest.raises(AssertionError, match=r"does without socket\.bind"):
        door.bind(("127.0.0.1", 0))
    test.close()
