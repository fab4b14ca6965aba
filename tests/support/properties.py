"""How hard the property tests try: little and always the same by default, twenty times as much when asked.

Examples are drawn from the test itself by default: a run that fails, fails again. What they do not meet is for the
thorough profile to find, which draws afresh each time.
``TREADLE_TEST_PROFILE=thorough scripts/test …`` runs them as long as it takes (`tests/conftest.py`).
"""

import os
from typing import Final

from hypothesis import HealthCheck, settings

THOROUGH: Final = os.environ.get("TREADLE_TEST_PROFILE") == "thorough"
FACTOR: Final = 20 if THOROUGH else 1

# Whatever settings are made from now on, here and in the tests, begin with these: a slow machine is no failure.
settings.register_profile(
    "treadle", derandomize=not THOROUGH, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("treadle")


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
