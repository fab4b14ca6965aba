"""What a worker asks of the kernel: die with the gateway, stay within bounds, let others go first."""

import ctypes
import os
import resource
import signal
import time
from pathlib import Path
from typing import Final

from treadle.slices import take_ordinary_turns

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_NAME: Final = 15
CAPABILITY_VERSION: Final = 0x20080522
KEPT_CAPABILITIES: Final = (1 << 1) | (1 << 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: a worker of root reaches the socket in the server's own folder."""

HEADROOM: Final = 2**30
"""Bytes of address space beyond one and a half times the engine's memory limit: stacks, arenas, gaps."""

NICE: Final = 5
"""How far back the work of statements stands."""

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Ask for SIGKILL when the parent dies; raises `OSError` when the kernel refuses."""
    if _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def adopt(gateway_pid: int, timeout: float = 5.0) -> None:
    """Become the gateway's child: wait until it has inherited this orphan, then die with it.

    The kernel hands an orphan to the nearest subreaper, which the gateway is. Exits the process
    when somebody else inherits it: then the gateway is gone.
    """
    deadline = time.monotonic() + timeout
    while os.getppid() != gateway_pid:
        if os.getppid() == 1 or time.monotonic() > deadline:
            os._exit(1)
        time.sleep(0.0002)
    die_with_parent()
    if os.getppid() != gateway_pid:
        os._exit(1)


class _Capabilities(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop_capabilities() -> None:
    """Keep of what root may do `KEPT_CAPABILITIES`; others have none to drop. Raises `OSError`."""
    header = _CapabilityHeader(CAPABILITY_VERSION, 0)
    held = (_Capabilities * 2)()
    if _libc.capget(ctypes.byref(header), held) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    held[0].permitted &= KEPT_CAPABILITIES
    held[1].permitted = 0
    for part in held:
        part.effective = part.permitted
        part.inheritable = 0
    if _libc.capset(ctypes.byref(header), held) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def keep_secret() -> None:
    """Let nobody of the same user look into this process, nor into an image of its crash; raises `OSError`."""
    if _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


def close_all_but(descriptor: int) -> None:
    """Keep of the open files the three standard ones and this."""
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def name_process(name: str) -> None:
    """Show ``name`` (15 bytes at most) in process lists."""
    _libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def bound_memory(limit: int) -> None:
    """Let the address space grow from where it stands by one and a half times ``limit`` and `HEADROOM`.

    The engine's own limit does not count single values; this one turns them into a clean
    out-of-memory error. It is wider than the engine's, because address space is not memory.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + limit * 3 // 2 + HEADROOM
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))


def give_way() -> None:
    """Let others go before this thread and those it will start: gateway, memory server, control threads.

    They need moments, the work of statements needs seconds.
    """
    take_ordinary_turns()
    os.setpriority(os.PRIO_PROCESS, 0, min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE))
