"""What concerns every test."""

from pathlib import Path
from typing import Any

import pytest

from tests.support import passes, units
from tests.support.properties import THOROUGH

HOURS = 6 * 3600
"""Seconds that a test may take in the thorough profile."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `scripts/test` says to its two passes."""
    group = parser.getgroup("passes")
    group.addoption("--alone", choices=("only", "never"), help="run only the tests that run alone, or all but them")
    group.addoption("--tier", choices=("unit",), help="run only the tests of this tier")
    group.addoption("--tally", metavar="FILE", help="add a line of JSON with how many passed, failed, …")


def pytest_configure(config: pytest.Config) -> None:
    """The tests of the unit tier do without services."""
    if config.getoption("tier") == "unit":
        config.pluginmanager.register(units.Refusal())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose and order; the bound on a test's time is meant for the default profile."""
    left_out = passes.choose(items, config.getoption("alone"))
    if config.getoption("tier") == "unit":
        left_out += units.choose(items)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    if hasattr(config, "workerinput"):
        passes.longest_first(items)
    if THOROUGH:
        for item in items:
            item.add_marker(pytest.mark.timeout(HOURS), append=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one place stay in one process, and places are begun in the order in which they are collected."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = passes.place
    return scheduler


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Write down what came of the run for whoever asked."""
    if (file := config.getoption("tally")) is not None and not hasattr(config, "workerinput"):
        passes.add_to_tally(Path(file), {word: len(terminalreporter.stats.get(word, ())) for word in passes.WORDS})
