"""A whole gateway within the test's own process: its pools can be filled, its HTTP application called."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from treadle.api.app import build
from treadle.app import Gateway
from treadle.config import load
from treadle.pools.pools import Pools

PATIENCE = 60.0


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Wait, with the loop running, until ``condition`` is true and return its value."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not (value := await condition()):  # noqa: ASYNC110 - processes send no event
                await asyncio.sleep(0.05)
            return value
    raise AssertionError(f"never happened: {what}")


class Inside:
    """A gateway, and a tenant with one endpoint."""

    def __init__(self, gateway: Gateway, http: httpx.AsyncClient) -> None:
        self.gateway = gateway
        self.http = http
        self.base = ""
        self.endpoint_id = ""

    @property
    def pools(self) -> Pools:
        """The pools of the gateway."""
        return self.gateway.service.deps.pools

    async def post(self, path: str, body: object) -> dict[str, Any]:
        """The answer to a request that must succeed."""
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def session(self) -> str:
        """The path of a new session."""
        place = {"instance_id": "default", "catalog": "default"}
        body = {"endpoint_id": self.endpoint_id, "lake_formation_config": place}
        return f"{self.base}/sessions/{(await self.post(f'{self.base}/sessions', body))['session_id']}"

    async def submit(self, session: str, sql: str, *, is_sync: bool = False) -> dict[str, Any]:
        """The StatementResponse of a statement."""
        body = {"session_id": session.rpartition("/")[2], "statement": sql, "is_sync": is_sync}
        return await self.post(f"{self.base}/sessions/statements", body)

    async def cancel(self, session: str, statement_id: str) -> httpx.Response:
        """The answer to a cancel."""
        return await self.http.post(f"{session}/statements/{statement_id}/cancel", json={})


@asynccontextmanager
async def inside(data_dir: Path, **settings: Any) -> AsyncIterator[Inside]:
    """A gateway of its own for a while."""
    given = load(data_dir=data_dir, **settings)
    gateway = Gateway(given)
    try:
        await gateway.start()
        token, _ = await gateway.service.create_token("project-i", "inga", "operator", 3600.0)
        transport = httpx.ASGITransport(app=build(gateway.service, given))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://inside", headers={"X-Auth-Token": token}, timeout=60.0
        ) as http:
            made = Inside(gateway, http)
            workspace = await made.post("/v1/workspaces", {"name": "inside"})
            made.base = f"/v1/workspaces/{workspace['id']}"
            endpoint = await made.post(f"{made.base}/endpoints", {"name": "inside", "type": "sql"})
            made.endpoint_id = endpoint["id"]
            yield made
    finally:
        await gateway.stop()
