"""What every verb is given, and what many of them do first."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.access import Action, resource_of
from treadle.model.audit import Outcome
from treadle.model.entities import Catalog, Principal, Session, Statement, Workspace
from treadle.model.errors import BadRequest, Forbidden, NotFound, Unavailable
from treadle.model.grants import Reach, grants_of
from treadle.model.growth import Full
from treadle.model.ports import Clock, NewId
from treadle.pools.fair import Tenant
from treadle.pools.pools import Pools
from treadle.service.audit import Audit
from treadle.service.limits import Crowd
from treadle.store.base import Store
from treadle.store.filters import Page
from treadle.store.signals import Signals

LOOK_SECONDS: Final = 0.5
"""Seconds between two looks of a waiting verb at the store, in case a wake was missed."""

PLACES_MOST: Final = 10_000
"""Sessions whose endpoint is remembered: it never changes."""

EVERYTHING: Final = Page(limit=1_000_000)
"""A list that is not cut: for the few things whose list is filtered here."""

WORKSPACE: Final = "workspace"
ENDPOINT: Final = "endpoint"
CATALOG: Final = "catalog"
SESSION: Final = "session"
STATEMENT: Final = "statement"
"""The kinds of resources that may be missing."""

Thing = TypeVar("Thing")

Leaving = Callable[[], Coroutine[Any, Any, None]]
"""Raises when the caller has left, and never returns; the caller is watched only while it runs."""


class Plant(Protocol):
    """The making and unmaking of what lies outside the store: catalogs and folders."""

    async def provision(self, catalog: Catalog) -> None:
        """Make the catalog's database, role and folder; may be called again."""

    async def destroy(self, catalog: Catalog) -> None:
        """Remove them."""

    async def remove_files(self, workspace_id: str) -> None:
        """Remove the files and the results of a workspace that was deleted."""


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
        pools: Pools | None = None,
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
        self.pools = pools or Pools(settings, metrics)
        self.audit = Audit(store, clock)
        self.crowd = Crowd(settings, store, clock)
        signals.on_over(self.crowd.over)
        self.full: Callable[[str], Full | None] = lambda _: None
        self.places: dict[tuple[str, str, str], str] = {}
        self.openers: dict[tuple[str, str, str], str] = {}
        self.closing = False
        self._behind: set[asyncio.Task[None]] = set()

    def carry_on(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Do something to its end, whoever still waits for it."""
        task = asyncio.create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return task

    async def abandon(self) -> None:
        """Cancel background work; the next gateway finds the remaining steps in the store."""
        behind = tuple(self._behind)
        for task in behind:
            task.cancel()
        await asyncio.gather(*behind, return_exceptions=True)


class Verb:
    """The base of the verbs."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    def may_begin(self) -> None:
        """Raise `Unavailable` while the service goes down: what begins now would be stopped at once."""
        if self.deps.closing:
            raise Unavailable("the service is going down")

    def allow(
        self, p: Principal, action: Action, workspace_id: str = "", endpoint_id: str = "", *, within: str = ""
    ) -> None:
        """Check that the caller may perform ``action`` here. Raises `Forbidden`, or `NotFound` without any rights here.

        Every verb calls this or `allow_within` first. Nothing is looked up: the answer is the same for another
        project's resources and for missing ones. ``within`` is the kind of resource on the endpoint that the request
        names, if it is not the endpoint itself.
        """
        if not grants_of(p.policies).allows(action, workspace_id, endpoint_id):
            raise self._refusal(p, action, workspace_id, endpoint_id, within)

    def allow_within(self, p: Principal, action: Action, workspace_id: str) -> Reach | None:
        """Where in the workspace the caller may do that: None for all of it. Raises like `allow` when nowhere.

        For lists, and for what is on an endpoint that is not known yet: then `allow` follows.
        """
        grants = grants_of(p.policies)
        if not grants.somewhere(action, workspace_id):
            raise self._refusal(p, action, workspace_id)
        return grants.reach(action, workspace_id)

    async def allow_in_session(self, p: Principal, action: Action, workspace_id: str, session_id: str) -> None:
        """`allow` on the endpoint of a session, which is looked for only where it matters, and once."""
        if not grants_of(p.policies).depends(action, workspace_id):
            self.allow(p, action, workspace_id)
            return
        self.allow_within(p, action, workspace_id)
        places, place = self.deps.places, (p.project_id, workspace_id, session_id)
        endpoint_id = places.get(place)
        if endpoint_id is None:
            if len(places) >= PLACES_MOST:
                places.clear()
            session = await self.own_session(p, workspace_id, session_id)
            self.opened_by(p, session)
            places[place] = endpoint_id = session.endpoint_id
        self.allow(p, action, workspace_id, endpoint_id, within=SESSION)

    def opened_by(self, p: Principal, session: Session) -> None:
        """Cache the opener of a session."""
        openers = self.deps.openers
        if len(openers) >= PLACES_MOST:
            openers.clear()
        openers[p.project_id, session.workspace_id, session.id] = session.user_id

    async def allow_use(self, p: Principal, workspace_id: str, session_id: str) -> None:
        """Check that the caller may submit to the session, as its opener or with the right to use others' sessions.

        Raises `Forbidden`, `NotFound`.
        """
        grants = grants_of(p.policies)
        if grants.allows(Action.USE_SESSION, workspace_id) and not grants.depends(Action.USE_SESSION, workspace_id):
            return
        place = (p.project_id, workspace_id, session_id)
        if place not in self.deps.openers:
            self.opened_by(p, await self.own_session(p, workspace_id, session_id))
        if self.deps.openers.get(place) != p.user_id:
            await self.allow_in_session(p, Action.USE_SESSION, workspace_id, session_id)

    def allow_among(self, p: Principal, action: Action) -> Callable[[str], bool] | None:
        """Which workspaces the caller may do that in; None for all. Raises `Forbidden` when there can be none."""
        grants = grants_of(p.policies)
        if not grants.anywhere(action):
            raise self._refusal(p, action)
        return None if grants.allows(action) and grants.same_everywhere(action) else partial(grants.somewhere, action)

    def noted(self, p: Principal, action: Action, workspace_id: str, resource: str, detail: str = "") -> None:
        """Have it on record soon that the caller does that: for what is asked often."""
        audit = self.deps.audit
        audit.note(audit.event(p, action, workspace_id=workspace_id, resource=resource, detail=detail))

    async def audited(self, p: Principal, action: Action, workspace_id: str, resource: str, detail: str = "") -> None:
        """Have it on record that the caller has done that."""
        audit = self.deps.audit
        await audit.record(audit.event(p, action, workspace_id=workspace_id, resource=resource, detail=detail))

    def _refusal(
        self, p: Principal, action: Action, workspace_id: str = "", endpoint_id: str = "", within: str = ""
    ) -> Forbidden | NotFound:
        audit, grants = self.deps.audit, grants_of(p.policies)
        resource = resource_of(workspace_id, endpoint_id) or f"project:{p.project_id}"
        audit.note(audit.event(p, action, Outcome.REFUSED, workspace_id=workspace_id, resource=resource))
        if grants.sees(workspace_id, endpoint_id):
            return Forbidden(f"{action} is not allowed on {resource}: it needs a role or policy that allows it")
        # Resources on an endpoint that the caller may not see are answered like missing ones.
        return missing((within or ENDPOINT) if endpoint_id and grants.sees(workspace_id) else WORKSPACE)

    async def own_workspace(self, principal: Principal, workspace_id: str) -> Workspace:
        """The caller's workspace; raises `NotFound` for an unknown one and for another's alike."""
        workspace = await self.deps.store.workspace(workspace_id, principal.project_id)
        if workspace is None:
            raise missing(WORKSPACE)
        return workspace

    async def own_session(self, principal: Principal, workspace_id: str, session_id: str) -> Session:
        """The session in the caller's workspace, whatever the caller may do; raises `NotFound`."""
        session = await self.deps.store.session(workspace_id, session_id, principal.project_id)
        if session is None:
            await self.own_workspace(principal, workspace_id)
            raise missing(SESSION)
        return session

    async def endpoint_meant(self, workspace_id: str, endpoint_id: str | None, endpoint_name: str | None) -> str | None:
        """The id of the endpoint a list is asked for by id, by name or by both; empty when there is none such."""
        if endpoint_name is None:
            return endpoint_id
        found = await self.deps.store.endpoint_named(workspace_id, endpoint_name)
        return found.id if found is not None and endpoint_id in (None, found.id) else ""

    async def permitted_session(self, p: Principal, action: Action, workspace_id: str, session_id: str) -> Session:
        """The session in the caller's workspace, if the caller may do that in it; raises `Forbidden`, `NotFound`."""
        self.allow_within(p, action, workspace_id)
        session = await self.own_session(p, workspace_id, session_id)
        self.allow(p, action, workspace_id, session.endpoint_id, within=SESSION)
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


def missing(kind: str) -> NotFound:
    """Build the error for a resource that is missing or not the caller's."""
    return NotFound(f"no such {kind}")


def slice_of(found: Sequence[Thing], page: Page) -> tuple[int, Sequence[Thing]]:
    """How many there are, and one page of them."""
    return len(found), found[page.offset : page.offset + page.limit]


def unknown_marker() -> BadRequest:
    """What a list answers to a marker that is none of its own."""
    return BadRequest("must be the next_marker of a page of this list", field="marker")


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


def tenant_of(p: Principal) -> Tenant:
    """The tenant whose share of the pools the caller's work uses."""
    return p.project_id, p.user_id


async def unless_left(work: Coroutine[Any, Any, Thing], leaving: Leaving | None) -> Thing:
    """Run the work until the caller disconnects; raises the error of ``leaving`` then."""
    with watched(leaving) as gone:
        task = asyncio.create_task(work)
        try:
            events: list[asyncio.Future[Any]] = [task] if gone is None else [task, gone]
            await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
            if gone is not None and not task.done():
                gone.result()
            return await task
        finally:
            task.cancel()
