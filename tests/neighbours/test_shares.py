"""Whatever a neighbour asks for, a tenant's own calls take about as long as without, and a cancel keeps its bound.

The bounds are ratios to the same calls without a neighbour, with a floor for what the processors are shared with.
"""

import pytest

from bench.neighbour import LOADS, Quiet, Size, influence, undisturbed
from bench.served import Target
from tests.support.world import BOUND

SIZE = Size(calls=20, opens=3, cancels=3, kills=1)

MORE = 3.0
FLOOR = 3.0
"""Seconds that a busy machine may take for anything; one turn behind a neighbour's work was many times as long."""


@pytest.fixture(scope="module")
def quiet(tenant: Target) -> Quiet:
    """The tenant's own calls without a neighbour, once for all loads."""
    return undisturbed(tenant, SIZE)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("load", LOADS)
def test_a_neighbour_is_not_felt(tenant: Target, quiet: Quiet, load: str) -> None:
    """A page, a session, a statement and a cancel beside the worst of each kind."""
    for call, seconds in influence(tenant, load, SIZE, quiet).items():
        assert seconds.worst <= max(MORE * seconds.quiet, FLOOR if call != "a cancel by kill" else BOUND), call
