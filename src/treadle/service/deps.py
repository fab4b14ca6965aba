"""What every verb is given, and what many of them do first."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.entities import Catalog, Principal, Role, Session, Statement, Workspace
from treadle.model.errors import Forbidden, NotFound, Unavailable
from treadle.model.ports import Clock, NewId
from treadle.store.base import Store
from treadle.store.signals import Signals

LOOK_SECONDS: Final = 0.5
"""Seconds between two looks of a waiting verb at the store, in case a wake was missed."""

Leaving = Callable[[], Coroutine[Any, Any, None]]
"""Raises when the caller has left, and never returns; the caller is watched only while it runs."""


class Plant(Protocol):
    """The making and unmaking of what lies outside the store: catalogs and folders."""

    async def provision(self, catalog: Catalog) -> None:
        """Make the catalog's database, role and folder; may be called again."""

    async def destroy(self, catalog: Catalog) -> None:
        """Remove them."""

    async def remove_files(self, workspace_id: str) -> None:
        """Remove the files folder of a workspace."""


class Deps:
    """The service's surroundings; no verb reaches for anything else."""

    def __init__(
        self,
        *,
        store: Store,
        signals: Signals,
        clock: Clock,
        new_id: NewId,
        new_secret: Callable[[], str],
        settings: Settings,
        plant: Plant,
        check_ready: Callable[[], Awaitable[None]],
        metrics: Metrics,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self.store = store
        self.signals = signals
        self.clock = clock
        self.new_id = new_id
        self.new_secret = new_secret
        self.settings = settings
        self.plant = plant
        self.check_ready = check_ready
        self.metrics = metrics
        self.look_seconds = look_seconds
        self.closing = False


class Verb:
    """The base of the verbs."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    def may_write(self, principal: Principal) -> None:
        """Raise `Forbidden` for a role that may only read."""
        if principal.role is Role.VIEWER:
            raise Forbidden("X-Auth-Token is invalid in the request")

    def may_begin(self) -> None:
        """Raise `Unavailable` while the service goes down: what begins now would be stopped at once."""
        if self.deps.closing:
            raise Unavailable("the service is going down")

    async def own_workspace(self, principal: Principal, workspace_id: str) -> Workspace:
        """The caller's workspace; raises `NotFound` for an unknown one and for another's alike."""
        workspace = await self.deps.store.workspace(workspace_id, principal.project_id)
        if workspace is None:
            raise NotFound
        return workspace

    async def own_session(self, principal: Principal, workspace_id: str, session_id: str) -> Session:
        """The session in the caller's workspace; raises `NotFound`."""
        session = await self.deps.store.session(workspace_id, session_id, principal.project_id)
        if session is None:
            raise NotFound
        return session

    async def wait_for(
        self,
        look: Callable[[], Awaitable[Statement | Session | None]],
        done: Callable[[Statement | Session], bool],
        told: "asyncio.Future[Statement | Session]",
        seconds: float,
        gone: "asyncio.Future[None] | None" = None,
    ) -> Statement | Session | None:
        """Wait until what ``look`` sees is ``done``; None when ``seconds`` are over first, or the caller is ``gone``.

        ``told`` is the watched signal: it makes the wait short, the looking makes it sure.
        """
        deadline = self.deps.clock.monotonic() + seconds
        while (left := deadline - self.deps.clock.monotonic()) > 0:
            events: list[asyncio.Future[Any]] = [told] if gone is None else [told, gone]
            await asyncio.wait(events, timeout=min(left, self.deps.look_seconds), return_when=asyncio.FIRST_COMPLETED)
            if gone is not None and gone.done() and not told.done():
                return None
            seen = told.result() if told.done() else await look()
            if seen is not None and done(seen):
                return seen
            if told.done():
                told = asyncio.get_running_loop().create_future()
        return None


@contextmanager
def watched(leaving: Leaving | None) -> Iterator["asyncio.Future[None] | None"]:
    """A future that fails when the caller has left; None when nobody can tell."""
    if leaving is None:
        yield None
        return
    task = asyncio.create_task(leaving())
    task.add_done_callback(lambda left: left.cancelled() or left.exception())
    try:
        yield task
    finally:
        task.cancel()
