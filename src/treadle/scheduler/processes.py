"""Worker processes as the kernel has them: the zygote, pipes, pidfds, signals, burials."""

import asyncio
import contextlib
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from treadle.model.errors import Unavailable
from treadle.model.ports import NewId
from treadle.wire import MAX_FRAME, FromWorker, Hello, ToWorker, frame, from_worker

log = structlog.get_logger("treadle.workers")

PR_SET_CHILD_SUBREAPER: Final = 36
ZYGOTE_ENV: Final = {
    # One thread in the zygote: a fork copies only the thread that forks.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "PYTHONUNBUFFERED": "1",
}
KEPT_ENV: Final = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "HOME")


def become_subreaper() -> None:
    """Inherit the workers that the zygote orphans; raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


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

    def __init__(self, temp_dir: Path) -> None:
        self._temp_dir = temp_dir
        self._pid = 0
        self._pidfd = -1
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
    def temp_dir(self) -> str:
        """Its own folder."""
        return str(self._temp_dir)

    @property
    def gone(self) -> bool:
        """Whether it has been reaped and buried."""
        return self._buried.done()

    async def connect(self, sock: socket.socket) -> None:
        """Listen on the gateway's end of the socket pair."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: _Pipe(self._said, self.kill), sock=sock)

    def hang_up(self) -> None:
        """Close the pipe: a worker that reads the end of it exits by itself."""
        if self._transport is not None:
            self._transport.close()

    def attend(self, hear: Callable[[FromWorker | None], None]) -> None:
        """Hear everything it says from now on; None once, when it is gone."""
        self._hear = hear
        unheard, self._unheard = self._unheard, []
        for message in unheard:
            hear(message)

    def send(self, message: ToWorker) -> None:
        """Say something to it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(message))

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
        self.hello.set_result(pid)

    def _died(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pidfd)
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)
        self._pidfd = -1
        if self._transport is not None:
            self._transport.close()
        loop.run_in_executor(None, _remove, self._temp_dir).add_done_callback(self._bury)

    def _bury(self, removal: "asyncio.Future[None]") -> None:
        if removal.exception() is not None:
            log.warning("worker_folder_left", folder=str(self._temp_dir), error=str(removal.exception()))
        self._buried.set_result(None)
        self._tell(None)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


class Zygote:
    """The process that forks workers; started again when it dies."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = asyncio.Lock()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    async def fork(self, sock: socket.socket, timeout: float) -> None:
        """Have a worker forked that owns ``sock``; raises `Unavailable`."""
        async with self._lock:
            for _ in range(2):
                try:
                    control = await self._ready(timeout)
                    socket.send_fds(control, [b"F"], [sock.fileno()])
                except (OSError, TimeoutError) as error:
                    log.warning("zygote_restarts", error=repr(error))
                    self.stop()
                else:
                    return
        raise Unavailable("no worker can be started")

    async def _ready(self, timeout: float) -> socket.socket:
        if self.alive and self._control is not None:
            return self._control
        self.stop()
        ours, theirs = socket.socketpair()
        with theirs:
            # In this very thread: the zygote dies with the thread that started it.
            self._process = subprocess.Popen(  # noqa: ASYNC220
                self._command(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._control = ours
        ours.setblocking(False)
        async with asyncio.timeout(timeout):
            if await asyncio.get_running_loop().sock_recv(ours, 1) != b"R":
                raise ConnectionError("the zygote did not start")
        ours.setblocking(True)
        ours.settimeout(timeout)
        return ours

    def _command(self, fd: int) -> list[str]:
        module = ["-m", "treadle.worker.zygote", "--fd", str(fd), "--gateway", str(os.getpid())]
        return [sys.executable, *module, "--data-dir", str(self._data_dir)]

    @staticmethod
    def _environment() -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT_ENV if name in os.environ}
        return kept | ZYGOTE_ENV

    def stop(self) -> None:
        """End the zygote; its workers go on."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class ForkedWorkers:
    """Workers forked from the zygote, some kept warm; implements `treadle.scheduler.ports.Workers`."""

    def __init__(self, data_dir: Path, new_id: NewId, warm: int, start_timeout: float) -> None:
        self._zygote = Zygote(data_dir)
        self._temp = data_dir / "tmp"
        self._new_id = new_id
        self._warm_target = warm
        self._timeout = start_timeout
        self._warm: list[WorkerProcess] = []
        self._alive: set[WorkerProcess] = set()
        self._filling: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def warm(self) -> int:
        """How many workers stand ready."""
        return len(self._warm)

    @property
    def ready(self) -> bool:
        """Whether workers can be forked now."""
        return bool(self._warm) or self._zygote.alive

    def memory(self) -> int:
        """Bytes of resident memory of all workers together."""
        return sum(worker.memory() for worker in self._alive)

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
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        for worker in list(self._alive):
            worker.kill()
        for worker in list(self._alive):
            await worker.buried()
        self._zygote.stop()

    def _refill(self) -> None:
        if not self._closed and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())

    async def _fill(self) -> None:
        while len(self._warm) < self._warm_target:
            try:
                self._warm.append(await self._spawn())
            except Unavailable as error:
                log.error("no_warm_worker", error=str(error))
                return

    async def _spawn(self) -> WorkerProcess:
        folder = self._temp / f"worker-{self._new_id()}"
        folder.mkdir(mode=0o700)
        worker = WorkerProcess(folder)
        ours, theirs = socket.socketpair()
        with theirs:
            await self._zygote.fork(theirs, self._timeout)
        await worker.connect(ours)
        try:
            async with asyncio.timeout(self._timeout):
                await worker.hello
        except TimeoutError:
            worker.hang_up()
            raise Unavailable("a new worker did not answer") from None
        self._alive.add(worker)
        worker._buried.add_done_callback(lambda _: self._forget(worker))
        return worker

    def _forget(self, worker: WorkerProcess) -> None:
        self._alive.discard(worker)
        if worker in self._warm:
            self._warm.remove(worker)
            self._refill()


def end_leftovers(data_dir: Path, timeout: float = 10.0) -> None:
    """Kill what an earlier service of this data folder left alive, and wait until it is gone.

    Blocking. Its workers die with it by the kernel's hand; this is for the moment before they have.
    """
    marks = (b"treadle.worker.zygote", os.fsencode(data_dir))
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit():
            continue
        try:
            pidfd = os.pidfd_open(int(proc.name))
        except OSError:
            continue
        try:
            words = (proc / "cmdline").read_bytes().split(b"\0")
            if all(mark in words for mark in marks):
                log.warning("leftover_killed", pid=int(proc.name))
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                select.select([pidfd], [], [], timeout)
        except OSError:
            continue
        finally:
            os.close(pidfd)
