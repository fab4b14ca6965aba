"""seccomp: which system calls a worker may not make, as one filter for all its threads.

A deny list of what an engine never needs, and of everything newer than this list. What is refused
fails with EPERM, so that the engine can say so and the session goes on. The filter sees numbers, not
paths: those are Landlock's matter.
"""

import ctypes
import os
import platform
import socket
import struct
from collections.abc import Iterable, Sequence
from errno import ENOSYS, EPERM
from typing import Final

import msgspec

SYSCALL: Final = {"x86_64": 317, "aarch64": 277}
"""The number of ``seccomp`` itself."""

AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT: Final = 0x40000000
NEWEST: Final = 462
"""The last system call known here; those after it do not exist for a worker."""

SET_MODE_FILTER: Final = 1
GET_ACTION_AVAIL: Final = 2
FILTER_FLAG_TSYNC: Final = 1
PR_SET_NO_NEW_PRIVS: Final = 38

RET_ALLOW: Final = 0x7FFF0000
RET_ERRNO: Final = 0x00050000
RET_KILL_PROCESS: Final = 0x80000000

CLONE_THREAD: Final = 0x00010000
MSG_FASTOPEN: Final = 0x20000000
TIOCSTI, TIOCSETD, TIOCLINUX = 0x5412, 0x5423, 0x541C
F_SETOWN, F_SETOWN_EX = 8, 15
SOCK_TYPE_MASK: Final = 0xF

_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _AND, _RETURN = (
    0x20,
    0x15,
    0x25,
    0x35,
    0x45,
    0x54,
    0x06,
)
_AT_NUMBER, _AT_ARCH, _AT_ARGUMENTS = 0, 4, 16

DENIED: Final[dict[str, tuple[int | None, int | None]]] = {
    # other processes: made, looked into, changed
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "tkill": (200, 130),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # the kernel itself
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "io_submit": (209, 2),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "uselib": (134, None),
    "ustat": (136, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
    "lsm_set_self_attr": (460, 460),
    # the machine
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "vhangup": (153, 58),
    # where files are seen, and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    # what Landlock does not see of files: owners, modes, times, attributes, further names
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mknod": (133, None),
    "mknodat": (259, 33),
    # who we are
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setgroups": (116, 159),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    "capset": (126, 91),
    # ways to others that have no path: shared memory, semaphores, queues, code without a file
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # to be reached by others
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
}
"""What is refused whatever its arguments: the numbers on x86_64 and on aarch64."""

CONDITIONAL: Final[dict[str, tuple[int, int]]] = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "prlimit64": (302, 261),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setattr": (314, 274),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "ioctl": (16, 29),
    "fcntl": (72, 25),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
}
"""What hangs on the arguments."""

_libc = ctypes.CDLL(None, use_errno=True)


class Instruction(msgspec.Struct, frozen=True):
    """One of the kernel's packet filter: the jumps count the instructions left out."""

    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def packed(self) -> bytes:
        """As the kernel reads it."""
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


Filter = tuple[Instruction, ...]

_ALLOW: Final = Instruction(_RETURN, RET_ALLOW)
_DENY: Final = Instruction(_RETURN, RET_ERRNO | EPERM)
_MISSING: Final = Instruction(_RETURN, RET_ERRNO | ENOSYS)
_KILL: Final = Instruction(_RETURN, RET_KILL_PROCESS)


def available() -> bool:
    """Whether filters can be used here."""
    number = SYSCALL.get(platform.machine())
    if number is None:
        return False
    action = ctypes.c_uint32(RET_ERRNO)
    return bool(_libc.syscall(number, GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0)


def filter_of(machine: str, pid: int, *, tcp: bool) -> Filter:
    """The filter of the worker ``pid`` on a ``machine``; with ``tcp`` it may open TCP sockets."""
    column = 0 if machine == "x86_64" else 1
    program = [_load(_AT_ARCH), Instruction(_JUMP_EQUAL, AUDIT_ARCH[machine], 1, 0), _KILL, _load(_AT_NUMBER)]
    if machine == "x86_64":
        program += [Instruction(_JUMP_GREATER_EQUAL, X32_BIT, 0, 1), _KILL]
    program += [Instruction(_JUMP_GREATER, NEWEST, 0, 1), _MISSING]
    for name, judgement in _judgements(pid, tcp=tcp).items():
        program += [Instruction(_JUMP_EQUAL, CONDITIONAL[name][column], 0, len(judgement)), *judgement]
    for numbers in DENIED.values():
        if (number := numbers[column]) is not None:
            program += [Instruction(_JUMP_EQUAL, number, 0, 1), _DENY]
    return (*program, _ALLOW)


def restrict(filter_: Filter) -> None:
    """Put the filter on every thread of this process; needs no_new_privs. Raises `OSError`."""
    code = b"".join(instruction.packed() for instruction in filter_)
    program = _Program(len(filter_), code)
    number = SYSCALL[platform.machine()]
    result = int(_libc.syscall(number, SET_MODE_FILTER, FILTER_FLAG_TSYNC, ctypes.byref(program)))
    if result:
        # A positive answer is the thread that could not be brought along.
        error = ctypes.get_errno() if result < 0 else EPERM
        raise OSError(error, f"seccomp: {os.strerror(error)}")


def no_new_privileges() -> None:
    """Never gain by executing a file what this process does not have; raises `OSError`."""
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")


def _judgements(pid: int, *, tcp: bool) -> dict[str, Filter]:
    own = (pid,)
    return {
        # A process would be a clone without the thread's flag; with clone3, whose flags lie in memory,
        # the C library goes back to clone.
        "clone": _with_bits(0, CLONE_THREAD),
        "clone3": (_MISSING,),
        "kill": _among(0, own),
        "tgkill": _among(0, own),
        "rt_sigqueueinfo": _among(0, own),
        "rt_tgsigqueueinfo": _among(0, own),
        "prlimit64": _among(0, (0, pid)),
        "setpriority": _all_of(_equal(0, os.PRIO_PROCESS), _equal(1, 0)),
        "ioprio_set": _among(1, (0,)),
        "sched_setattr": _among(0, (0,)),
        "sched_setscheduler": _among(0, (0,)),
        "sched_setparam": _among(0, (0,)),
        # Neither put words into a terminal nor have signals sent.
        "ioctl": _not_among(1, (TIOCSTI, TIOCSETD, TIOCLINUX)),
        "fcntl": _not_among(1, (F_SETOWN, F_SETOWN_EX)),
        "socket": (*_family(socket.AF_UNIX), *(_tcp() if tcp else ()), _DENY),
        "socketpair": _among(0, (socket.AF_UNIX,)),
        # A connection made by its first bytes would pass Landlock by.
        "sendto": _without_bits(3, MSG_FASTOPEN),
        "sendmsg": _without_bits(2, MSG_FASTOPEN),
        "sendmmsg": _without_bits(3, MSG_FASTOPEN),
    }


def _load(offset: int) -> Instruction:
    return Instruction(_LOAD, offset)


def _argument(index: int) -> Instruction:
    """The lower half of an argument, which is all of it for what is judged here: the kernel takes an int."""
    return _load(_AT_ARGUMENTS + 8 * index)


def _among(index: int, values: Sequence[int]) -> Filter:
    return (_argument(index), *_returns(values, _ALLOW), _DENY)


def _not_among(index: int, values: Sequence[int]) -> Filter:
    return (_argument(index), *_returns(values, _DENY), _ALLOW)


def _returns(values: Iterable[int], verdict: Instruction) -> Filter:
    return tuple(part for value in values for part in (Instruction(_JUMP_EQUAL, value, 0, 1), verdict))


def _with_bits(index: int, bits: int) -> Filter:
    return (_argument(index), Instruction(_JUMP_ANY_BIT, bits, 0, 1), _ALLOW, _DENY)


def _without_bits(index: int, bits: int) -> Filter:
    return (_argument(index), Instruction(_JUMP_ANY_BIT, bits, 0, 1), _DENY, _ALLOW)


def _equal(index: int, value: int) -> Filter:
    """Go on when the argument has this value, else deny."""
    return (_argument(index), Instruction(_JUMP_EQUAL, value, 1, 0), _DENY)


def _all_of(*conditions: Filter) -> Filter:
    return (*(part for condition in conditions for part in condition), _ALLOW)


def _family(family: int) -> Filter:
    return (_argument(0), Instruction(_JUMP_EQUAL, family, 0, 1), _ALLOW)


def _tcp() -> Filter:
    """Allow sockets that Landlock can hold: streams of plain TCP."""
    checks = (
        _argument(1),
        Instruction(_AND, SOCK_TYPE_MASK),
        Instruction(_JUMP_EQUAL, socket.SOCK_STREAM, 1, 0),
        _DENY,
        _argument(2),
        *_returns((0, socket.IPPROTO_TCP), _ALLOW),
        _DENY,
    )
    families = (socket.AF_INET, socket.AF_INET6)
    # The last family that fits goes on to the checks, the others leave them out.
    return (
        _argument(0),
        Instruction(_JUMP_EQUAL, families[0], 1, 0),
        Instruction(_JUMP_EQUAL, families[1], 0, len(checks)),
        *checks,
    )
