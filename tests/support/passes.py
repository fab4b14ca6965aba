"""How the tests are shared out: what runs side by side, in which order, and what runs alone.

`scripts/test` runs pytest twice. First come the tests side by side in several processes: the tests of a place
(a file, or a room whose tests share a costly service) stay in one process, and the places that take longest
begin first. Then come, one by one, the tests marked `alone`.
"""

import json
import sys
from pathlib import Path
from typing import Final

import pytest

ALONE: Final = "alone"
"""The marker of a test that nothing may run beside."""

ROOMS: Final = ("tests/access", "tests/frame", "tests/sandbox", "tests/sdk", "tests/store")
"""Rooms that are places as a whole: all their tests share a service that is costly to make."""

LONGEST: Final = (
    "tests/conformance/test_zoo.py",
    "tests/sandbox",
    "tests/store",
    "tests/frame",
    "tests/simulation/test_mutants.py",
    "tests/crashes/test_postgres.py",
    "tests/service/test_submitting.py",
    "tests/simulation/test_simulation.py",
    "tests/crashes/test_rounds.py",
    "tests/crashes/test_disk.py",
    "tests/service/test_limits.py",
    "tests/sdk",
    "tests/conformance/test_crash.py",
    "tests/conformance/test_stopping.py",
    "tests/conformance/test_reasons.py",
    "tests/crashes/test_clock.py",
    "tests/fuzz/test_described.py",
    "tests/crashes/test_gateways.py",
    "tests/engines/duckdb/test_stored_types.py",
    "tests/engines/duckdb/test_pruning.py",
    "tests/tenants/test_two_tenants.py",
    "tests/service/test_conflicts.py",
    "tests/service/test_temporary_objects.py",
    "tests/identity/test_live.py",
    "tests/neighbours/test_shutdown.py",
    "tests/tls/test_tls.py",
)
"""The places that take longest, longest first; the others follow as they are collected."""

WORDS: Final = ("passed", "failed", "error", "skipped", "xfailed")
"""What may come of a test, in pytest's words."""


def place(node_id: str) -> str:
    """Where a test belongs: it runs in one process with its neighbours there."""
    file = node_id.partition("::")[0]
    return next((room for room in ROOMS if file.startswith(f"{room}/")), file)


def choose(items: list[pytest.Item], which: str | None) -> list[pytest.Item]:
    """Keep the tests marked `alone` only, or all others, or everything; returns what was left out."""
    if which is None:
        return []
    left_out = [item for item in items if (item.get_closest_marker(ALONE) is not None) != (which == "only")]
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]
    return left_out


def longest_first(items: list[pytest.Item]) -> None:
    """Put the places that take longest to the front."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(place(item.nodeid), len(ranks)))


def add_to_tally(file: Path, counts: dict[str, int]) -> None:
    """Write down what came of a pass, a line of JSON each."""
    with file.open("a") as lines:
        lines.write(f"{json.dumps(counts)}\n")


def total(file: Path) -> str:
    """What came of all passes together, in the words of pytest's own last line."""
    counts = [json.loads(line) for line in file.read_text().splitlines()]
    passed, failed, errors, skipped, expected = (sum(one[word] for one in counts) for word in WORDS)
    return f"{passed + expected} passed, {failed + errors} failed, {skipped} skipped"


if __name__ == "__main__":
    print(f"test: {total(Path(sys.argv[1]))}")
