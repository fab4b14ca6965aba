import asyncio

import pytest

from tests.store.things import intent
from treadle.store.base import Store, Wake
from treadle.store.dsn import Address
from treadle.store.errors import StoreUnavailable
from treadle.store.postgres import PostgresStore


async def test_a_wake_reaches_the_others_and_not_its_sender(postgres: PostgresStore, shared: str) -> None:
    """Whole, with its intent; and after stop nothing more is heard."""
    other = await PostgresStore.connect(shared)
    heard: asyncio.Queue[Wake] = asyncio.Queue()
    own: list[Wake] = []
    stop_other, stop_own = await other.listen(heard.put_nowait), await postgres.listen(own.append)
    sent = Wake(session_id="s1", statement_id="x", intent=intent())
    await postgres.notify(sent)
    async with asyncio.timeout(10):
        assert await heard.get() == sent
    await postgres.notify(Wake(session_id="s2", intent=intent(actor="long" * 3000)))
    async with asyncio.timeout(10):
        assert await heard.get() == Wake(session_id="s2")
    await stop_other()
    await stop_own()
    assert own == []
    await other.close()


async def test_a_store_without_others_hears_nothing(store: Store) -> None:
    """Notify and listen go together in every store, and stop can be awaited."""
    heard: list[Wake] = []
    stop = await store.listen(heard.append)
    await store.notify(Wake(session_id="s1"))
    await store.ping()
    await stop()
    assert heard == []


async def test_no_server_is_told_without_a_password() -> None:
    """Connecting to nothing says so, and keeps the password to itself."""
    dsn = Address(host="/nonexistent", user="treadle", database="treadle", password="hunter2").dsn
    with pytest.raises(StoreUnavailable) as caught:
        await PostgresStore.connect(dsn)
    assert "hunter2" not in str(caught.value)
