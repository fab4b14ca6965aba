from collections.abc import Iterator

import pytest

from tests.support.world import World, world


@pytest.fixture(scope="session")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service with the DuckDB engine for the whole suite."""
    # Maintenance makes and removes data files of its own, and tests count those of their statements.
    with world(tmp_path_factory.mktemp("conformance") / "data", {"TREADLE_MAINTENANCE": "false"}) as running:
        yield running
