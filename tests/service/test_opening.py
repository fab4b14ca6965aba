"""A session whose opening is waited for in vain, over the store in memory and without an owner."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.store.things import T0, catalog, endpoint, workspace
from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.entities import Principal
from treadle.model.errors import SessionNotReady
from treadle.model.states import Reason, SessionStatus
from treadle.service import Deps, Service
from treadle.service.views import NewSession
from treadle.store.base import Wake
from treadle.store.memory import MemoryStore
from treadle.store.signals import Signals


class Clock:
    """Every look at it finds ten seconds gone."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        self.seconds += 10.0
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def test_a_session_that_could_not_be_opened_in_time_is_closed(tmp_path: Path) -> None:
    """Its caller never learns its id: nobody could use it, or close it, should it open yet."""
    store, signals = MemoryStore(), Signals()
    wakes: list[Wake] = []
    signals.on_wake(wakes.append)
    nothing: Any = None
    service = Service(
        Deps(
            store=store,
            signals=signals,
            clock=Clock(),
            new_id=lambda: "session",
            new_secret=nothing,
            settings=Settings(data_dir=tmp_path),
            plant=nothing,
            check_ready=nothing,
            metrics=Metrics(),
            look_seconds=0.001,
        )
    )
    room = workspace()
    place = endpoint(room.id)
    assert await store.add_workspace(room)
    assert await store.add_endpoint(place)
    assert await store.add_catalog(catalog(room.id))
    ann = Principal(project_id="p1", project_name="project", user_id="u1", user_name="ann")
    with pytest.raises(SessionNotReady):
        await service.create_session(ann, room.id, NewSession(endpoint_id=place.id, catalog="main"))
    row = await store.session(None, "session")
    assert row is not None
    assert (row.status, row.close_requested_by, row.reason) == (SessionStatus.CREATING, "ann", Reason.WAIT_TIMEOUT)
    assert wakes == [Wake(session_id="session")] * 2
