"""Worker processes as the kernel has them: pipes, pidfds, signals, burials, and a pool of warm ones."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from treadle.model.errors import Unavailable
from treadle.model.ports import NewId
from treadle.pools.threads import Offload
from treadle.scheduler.deaths import log_death
from treadle.scheduler.forking import Zygote, become_subreaper
from treadle.wire import MAX_FRAME, FromWorker, Hello, ToWorker, frame, from_worker

log = structlog.get_logger("treadle.workers")

SPILL: Final = "spill"
HOME: Final = "home"
"""What the folder of a worker holds: a folder that it fills, and one that stays empty."""


class _Pipe(asyncio.Protocol):
    """Frames from a worker, decoded as they arrive."""

    def __init__(self, hear: Callable[[FromWorker], None], hung_up: Callable[[], None]) -> None:
        self._hear = hear
        self._hung_up = hung_up
        self._buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4])
            if length > MAX_FRAME:
                raise ValueError("a worker sent an oversized frame")
            if len(self._buffer) < 4 + length:
                return
            body = bytes(self._buffer[4 : 4 + length])
            del self._buffer[: 4 + length]
            self._hear(from_worker(body))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._hung_up()


class WorkerProcess:
    """One worker process; implements `treadle.scheduler.ports.Worker`.

    A worker whose pipe hangs up is killed: without its pipe it cannot be reached any more. That it
    is gone is known from its pidfd alone, and is said only after it has been reaped and buried.
    """

    def __init__(self, folder: Path, offload: Offload = asyncio.to_thread) -> None:
        self._folder = folder
        self._offload = offload
        self._removal: asyncio.Task[None] | None = None
        self._pid = 0
        self._pidfd = -1
        self._death = ""
        self._transport: asyncio.Transport | None = None
        self._hear: Callable[[FromWorker | None], None] | None = None
        self._unheard: list[FromWorker | None] = []
        self._buried: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.hello: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid

    @property
    def death(self) -> str:
        """The signal or exit code of the process; empty while it runs."""
        return self._death

    @property
    def temp_dir(self) -> str:
        """Its own folder to fill."""
        return str(self._folder / SPILL)

    @property
    def home(self) -> str:
        """Its home folder."""
        return str(self._folder / HOME)

    @property
    def gone(self) -> bool:
        """Whether it has been reaped and buried."""
        return self._buried.done()

    async def connect(self, sock: socket.socket) -> None:
        """Listen on the gateway's end of the socket pair."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: _Pipe(self._said, self._hung_up), sock=sock)

    def abandon(self) -> None:
        """Nobody waits for it any more: should it be born after all, it is killed and buried."""
        self.hello.cancel()

    def attend(self, hear: Callable[[FromWorker | None], None]) -> None:
        """Hear everything it says from now on; None once, when it is gone, or at once when it is already."""
        self._hear = hear
        unheard, self._unheard = self._unheard, []
        for message in unheard:
            hear(message)
        if self.gone and None not in unheard:
            hear(None)

    def send(self, message: ToWorker) -> None:
        """Say something to it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(message))

    def bury_with(self, offload: Offload) -> None:
        """Have its folder removed by ``offload``."""
        self._offload = offload

    def kill(self) -> None:
        """SIGKILL through the pidfd, which can never hit another process."""
        if self._pidfd >= 0 and not self.gone:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def memory(self) -> int:
        """Bytes of resident memory."""
        try:
            resident = Path(f"/proc/{self._pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(resident) * os.sysconf("SC_PAGE_SIZE")

    def on_burial(self, callback: Callable[[], None]) -> None:
        """Call back when it has been buried."""
        self._buried.add_done_callback(lambda _: callback())

    async def buried(self) -> None:
        """Wait until it has been reaped and its folder removed."""
        await asyncio.shield(self._buried)

    def _said(self, message: FromWorker) -> None:
        if isinstance(message, Hello):
            self._born(message.pid)
        else:
            self._tell(message)

    def _tell(self, message: FromWorker | None) -> None:
        if self._hear is not None:
            self._hear(message)
        else:
            self._unheard.append(message)

    def _born(self, pid: int) -> None:
        # The worker is our child and nobody else reaps it, so its pid cannot have been reused.
        self._pid = pid
        self._pidfd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._died)
        if self.hello.done():
            self.kill()
        else:
            self.hello.set_result(pid)

    def _hung_up(self) -> None:
        if self._pid:
            self.kill()
            return
        # It was never born: its order died with the zygote, or it died before its first word.
        if not self.hello.done():
            self.hello.set_exception(ConnectionError("a worker died before it was born"))
        self._clear_away()

    def _clear_away(self) -> None:
        loop = asyncio.get_running_loop()
        self._removal = loop.create_task(self._offload(_remove, self._folder))
        self._removal.add_done_callback(self._bury)

    def _died(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pidfd)
        with contextlib.suppress(ChildProcessError):
            self._death = _death(os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED))
        os.close(self._pidfd)
        self._pidfd = -1
        if self._transport is not None:
            self._transport.close()
        self._clear_away()

    def _bury(self, removal: "asyncio.Future[None]") -> None:
        if removal.exception() is not None:
            log.warning("worker_folder_left", folder=str(self._folder), error=str(removal.exception()))
        self._buried.set_result(None)
        self._tell(None)


def _death(ended: "os.waitid_result | None") -> str:
    if ended is None or ended.si_code == os.CLD_EXITED:
        return f"exit code {ended.si_status}" if ended is not None else ""
    try:
        return signal.Signals(ended.si_status).name
    except ValueError:
        return f"signal {ended.si_status}"


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / SPILL).mkdir(mode=0o700)
    # What the user of the service keeps at home (extensions, secrets, passwords) is not for sessions.
    (folder / HOME).mkdir(mode=0o500)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


class ForkedWorkers:
    """Workers forked from the zygote, some kept warm; implements `treadle.scheduler.ports.Workers`.

    ``options`` are the zygote's: how they are confined.
    """

    def __init__(
        self,
        data_dir: Path,
        new_id: NewId,
        warm: int,
        start_timeout: float,
        options: Sequence[str] = (),
        offload: Offload = asyncio.to_thread,
    ) -> None:
        self._zygote = Zygote(data_dir, options)
        self._temp = data_dir / "tmp"
        self._new_id = new_id
        self._warm_target = warm
        self._timeout = start_timeout
        self._offload = offload
        self._warm: list[WorkerProcess] = []
        self._alive: set[WorkerProcess] = set()
        self._filling: asyncio.Task[None] | None = None
        self._closed = False
        self._failing = False

    @property
    def warm(self) -> int:
        """How many workers stand ready."""
        return len(self._warm)

    @property
    def ready(self) -> bool:
        """Whether workers can be forked now."""
        return bool(self._warm) or not self._failing

    def memory(self) -> int:
        """Bytes of resident memory of all workers together; may be asked in any thread."""
        return sum(worker.memory() for worker in tuple(self._alive))

    @property
    def alive(self) -> frozenset[int]:
        """The process ids of all workers."""
        return frozenset(worker.pid for worker in self._alive)

    async def start(self) -> None:
        """Start the zygote and the warm workers; raises `Unavailable` when not even one can be had."""
        become_subreaper()
        self._temp.mkdir(parents=True, exist_ok=True)
        self._warm.append(await self._spawn())
        await self._fill()

    async def hire(self) -> WorkerProcess:
        """A warm worker if one is ready, else a new one; raises `Unavailable`."""
        while self._warm:
            worker = self._warm.pop(0)
            if not worker.gone:
                self._refill()
                return worker
        worker = await self._spawn()
        self._refill()
        return worker

    async def stop(self) -> None:
        """Kill and bury whatever is left."""
        self._closed = True
        if self._filling is not None:
            await self._filling
        for worker in list(self._alive):
            worker.kill()
        for worker in list(self._alive):
            await worker.buried()
        self._zygote.stop()

    def _refill(self) -> None:
        if not self._closed and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())

    async def _fill(self) -> None:
        while not self._closed and len(self._warm) < self._warm_target:
            try:
                self._warm.append(await self._spawn())
            except Unavailable as error:
                log.error("no_warm_worker", error=str(error))
                return

    async def _spawn(self) -> WorkerProcess:
        """A newborn worker; a first failure may be the zygote's death, a second one is an answer."""
        try:
            try:
                worker = await self._bear()
            except ConnectionError as error:
                log.warning("worker_not_born", error=str(error))
                self._zygote.stop()
                worker = await self._bear()
        except (OSError, TimeoutError) as error:
            self._failing = True
            # The text of the exception would reveal folders of the service.
            why = error.strerror or str(error) or "it did not answer in time"
            raise Unavailable(f"no worker can be started: {why}") from error
        self._failing = False
        self._alive.add(worker)
        worker.on_burial(lambda: self._forget(worker))
        return worker

    async def _bear(self) -> WorkerProcess:
        folder = self._temp / f"worker-{self._new_id()}"
        worker = WorkerProcess(folder, self._offload)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                _make(folder)
                await self._zygote.fork(theirs, self._timeout)
            await worker.connect(ours)
        except BaseException:
            ours.close()
            _remove(folder)
            raise
        try:
            async with asyncio.timeout(self._timeout):
                await worker.hello
        except BaseException:
            worker.abandon()
            raise
        return worker

    def _forget(self, worker: WorkerProcess) -> None:
        self._alive.discard(worker)
        if worker in self._warm:
            if not self._closed:
                log_death(worker)
            self._warm.remove(worker)
            self._refill()
