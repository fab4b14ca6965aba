"""What concerns every test."""

import pytest

from tests.support.properties import THOROUGH

HOURS = 6 * 3600
"""Seconds that a test may take in the thorough profile."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The bound on a test's time is meant for the default profile."""
    if THOROUGH:
        for item in items:
            item.add_marker(pytest.mark.timeout(HOURS), append=False)
