"""Helper processes for work that would block the gateway's interpreter, started on demand.

Each carries out one order at a time. If one dies over an order, it is replaced and the order is retried once; if one
takes too long, it is killed.
"""

import asyncio
import contextlib
import mmap
import os
import signal
import socket
import subprocess
import sys
from time import monotonic
from typing import Final

import structlog

from treadle.metrics import Metrics
from treadle.model.errors import TooMany, Unavailable
from treadle.pools import orders
from treadle.pools.fair import FairQueue, Tenant
from treadle.pools.orders import LARGEST_PACKET, TAKE_BACK, Order, Reply

log = structlog.get_logger("treadle.pools")

KEPT_ENV: Final = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
HELPER_ENV: Final = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""Arrow with one thread, and an allocator that returns memory to the system."""

WHOLE_BYTES: Final = 2**20
"""Bytes up to which rows are copied out of the shared memory."""

TAKEN_BACK_SECONDS: Final = 2.0
"""Grace period for an order that was taken back before its helper is killed, in seconds."""

TRIES: Final = 2


class TookTooLong(Exception):
    """The order exceeded its time limit."""


class _Job:
    """An order and the future of its reply."""

    def __init__(self, tenant: Tenant, order: Order, text: bytes, result: "asyncio.Future[Answer]") -> None:
        self.tenant = tenant
        self.order = order
        self.text = text
        self.result = result
        self.asked = monotonic()
        self.tries = 0


Answer = tuple[Reply, bytes | memoryview]
"""The reply, and the rows that came with it."""


class _Helper:
    """One process, from its start until it is reaped."""

    def __init__(self, pool: "Helpers", kind: str, idle: int) -> None:
        self._pool = pool
        self.job: _Job | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.proven = False
        """Whether it has carried out an order."""
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-m", "treadle.pools.helper", "--kind", kind, "--idle", str(idle)]
        with contextlib.ExitStack() as undo:
            undo.callback(self._sock.close)
            undo.enter_context(theirs)
            # On the thread of the event loop: with PDEATHSIG a helper dies with the thread that started it.
            self._process = subprocess.Popen(
                [*command, "--fd", str(theirs.fileno()), "--gateway", str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                env={name: os.environ[name] for name in KEPT_ENV if name in os.environ} | HELPER_ENV,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            undo.pop_all()
        theirs.close()
        self._sock.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._sock.fileno(), self._readable)

    @property
    def pid(self) -> int:
        return self._process.pid

    def give(self, job: _Job, seconds: float) -> None:
        """Send an order; a failure is treated as the death of the process."""
        self.job = job
        job.tries += 1
        self._timer = self._loop.call_later(seconds, self._too_late)
        try:
            if not job.text:
                self._sock.send(orders.encode(job.order))
                return
            descriptor = orders.in_memory(job.text)
            try:
                socket.send_fds(self._sock, [orders.encode(job.order)], [descriptor])
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("helper_not_reached", pid=self.pid, error=str(error))
            self.kill()

    def take_back(self) -> None:
        """Take back the order, because its caller has disconnected."""
        with contextlib.suppress(OSError):
            self._sock.send(TAKE_BACK)
        self._time(TAKEN_BACK_SECONDS)

    def _time(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._too_late) if seconds is not None else None

    def _too_late(self) -> None:
        job = self.job
        log.warning("helper_killed", pid=self.pid, why="it took too long")
        if job is not None and not job.result.done():
            job.result.set_exception(TookTooLong())
        self.kill()

    def _readable(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._sock, LARGEST_PACKET, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self.bury()
            return
        job, self.job = self.job, None
        self.proven = True
        self._time(None)
        answer = orders.reply_of(data), _handed_over(descriptors)
        if job is not None:
            self._pool.answered(self, job, answer)

    def kill(self) -> None:
        """Kill the process; it is reaped once its end is seen."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    def bury(self) -> None:
        """Reap the process and hand over its order."""
        self._time(None)
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        self.kill()
        # It was sent SIGKILL, so that this wait is short.
        self._process.wait()
        job, self.job = self.job, None
        self._pool.buried(self, job)


def _handed_over(descriptors: list[int]) -> bytes | memoryview:
    """Map the shared memory of a reply; it is unmapped with its last view."""
    if not descriptors:
        return b""
    descriptor = descriptors[0]
    try:
        size = os.fstat(descriptor).st_size
        if size <= WHOLE_BYTES:
            return os.pread(descriptor, size, 0)
        return memoryview(mmap.mmap(descriptor, size, prot=mmap.PROT_READ))
    finally:
        os.close(descriptor)


class Helpers:
    """At most ``size`` processes; a tenant uses at most ``share`` of them and has at most ``line`` waiting orders.

    An order may take ``seconds``. Processes are started on demand and exit after ``idle`` seconds without an order,
    never if 0.
    """

    def __init__(self, kind: str, *, size: int, line: int, seconds: float, idle: int, figures: Metrics) -> None:
        self._kind = kind
        self._idle_seconds = idle
        self._size = size
        self._line = line
        self._seconds = seconds
        self._figures = figures
        self._queue: FairQueue[_Job] = FairQueue(max(1, size - 1))
        self._idle: list[_Helper] = []
        self._alive: set[_Helper] = set()
        self._closed = False
        figures.pool_made(kind)

    @property
    def pids(self) -> frozenset[int]:
        return frozenset(helper.pid for helper in self._alive)

    def start(self) -> None:
        """Start all processes in advance."""
        while len(self._alive) < self._size and not self._closed:
            self._idle.append(self._born())

    async def ask(self, tenant: Tenant, order: Order, text: bytes = b"") -> Answer:
        """Have an order carried out when it is the tenant's turn; raises `TooMany`, `Unavailable`, `TookTooLong`.

        If the caller disconnects, a waiting order is dropped and a running one taken back.
        """
        if self._closed:
            raise Unavailable("the service is going down")
        if self._queue.waiting(tenant) >= self._line:
            raise TooMany(f"{self._line} requests wait for their {self._kind} already")
        job = _Job(tenant, order, text, asyncio.get_running_loop().create_future())
        self._queue.push(tenant, job)
        self._begin()
        try:
            return await job.result
        except asyncio.CancelledError:
            if not self._queue.drop(tenant, job):
                for helper in self._alive:
                    if helper.job is job:
                        helper.take_back()
            self._count()
            raise

    def close(self) -> None:
        """Kill all processes; waiting callers get `Unavailable`."""
        self._closed = True
        for job in self._queue.clear():
            _refuse(job, "the service is going down")
        for helper in tuple(self._alive):
            helper.kill()
            helper.bury()

    def answered(self, helper: _Helper, job: _Job, answer: Answer) -> None:
        """Release a helper after its order."""
        self._queue.done(job.tenant)
        if not job.result.done():
            job.result.set_result(answer)
        self._idle.append(helper)
        self._begin()

    def buried(self, helper: _Helper, job: _Job | None) -> None:
        """Handle the exit of a helper, which may have had an order."""
        self._alive.discard(helper)
        if helper in self._idle:
            self._idle.remove(helper)
        if job is not None:
            self._queue.done(job.tenant)
            if job.tries < TRIES and not self._closed and not job.result.done():
                self._queue.push(job.tenant, job, first=True)
            else:
                _refuse(job, "a process of the service ended over this request")
        self._begin()
        if helper.proven and not self._idle_seconds:
            self.start()

    def _begin(self) -> None:
        """Assign waiting orders to free helpers."""
        while not self._closed and (self._idle or len(self._alive) < self._size):
            job = self._queue.pop()
            if job is None:
                break
            self._figures.pool_waited(self._kind, monotonic() - job.asked)
            try:
                helper = self._idle.pop() if self._idle else self._born()
            except OSError as error:
                self._queue.done(job.tenant)
                _refuse(job, f"no process can be started: {error}")
                continue
            helper.give(job, self._seconds)
        self._count()

    def _born(self) -> _Helper:
        helper = _Helper(self, self._kind, self._idle_seconds)
        self._alive.add(helper)
        return helper

    def _count(self) -> None:
        running = len(self._alive) - len(self._idle)
        self._figures.pool_level(self._kind, waiting=len(self._queue), running=running)


def _refuse(job: _Job, why: str) -> None:
    if not job.result.done():
        job.result.set_exception(Unavailable(why))
