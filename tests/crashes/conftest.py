from collections.abc import Iterator

import pytest

from tests.support.world import World, world

SMALL_WORKERS = {"TREADLE_WORKER_MEMORY": "256MiB", "TREADLE_WORKER_SPILL": "64MiB", "TREADLE_WORKER_THREADS": "1"}


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service with small workers for memory and crowds."""
    with world(tmp_path_factory.mktemp("small-workers") / "data", SMALL_WORKERS) as made:
        yield made
