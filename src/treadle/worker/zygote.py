"""The zygote: a single-threaded process that has everything loaded and forks workers from it.

The gateway sends one byte and one socket for each worker it wants. The zygote forks twice, so that
the worker is an orphan, which the kernel hands to the gateway (a subreaper): workers are the
gateway's own children, it alone reaps them, and the death of a zygote hurts no session.
"""

import argparse
import contextlib
import gc
import os
import signal
import socket
from typing import Final

from treadle.engines.duckdb.adapter import DuckDB
from treadle.worker.confine import Cage, Mode
from treadle.worker.host import Host
from treadle.worker.link import Link
from treadle.worker.process import adopt, close_all_but, die_with_parent, name_process

READY: Final = b"R"
FORK: Final = b"F"
NO_HOME: Final = "/nonexistent"
"""The home of users that have none, and of a worker until it is given its own."""


def _become_worker(sock: socket.socket, gateway_pid: int, engine: DuckDB, cage: Cage) -> None:
    adopt(gateway_pid)
    close_all_but(sock.fileno())
    name_process("treadle-worker")
    Host(Link(sock), engine, cage.enter).run()


def _fork_worker(control: socket.socket, sock: socket.socket, gateway_pid: int, engine: DuckDB, cage: Cage) -> None:
    middle = os.fork()
    if middle:
        sock.close()
        os.waitpid(middle, 0)
        return
    if os.fork():
        os._exit(0)
    status = 1
    try:
        control.close()
        _become_worker(sock, gateway_pid, engine, cage)
        status = 0
    finally:
        # Never unwind into the zygote's stack, never run its exit handlers.
        os._exit(status)


def serve(control: socket.socket, gateway_pid: int, cage: Cage) -> None:
    """Fork a worker for every request until the gateway hangs up."""
    engine = DuckDB.preload()
    gc.collect()
    gc.freeze()
    control.sendall(READY)
    while True:
        data, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            return
        for fd in fds:
            _fork_worker(control, socket.socket(fileno=fd), gateway_pid, engine, cage)


def main() -> None:
    """``python -m treadle.worker.zygote --fd N --gateway PID --data-dir DIR [--sandbox MODE] [--file-size BYTES]``.

    The data folder only marks the process.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--gateway", type=int, required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--sandbox", type=Mode, default=Mode.ON)
    parser.add_argument("--file-size", type=int, default=0)
    arguments = parser.parse_args()
    die_with_parent()
    if os.getppid() != arguments.gateway:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The interpreter finds packages in its user's home; after that nothing here may look into it.
    os.environ["HOME"] = NO_HOME
    name_process("treadle-zygote")
    with contextlib.closing(socket.socket(fileno=arguments.fd)) as control:
        serve(control, arguments.gateway, Cage(arguments.sandbox, arguments.file_size))


if __name__ == "__main__":
    main()
