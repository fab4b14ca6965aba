"""How hard the property tests try: little and always the same by default, twenty times as much or a fifth when asked.

Examples are drawn from the test itself by default: a run that fails, fails again. What they do not meet is for the
thorough profile to find, which draws afresh each time.
``TREADLE_TEST_PROFILE=thorough scripts/test …`` runs them as long as it takes (`tests/conftest.py`).
``TREADLE_TEST_PROFILE=brief`` is for further versions of Python: there it is shown that what holds on one runs as well.
"""

import os
from typing import Final

from hypothesis import HealthCheck, settings

PROFILE: Final = os.environ.get("TREADLE_TEST_PROFILE")
THOROUGH: Final = PROFILE == "thorough"
FACTOR: Final = {"thorough": 20.0, "brief": 0.2}.get(PROFILE or "", 1.0)

# Whatever settings are made from now on, here and in the tests, begin with these: a slow machine is no failure.
settings.register_profile(
    "treadle", derandomize=not THOROUGH, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("treadle")


def _tried(number: int) -> int:
    return max(1, round(number * FACTOR))


def examples(number: int = 100) -> settings:
    """Settings of a property that by default is tried on so many examples.

    A fixture may be shared by all examples: those used here keep nothing from one to the next.
    """
    return settings(
        max_examples=_tried(number),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        print_blob=True,
    )


def histories(number: int, steps: int) -> settings:
    """Settings of a state machine: so many histories by default, each of at most so many steps."""
    return settings(
        max_examples=_tried(number),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )
