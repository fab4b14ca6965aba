"""How long a turn on a processor is asked for: short ones come sooner.

Gateway, memory server and the threads that stop an engine need moments, an engine needs seconds. Whoever
asks for short turns is let in at once when it wakes, where the kernel knows of them (Linux 6.12); older
ones ignore the question. Threads and processes inherit it from those that start them.
"""

import ctypes
import os
import platform
from typing import Final

SHORT_SECONDS: Final = 0.0002
SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
"""The number of the system call, which has no name in the C library."""


class _SchedAttr(ctypes.Structure):
    """The kernel's ``struct sched_attr``; policy 0 is SCHED_OTHER, and no runtime is the kernel's default."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def take_short_turns() -> None:
    """Ask for short turns for this thread."""
    _ask(round(SHORT_SECONDS * 1e9))


def take_ordinary_turns() -> None:
    """Ask for what everybody has, for this thread."""
    _ask(0)


def _ask(nanoseconds: int) -> None:
    number = SCHED_SETATTR.get(platform.machine())
    if number is None:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _SchedAttr(size=ctypes.sizeof(_SchedAttr), nice=nice, runtime=nanoseconds)
    # A refusal costs speed and nothing else.
    ctypes.CDLL(None).syscall(number, 0, ctypes.byref(attributes), 0)
