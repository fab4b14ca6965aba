"""One run: a gateway as shipped on scripted ground, its clients, its faults, and its end."""

import asyncio
import contextlib
import contextvars
import shutil
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

import msgspec

from tests.simulation.clients import Clients
from tests.simulation.gateway import EPOCH, Gateway
from tests.simulation.ground import Ground
from tests.simulation.lake import Lake
from tests.simulation.ledger import RETRIES
from tests.simulation.life import Life, Violation
from tests.simulation.loop import Endless, Stuck, VirtualLoop
from tests.simulation.scenario import (
    AnyAct,
    Crash,
    Fault,
    KillWorker,
    LakeOutage,
    Moment,
    Noise,
    Opening,
    OpenSession,
    Restart,
    Scenario,
    StepClock,
    StoreOutage,
)
from tests.simulation.store import Memory
from tests.simulation.trace import Trace
from tests.simulation.truth import Truth
from treadle.config import Settings
from treadle.model.entities import Catalog, Endpoint, Principal, Session, Workspace
from treadle.model.states import StatementState
from treadle.service import Service
from treadle.store.errors import StoreUnavailable

T = TypeVar("T")

ALICE: Final = Principal(project_id="p", project_name="project", user_id="u", user_name="alice")
WORKSPACE: Final = "ws"
GRACE: Final = 2.0
PAGE_ROWS: Final = 2
SPAN: Final = 8.0
"""Seconds after which faults stop."""
SWEEP: Final = 4.0
"""Seconds between two sweeps."""
LOOK: Final = 0.5
"""Seconds between two looks at whether a run may go on."""
CALM: Final = 90.0
"""Seconds within which everything must have ended, once faults have stopped."""


class World:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        noise, limits = scenario.noise, scenario.limits
        random = Random(f"ground {scenario.seed}")
        self.random = random
        self.loop = VirtualLoop(
            Random(f"order {scenario.seed}"),
            shuffled=noise.shuffled,
            thread_delay=lambda: random.random() * 0.001,
        )
        self.trace = Trace(self.loop.time)
        self.skew = 0.0
        self.outside = contextvars.copy_context()
        self._ids = 0
        self.folder = folder
        self.settings = Settings.model_construct(
            data_dir=folder,
            cancel_grace=GRACE,
            cancel_timeout=limits.cancel_timeout,
            sync_wait=limits.sync_wait,
            session_wait=min(limits.sync_wait, 5.0),
            page_rows=PAGE_ROWS,
            worker_start=3.0,
            session_timeout=limits.session_timeout,
            statement_timeout=limits.statement_timeout,
            poll_interval=limits.poll_interval,
            shutdown_grace=20.0,
            sweep_interval=SWEEP,
            queue_timeout=limits.queue_timeout,
            total_timeout=limits.total_timeout,
            max_result_rows=limits.result_rows,
            commit_retries=RETRIES,
            commit_retry_time=6.0,
        )
        self._waiting: dict[tuple[Moment, int], list[AnyAct]] = {}
        self.truth = Truth(
            scenario.programs,
            self.loop.time,
            self._reached,
            grace=GRACE,
            patience=2 * limits.poll_interval if noise.wake_lost or noise.fails_before or noise.wake_late else 0.0,
            limits=limits,
        )
        self.memory = Memory(
            loop=self.loop, outside=self.outside, random=random, truth=self.truth, note=self.trace.note
        )
        self.lake = Lake(self.loop, self.outside, random, self.truth)
        self.ground = Ground(
            loop=self.loop,
            outside=self.outside,
            random=random,
            noise=noise,
            limits=limits,
            truth=self.truth,
            lake=self.lake,
            programs=scenario.programs,
            openings=self._opening,
            note=self.trace.note,
            lake_dir=folder / "lake",
        )
        self.clients = Clients(self)
        self.truth.on_session = self.clients.session_is_born
        self.gateway: Gateway | None = None
        self._calm = False
        self._changing = False
        self._older: list[Gateway] = []

    def new_id(self) -> str:
        """Ids in the order in which they are asked for."""
        self._ids += 1
        return f"id-{self._ids:04d}"

    # -- the run ----------------------------------------------------------------------------

    def run(self) -> list[Violation]:
        """Play the scenario; what was broken, the first violation first."""
        self.trace.begin(self.truth)
        self.loop.set_exception_handler(self._failed)
        try:
            self.loop.run_until_complete(self._play())
        except Stuck:
            self.truth.wrong("C3", f"nothing happens any more, and there is work: {self._left()}")
        except Endless:
            self.truth.wrong("C3", "this never ends")
        finally:
            self.trace.end()
            self._clear()
        return self.truth.violations

    def _failed(self, loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        if not self.loop.is_closed():
            self.truth.wrong("500", f"{about.get('message')}: {about.get('exception')!r}")

    def _clear(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        for gateway in self._older:
            gateway.group.dead = True
        with_rest = asyncio.all_tasks(self.loop)
        if with_rest:
            with_errors = self.loop.create_task(_gather(with_rest))
            self.loop.steps = 0
            with contextlib.suppress(Stuck, Endless):
                self.loop.run_until_complete(with_errors)
        self.loop.close()

    async def _play(self) -> None:
        await self._furnish()
        await self._begin()
        self.memory.noise = self.scenario.noise
        for act in self.scenario.acts:
            if act.moment is None:
                self.ground.later(act.at, self._do, act)
            else:
                self._waiting.setdefault((act.moment, act.program), []).append(act)
        await self._until(lambda: self.loop.time() >= SPAN, SPAN + 1)
        await self._calm_down()
        await self._end()

    async def _until(self, done: Callable[[], object], seconds: float) -> bool:
        """Wait until it is so, or something is broken, or time is over."""
        deadline = self.loop.time() + seconds
        while not done():
            if self.truth.violations or self.loop.time() >= deadline:
                return False
            await asyncio.sleep(LOOK)
        return not self.truth.violations

    async def _furnish(self) -> None:
        store = self.memory.store
        for folder in ("results", "files", "lake"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        await store.add_workspace(Workspace(id=WORKSPACE, project_id="p", name="w", created_at=EPOCH))
        await store.add_catalog(
            Catalog(
                id="lake",
                workspace_id=WORKSPACE,
                instance_id="default",
                name="default",
                created_at=EPOCH,
                database="lake",
                role="lake",
                password="",
                data_path=str(self.folder / "lake"),
            )
        )
        limits = self.scenario.limits
        for number in (0, 1):
            await store.add_endpoint(
                Endpoint(
                    id=f"ep-{number}",
                    workspace_id=WORKSPACE,
                    name=f"e{number}",
                    created_at=EPOCH,
                    updated_at=EPOCH,
                    max_sessions=limits.sessions,
                    max_statements=limits.statements,
                )
            )

    async def _calm_down(self) -> None:
        """Faults stop; everything must end."""
        self._calm = True
        self._waiting.clear()
        self.memory.noise = msgspec.structs.replace(
            self.memory.noise, fails_before=0.0, fails_after=0.0, wake_lost=0.0, wake_late=0.0
        )
        if not await self._until(lambda: not self._changing and self._awake(), 60):
            return self._blame("the gateway does not start")
        if self.scenario.closes:
            self.clients.close_all()
        if not await self._until(self._quiet, CALM):
            self._blame("this has not ended")
        return None

    def _awake(self) -> bool:
        return not self.memory.down and not self.lake.down and self.gateway is not None and self.gateway.ready

    def _quiet(self) -> bool:
        late = self.truth.overdue()
        if late:
            self.truth.wrong("C3", f"{[life.id for life in late]} should have stopped long ago")
        return not self._unfinished() and not self.clients.waiting and not self._unopened()

    def _unopened(self) -> list[Session]:
        return [session for session in self.memory.sessions.values() if self._should_move(session)]

    def _should_move(self, session: Session) -> bool:
        """Whether a session must open, or end; until when one waits for a slot is a time of the wall clock."""
        if session.status.final:
            return False
        if session.close_requested_at is not None or session.id not in self.truth.answered:
            return True
        return session.status != "RUNNING" and self.skew > -60

    def _unfinished(self) -> list[Life]:
        sessions = self.memory.sessions
        return [
            life
            for life in self.truth.unfinished
            if life.row.state is StatementState.RUNNING
            or sessions[life.row.session_id].status == "RUNNING"
            or self._should_move(sessions[life.row.session_id])
            or sessions[life.row.session_id].status.final
        ]

    def _left(self) -> str:
        lives = [f"{life.id} {life.row.state}" for life in self._unfinished()]
        sessions = [f"{session.id} {session.status}" for session in self._unopened()]
        return ", ".join([*lives, *sessions, *self.clients.waiting]) or "nothing"

    def _blame(self, text: str) -> None:
        if not self.truth.violations:
            self.truth.wrong("C3", f"{text}: {self._left()}")

    async def _end(self) -> None:
        """Stop in good order; nothing may be left."""
        gateway = self.gateway
        if self.truth.violations or gateway is None:
            return None
        if not await self._until(lambda: not self.lake.down, SPAN + 1):
            return self._blame("the catalogs' server is gone for good")
        await asyncio.sleep(1.5 * SWEEP)
        self._check_files(gateway)
        self.memory.noise = Noise(pipe_seconds=self.scenario.noise.pipe_seconds)
        stopping = gateway.spawn(gateway.stop())
        if not await self._until(stopping.done, 60):
            return self._blame("the gateway does not stop")
        await asyncio.sleep(1.0)
        if stopping.cancelled() or (error := stopping.exception()) is not None:
            self.truth.wrong(
                "C11", "the stop was broken off" if stopping.cancelled() else f"the stop failed: {error!r}"
            )
        self._check_left(gateway)
        return None

    def _check_files(self, gateway: Gateway) -> None:
        """Data files that no commit knows are gone once the catalog is quiet, whoever has left them (C11)."""
        if self.lake.busy or any(life.engine is not None for life in self.truth.lives.values()):
            return
        if any(worker.hosting.in_transaction for worker in gateway.workers.alive):
            return
        left = self.lake.left_files(self.folder / "lake")
        if left:
            self.truth.wrong("C11", f"left data files: {left}")

    def _check_left(self, gateway: Gateway) -> None:
        hold = self.truth.wrong
        if gateway.owner.lanes:
            hold("C11", f"{len(gateway.owner.lanes)} sessions are left in the owner")
        for session in self.memory.sessions.values():
            if session.status == "RUNNING":
                hold("C11", f"session {session.id} is {session.status} after the stop")
        for row in self.memory.statements.values():
            if row.state is StatementState.RUNNING:
                hold("C11", f"{row.id} is running after the stop")
        if gateway.signals._watched:
            hold("C11", f"somebody waits for ever: {sorted(gateway.signals._watched)}")
        if gateway.group.alive:
            hold("C11", f"tasks go on for ever: {sorted(task.get_name() for task in gateway.group.alive)}")
        self.truth.check_lost()
        if self.lake.busy:
            hold("C11", "a commit is under way after the stop")

    # -- gateways ---------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Start a gateway, again and again until one stands."""
        while True:
            gateway = self.gateway = Gateway(self)
            self._older.append(gateway)
            starting = gateway.spawn(gateway.start())
            await asyncio.wait([starting])
            if starting.cancelled():
                return  # it was killed, and another takes its place
            error = starting.exception()
            if error is None:
                return
            gateway.group.kill()
            if not isinstance(error, StoreUnavailable):
                self.truth.wrong("C12", f"the gateway does not start: {error!r}")
                return
            await asyncio.sleep(1.0)

    def _kill_gateway(self) -> None:
        gateway = self.gateway
        if gateway is None:
            return
        self.gateway = None
        gateway.group.kill()
        self.truth.forget_words()
        for worker in gateway.workers.alive:
            self.ground.later(self.random.random() * 0.05, worker.die)

    async def _replace(self, act: Crash | Restart) -> None:
        gateway = self.gateway
        if gateway is None or self._changing or not (gateway.ready or isinstance(act, Crash)):
            return
        self._changing = True
        start = self.loop.time()
        if isinstance(act, Crash):
            self._kill_gateway()
        else:
            self.truth.stopping = True
            await asyncio.wait([gateway.spawn(gateway.stop())])
            gateway.group.kill()
            self.gateway = None
        self.truth.trouble.span(start, self.loop.time() + act.pause, 1.0)
        await asyncio.sleep(act.pause)
        began = self.loop.time()
        self.truth.stopping = False
        await self._begin()
        self.truth.trouble.add(self.loop.time() - began)
        self._changing = False

    # -- acts -------------------------------------------------------------------------------

    def _reached(self, moment: Moment, program: int) -> None:
        self.trace.note("moment", moment, program)
        for act in self._waiting.pop((moment, program), ()):
            self.ground.later(act.at, self._do, act)

    def _do(self, act: AnyAct) -> None:
        if self._calm and isinstance(act, Fault):
            return
        self.trace.note("act", act)
        match act:
            case Crash() | Restart():
                self._outside(self._replace(act))
            case StoreOutage():
                now = self.loop.time()
                self.truth.trouble.span(now, now + act.seconds, 2.2)
                self.memory.go_down(act.seconds)
            case LakeOutage():
                now = self.loop.time()
                self.truth.cloudy = True
                self.truth.trouble.span(now, now + act.seconds, 2.2)
                self.lake.down_until = max(self.lake.down_until, now + act.seconds)
            case StepClock():
                self.skew += act.seconds
                self.truth.stepped = True
            case KillWorker():
                self._kill_worker(self.clients.session_ids.get(act.session))
            case _:
                self._outside(self.clients.do(act))

    def _outside(self, work: Coroutine[Any, Any, None]) -> None:
        self.outside.copy().run(self.loop.create_task, work)

    def _kill_worker(self, session_id: str | None) -> None:
        if self.gateway is None:
            return
        for worker in self.gateway.workers.alive:
            if worker.hosting.session_id == session_id:
                worker.die()

    def _opening(self, session_id: str) -> Opening:
        for act in self.scenario.acts:
            if isinstance(act, OpenSession) and self.clients.session_ids.get(act.session) == session_id:
                return act.opening
        return Opening.WELL

    async def ask(self, verb: Callable[[Service], Awaitable[T]]) -> T:
        """A request to the gateway that is there; raises `ConnectionError` when there is none, or it dies."""
        gateway = self.gateway
        if gateway is None or not gateway.ready:
            raise ConnectionRefusedError
        task = gateway.spawn(_request(verb, gateway.service))
        await asyncio.wait([task])
        if task.cancelled():
            raise ConnectionResetError
        return task.result()


async def _request(verb: Callable[[Service], Awaitable[T]], service: Service) -> T:
    return await verb(service)


async def _gather(tasks: set["asyncio.Task[Any]"]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


def play(scenario: Scenario, folder: Path) -> World:
    """Run a scenario in a folder of its own and return the world as it ended."""
    try:
        world = World(scenario, folder)
        world.run()
        return world
    finally:
        shutil.rmtree(folder, ignore_errors=True)
