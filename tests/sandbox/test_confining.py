"""What a confined process can still do: found out in a child that has been confined."""

import ctypes
import os
import platform
import re
import resource
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from treadle.wire import Attach, CatalogTarget, Limits
from treadle.worker import confine, landlock, process, seccomp
from treadle.worker.confine import Cage, Means, Mode, Plan
from treadle.worker.landlock import FILL, OWN, READ, Access, Rule
from treadle.worker.upstream import Upstream, read, upstream

MACHINES = ("x86_64", "aarch64")
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
LACKING = confine.available().lacking
confined_here = pytest.mark.skipif(bool(LACKING), reason=f"this kernel has no {' and no '.join(LACKING)}")


def order_of(folder: Path, dsn: str = "host=/run/pg user=u dbname=d") -> Attach:
    """An order to attach whose folders are there."""
    places = {name: folder / name for name in ("data", "tmp", "results", "files")}
    places["results"] /= "own"
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    return Attach(
        catalog=CatalogTarget(name="default", metadata_name="m", dsn=dsn, password="p", data_path=f"{places['data']}/"),
        limits=Limits(memory=2**28, threads=1, spill=2**20),
        temp_dir=str(places["tmp"]),
        home=str(folder / "home"),
        results_dir=str(places["results"]),
        copy_dirs=(str(places["files"]),),
    )


def in_child(work: Callable[[], Any]) -> Any:
    """What a function returns in a child of its own, as JSON has it; the child's end is its own affair."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, msgspec.json.encode(work()))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        answer = said.read()
    os.waitpid(child, 0)
    assert answer, "the child has said nothing"
    return msgspec.json.decode(answer)


def outcome(deed: Callable[[], object]) -> str:
    """``done``, or the name of the error number."""
    try:
        deed()
    except OSError as error:
        return os.strerror(error.errno or 0)
    return "done"


def confined(folder: Path, deeds: dict[str, Callable[[], object]], **about: str) -> dict[str, str]:
    """What comes of each deed in a process confined for an order."""

    def work() -> dict[str, str]:
        Cage().enter(order_of(folder, **about))
        return {name: outcome(deed) for name, deed in deeds.items()}

    answer: dict[str, str] = in_child(work)
    return answer


# -- files -------------------------------------------------------------------------------------


@confined_here
def test_files_are_those_of_the_order(tmp_path: Path) -> None:
    """Its own folders are to work in, its workspace's results to fill, programs to read; there is nothing else."""
    order_of(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    own, theirs = (tmp_path / "results" / whose / "statement" for whose in ("own", "theirs"))
    for place in (own, theirs):
        place.mkdir(parents=True)
        (place / "1.arrow").write_text("x")
    (tmp_path / "files" / "link").symlink_to(outside)

    def work_in(folder: str) -> None:
        for name in ("a", "b"):
            (tmp_path / folder / name).mkdir()
        (tmp_path / folder / "a" / "x").write_text("x")
        (tmp_path / folder / "a" / "x").replace(tmp_path / folder / "b" / "x")
        assert os.listdir(tmp_path / folder / "b") == ["x"]

    def fill() -> None:
        place = tmp_path / "results" / "own" / "mine"
        place.mkdir()
        (place / "1.unfinished").write_text("x")
        (place / "1.unfinished").replace(place / "1.arrow")
        (place / "2.arrow").write_text("x")
        (place / "2.arrow").unlink()

    done = confined(
        tmp_path,
        {
            **{f"work in {name}": lambda name=name: work_in(name) for name in ("data", "tmp", "files")},  # type: ignore[misc]
            "fill results": fill,
            "read a program": Path(os.__file__).read_bytes,
            "read its memory": Path("/proc/self/statm").read_text,
            "write to nowhere": lambda: Path("/dev/null").write_text("x"),
        },
    )
    assert set(done.values()) == {"done"}, done
    refused = confined(
        tmp_path,
        {
            "read outside": (outside / "secret").read_text,
            "list outside": lambda: os.listdir(outside),
            "write outside": lambda: (outside / "new").write_text("x"),
            "empty outside": lambda: (outside / "secret").write_text(""),
            "remove outside": (outside / "secret").unlink,
            "make a folder outside": (outside / "new").mkdir,
            "move outside": lambda: os.rename(tmp_path / "files", outside / "files"),
            "by a link": (tmp_path / "files" / "link" / "secret").read_text,
            "by dots": Path(f"{tmp_path}/files/../outside/secret").read_text,
            "by its root": Path(f"/proc/self/root{outside}/secret").read_text,
            "list the workspaces with results": lambda: os.listdir(tmp_path / "results"),
            "make one more": (tmp_path / "results" / "new").mkdir,
            "remove its own": (tmp_path / "results" / "own").rmdir,
            "list its own": lambda: os.listdir(own.parent),
            "list one of its own": lambda: os.listdir(own),
            "read one of its own": (own / "1.arrow").read_text,
            "list theirs": lambda: os.listdir(theirs.parent),
            "list one of theirs": lambda: os.listdir(theirs),
            "read one of theirs": (theirs / "1.arrow").read_text,
            "add to theirs": (theirs.parent / "new").mkdir,
            "add to one of theirs": lambda: (theirs / "2.arrow").write_text("x"),
            "overwrite one of theirs": lambda: os.open(theirs / "1.arrow", os.O_WRONLY),
            "cut one of theirs short": lambda: os.truncate(theirs / "1.arrow", 0),
            "rename one of theirs": lambda: (theirs / "1.arrow").rename(theirs / "2.arrow"),
            "remove one of theirs": (theirs / "1.arrow").unlink,
            "give one of its own": lambda: (own / "1.arrow").rename(theirs / "1.arrow"),
            "read passwd": Path("/etc/passwd").read_text,
            "read its environment": Path("/proc/self/environ").read_text,
            "write its memory": lambda: os.open("/proc/self/mem", os.O_RDWR),
            "look at another": lambda: os.listdir(f"/proc/{os.getppid()}"),
            "shared memory": lambda: Path("/dev/shm/x").write_text("x"),
            "a device": lambda: os.open("/dev/zero", os.O_RDONLY),
            "change a program": lambda: os.open(os.__file__, os.O_WRONLY),
        },
    )
    assert set(refused.values()) == {"Permission denied"}, refused
    assert (outside / "secret").read_text() == "x"
    assert [(path.name, path.read_text()) for path in theirs.parent.rglob("*.arrow")] == [("1.arrow", "x")]


@confined_here
def test_every_later_thread_is_confined(tmp_path: Path) -> None:
    """Threads that start after it are confined as well; a process that has others is not let in."""

    def in_threads() -> list[str]:
        Cage().enter(order_of(tmp_path))
        said: list[str] = []
        deeds = (Path("/etc/passwd").read_text, os.fork, socket.socket)
        threads = [threading.Thread(target=lambda deed=deed: said.append(outcome(deed))) for deed in deeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return said

    said = in_child(in_threads)
    assert len(said) == 3
    assert "done" not in said

    def too_late() -> str:
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait, daemon=True)
        thread.start()
        try:
            Cage().enter(order_of(tmp_path))
        except RuntimeError as error:
            return str(error)
        return "let in"

    assert "one thread" in in_child(too_late)


# -- system calls ------------------------------------------------------------------------------


@confined_here
def test_no_process_no_network_no_kernel(tmp_path: Path) -> None:
    """No process is made or signalled, no network is there, the kernel's own things are out of reach."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function: str, *arguments: Any) -> Callable[[], None]:
        def deed() -> None:
            if getattr(libc, function)(*arguments) < 0:
                raise OSError(ctypes.get_errno(), function)

        return deed

    numbers = 0 if platform.machine() == "x86_64" else 1

    def numbered(name: str, *arguments: Any) -> Callable[[], None]:
        number = {**seccomp.DENIED, **seccomp.CONDITIONAL}[name][numbers]
        return call("syscall", number, *arguments)

    parent = os.getpid()
    refused = confined(
        tmp_path,
        {
            "fork": os.fork,
            "run": lambda: subprocess.run(["/bin/true"], check=True),
            "exec": lambda: os.execv("/bin/true", ["true"]),
            "clone of a process": numbered("clone", 17, 0, 0, 0, 0),
            "ptrace": call("ptrace", 16, parent, 0, 0),
            "signal the parent": lambda: os.kill(parent, 0),
            "signal everybody": lambda: os.kill(-1, 0),
            "signal the group": lambda: os.kill(0, 0),
            "a handle on the parent": lambda: os.pidfd_open(parent),
            "limits of the parent": lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE),
            "turns of the parent": lambda: os.setpriority(os.PRIO_PROCESS, parent, 19),
            "TCP": lambda: socket.socket(socket.AF_INET),
            "TCP over IPv6": lambda: socket.socket(socket.AF_INET6),
            "UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
            "raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
            "to be reached": lambda: socket.socket(socket.AF_UNIX).bind("\0treadle-test"),
            "mount": call("mount", b"none", b"/", b"tmpfs", 0, None),
            "chroot": lambda: os.chroot("/"),
            "namespaces": call("unshare", 0x10000000),
            "shared memory": call("shmget", 1, 4096, 0o1600),
            "keys": numbered("keyctl", 0, 0, 0),
            "bpf": numbered("bpf", 0, 0, 0),
            "io_uring": numbered("io_uring_setup", 1, 0),
            "userfaultfd": numbered("userfaultfd", 0),
            "a file without a name": numbered("memfd_create", b"x", 0),
            "performance counters": numbered("perf_event_open", 0, 0, 0, 0, 0),
            "memory of the parent": numbered("process_vm_readv", parent, 0, 0, 0, 0, 0),
            "mode of its own file": lambda: os.chmod(tmp_path / "files", 0o777),
            "a link": lambda: os.symlink("/etc", tmp_path / "files" / "etc"),
            "another user": lambda: os.setuid(os.getuid()),
        },
    )
    assert set(refused.values()) == {"Operation not permitted"}, refused
    left = confined(
        tmp_path,
        {
            "a unix socket": lambda: socket.socket(socket.AF_UNIX),
            "a pair of them": socket.socketpair,
            "signal itself": lambda: os.kill(os.getpid(), 0),
            "its own limits": lambda: resource.getrlimit(resource.RLIMIT_AS),
            "give way": process.give_way,
            "randomness": lambda: os.urandom(16),
        },
    )
    assert set(left.values()) == {"done"}, left


@confined_here
def test_an_abstract_socket_is_out_of_reach(tmp_path: Path) -> None:
    """A socket without a path, of somebody else's, cannot be connected to."""
    if landlock.abi() < 6:
        pytest.skip(f"Landlock of this kernel has version {landlock.abi()}: it knows no scopes")
    name = f"\0treadle-{tmp_path.name}-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(name)
        door.listen()
        done = confined(tmp_path, {"connect": lambda: socket.socket(socket.AF_UNIX).connect(name)})
    assert done == {"connect": "Operation not permitted"}


@confined_here
def test_tcp_only_to_the_metadatas_port(tmp_path: Path) -> None:
    """Where the metadata is served over TCP, its port can be reached and no other, and nothing but TCP."""
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_server(("127.0.0.1", 0)) as other:
        port, wrong = door.getsockname()[1], other.getsockname()[1]
        done = confined(
            tmp_path,
            {
                "its port": lambda: socket.create_connection(("127.0.0.1", port), 5),
                "another port": lambda: socket.create_connection(("127.0.0.1", wrong), 5),
                "UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
                "several paths": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262),
                "the first bytes at once": lambda: socket.socket().sendto(
                    b"x", seccomp.MSG_FASTOPEN, ("127.0.0.1", wrong)
                ),
                "to be reached": lambda: socket.create_server(("127.0.0.1", 0)),
            },
            dsn=f"host=127.0.0.1 port={port} user=u",
        )
    assert done.pop("its port") == "done"
    if landlock.abi() < 4:
        assert done.pop("another port") == "done"  # an older kernel's Landlock knows no ports
    assert set(done.values()) <= {"Operation not permitted", "Permission denied"}, done


def bpf(program: seccomp.Filter, machine: str, number: int, *arguments: int) -> int:
    """What the kernel would answer: the filter, run."""
    data = struct.pack("=IIQ6Q", number, seccomp.AUDIT_ARCH[machine], 0, *(*arguments, *[0] * 6)[:6])
    at, held = 0, 0
    while True:
        step = program[at]
        at += 1
        match step.code:
            case 0x20:
                (held,) = struct.unpack_from("=I", data, step.value)
            case 0x54:
                held &= step.value
            case 0x06:
                return step.value
            case code:
                tests = {0x15: held == step.value, 0x25: held > step.value, 0x35: held >= step.value}
                tests[0x45] = bool(held & step.value)
                at += step.if_true if tests[code] else step.if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter_answers_as_it_says(machine: str) -> None:
    """On each machine: what is denied is denied, what is new is missing, what is asked rightly is allowed."""
    column = MACHINES.index(machine)
    program = seccomp.filter_of(machine, 4711, tcp=False)
    denied = seccomp.RET_ERRNO | 1
    numbers = {name: both[column] for name, both in {**seccomp.DENIED, **seccomp.CONDITIONAL}.items()}
    assert len(program) < 4096
    for name in seccomp.DENIED:
        if numbers[name] is not None:
            assert bpf(program, machine, numbers[name] or 0) == denied, name
    known = set(numbers.values())
    for number in range(seccomp.NEWEST + 1):
        if number not in known:
            assert bpf(program, machine, number) == seccomp.RET_ALLOW, number
    assert bpf(program, machine, seccomp.NEWEST + 1) == seccomp.RET_ERRNO | 38
    other = MACHINES[1 - column]
    assert bpf(program, other, 0) == seccomp.RET_KILL_PROCESS

    def answer(name: str, *arguments: int, tcp: bool = False) -> int:
        return bpf(seccomp.filter_of(machine, 4711, tcp=tcp), machine, numbers[name] or 0, *arguments)

    thread = 0x3D0F00
    allowed = [
        answer("clone", thread),
        answer("kill", 4711),
        answer("tgkill", 4711, 4712),
        answer("prlimit64", 0),
        answer("prlimit64", 4711),
        answer("setpriority", 0, 0, 5),
        answer("socket", socket.AF_UNIX),
        answer("socket", socket.AF_UNIX, tcp=True),
        answer("socket", socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 6, tcp=True),
        answer("socket", socket.AF_INET6, socket.SOCK_STREAM, 0, tcp=True),
        answer("sendto", 3, 0, 0, 0x4000),
        answer("ioctl", 0, 0x5401),
    ]
    assert set(allowed) == {seccomp.RET_ALLOW}
    refused = [
        answer("clone", 17),
        answer("kill", 1),
        answer("kill", 2**32 - 1),
        answer("tgkill", 1, 4711),
        answer("prlimit64", 1),
        answer("setpriority", 0, 1),
        answer("setpriority", 1, 0),
        answer("setpriority", 2, 0),
        answer("socket", socket.AF_INET, socket.SOCK_STREAM),
        answer("socket", socket.AF_NETLINK, socket.SOCK_RAW, tcp=True),
        answer("socket", socket.AF_INET, socket.SOCK_DGRAM, tcp=True),
        answer("socket", socket.AF_INET, socket.SOCK_STREAM, 262, tcp=True),
        answer("sendto", 3, 0, 0, seccomp.MSG_FASTOPEN),
        answer("sendmsg", 3, 0, seccomp.MSG_FASTOPEN),
        answer("sendmmsg", 3, 0, 0, seccomp.MSG_FASTOPEN),
        answer("ioctl", 0, seccomp.TIOCSTI),
        answer("fcntl", 0, seccomp.F_SETOWN),
    ]
    assert set(refused) == {denied}
    assert answer("clone3") == seccomp.RET_ERRNO | 38


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    """The numbers of the system calls are those of the kernel's own headers."""
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"no kernel headers on this machine: {header}")
    found = re.findall(r"#define (?:__NR|__NR3264)_(\w+)\s+(\d+)", header.read_text())
    known = {name: int(number) for name, number in found}
    column = MACHINES.index(machine)
    listed = {name: both[column] for name, both in {**seccomp.DENIED, **seccomp.CONDITIONAL}.items()}
    wrong = {name: number for name, number in listed.items() if name in known and known[name] != number}
    assert not wrong
    assert len(known.keys() & listed.keys()) > 100


# -- the plan ----------------------------------------------------------------------------------


def test_the_plan_of_an_order(tmp_path: Path) -> None:
    """An order names what its worker may work in, fill and read; without TCP there is no port."""
    order = order_of(tmp_path)
    plan = confine.plan_of(order, upstream(order.catalog.dsn), ("/programs",))
    kept = {rule.path: rule.access for rule in plan.rules}
    assert {path for path, access in kept.items() if access == OWN} == {
        order.temp_dir,
        *order.copy_dirs,
        order.catalog.data_path,
    }
    assert kept[order.results_dir] == FILL
    assert not FILL & READ
    assert kept["/programs"] == READ
    special = ("/dev/null", "/proc/self/clear_refs")
    assert all(path in special or access in (READ, FILL, OWN) for path, access in kept.items())
    assert plan.ports == ()
    for access in kept.values():
        assert not access & (Access.EXECUTE | Access.MAKE_CHAR | Access.MAKE_BLOCK | Access.MAKE_SYM | Access.MAKE_SOCK)


def test_a_data_path_elsewhere_is_no_folder(tmp_path: Path) -> None:
    """The address of an object store is not taken for a path of this machine."""
    order = order_of(tmp_path)
    far = msgspec.structs.replace(order, catalog=msgspec.structs.replace(order.catalog, data_path="s3://b/x/"))
    plan = confine.plan_of(far, Upstream(""), ())
    assert not [rule for rule in plan.rules if rule.path.startswith("s3:")]


@pytest.mark.parametrize(
    ("dsn", "ports"),
    [
        ("host=/run/pg port=5433 user=u", ()),
        ("host='/a folder/pg' user=u", ()),
        ("user=u dbname=d", ()),
        ("host=@abstract user=u", ()),
        ("host=10.0.0.1 user=u", (5432,)),
        ("host=10.0.0.1 port=6432 user=u", (6432,)),
        ("host=::1 port=6432", (6432,)),
        ("host=10.0.0.1,10.0.0.2 port=1,2", (1, 2)),
        ("hostaddr=10.0.0.1 host=db port=7", (7,)),
    ],
)
def test_where_the_server_is(dsn: str, ports: tuple[int, ...]) -> None:
    """A connection string says whether the server is behind TCP, and at which ports."""
    found = upstream(dsn)
    assert found.ports == ports
    assert found.dsn == dsn


def test_a_name_is_looked_up_before_it_is_too_late() -> None:
    """The address of a named host goes into the string, beside its name; an unknown one stays as it is."""
    found = upstream(r"host=localhost port=7 user='o\'neil' sslrootcert=/etc/ca.pem")
    parts = read(found.dsn)
    assert set(parts["host"].split(",")) == {"localhost"}
    assert set(parts["hostaddr"].split(",")) <= {"127.0.0.1", "::1"}
    assert parts["hostaddr"].count(",") == parts["host"].count(",")
    assert (parts["user"], parts["port"]) == ("o'neil", "7")
    assert found.files == ("/etc/ca.pem",)
    unknown = "host=no-such-host.invalid port=7 user=u"
    assert upstream(unknown).dsn == unknown


def test_off_is_off(tmp_path: Path) -> None:
    """With the sandbox off a process stays as it is."""
    order = order_of(tmp_path)

    def work() -> str:
        assert Cage(Mode.OFF).enter(order) is order
        return outcome(Path("/etc/passwd").read_text)

    assert in_child(work) == "done"


def test_means_that_are_lacking_have_names() -> None:
    """What a kernel lacks is named."""
    assert Means().lacking == ("Landlock", "seccomp")
    assert Means(landlock=7, seccomp=True).lacking == ()


@pytest.mark.parametrize("version", range(2, 8))
def test_every_version_is_handled(version: int, tmp_path: Path) -> None:
    """An older Landlock confines as far as it goes: each version's domain can be entered here."""
    if landlock.abi() < version:
        pytest.skip(f"Landlock of this kernel has version {landlock.abi()}")

    def work() -> list[str]:
        confine.confine(Plan((Rule(str(tmp_path), OWN),), (1,)), Means(landlock=version), 0)
        return [outcome(lambda: os.listdir("/")), outcome(lambda: os.listdir(tmp_path))]

    assert in_child(work) == ["Permission denied", "done"]


@confined_here
def test_what_is_given_up_does_not_come_back(tmp_path: Path) -> None:
    """No core, no limit raised again, no capability that the work does not need, no privilege to gain."""

    def work() -> dict[str, str]:
        Cage().enter(order_of(tmp_path))
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
            limit = "raised"
        except ValueError:
            limit = "refused"
        process.keep_secret()
        return {"limit": limit, "dumpable": str(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))}

    assert in_child(work) == {"limit": "refused", "dumpable": "0"}


def test_the_largest_file(tmp_path: Path) -> None:
    """A file larger than the setting cannot be written, and the error says so."""

    def work() -> str:
        Cage(Mode.ON, file_size=1000).enter(order_of(tmp_path))
        return outcome(lambda: (tmp_path / "files" / "x").write_bytes(b"x" * 2000))

    assert in_child(work) == "File too large"
