"""A submit that was answered with 503 and that no caller can name leaves no engine at work (C6, C11)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.inside import inside, until
from tests.support.world import rests
from treadle.store.base import Store
from treadle.store.errors import StoreUnavailable

FILL = "INSERT INTO own SELECT i FROM range(1000000000000) t(i) WHERE i % 1009 * 7 % 17 < 20"


def lose(store: Store, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is lost in the next call of a method, after its effect."""
    whole = getattr(store, method)

    async def lost(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(store, method, whole)
        await whole(*args, **kwargs)
        raise StoreUnavailable("the server closed the connection")

    monkeypatch.setattr(store, method, lost)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "fields"),
    [
        pytest.param("submit", {"is_sync": False}, id="in its submit"),
        pytest.param("statement", {"is_sync": True, "on_disconnect": "cancel"}, id="while it is waited for"),
    ],
)
async def test_a_submit_that_failed_with_503_leaves_the_engine_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, fields: dict[str, Any]
) -> None:
    """It is cancelled because its client is gone, none of its rows is there, and the session goes on."""
    async with inside(tmp_path / "data", sync_wait=1.0) as world:
        session = await world.session()
        [lane] = world.gateway._owner.lanes
        await world.submit(session, "CREATE TABLE own (i bigint)", is_sync=True)
        lose(world.gateway._store, method, monkeypatch)
        body = {"session_id": session.rpartition("/")[2], "statement": FILL, **fields}
        answer = await world.http.post(f"{world.base}/sessions/statements", json=body)
        assert answer.status_code == 503

        async def ended() -> str:
            found = await world.http.get(f"{world.base}/statement-records?limit=1")
            status: str = found.json()["records"][0]["status"]
            return status if status not in {"SUBMITTED", "RUNNING"} else ""

        assert await until(ended, "its end is on record") == "CANCELED"
        assert await asyncio.to_thread(rests, lane.worker.pid, 0.5)
        reply = await world.submit(session, "SELECT count(*) FROM own", is_sync=True)
        assert reply["results"][-1]["result_set"]["rows"] == [["0"]]
