"""One gateway at a time serves a store: the lease, on real servers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import psycopg
import pytest

from tests.store.servers import Databases
from treadle.store.errors import StoreUnavailable
from treadle.store.migrate import migrate
from treadle.store.postgres import PostgresStore, gateway
from treadle.store.postgres.gateway import GatewayLease, StoreTaken


class Candidate:
    """A gateway as the store sees it."""

    def __init__(self, dsn: str, name: str, folder: Path) -> None:
        self.dsn = dsn
        self.lost: list[StoreTaken] = []
        self.lease = GatewayLease(dsn, name, folder / name, self.lost.append)
        self.store: PostgresStore | None = None

    async def start(self) -> "Candidate":
        await self.lease.acquire()
        await asyncio.to_thread(migrate, self.dsn)
        await self.lease.register()
        self.store = await PostgresStore.connect(self.dsn, pool_size=3, admission=self.lease)
        return self

    async def answers(self) -> bool:
        assert self.store is not None
        try:
            await self.store.ping()
        except StoreUnavailable:
            return False
        return True

    async def stop(self) -> None:
        store, self.store = self.store, None
        if store is not None:
            await store.close()
        await self.lease.release()

    def pause(self) -> None:
        """No sign of life any more; its connections stay."""
        assert self.lease._renewing is not None
        self.lease._renewing.cancel()

    def resume(self) -> None:
        """It goes on as if nothing had been."""
        self.lease._renewing = asyncio.create_task(self.lease._renew_forever())


Candidates = Callable[[str], Candidate]


@pytest.fixture
async def candidates(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Candidates]:
    """Gateways of one database, each with a folder of its own, and short times."""
    monkeypatch.setattr(gateway, "RENEW", 0.1)
    monkeypatch.setattr(gateway, "LEASE", 3.0)
    monkeypatch.setattr(gateway, "YIELD", 1.0)
    made: list[Candidate] = []

    def make(name: str) -> Candidate:
        made.append(Candidate(dsn, name, tmp_path))
        return made[-1]

    yield make
    for one in made:
        await one.stop()


async def happens(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (what is waited for sets no event)
            await asyncio.sleep(0.01)


async def test_the_first_stays_and_the_second_is_refused(candidates: Candidates, tmp_path: Path) -> None:
    """In words that say who is there, before anything is changed; the first notices nothing."""
    first = await candidates("first").start()
    with pytest.raises(StoreTaken, match=rf"another gateway \(process \d+ on .*{tmp_path / 'first'}\)"):
        await candidates("second").start()
    assert await first.answers()
    assert (first.lost, first.lease.held) == ([], True)


async def test_a_gateway_that_stops_in_good_order_lets_the_next_one_in(candidates: Candidates) -> None:
    """At once."""
    first = await candidates("first").start()
    await first.stop()
    second = await candidates("second").start()
    assert await second.answers()


async def test_a_gateway_that_dies_lets_the_next_one_in(candidates: Candidates) -> None:
    """Its connections end with it, and its lock with them."""
    first = await candidates("first").start()
    first.pause()
    assert first.lease._connection is not None
    first.lease._connection.terminate()
    second = await candidates("second").start()
    assert await second.answers()


async def test_a_paused_gateway_loses_the_store_for_good(candidates: Candidates) -> None:
    """What it sends after that is not carried out, over old connections or new ones, and it learns who has it."""
    first = await candidates("first").start()
    first.pause()
    second = await candidates("second").start()
    # It does not know yet that it is not the holder any more.
    assert first.lease.held
    assert [await first.answers() for _ in range(4)] == [False] * 4
    first.resume()
    await happens(lambda: first.lost)
    assert "second" in str(first.lost[0])
    assert not await first.answers()
    assert await second.answers()
    assert second.lost == []


async def test_a_gateway_that_loses_its_connection_gets_the_lock_again(candidates: Candidates, dsn: str) -> None:
    """Nothing goes to the store in between, and one that starts meanwhile leaves it to the former holder."""
    first = await candidates("first").start()
    with psycopg.connect(dsn, autocommit=True) as beside:
        beside.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(StoreTaken):
        await candidates("second").start()
    await happens(lambda: first.lease.held)
    assert await first.answers()
    assert first.lost == []


async def test_a_call_waits_for_an_interrupted_lease_but_not_for_long(candidates: Candidates) -> None:
    """After some seconds it is answered that the store cannot be reached."""
    first = await candidates("first").start()
    first.lease.held = False
    assert not await first.answers()
    waiting = asyncio.create_task(first.answers())
    await asyncio.sleep(0)
    first.lease.held = True
    assert await waiting


async def test_others_may_look_at_the_store(candidates: Candidates, dsn: str) -> None:
    """A command beside the gateway needs no lease, and does not end with a former gateway."""
    first = await candidates("first").start()
    beside = await PostgresStore.connect(dsn, pool_size=3)
    first.pause()
    await candidates("second").start()
    await beside.ping()
    await beside.close()


async def test_a_store_of_an_earlier_version_is_locked_before_it_is_changed(
    databases: Databases, tmp_path: Path
) -> None:
    """There is no row of a holder yet, and no table for one."""
    empty = databases.fresh("template0")
    try:
        first, second = (GatewayLease(empty, name, tmp_path, lambda _: None) for name in ("first", "second"))
        await first.acquire()
        connection = await asyncpg.connect(empty)
        assert not await connection.fetchval("SELECT pg_try_advisory_lock($1)", gateway.KEY)
        await connection.close()
        await first.release()
        await second.acquire()
        await second.release()
    finally:
        databases.drop(empty)
