"""The catalogs' databases on both servers, and what DuckLake leaves in them."""

import asyncio
import importlib.util
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import duckdb
import msgspec
import psycopg
import pytest

from tests.store.servers import Databases
from tests.store.things import catalog
from treadle.model.entities import Catalog
from treadle.store.catalogs import (
    catalog_address,
    committed,
    destroy,
    holds_inlined,
    lake_name,
    lake_path,
    provision,
    terminate_backends,
    worker_application,
)
from treadle.store.dsn import Address
from treadle.store.errors import StoreUnavailable
from treadle.store.lakes import leftovers

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


def new_lake(workspace_id: str, data_dir: Path) -> Catalog:
    """A catalog as the service makes one, with its folder."""
    made = catalog(workspace_id, password="pa'ss word%")
    path = lake_path(data_dir, made.id)
    Path(path).mkdir(parents=True)
    name = lake_name(made.id)
    return msgspec.structs.replace(made, database=name, role=name, data_path=path)


@pytest.fixture
async def lake(databases: Databases, folder: Path) -> AsyncIterator[Catalog]:
    """A provisioned catalog on each server in its turn."""
    made = new_lake("w1", folder / "lakes")
    await provision(databases.dsn, made)
    yield made
    await destroy(databases.dsn, made)


def extension(name: str) -> str:
    """The path of an engine extension."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension")


def attach(address: Address, data_path: str, application: str = "test") -> duckdb.DuckDBPyConnection:
    """A DuckDB that uses the catalog as ``lake``."""
    connection = duckdb.connect(":memory:", config={"allow_unsigned_extensions": "true", "threads": 1})
    for name in ("postgres_scanner", "ducklake"):
        connection.execute(f"LOAD '{extension(name)}'")
    secret = "'" + address.password.replace("'", "\\'") + "'"
    dsn = f"{address.libpq} password={secret} application_name={application}".replace("'", "''")
    connection.execute(f"ATTACH 'ducklake:postgres:{dsn}' AS lake (DATA_PATH '{data_path}')")
    connection.execute("USE lake")
    return connection


def commit(connection: duckdb.DuckDBPyConnection, change: str, marker: str) -> None:
    """Make a change in a transaction that carries the marker."""
    connection.execute("BEGIN")
    connection.execute(change)
    connection.execute(f"CALL lake.set_commit_message('ann', 'test', extra_info => '{marker}')")
    connection.execute("COMMIT")


async def test_a_catalog_is_open_to_its_own_role_only(databases: Databases, lake: Catalog) -> None:
    """Another catalog's role cannot connect, the service can look into it."""
    other = catalog("w1")
    await provision(databases.dsn, other)
    own = await asyncpg.connect(catalog_address(databases.dsn, lake).dsn)
    rights = "SELECT rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole) FROM pg_roles WHERE rolname = $1"
    assert await own.fetchval(rights, lake.role)
    await own.execute("CREATE TABLE mine (x int)")
    await own.close()
    stranger = Address.parse(databases.dsn).at(database=lake.database, user=other.role, password=other.password)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(stranger.dsn)
    service = await asyncpg.connect(Address.parse(databases.dsn).at(database=lake.database).dsn)
    assert await service.fetchval("SELECT count(*) FROM mine") == 0
    await service.close()
    await destroy(databases.dsn, other)


async def test_a_catalog_is_provisioned_and_destroyed_any_number_of_times(databases: Databases) -> None:
    """Again, and at once, with the same end."""
    made = catalog("w1")
    await asyncio.gather(*(provision(databases.dsn, made) for _ in range(3)))
    connection = await asyncpg.connect(catalog_address(databases.dsn, made).dsn)
    assert not connection.is_closed()
    await asyncio.gather(*(destroy(databases.dsn, made) for _ in range(2)))
    await destroy(databases.dsn, made)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
    with pytest.raises(asyncpg.PostgresError):
        await asyncpg.connect(catalog_address(databases.dsn, made).dsn)


@pytest.fixture
async def superuser(databases: Databases, lake: Catalog) -> AsyncIterator["Connection"]:
    """An operator's session on the catalog's database, of a role that the service may not end."""
    if not databases.admin:
        pytest.skip("TREADLE_TEST_DATABASE_URL names no superuser")
    admin = Address.parse(databases.admin).at(database=lake.database)
    connection = await asyncpg.connect(admin.dsn, server_settings={"application_name": worker_application("w")})
    yield connection
    await connection.close()


async def exists(databases: Databases, lake: Catalog) -> tuple[bool, bool]:
    """Whether the catalog has its database, and its role."""
    connection = await asyncpg.connect(databases.dsn)
    try:
        return (
            await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", lake.database),
            await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", lake.role),
        )
    finally:
        await connection.close()


async def test_a_session_of_a_superuser_delays_the_end_of_a_catalog(
    databases: Databases, lake: Catalog, superuser: "Connection"
) -> None:
    """It is no defect: the catalog's own sessions end, no further one begins, and when it has gone all is dropped."""
    own = await asyncpg.connect(catalog_address(databases.dsn, lake).dsn)
    with pytest.raises(StoreUnavailable):
        await destroy(databases.dsn, lake)
    assert await superuser.fetchval("SELECT 1") == 1
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await own.fetchval("SELECT 1")
    with pytest.raises(asyncpg.PostgresError):
        await asyncpg.connect(catalog_address(databases.dsn, lake).dsn)
    assert await exists(databases, lake) == (True, True)
    await superuser.close()
    await destroy(databases.dsn, lake)
    assert await exists(databases, lake) == (False, False)


async def test_backends_of_another_role_are_none_of_a_workers(databases: Databases, superuser: "Connection") -> None:
    """Whatever they call themselves: the service neither may nor must end them."""
    assert await terminate_backends(databases.dsn, worker_application("w"), 5)
    assert await superuser.fetchval("SELECT 1") == 1


async def test_a_catalog_is_dropped_while_autovacuum_works_in_it(databases: Databases, lake: Catalog) -> None:
    """Its workers belong to no role of ours: the server itself sends them away."""
    if not databases.admin:
        pytest.skip("TREADLE_TEST_DATABASE_URL names no superuser")
    own = await asyncpg.connect(catalog_address(databases.dsn, lake).dsn)
    await own.execute(
        "CREATE TABLE large WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,"
        " autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
        " AS SELECT i, repeat('x', 500) AS s FROM generate_series(1, 20000) i"
    )
    await own.execute("DELETE FROM large WHERE i % 2 = 0")
    await own.close()
    admin = await asyncpg.connect(databases.admin)
    works = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND datname = $1)"
    try:
        await admin.execute("ALTER SYSTEM SET autovacuum_naptime = 1")
        await admin.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(60):
            while not await admin.fetchval(works, lake.database):  # noqa: ASYNC110 - another process works
                await asyncio.sleep(0.05)
        await destroy(databases.dsn, lake)
    finally:
        await admin.execute("ALTER SYSTEM RESET autovacuum_naptime")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.close()
    assert await exists(databases, lake) == (False, False)


async def test_a_new_password_takes_the_place_of_the_old_one(private_databases: Databases, folder: Path) -> None:
    """Provisioning again with another password mends the role."""
    old = catalog("w1", password="old")
    new = msgspec.structs.replace(old, password="new")
    await provision(private_databases.dsn, old)
    await provision(private_databases.dsn, new)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(catalog_address(private_databases.dsn, old).dsn)
    connection = await asyncpg.connect(catalog_address(private_databases.dsn, new).dsn)
    await connection.close()
    await destroy(private_databases.dsn, new)


async def test_the_backends_of_a_session_are_ended(databases: Databases, lake: Catalog) -> None:
    """Those of its name and no others, also while they work; True when none is left."""
    address = catalog_address(databases.dsn, lake)
    mine, other = worker_application("s1"), worker_application("s2")

    async def connect(name: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(address.dsn, server_settings={"application_name": name})

    busy, idle, bystander = await connect(mine), await connect(mine), await connect(other)
    work = asyncio.create_task(busy.execute("SELECT pg_sleep(100)"))
    assert await terminate_backends(databases.dsn, mine, 10)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await work
    assert await bystander.fetchval("SELECT 1") == 1
    left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
    assert await bystander.fetchval(left, mine) == 0
    assert await terminate_backends(databases.dsn, mine, 10)
    await bystander.close()
    idle.terminate()


async def test_a_commit_is_found_by_its_marker(databases: Databases, lake: Catalog) -> None:
    """Only a durable one, only by its own marker, and never in a catalog nobody has attached."""
    one, part = str(uuid.uuid4()), f"{uuid.uuid4()}_2"
    assert not await committed(databases.dsn, lake, one)
    connection = attach(catalog_address(databases.dsn, lake), lake.data_path)
    commit(connection, "CREATE TABLE t AS SELECT 1 AS x", one)
    assert await committed(databases.dsn, lake, one)
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (2)")
    connection.execute(f"CALL lake.set_commit_message('ann', 'test', extra_info => '{part}')")
    assert not await committed(databases.dsn, lake, part)
    connection.execute("COMMIT")
    assert await committed(databases.dsn, lake, part)
    assert not await committed(databases.dsn, lake, part.removesuffix("_2"))
    connection.close()


async def test_names_and_folders_come_from_the_id() -> None:
    """Every id gives a name PostgreSQL takes as it is, and no two the same."""
    identity = "019EC92B-f4cc-7000-8000-c46dcdd60929"
    assert lake_name(identity) == "lake_019ec92bf4cc70008000c46dcdd60929"
    names = {lake_name("a"), lake_name("A"), lake_name("x'; DROP"), lake_name("")}
    assert len(names) == 4
    assert all(name.replace("_", "").isalnum() and len(name) < 63 for name in names)
    assert lake_path(Path("/d"), "c1") == "/d/lake/c1/"


async def test_a_catalog_without_a_server_cannot_be_asked(databases: Databases) -> None:
    """Nobody can tell: that is an error and never "no"."""
    dsn = Address(host="/nonexistent", user="u", database="d", password="hunter2").dsn
    for question in (committed(dsn, catalog("w1"), "m"), terminate_backends(dsn, "a", 1)):
        with pytest.raises(StoreUnavailable) as caught:
            await question
        assert "hunter2" not in str(caught.value)


def test_an_address_takes_a_dsn_apart() -> None:
    """Sockets, hosts, ports, escapes and options; the password is in no text that is shown."""
    address = Address.parse("postgresql://us%40er:p%2Fw@/data%20base?host=/a%20b&sslmode=require")
    assert (address.host, address.user, address.password, address.database) == ("/a b", "us@er", "p/w", "data base")
    assert Address.parse(address.dsn) == address
    assert Address.parse("postgresql://u@/d?host=/a+b").host == "/a+b"
    for read in (address.dsn, Address.parse("postgresql://u@/d?host=/a+b").dsn):
        assert psycopg.conninfo.conninfo_to_dict(read)["host"] == Address.parse(read).host
    assert psycopg.conninfo.conninfo_to_dict(address.libpq) == {
        "host": "/a b",
        "port": "5432",
        "user": "us@er",
        "dbname": "data base",
        "sslmode": "require",
    }
    assert "p/w" not in repr(address) + address.libpq
    tcp = Address.parse("postgres://u@db.example:6543/x")
    assert (tcp.host, tcp.port, tcp.database, tcp.password) == ("db.example", 6543, "x", "")
    odd = Address(host="/it's", user="a\\b", database="")
    assert psycopg.conninfo.conninfo_to_dict(odd.libpq)["host"] == "/it's"


async def test_inlined_rows_and_deletes_are_seen(databases: Databases, lake: Catalog) -> None:
    """Rows that DuckLake keeps in PostgreSQL, and deletes; not the empty tables that a flush leaves."""
    assert not await holds_inlined(databases.dsn, lake)
    address = catalog_address(databases.dsn, lake)
    connection = attach(address, lake.data_path)
    connection.execute("CREATE TABLE t AS SELECT range i FROM range(1000)")
    assert not await holds_inlined(databases.dsn, lake)
    assert leftovers(databases.dsn, lake) == []
    connection.execute("CREATE TABLE old AS SELECT INTERVAL '1 hour' AS span")
    names = [f"{lake.name}.main.old: inlined data", f"{lake.name}.main.old.span interval"]
    assert leftovers(databases.dsn, lake) == names
    connection.execute("DROP TABLE old")
    for change in ("INSERT INTO t VALUES (1000)", "DELETE FROM t WHERE i < 3"):
        connection.execute(change)
        assert await holds_inlined(databases.dsn, lake)
        connection.execute("CALL ducklake_flush_inlined_data('lake')")
        assert not await holds_inlined(databases.dsn, lake)
    connection.close()
