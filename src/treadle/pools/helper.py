"""A helper process that makes pages and reads scripts, so that they do not block the gateway's interpreter.

It has access to result files only: no store, no secrets, no engine. It ends with the gateway.
"""

import argparse
import ctypes
import os
import resource
import signal
import socket
import struct
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from treadle.pools import orders
from treadle.pools.orders import PACKET, TAKE_BACK, Order, Reply
from treadle.slices import take_short_turns

NICE: Final = 5
"""The nice value of a helper, the same as for statements."""

PR_SET_PDEATHSIG: Final = 1
PR_SET_NAME: Final = 15

ADDRESS_SPACE: Final = 8 * 2**30
"""Limit of the address space in bytes: making a page takes several times its size."""

KEPT_MEMORY: Final = 256 * 2**20
"""Resident bytes beyond which a helper exits after its order; a new one replaces it."""

ERROR_CHARS: Final = 1000
"""Maximum length of a reported exception."""

TRIMMED_BYTES: Final = 2**20
"""Page size in bytes after which free memory is returned to the system."""

_libc = ctypes.CDLL(None, use_errno=True)


class TakenBack(Exception):
    """The order was taken back, because its caller has disconnected."""


class Helper:
    """Carries out one order after the other, until the gateway closes the connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def serve(self) -> None:
        """Carry out orders; returns at the end of the connection, or when too much memory is held."""
        while resident() <= KEPT_MEMORY:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._sock, orders.LARGEST_PACKET, 1)
            except BlockingIOError:
                return  # the idle time is over
            if not data:
                return
            if data != TAKE_BACK and self._answered(data, descriptors) > TRIMMED_BYTES:
                _libc.malloc_trim(0)

    def _answered(self, data: bytes, descriptors: list[int]) -> int:
        """Carry out an order and send its reply; returns the size of the rows in bytes."""
        reply, rows = self._carried_out(orders.order_of(data), descriptors)
        self._answer(reply, rows)
        return len(rows)

    def _carried_out(self, order: Order, descriptors: list[int]) -> tuple[Reply, bytes]:
        """Carry out an order; returns the reply, and the rows of a page."""
        try:
            if isinstance(order, orders.CountStatements):
                return orders.Counted(_count(descriptors[0])), b""
            return self._page(order)
        except TakenBack:
            return orders.Dropped(), b""
        except Exception as error:
            return orders.Failed(repr(error)[:ERROR_CHARS]), b""
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _page(self, order: Order) -> tuple[Reply, bytes]:
        from treadle.results.inline import read_inline_page
        from treadle.results.reader import PageTooLarge, ResultDamaged, ResultMissing, read_page

        try:
            if isinstance(order, orders.MakeInlinePage):
                made = read_inline_page(order.data, order.page, order.page_rows)
            else:
                assert isinstance(order, orders.MakePage)
                place = (order.results_dir, order.statement_id, order.part, order.page, order.page_rows, order.most)
                made = read_page(*place, self._go_on)
        except ResultMissing:
            return orders.Missing(), b""
        except ResultDamaged as error:
            return orders.Damaged(str(error)[:ERROR_CHARS]), b""
        except PageTooLarge:
            return orders.TooLarge(), b""
        return orders.MadePage(made.row_count, made.page_count, made.num_rows), bytes(made.rows_json)

    def _go_on(self) -> None:
        """Raise `TakenBack` when the order was taken back; exit when the gateway is gone."""
        try:
            received = self._sock.recv(len(TAKE_BACK), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if not received:
            os._exit(0)
        raise TakenBack

    def _answer(self, reply: Reply, rows: bytes) -> None:
        if isinstance(reply, orders.MadePage) and len(rows) <= PACKET:
            reply, rows = replace(reply, rows=rows), b""
        if rows:
            descriptor = orders.in_memory(rows)
            try:
                socket.send_fds(self._sock, [orders.encode(reply)], [descriptor])
            finally:
                os.close(descriptor)
        else:
            self._sock.sendall(orders.encode(reply))


def _count(descriptor: int) -> int:
    from treadle.pools.scripts import count_statements

    with os.fdopen(os.dup(descriptor), "rb") as file:
        return count_statements(file.read().decode())


def resident() -> int:
    """Read the resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    """``python -I -m treadle.pools.helper --fd N --gateway PID --kind NAME --idle SECONDS``.

    The kind selects the modules to preload; the process exits after ``idle`` seconds without an order, never if 0.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--gateway", type=int, required=True)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--idle", type=int, required=True)
    given = parser.parse_args()
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != given.gateway:
        return
    _libc.prctl(PR_SET_NAME, b"treadle-helper", 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    take_short_turns()
    os.setpriority(os.PRIO_PROCESS, 0, min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    if given.kind == "pages":
        import treadle.results.reader  # noqa: F401 (it takes a while, and is needed)
    with socket.socket(fileno=given.fd) as sock:
        # The kernel's time-out: Python's would poll the socket before every read.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", given.idle, 0))
        Helper(sock).serve()


if __name__ == "__main__":
    main()
