"""What the simulation is worth: each deliberate fault is found within a stated number of seeds.

Those that take minutes are looked for with ``SIMULATION_RARE=1`` only.
"""

import os

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.run import failures


# A run that breaks off leaves work that was never begun: what a fault leaves is not what is looked for.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_is_found(name: str) -> None:
    """Some seed breaks a clause, and not because the fault itself is broken."""
    mutant = MUTANTS[name]
    if mutant.rare and not os.environ.get("SIMULATION_RARE"):
        pytest.skip(f"{name} takes up to {mutant.within} seeds, which is minutes: set SIMULATION_RARE=1")
    found = failures(range(mutant.within), name)
    assert found, f"{mutant.about}: not found in {mutant.within} seeds"
    assert "TypeError" not in found[0].text
