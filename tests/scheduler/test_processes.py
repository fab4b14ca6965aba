"""Workers as real processes: born as our children, killed, reaped and buried, never left behind."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import pytest
import uvloop

from tests.support.world import alive
from treadle.demo.processes import command_name, descendants
from treadle.model.errors import Unavailable
from treadle.outside import new_id
from treadle.scheduler.forking import Zygote, become_subreaper, end_leftovers
from treadle.scheduler.processes import ForkedWorkers, WorkerProcess
from treadle.wire import Close, FromWorker, Hello, from_worker

PATIENCE = 20.0
P = ParamSpec("P")


def on_uvloop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run the test on the loop that the service runs on."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        uvloop.run(test(*args, **kwargs))

    return run


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait, with the loop running, until ``condition`` is true."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - of other processes nobody sends an event
                await asyncio.sleep(0.005)
            return
    raise AssertionError(f"never happened: {what}")


@asynccontextmanager
async def workers(folder: Path, warm: int = 0, timeout: float = PATIENCE) -> AsyncIterator[ForkedWorkers]:
    """Workers of a data folder of their own; nothing of them is alive afterwards."""
    made = ForkedWorkers(folder, new_id, warm, timeout)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def ours(name: str) -> set[int]:
    """The living processes of that name that are this one's own children; other tests' services have theirs."""
    below = {pid for pid in descendants(os.getpid()) if command_name(pid) == name and alive(pid)}
    return {pid for pid in below if parent(pid) == os.getpid()}


def parent(pid: int) -> int:
    """Its parent's process id; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def exists(pid: int) -> bool:
    """Whether the process is there, be it as a zombie."""
    return Path(f"/proc/{pid}").exists()


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def reap(pids: set[int]) -> None:
    """Bury dead orphans that came to us, for we adopt them."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


class Listener:
    """What a worker says, and how the world looks when it is said."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self.heard: list[FromWorker | None] = []
        self.buried_by_then: list[bool] = []

    def __call__(self, message: FromWorker | None) -> None:
        self.heard.append(message)
        process, folder = exists(self.worker.pid), Path(self.worker.temp_dir).exists()
        self.buried_by_then.append(self.worker.gone and not process and not folder)


# -- life and death ----------------------------------------------------------------------------


@on_uvloop
async def test_a_hired_worker_is_our_child(tmp_path: Path) -> None:
    """It has said Hello, is a child of this process and has a folder of its own that nobody else can read."""
    async with workers(tmp_path) as crew:
        worker = await crew.hire()
        assert parent(worker.pid) == os.getpid()
        assert command_name(worker.pid) == "treadle-worker"
        assert worker.pid in crew.alive
        folder = Path(worker.temp_dir).parent
        assert folder.parent == tmp_path / "tmp"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert os.listdir(worker.home) == []
        assert worker.home != worker.temp_dir
        assert Path(worker.home).parent == folder
        assert worker.memory() > 2**20
        assert crew.memory() >= worker.memory()
        assert not worker.gone


@on_uvloop
async def test_a_killed_worker_is_reaped_and_buried(tmp_path: Path) -> None:
    """After SIGKILL no zombie and no folder is left, and only then its listener hears None, once."""
    async with workers(tmp_path) as crew:
        worker = await crew.hire()
        listener = Listener(worker)
        worker.attend(listener)
        (Path(worker.temp_dir) / "deep").mkdir()
        (Path(worker.temp_dir) / "deep" / "spill.tmp").write_bytes(b"x" * 1000)
        worker.kill()
        await worker.buried()
        assert not exists(worker.pid)
        assert list((tmp_path / "tmp").iterdir()) == []
        await until(lambda: worker.pid not in crew.alive, "it is forgotten")
        for _ in range(5):
            worker.kill()
            worker.send(Close())
            await asyncio.sleep(0)
        assert (listener.heard, listener.buried_by_then) == ([None], [True])
        late = Listener(worker)
        worker.attend(late)
        assert late.heard == [None], "who comes after the burial hears of it at once"
        assert (worker.gone, worker.memory()) == (True, 0)


@on_uvloop
async def test_a_death_from_outside_is_noticed(tmp_path: Path) -> None:
    """A worker that somebody else kills is reaped and buried like one that we kill."""
    async with workers(tmp_path) as crew:
        worker = await crew.hire()
        listener = Listener(worker)
        worker.attend(listener)
        os.kill(worker.pid, signal.SIGKILL)
        await asyncio.wait_for(worker.buried(), PATIENCE)
        assert (listener.heard, listener.buried_by_then) == ([None], [True])


@on_uvloop
async def test_who_listens_late_hears_all(tmp_path: Path) -> None:
    """A worker that died before anybody attended to it is told as gone to the one who does then."""
    async with workers(tmp_path) as crew:
        worker = await crew.hire()
        worker.kill()
        await worker.buried()
        listener = Listener(worker)
        worker.attend(listener)
        assert (listener.heard, listener.buried_by_then) == ([None], [True])


@on_uvloop
async def test_a_deaf_worker_is_killed(tmp_path: Path) -> None:
    """A stopped process, which no message reaches, is killed and buried all the same."""
    async with workers(tmp_path) as crew:
        worker = await crew.hire()
        os.kill(worker.pid, signal.SIGSTOP)
        worker.kill()
        await asyncio.wait_for(worker.buried(), PATIENCE)
        assert not exists(worker.pid)


@on_uvloop
async def test_a_worker_goes_when_it_is_told_to(tmp_path: Path) -> None:
    """`Close` ends the process without a kill, and it is buried."""
    async with workers(tmp_path) as crew:
        worker = await crew.hire()
        worker.send(Close())
        await asyncio.wait_for(worker.buried(), PATIENCE)
        assert not exists(worker.pid)


@on_uvloop
async def test_hanging_up_ends_a_worker(tmp_path: Path) -> None:
    """A worker without its pipe is ended and buried."""
    async with workers(tmp_path) as crew:
        worker = await crew.hire()
        assert worker._transport is not None
        worker._transport.close()
        await asyncio.wait_for(worker.buried(), PATIENCE)
        assert not exists(worker.pid)


async def raw_worker(folder: Path) -> tuple[socket.socket, int]:
    """The bare pipe to a worker and its process id; its zygote is gone already."""
    become_subreaper()
    zygote = Zygote(folder)
    near, far = socket.socketpair()
    near.settimeout(PATIENCE)
    try:
        with far:
            await zygote.fork(far, PATIENCE)
        hello = from_worker(near.recv(1000)[4:])
    finally:
        zygote.stop()
    assert isinstance(hello, Hello)
    return near, hello.pid


async def exit_code(pid: int) -> int | None:
    """How the child ended by itself; None when it does not end, and then it is killed."""
    ended = asyncio.create_task(asyncio.to_thread(os.waitpid, pid, 0))
    done, _ = await asyncio.wait([ended], timeout=PATIENCE)
    if not done:
        os.kill(pid, signal.SIGKILL)
    _, status = await ended
    return os.waitstatus_to_exitcode(status) if done else None


@on_uvloop
async def test_a_worker_ends_by_itself_when_its_pipe_closes(tmp_path: Path) -> None:
    """Nobody signals it: it reads the end of its pipe and exits with 0."""
    near, pid = await raw_worker(tmp_path)
    near.close()
    assert await exit_code(pid) == 0


@on_uvloop
async def test_a_worker_that_understands_nothing_ends(tmp_path: Path) -> None:
    """Bytes that are no message end the worker, for a deaf one could never be told to stop."""
    near, pid = await raw_worker(tmp_path)
    with near:
        near.sendall((7).to_bytes(4) + b"garbage")
        assert await exit_code(pid) is not None


@on_uvloop
async def test_the_kill_of_one_hurts_no_neighbour(tmp_path: Path) -> None:
    """One of several is killed, the others live and listen."""
    async with workers(tmp_path) as crew:
        first, second, third = [await crew.hire() for _ in range(3)]
        assert len({first.pid, second.pid, third.pid}) == 3
        second.kill()
        await second.buried()
        assert alive(first.pid)
        assert alive(third.pid)
        assert crew.alive == {first.pid, third.pid}


@on_uvloop
async def test_nothing_is_left_after_the_stop(tmp_path: Path) -> None:
    """Stopping kills and buries every worker, hired or warm, ends the zygote, and leaves no folder."""
    async with workers(tmp_path, warm=2) as crew:
        hired = await crew.hire()
        await until(lambda: crew.warm == 2, "the pool is full again")
        pids = set(crew.alive)
        assert hired.pid in pids
    assert not any(exists(pid) for pid in pids)
    assert ours("treadle-zygote") == set()
    assert list((tmp_path / "tmp").iterdir()) == []


# -- the pool ----------------------------------------------------------------------------------


@on_uvloop
async def test_the_warm_pool_is_filled_again(tmp_path: Path) -> None:
    """A warm worker is handed out at once, and another takes its place."""
    async with workers(tmp_path, warm=2) as crew:
        assert (crew.warm, len(crew.alive)) == (2, 2)
        before = crew.alive
        worker = await crew.hire()
        assert worker.pid in before
        await until(lambda: crew.warm == 2, "the pool is full again")
        assert len(crew.alive) == 3


@on_uvloop
async def test_a_warm_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    """The pool notices the death of one that nobody has hired yet and hands out a living one."""
    async with workers(tmp_path, warm=1) as crew:
        (dead,) = crew.alive
        os.kill(dead, signal.SIGKILL)
        await until(lambda: crew.warm == 1 and dead not in crew.alive, "the pool is full again")
        worker = await crew.hire()
        assert worker.pid != dead
        assert alive(worker.pid)
        await until(lambda: crew.warm == 1, "the pool is full again")


@on_uvloop
async def test_many_are_hired_at_once(tmp_path: Path) -> None:
    """Hires at the same time each get a worker of their own."""
    async with workers(tmp_path, warm=1) as crew:
        hired = await asyncio.gather(*(crew.hire() for _ in range(8)))
        assert len({worker.pid for worker in hired}) == 8
        assert len({worker.temp_dir for worker in hired}) == 8
        assert all(parent(worker.pid) == os.getpid() for worker in hired)
        await until(lambda: crew.warm == 1, "the pool is full again")


@on_uvloop
async def test_without_warm_workers_it_is_ready_too(tmp_path: Path) -> None:
    """With no warm workers kept, workers can be forked from the start on, and the service says so."""
    async with workers(tmp_path, warm=0) as crew:
        assert crew.ready
        await crew.hire()
        assert crew.ready


@on_uvloop
async def test_a_stop_while_the_pool_is_filled_leaves_nothing(tmp_path: Path) -> None:
    """Workers that are being forked when the stop comes are gone with it."""
    async with workers(tmp_path, warm=3) as crew:
        await crew.hire()
        await asyncio.sleep(0)
    await until(lambda: ours("treadle-worker") == set(), "no worker is alive")
    assert list((tmp_path / "tmp").iterdir()) == []


# -- the zygote --------------------------------------------------------------------------------


def the_zygote() -> int:
    """The process id of the one zygote."""
    (pid,) = ours("treadle-zygote")
    return pid


@on_uvloop
async def test_the_zygote_has_one_thread(tmp_path: Path) -> None:
    """A fork copies only the thread that forks: any other might hold a lock for ever in every worker."""
    async with workers(tmp_path) as crew:
        await crew.hire()
        assert len(os.listdir(f"/proc/{the_zygote()}/task")) == 1


@on_uvloop
async def test_workers_outlive_their_zygote(tmp_path: Path) -> None:
    """A kill -9 of the zygote hurts no worker, and the next hire starts a new one."""
    async with workers(tmp_path) as crew:
        first = await crew.hire()
        dead = the_zygote()
        os.kill(dead, signal.SIGKILL)
        await until(lambda: not alive(dead), "the zygote is dead")
        second = await crew.hire()
        assert alive(first.pid)
        assert alive(second.pid)
        assert the_zygote() != dead
        assert not exists(dead)
        first.kill()
        await first.buried()


@on_uvloop
async def test_a_zygote_that_dies_with_an_order_in_hand(tmp_path: Path) -> None:
    """The order is given again to a new zygote, long before the start's time is over."""
    async with workers(tmp_path, timeout=3 * PATIENCE) as crew:
        await crew.hire()
        dead = the_zygote()
        os.kill(dead, signal.SIGSTOP)
        hire = asyncio.create_task(crew.hire())
        await asyncio.wait([hire], timeout=0.1)
        os.kill(dead, signal.SIGKILL)
        try:
            worker = await asyncio.wait_for(hire, PATIENCE)
        except TimeoutError:
            pytest.fail("a lost order is noticed only when the start's time is over")
        assert alive(worker.pid)


@on_uvloop
async def test_no_zygote_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hire without a zygote is `Unavailable`, and leaves no folder and no open file."""
    async with workers(tmp_path) as crew:
        hired = await crew.hire()
        assert crew.ready
        os.kill(the_zygote(), signal.SIGKILL)
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(Unavailable):
            await crew.hire()
        before = descriptors()
        with pytest.raises(Unavailable):
            await crew.hire()
        assert descriptors() == before
        assert not crew.ready
        assert [str(folder) for folder in (tmp_path / "tmp").iterdir()] == [os.path.dirname(hired.temp_dir)]


@on_uvloop
async def test_leftovers_of_a_data_folder_are_ended(tmp_path: Path) -> None:
    """What an earlier service of this folder left is killed; another folder's is not."""
    async with workers(tmp_path / "a") as mine, workers(tmp_path / "b") as other:
        left, neighbour = await mine.hire(), await other.hire()
        await asyncio.to_thread(end_leftovers, tmp_path / "a")
        await asyncio.wait_for(left.buried(), PATIENCE)
        assert alive(neighbour.pid)
        assert len(ours("treadle-zygote")) == 1


# -- the parent --------------------------------------------------------------------------------

PARENT = """
import asyncio, json, os, sys
from pathlib import Path
from treadle.outside import new_id
from treadle.scheduler.processes import ForkedWorkers

async def main():
    crew = ForkedWorkers(Path(sys.argv[1]), new_id, 1, 20.0)
    await crew.start()
    hired = [await crew.hire() for _ in range(2)]
    while crew.warm < 1:
        await asyncio.sleep(0.01)
    print(json.dumps(sorted(crew.alive)), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process of its own that hires workers, as a gateway does."""
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield process
        process.kill()


@on_uvloop
async def test_everything_dies_with_the_gateway(gateway: "subprocess.Popen[str]") -> None:
    """SIGKILL of the gateway ends its zygote and all its workers, hired, warm or stopped."""
    assert gateway.stdout is not None
    pids = json.loads(await asyncio.to_thread(gateway.stdout.readline))
    below = descendants(gateway.pid)
    assert len(pids) == 3
    assert set(pids) < below
    os.kill(pids[0], signal.SIGSTOP)
    gateway.kill()
    await until(lambda: not any(alive(pid) for pid in below), "all of them are dead")
    reap(below)


# -- nothing leaks -----------------------------------------------------------------------------


@on_uvloop
async def test_no_descriptor_leaks(tmp_path: Path) -> None:
    """After fifty hires and burials as many files are open as before, and no folder is left."""
    async with workers(tmp_path) as crew:
        first = await crew.hire()
        first.kill()
        await first.buried()
        await until(lambda: not crew.alive, "it is forgotten")
        before = descriptors()
        for _ in range(10):
            for worker in await asyncio.gather(*(crew.hire() for _ in range(5))):
                worker.kill()
                await worker.buried()
        await until(lambda: not crew.alive, "they are forgotten")
        await until(lambda: descriptors() <= before, f"no more than {before} files are open")
        assert list((tmp_path / "tmp").iterdir()) == []
