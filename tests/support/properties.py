"""How hard the property tests try: little by default, twenty times as much when asked.

``TREADLE_TEST_PROFILE=thorough scripts/test …`` runs them as long as it takes (`tests/conftest.py`).
"""

import os
from typing import Final

from hypothesis import HealthCheck, settings

THOROUGH: Final = os.environ.get("TREADLE_TEST_PROFILE") == "thorough"
FACTOR: Final = 20 if THOROUGH else 1


def examples(number: int = 100) -> settings:
    """Settings of a property that by default is tried on so many examples.

    A fixture may be shared by all examples: those used here keep nothing from one to the next.
    """
    return settings(
        max_examples=number * FACTOR,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        print_blob=True,
    )


def histories(number: int, steps: int) -> settings:
    """Settings of a state machine: so many histories by default, each of at most so many steps."""
    return settings(
        max_examples=number * FACTOR,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )
