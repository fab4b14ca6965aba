from collections.abc import Iterator

import pytest

from tests.sandbox.ground import Ground, ground
from treadle.worker import confine


@pytest.fixture(scope="package", params=["every layer", "the kernel alone"])
def place(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """A service with two tenants: as it is, and with its engine's own switches and the guard turned off."""
    unlocked = request.param == "the kernel alone"
    if unlocked and (lacking := confine.available().lacking):
        pytest.skip(f"this kernel has no {' and no '.join(lacking)}: what it holds alone cannot be shown here")
    with ground(unlocked=unlocked) as made:
        yield made
