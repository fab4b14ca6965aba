from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import ByteSize
from starlette.types import ASGIApp

from tests.api.twin import Twin
from treadle.api.app import build
from treadle.config import Settings

MAX_BODY = 64 * 1024
METRICS = ("text/plain; version=0.0.4", b"treadle_up 1\n")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Defaults, but for body limits that a test can reach."""
    return Settings(
        data_dir=tmp_path, max_body=ByteSize(MAX_BODY), max_signed_body=ByteSize(MAX_BODY // 2), record_chars=12
    )


@pytest.fixture
def twin() -> Twin:
    """The verbs behind the HTTP room."""
    return Twin()


async def _scrape() -> tuple[str, bytes]:
    return METRICS


@pytest.fixture
def app(twin: Twin, settings: Settings) -> ASGIApp:
    """The real application."""
    return build(twin, settings, _scrape)


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A caller with a valid token."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers={"X-Auth-Token": "operator-token"}
    ) as client:
        yield client
