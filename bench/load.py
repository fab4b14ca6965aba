"""Many sessions at once, from one process that does next to nothing per request.

As a program it reads an `Order` from standard input and writes a `Done` to standard output.
"""

import selectors
import socket
import subprocess
import sys
import time

import msgspec

from bench import child
from bench.lean import Place, connected, split


class Order(msgspec.Struct, frozen=True):
    """Send each request again and again over a connection of its own, for ``seconds``.

    Every answer must have status 200 and hold ``expected``.
    """

    place: Place
    requests: list[bytes]
    expected: bytes
    seconds: float


class Done(msgspec.Struct, frozen=True):
    """How many answers came, in how many seconds, and what they cost this process in processor time."""

    answers: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def run(order: Order) -> Done:
    """Carry out an order in a process of its own."""
    command = child.command("bench.load")
    done = subprocess.run(command, input=msgspec.json.encode(order), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Done)


class _Lane:
    """One connection and the request it repeats."""

    def __init__(self, order: Order, request: bytes) -> None:
        self._request = request
        self._expected = order.expected
        self._data = bytearray()
        self.socket: socket.socket = connected(order.place)

    def send(self) -> None:
        """Ask."""
        self._data.clear()
        self.socket.sendall(self._request)

    def receive(self) -> bool:
        """Take what is there; True when the answer is whole."""
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the service closed a connection")
        self._data += piece
        place = split(self._data)
        if place is None or len(self._data) < place[1]:
            return False
        if self._data[9:12] != b"200" or self._expected not in self._data:
            raise RuntimeError(self._data.decode(errors="replace"))
        return True


def _carry_out(order: Order) -> Done:
    selector = selectors.EpollSelector()
    for request in order.requests:
        lane = _Lane(order, request)
        selector.register(lane.socket, selectors.EVENT_READ, lane)
        lane.send()
    answers, waiting = 0, len(order.requests)
    started, used = time.perf_counter(), time.process_time()
    end = started + order.seconds
    while waiting:
        for key, _ in selector.select():
            if not key.data.receive():
                continue
            answers += 1
            if time.perf_counter() < end:
                key.data.send()
            else:
                waiting -= 1
    return Done(answers, time.perf_counter() - started, time.process_time() - used)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(_carry_out(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))))
