"""A soak in small size; `scripts/crash --soak` plays long ones."""

from pathlib import Path

import pytest

from tests.crashes.rounds import Stage
from tests.crashes.soak import Plan, soak


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_the_service_holds_does_not_grow(tmp_path: Path) -> None:
    """Three periods with kills on one gateway: the records are true, and the idle service holds no more at the end."""
    tmp_path.chmod(0o755)
    with Stage(tmp_path / "data") as stage:
        seen = soak(stage, Plan(seed=1, periods=3, seconds=4.0, writers=3, visitors=4, pause=1.0))
    assert seen.statuses["SUCCESSFUL"]
    assert seen.kills.total() >= 2
    assert len(seen.idle) == 3
