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


@pytest.fixture(scope="module")
def kept(caller: Caller) -> Iterator[Sql]:
    """The session of `shared`."""
    with caller.session() as session:
        yield session


@pytest.fixture
def shared(kept: Sql) -> Iterator[Sql]:
    """A session for tests that leave it as it was, one for all of a file: to open one costs more than most of them.

    Transaction and settings are set back after each, and temporary tables dropped; tables of the catalog and what is
    prepared have names of their own.
    """
    yield kept
    assert kept.run("ROLLBACK") == "ROLLBACK"
    assert kept.run("RESET ALL") == "RESET"
    for (name,) in kept.rows("SELECT table_name FROM duckdb_tables() WHERE database_name = 'temp'"):
        kept.run(f'DROP TABLE temp.main."{name}"')
