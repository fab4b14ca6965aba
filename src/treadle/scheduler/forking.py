"""The gateway's side of the zygote: started, asked to fork, started again when it dies."""

import asyncio
import ctypes
import os
import select
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from treadle import interpreter

log = structlog.get_logger("treadle.workers")

PR_SET_CHILD_SUBREAPER: Final = 36
ZYGOTE_ENV: Final = {
    # One thread in the zygote: a fork copies only the thread that forks.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # DuckDB's allocator would keep address space for ever, and the workers' is bounded. What it gives back
    # page by page while a statement is being stopped takes longer than the stop: a worker trims itself.
    "DUCKDB_JE_MALLOC_CONF": "retain:false,dirty_decay_ms:-1,muzzy_decay_ms:-1",
}
KEPT_ENV: Final = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "HOME")


def become_subreaper() -> None:
    """Inherit the workers that the zygote orphans; raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


class Zygote:
    """The process that forks workers; started again when it dies.

    ``options`` are further words of its command line: how its workers are confined.
    """

    def __init__(self, data_dir: Path, options: Sequence[str] = ()) -> None:
        self._data_dir = data_dir
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = asyncio.Lock()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    async def fork(self, sock: socket.socket, timeout: float) -> None:
        """Have a worker forked that owns ``sock``; raises `OSError` or `TimeoutError`.

        A zygote that does not take the order is started again, once.
        """
        async with self._lock:
            try:
                await self._order(sock, timeout)
            except OSError as error:
                log.warning("zygote_restarts", error=repr(error))
                self.stop()
                await self._order(sock, timeout)

    async def _order(self, sock: socket.socket, timeout: float) -> None:
        control = await self._ready(timeout)
        socket.send_fds(control, [b"F"], [sock.fileno()])

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
                # Ours belongs to whoever started the service; a worker has nothing to say there.
                stdout=subprocess.DEVNULL,
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
        zygote = interpreter.command("m", "treadle.worker.zygote")
        whose = ["--fd", str(fd), "--gateway", str(os.getpid()), "--data-dir", str(self._data_dir)]
        return [*zygote, *whose, *self._options]

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
                gone = select.poll()
                gone.register(pidfd, select.POLLIN)
                gone.poll(timeout * 1000)
        except OSError:
            continue
        finally:
            os.close(pidfd)
