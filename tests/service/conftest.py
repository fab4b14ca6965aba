from collections.abc import Iterator

import pytest

from tests.service.caller import Caller, Sql, calling


@pytest.fixture(scope="session")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """One service for every test that needs no settings of its own."""
    with calling(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture
def sql(caller: Caller) -> Iterator[Sql]:
    """A fresh session."""
    with caller.session() as session:
        yield session
