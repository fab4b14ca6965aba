from collections.abc import Iterator

import pytest

from tests.support.world import World, world


@pytest.fixture(scope="session")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service with the DuckDB engine for the whole suite."""
    with world(tmp_path_factory.mktemp("conformance") / "data") as running:
        yield running
