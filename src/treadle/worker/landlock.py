"""Landlock: the kernel's way for a thread to give up files, ports and signals for good.

The system calls, and nothing of what a worker needs (`treadle.worker.confine` knows that). A domain
holds for the calling thread and for all it starts later, so it is entered while there is but one.
"""

import ctypes
import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack
from enum import IntFlag
from typing import Final

import msgspec

CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446
"""The numbers of the system calls, the same on every machine."""

VERSION_QUESTION: Final = 1
RULE_PATH: Final = 1
RULE_PORT: Final = 2

LEAST_ABI: Final = 2
"""Before it no file can be renamed into another folder, which COPY has to."""

KNOWN_ABI: Final = 7
"""Of newer kernels only what this one knows is used."""


class Access(IntFlag):
    """What can be done to a file or below a folder."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


class Net(IntFlag):
    """What can be done with TCP."""

    BIND = 1 << 0
    CONNECT = 1 << 1


class Scope(IntFlag):
    """What can be kept from leaving the domain."""

    ABSTRACT_SOCKET = 1 << 0
    SIGNAL = 1 << 1


READ: Final = Access.READ_FILE | Access.READ_DIR
FILL: Final = (
    Access.WRITE_FILE | Access.MAKE_REG | Access.MAKE_DIR | Access.REMOVE_FILE | Access.REMOVE_DIR | Access.TRUNCATE
)
"""Make, write and remove, and never look."""

OWN: Final = READ | FILL | Access.REFER
ON_FILES: Final = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE | Access.IOCTL_DEV

_libc = ctypes.CDLL(None, use_errno=True)


class Rule(msgspec.Struct, frozen=True):
    """What remains allowed on a file, or on everything below a folder; a path that is not there is no rule."""

    path: str
    access: Access


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathAttr(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _PortAttr(ctypes.Structure):
    _fields_ = (("access", ctypes.c_uint64), ("port", ctypes.c_uint64))


def abi() -> int:
    """The version of the kernel's Landlock that can be used; 0 when there is none, or only one too old."""
    found = int(_libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION_QUESTION))
    return min(found, KNOWN_ABI) if found >= LEAST_ABI else 0


def files_handled(version: int) -> Access:
    """What a domain of this version refuses on files unless a rule allows it."""
    handled = Access(Access.REFER - 1) | Access.REFER
    if version >= 3:
        handled |= Access.TRUNCATE
    if version >= 5:
        handled |= Access.IOCTL_DEV
    return handled


def net_handled(version: int) -> Net:
    """What a domain of this version refuses of TCP unless a rule allows it."""
    return Net.BIND | Net.CONNECT if version >= 4 else Net(0)


def scopes_handled(version: int) -> Scope:
    """What a domain of this version keeps in."""
    return Scope.ABSTRACT_SOCKET | Scope.SIGNAL if version >= 6 else Scope(0)


def restrict(rules: Iterable[Rule], ports: Iterable[int], version: int) -> None:
    """Give up, for this thread and those it starts later, everything but the rules and TCP to the ports.

    Needs no_new_privs. Raises `OSError`, and then nothing is given up.
    """
    files, net = files_handled(version), net_handled(version)
    attr = _RulesetAttr(fs=files, net=net, scoped=scopes_handled(version))
    with ExitStack() as undo:
        ruleset = _call(CREATE_RULESET, ctypes.byref(attr), ctypes.c_size_t(ctypes.sizeof(attr)), 0)
        undo.callback(os.close, ruleset)
        for rule in rules:
            _allow(ruleset, rule, files)
        for port in ports if net else ():
            allowed = _PortAttr(access=Net.CONNECT, port=port)
            _call(ADD_RULE, ruleset, RULE_PORT, ctypes.byref(allowed), 0)
        _call(RESTRICT_SELF, ruleset, 0)


def _allow(ruleset: int, rule: Rule, handled: Access) -> None:
    try:
        place = os.open(rule.path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        access = rule.access & handled
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            access &= ON_FILES
        allowed = _PathAttr(access=access, parent=place)
        _call(ADD_RULE, ruleset, RULE_PATH, ctypes.byref(allowed), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"landlock: {os.strerror(code)}")
    return result
