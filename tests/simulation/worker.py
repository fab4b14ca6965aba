"""Worker processes as scripted ones: born late, killed late, buried late, and never two things at once."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Final

from tests.simulation.ground import Ground, Pipe
from tests.simulation.hosting import Hosting, Last
from tests.simulation.loop import Group
from treadle.model.errors import Unavailable
from treadle.pools.threads import Offload
from treadle.wire import Execute, FromWorker, ToWorker, frame, from_worker, to_worker

HOG_BYTES: Final = 2**40


class Worker:
    """One process; implements `treadle.scheduler.ports.Worker`."""

    def __init__(self, ground: Ground, group: Group, gateway: Context, owner: str) -> None:
        self._ground = ground
        self._group = group
        self._owner = owner
        self._pid = ground.pid()
        self._hear: Callable[[FromWorker | None], None] | None = None
        self._unheard: list[FromWorker | None] = []
        self._to_worker = Pipe(ground, self._arrived, ground.outside)
        self._to_owner = Pipe(ground, self._tell, gateway)
        self._buried: asyncio.Future[None] = ground.loop.create_future()
        self.hosting = Hosting(ground, self._pid, self._say, self.die)
        self._sent: list[str] = []
        self._mourned = False
        self.dead = False

    # -- what the owner sees ----------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    @property
    def death(self) -> str:
        """How it ended."""
        return "SIGKILL" if self.gone else ""

    @property
    def temp_dir(self) -> str:
        """Its own folder, which no scripted engine uses."""
        return f"worker-{self._pid}/spill"

    @property
    def home(self) -> str:
        """Its home folder, which no scripted engine looks into."""
        return f"worker-{self._pid}/home"

    @property
    def gone(self) -> bool:
        """Whether it has been buried."""
        return self._buried.done()

    def attend(self, hear: Callable[[FromWorker | None], None]) -> None:
        """Hear everything it says from now on, and at once that it is gone."""
        self._hear = hear
        unheard, self._unheard = self._unheard, []
        for message in unheard:
            hear(message)
        if self._mourned and None not in unheard:
            hear(None)

    def send(self, message: ToWorker) -> None:
        """Say something to it."""
        if not self._group.dead and not self.dead:
            self._ground.note("->", self._pid, message)
            if isinstance(message, Execute):
                self._sent.append(message.statement_id)
                self._ground.truth.holds(message.statement_id)
            self._to_worker.send(frame(message))

    def bury_with(self, offload: Offload) -> None:
        """It has no folder."""

    def kill(self) -> None:
        """The kernel takes a moment."""
        if self._group.dead or self.dead:
            return
        self._ground.note("kill", self._pid)
        if self.hosting.current is not None:
            self._ground.truth.shot(self.hosting.current, owner=self._owner, hears=self.hosting.hears)
        self._ground.later(self._ground.random.choice((0.0, 0.005, 0.05)), self.die)

    def memory(self) -> int:
        """What the program takes."""
        return HOG_BYTES if self.hosting.hogs and not self.dead else 0

    async def buried(self) -> None:
        """Wait until it has been reaped."""
        await asyncio.shield(self._buried)

    # -- what it is -------------------------------------------------------------------------

    def die(self) -> None:
        """It is gone at once; that it is so is known a little later."""
        if self.dead:
            return
        self.dead = True
        self._ground.note("dies", self._pid)
        self.hosting.stop()
        for statement_id in self._sent:
            self._ground.truth.loses(statement_id)
        self._to_owner.cut()
        self._ground.later(self._ground.random.choice((0.0, 0.002, 0.1)), self._bury)

    def _bury(self) -> None:
        self._buried.set_result(None)
        self._to_owner.send(None)

    def _arrived(self, body: bytes) -> None:
        if not self.dead:
            self.hosting.heard(to_worker(body[4:]))

    def _say(self, message: FromWorker) -> None:
        if not self.dead:
            self._to_owner.send(frame(message))

    def _tell(self, body: bytes | None) -> None:
        message = None if body is None else from_worker(body[4:])
        if self._group.dead:
            return
        self._mourned = message is None
        self._ground.note("<-", self._pid, message)
        if isinstance(message, Last):
            self._ground.truth.hears(message)
        if self._hear is not None:
            self._hear(message)
        else:
            self._unheard.append(message)


class Hiring:
    """Where the workers of one gateway come from; implements `treadle.scheduler.ports.Workers`."""

    def __init__(self, ground: Ground, group: Group, gateway: Context, owner: str) -> None:
        self._ground = ground
        self._group = group
        self._gateway = gateway
        self._owner = owner
        self.all: list[Worker] = []

    async def hire(self) -> Worker:
        """Most are there at once, some are slow to fork, and now and then none can be had."""
        luck = self._ground.random.random()
        await asyncio.sleep(0.0 if luck < 0.7 else luck if luck < 0.97 else 4.0)
        if luck > 0.99:
            raise Unavailable("no worker can be started")
        worker = Worker(self._ground, self._group, self._gateway, self._owner)
        self.all.append(worker)
        return worker

    @property
    def alive(self) -> list[Worker]:
        """The workers that are not buried."""
        return [worker for worker in self.all if not worker.gone]
