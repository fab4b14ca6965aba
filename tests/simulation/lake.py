"""The catalogs' server: commits land on it whether or not anyone waits for them, until they are cut off."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from pathlib import Path
from random import Random

from tests.simulation.scenario import Reply
from tests.simulation.truth import Truth
from treadle.model.entities import Catalog
from treadle.model.ids import part_id
from treadle.store.base import Store


class Refused(Exception):
    """The server, or the engine, says no to a commit."""


class Overtaken(Refused):
    """Another transaction was first."""


class Landing:
    """A commit under way on the server."""

    def __init__(
        self, address: str, statement_id: str, number: int, reply: Reply, answer: asyncio.Future[None]
    ) -> None:
        self.address = address
        self.statement_id = statement_id
        self.number = number
        self.reply = reply
        self.answer = answer
        self.files: tuple[str, ...] = ()


class Lake:
    """What is durable, and what is on its way to be; it outlives gateways and workers."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outside: Context, random: Random, truth: Truth) -> None:
        self._loop = loop
        self._outside = outside
        self._random = random
        self._truth = truth
        self._markers: set[str] = set()
        self._files: set[str] = set()
        self._under_way: list[Landing] = []
        self.down_until = 0.0

    @property
    def down(self) -> bool:
        """Whether the server does not answer now."""
        return self._loop.time() < self.down_until

    @property
    def busy(self) -> bool:
        """Whether any commit is under way."""
        return bool(self._under_way)

    # -- the engine's side ------------------------------------------------------------------

    async def commit(self, landing: Landing, seconds: float) -> None:
        """Commit; raises `Refused`. Being cancelled stops the waiting, not the commit."""
        self._under_way.append(landing)
        self._later(seconds, self._land, landing)
        await landing.answer

    def _land(self, landing: Landing) -> None:
        if landing not in self._under_way:
            return
        if self.down:
            self._later(self.down_until - self._loop.time() + 0.001, self._land, landing)
            return
        self._under_way.remove(landing)
        if landing.reply in (Reply.REFUSED, Reply.CONFLICT):
            self._answer(landing, Refused("no") if landing.reply is Reply.REFUSED else Overtaken("a conflict"))
            return
        self._markers.add(part_id(landing.statement_id, landing.number))
        self._files.update(landing.files)
        self._truth.endures(landing.statement_id, landing.number)
        errors = {Reply.LOST: Refused("the connection was lost"), Reply.MISTAKEN: Overtaken("a conflict")}
        self._answer(landing, errors.get(landing.reply))

    def _answer(self, landing: Landing, error: Exception | None) -> None:
        if landing.answer.done():
            return
        if error is None:
            landing.answer.set_result(None)
        else:
            landing.answer.set_exception(error)

    # -- the owner's side -------------------------------------------------------------------

    async def cut_off(self, worker: str) -> bool:
        """End the worker's backends; False when that could not be done or seen now."""
        await asyncio.sleep(self._random.choice((0.0, 0.0, 0.01, 0.05)))
        if self.down:
            return False
        for landing in [one for one in self._under_way if one.address.endswith(worker)]:
            self._under_way.remove(landing)
            self._answer(landing, Refused("the backend was terminated"))
        if self._random.random() < 0.1:
            self._truth.trouble.add(0.2)
            return False
        return True

    async def committed(self, marker: str) -> bool | None:
        """Whether a commit with this marker is durable; None when nobody can tell now."""
        await asyncio.sleep(self._random.choice((0.0, 0.01)))
        return None if self.down else marker in self._markers

    async def referenced(self, names: Sequence[str]) -> frozenset[str] | None:
        """Which of these data files belong to a commit; None when nobody can tell now."""
        await asyncio.sleep(self._random.choice((0.0, 0.01)))
        return None if self.down else frozenset(self._files.intersection(names))

    def knows(self, file: Path) -> bool:
        """Whether a commit knows the data file."""
        return file.name in self._files

    def left_files(self, folder: Path) -> list[str]:
        """The data files that no commit knows."""
        return sorted(path.name for path in folder.rglob("*.parquet") if not self.knows(path))

    def _later(self, seconds: float, call: Callable[..., None], *args: object) -> None:
        self._loop.call_later(seconds, call, *args, context=self._outside)


class Catalogs:
    """The lake as one gateway reaches it; implements `treadle.scheduler.ports.Catalogs` and the service's `Plant`."""

    def __init__(self, lake: Lake, store: Store) -> None:
        self._lake = lake
        self._store = store

    async def of_session(self, workspace_id: str, instance_id: str, name: str) -> Catalog | None:
        """The catalog a session names."""
        return await self._store.catalog(workspace_id, instance_id, name)

    def dsn(self, catalog: Catalog, worker: str) -> str:
        """It names the worker, as the real one does."""
        return f"{catalog.database} {worker}"

    async def cut_off(self, worker: str) -> bool:
        """End what the worker left on the server."""
        return await self._lake.cut_off(worker)

    async def referenced(self, catalog: Catalog, names: Sequence[str]) -> frozenset[str] | None:
        """Which of these data files the catalog knows of."""
        return await self._lake.referenced(names)

    async def committed(self, catalog: Catalog, marker: str) -> bool | None:
        """Whether a commit with this marker is durable."""
        return await self._lake.committed(marker)

    async def provision(self, catalog: Catalog) -> None:
        """The one catalog is there."""

    async def destroy(self, catalog: Catalog) -> None:
        """Nothing is made anew."""

    async def remove_files(self, workspace_id: str) -> None:
        """No workspace is deleted."""
