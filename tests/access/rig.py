"""The real HTTP room and the real verbs over the store in memory, with two tenants and people of all kinds.

There is no engine: what would run stays in the queue, and a stand-in for the owner opens and closes
sessions, so that every verb comes to its end. What engines do is looked at in the tests of the service.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import httpx

from tests.store.things import OWNER, at, catalog, ending, endpoint, session, statement, workspace
from treadle.api.app import build
from treadle.config import Settings
from treadle.metrics import Metrics
from treadle.model.access import BUILT_IN, Action, Effect, Policy, Rule
from treadle.model.audit import Entry
from treadle.model.entities import Catalog, Endpoint, Principal, Session, Statement, Workspace
from treadle.model.errors import Unauthorized
from treadle.model.states import Reason, SessionStatus
from treadle.outside import SystemClock, new_id, new_secret
from treadle.service import Deps, Service
from treadle.store.base import Store, Wake
from treadle.store.filters import AuditFilter
from treadle.store.memory import MemoryStore
from treadle.store.signals import Signals

OPEN: Final = frozenset({SessionStatus.CREATING, SessionStatus.WAITING, SessionStatus.RUNNING})


class Spy:
    """The store in memory, and what was asked of it."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._store, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.asked[name] += 1
            return await method(*args, **kwargs)

        return call


class Plant:
    """Catalogs without a place."""

    async def provision(self, catalog: Catalog) -> None: ...

    async def destroy(self, catalog: Catalog) -> None: ...

    async def remove_files(self, workspace_id: str) -> None: ...


class Known(Service):
    """The verbs, for callers who are known by name."""

    people: dict[str, Principal]

    async def authenticate(self, token: str | None) -> Principal:
        """Whoever has that name."""
        if token not in self.people:
            raise Unauthorized
        return self.people[token]


class Place:
    """An endpoint, an open session on it, a statement that waits in it and one that has ended."""

    def __init__(self, at_endpoint: Endpoint, opened: Session, waiting: Statement, ended: Statement) -> None:
        self.endpoint = at_endpoint
        self.session = opened
        self.waiting = waiting
        self.ended = ended


class Tenant:
    """A workspace with a catalog and its places."""

    def __init__(self, home: Workspace, places: tuple[Place, ...]) -> None:
        self.workspace = home
        self.base = f"/v1/workspaces/{home.id}"
        self.places = places


class Rig:
    """The service and everybody."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.memory = MemoryStore()
        self.spy = Spy(self.memory)
        self.settings = Settings(data_dir=folder, sync_wait=0.05, session_wait=0.05, **settings)
        self.signals = Signals()
        self.signals.on_wake(self._wake)
        self._tasks: set[asyncio.Task[None]] = set()
        self.service = Known(
            Deps(
                store=cast(Store, self.spy),
                signals=self.signals,
                clock=SystemClock(),
                new_id=new_id,
                new_secret=new_secret,
                settings=self.settings,
                plant=Plant(),
                check_ready=_ready,
                metrics=Metrics(),
            )
        )
        self.service.people = {}
        self.app = build(self.service, self.settings, _scrape)
        self.a: Tenant
        self.b: Tenant

    async def furnish(self) -> None:
        """Two tenants, and people: see `people_of`."""
        self.a = await self._tenant("a", 2)
        self.b = await self._tenant("b", 1)
        self.service.people = people_of(self.a, self.b)

    async def _tenant(self, name: str, places: int) -> Tenant:
        home = workspace(project_id=f"project-{name}", name=f"room-of-{name}")
        await self.memory.add_workspace(home)
        await self.memory.add_catalog(catalog(home.id, name="default"))
        return Tenant(home, tuple([await self._place(home, name, number) for number in range(places)]))

    async def _place(self, home: Workspace, name: str, number: int) -> Place:
        found = endpoint(home.id, name=f"endpoint-{name}-{number}")
        await self.memory.add_endpoint(found)
        opened = session(found, catalog="default", user_name=f"user-of-{name}")
        await self.memory.add_session(opened)
        await self.memory.move_session(opened.id, OPEN, SessionStatus.RUNNING, owner=OWNER)
        words: dict[str, object] = {"user_name": f"user-of-{name}", "tags": (f"tag-of-{name}",)}
        ended = statement(opened, content=f"SELECT 'ended of {name}'", **words)
        await self.memory.submit(ended, owner=OWNER)
        await self.memory.finish(ended.id, OWNER, ending(), (), at(86_400 * 365 * 50))
        words |= {"created_at": at(1.0), "chosen_id": f"chosen-{name}-{number}"}
        waiting = statement(opened, content=f"SELECT 'secret of {name}'", **words)
        await self.memory.submit(waiting)
        return Place(found, opened, waiting, ended)

    def _wake(self, wake: Wake) -> None:
        task = asyncio.get_running_loop().create_task(self._attend(wake))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attend(self, wake: Wake) -> None:
        """What an owner would do of it."""
        found = await self.memory.session(None, wake.session_id)
        if found is None or found.status.final:
            return
        if found.status is SessionStatus.CREATING:
            moved = await self.memory.move_session(found.id, OPEN, SessionStatus.RUNNING, owner=OWNER)
        elif found.close_requested_at is not None:
            moved = await self.memory.move_session(
                found.id, OPEN, SessionStatus.CLOSED, reason=Reason.USER, ended_at=at(9)
            )
        else:
            return
        if moved is not None:
            self.signals.ended(moved)

    def client(self, name: str | None) -> httpx.AsyncClient:
        """A caller of that name; None is one without a token."""
        transport = httpx.ASGITransport(app=self.app, client=("192.0.2.7", 40_000))
        headers = {"X-Auth-Token": name} if name is not None else {}
        return httpx.AsyncClient(transport=transport, base_url="http://rig", headers=headers)

    async def audit(self) -> list[Entry]:
        """Everything that is on record, oldest first."""
        await self.service.deps.audit.flush()
        return list(reversed(await self.memory.audit(AuditFilter(), 1000)))

    async def close(self) -> None:
        """Let everything come to its end."""
        await self.service.deps.audit.close()
        while self._tasks:
            await asyncio.wait(self._tasks)


async def _scrape() -> tuple[str, bytes]:
    return "text/plain", b"up 1\n"


async def _ready() -> None:
    return


@asynccontextmanager
async def rigged(folder: Path, **settings: Any) -> AsyncIterator[Rig]:
    """A rig for a while."""
    rig = Rig(folder, **settings)
    await rig.furnish()
    try:
        yield rig
    finally:
        await rig.close()


def people_of(a: Tenant, b: Tenant) -> dict[str, Principal]:
    """Everybody, by name.

    ``denied`` is an operator who may neither submit nor cancel on the first endpoint; ``one`` may do
    everything there and nothing elsewhere; ``stranger`` is the other tenant's admin; ``nobody`` has a
    token and nothing else.
    """
    first = f"workspace:{a.workspace.id}/endpoint:{a.places[0].endpoint.id}"
    denial = Rule(effect=Effect.DENY, actions=(Action.EXECUTE, Action.CANCEL), resources=(first,))
    everything = Rule(effect=Effect.ALLOW, actions=("*",), resources=(first,))
    return {
        **{name: _principal(name, "a", BUILT_IN[name]) for name in ("viewer", "developer", "operator", "admin")},
        "denied": _principal("denied", "a", BUILT_IN["operator"], Policy(name="not-there", rules=(denial,))),
        "one": _principal("one", "a", Policy(name="there", rules=(everything,))),
        "stranger": _principal("stranger", "b", BUILT_IN["admin"]),
        "nobody": _principal("nobody", "a"),
    }


def _principal(name: str, tenant: str, *policies: Policy) -> Principal:
    return Principal(
        project_id=f"project-{tenant}",
        project_name=f"name-of-{tenant}",
        user_id=f"id-of-{name}",
        user_name=name,
        policies=policies,
    )
