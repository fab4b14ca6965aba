"""One contract, three stores: in memory, in the private PostgreSQL, in a stock one."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.store.servers import Databases, StockServer, has_stock_server
from treadle.store.base import Store
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.memory import MemoryStore
from treadle.store.postgres import PostgresStore


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that the servers' users can reach, which pytest's own is not."""
    path = Path(tempfile.mkdtemp(prefix="treadle-store-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def private(folder: Path) -> Iterator[EmbeddedPostgres]:
    """The private server of the tests."""
    server = EmbeddedPostgres.start(folder / "data")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def private_databases(private: EmbeddedPostgres) -> Databases:
    """Databases on the private server."""
    return Databases(private.service_dsn, private.admin_dsn)


@pytest.fixture(scope="session")
def stock_databases(folder: Path) -> Iterator[Databases]:
    """Databases on a stock PostgreSQL, the operator's or one started here."""
    given = os.environ.get("TREADLE_TEST_DATABASE_URL")
    if given:
        yield Databases(given)
        return
    if not has_stock_server():
        pytest.skip("no PostgreSQL on the PATH and no TREADLE_TEST_DATABASE_URL")
    (folder / "stock").mkdir()
    server = StockServer(folder / "stock")
    yield Databases(server.dsn, server.admin_dsn)
    server.stop()


@pytest.fixture(params=["private", "stock"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Each server in its turn."""
    found = request.getfixturevalue(f"{request.param}_databases")
    assert isinstance(found, Databases)
    return found


@pytest.fixture
def dsn(databases: Databases) -> Iterator[str]:
    """A migrated database of its own."""
    fresh = databases.fresh()
    yield fresh
    databases.drop(fresh)


@pytest.fixture
async def postgres(databases: Databases) -> AsyncIterator[PostgresStore]:
    """The store on each server in its turn, empty."""
    store = await PostgresStore.connect(databases.emptied())
    yield store
    await store.close()


@pytest.fixture
def shared(databases: Databases, postgres: PostgresStore) -> str:
    """The dsn of the database behind `postgres`."""
    return databases.emptied()


@pytest.fixture(params=["memory", "private", "stock"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Each store in its turn, empty."""
    if request.param == "memory":
        yield MemoryStore()
        return
    databases: Databases = request.getfixturevalue(f"{request.param}_databases")
    made = await PostgresStore.connect(databases.emptied())
    yield made
    await made.close()
