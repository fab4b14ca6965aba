"""The unit tier: the tests that need no service, no server and no process of their own.

They are what runs on every supported version of Python, and what one runs while writing.
"""

import sys
from collections.abc import Generator
from typing import Any, Final

import pytest

PLACES: Final = (
    "tests/api/",
    "tests/engines/",
    "tests/frame/test_logs.py",
    "tests/frame/test_passes.py",
    "tests/frame/test_patterns.py",
    "tests/identity/test_accounts.py",
    "tests/identity/test_keys.py",
    "tests/model/",
    "tests/results/test_inline.py",
    "tests/results/test_pages.py",
    "tests/results/test_paging.py",
    "tests/results/test_standard.py",
    "tests/results/test_text_of_duckdb.py",
    "tests/scheduler/",
    "tests/simulation/test_loop.py",
    "tests/simulation/test_scenarios.py",
    "tests/store/test_addresses.py",
    "tests/worker/",
)
"""Files, and folders as a whole."""

EXCEPT: Final = (
    "tests/api/test_delivery.py",
    "tests/api/test_http.py",
    "tests/engines/duckdb/test_conflicts.py",
    "tests/engines/duckdb/test_definitions_read_back.py",
    "tests/engines/duckdb/test_engine_settings.py",
    "tests/engines/duckdb/test_gathering.py",
    "tests/engines/duckdb/test_interrupted.py",
    "tests/engines/duckdb/test_partitions.py",
    "tests/engines/duckdb/test_profiler_off.py",
    "tests/engines/duckdb/test_pruning.py",
    "tests/engines/duckdb/test_script.py",
    "tests/engines/duckdb/test_snapshot.py",
    "tests/engines/duckdb/test_stored_types.py",
    "tests/engines/duckdb/test_type_changes.py",
    "tests/engines/duckdb/test_upgrade.py",
    "tests/results/test_pages.py::test_a_killed_writer_leaves_nothing_visible",
    "tests/scheduler/test_processes.py",
)
"""What there has real sockets and processes, or takes its time."""

REFUSED: Final = frozenset(("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "socket.bind"))
"""What a unit test does not do, in the words of Python's audit events."""


def is_unit(item: pytest.Item) -> bool:
    """Whether the test is of the tier."""
    if not item.nodeid.startswith(PLACES) or item.nodeid.startswith(EXCEPT):
        return False
    return item.get_closest_marker("slow") is None and item.get_closest_marker("alone") is None


def choose(items: list[pytest.Item]) -> list[pytest.Item]:
    """Keep the tests of the tier; returns what was left out."""
    left_out = [item for item in items if not is_unit(item)]
    items[:] = [item for item in items if is_unit(item)]
    return left_out


class Refusal:
    """Makes a test fail that starts a process or opens a port; pytest itself may, between two tests."""

    def __init__(self) -> None:
        self._testing = False
        sys.addaudithook(self._hear)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """A test begins, and ends."""
        self._testing = True
        try:
            return (yield)
        finally:
            self._testing = False

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if self._testing and event in REFUSED:
            raise AssertionError(f"a test of the unit tier does without {event}{args!r}")


if __name__ == "__main__":
    print(*PLACES, sep="\n")
