"""The verbs over a store in memory that fails on demand, without an owner and without a second that passes."""

import asyncio
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.service.fragile import Fragile
from tests.store.things import T0, new_session
from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.entities import Catalog, Principal, Session, Statement
from treadle.service import Deps, Service
from treadle.store.errors import StoreUnavailable
from treadle.store.signals import Signals

ANN = Principal(project_id="p1", project_name="project", user_id="u1", user_name="ann")


class Clock:
    """No second passes but those that are slept."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


class Plant:
    """Catalogs as their server has them."""

    def __init__(self) -> None:
        self.made: set[str] = set()
        self.failures = 0

    async def provision(self, catalog: Catalog) -> None:
        self.made.add(catalog.id)
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("gone")

    async def destroy(self, catalog: Catalog) -> None:
        self.made.discard(catalog.id)

    async def remove_files(self, workspace_id: str) -> None:
        """There are none."""


class Door:
    """The verbs over a store that fails."""

    def __init__(self, folder: Path) -> None:
        self.store, self.plant = Fragile(), Plant()
        ids = count()
        nothing: Any = None
        self.service = Service(
            Deps(
                store=self.store,
                signals=Signals(),
                clock=Clock(),
                new_id=lambda: f"id{next(ids)}",
                new_secret=lambda: "secret",
                settings=Settings(data_dir=folder, sync_wait=5),
                plant=self.plant,
                check_ready=nothing,
                metrics=Metrics(),
                look_seconds=0.001,
            )
        )

    async def session(self) -> Session:
        """A session of Ann's."""
        made = await new_session(self.store)
        workspace = self.store._workspaces[made.workspace_id]
        self.store._workspaces[workspace.id] = replace(workspace, project_id=ANN.project_id)
        return made

    @property
    def statement(self) -> Statement:
        """The one statement."""
        [found] = self.store._statements.values()
        return found
