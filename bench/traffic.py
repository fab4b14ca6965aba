"""A tenant that sends expensive requests without a pause and discards the answers.

As a program it reads a `Traffic` from standard input, prints a line once its first answer has arrived, and continues
until it is killed.
"""

import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from bench import child
from bench.lean import Place, connected, split


class Traffic(msgspec.Struct, frozen=True):
    """A load of requests; each is sent on ``times`` connections at once."""

    place: Place
    requests: list[bytes]
    times: int


@contextmanager
def send_traffic(traffic: Traffic) -> Iterator[None]:
    """Generate load in a separate process until the block ends."""
    with subprocess.Popen(child.command("bench.traffic"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(traffic))
            process.stdin.close()
            if not process.stdout.readline():
                raise ConnectionError("the load did not start")
            yield
        finally:
            process.kill()


class _Lane:
    """One connection: the received part of an answer's head, and the remaining size of its body."""

    def __init__(self, place: Place, request: bytes) -> None:
        self._request = request
        self._head = bytearray()
        self._left = 0
        self.socket: socket.socket = connected(place)

    def send(self) -> None:
        self.socket.sendall(self._request)

    def receive(self) -> bool:
        """Receive available bytes; True when the answer is complete."""
        piece = self.socket.recv(2**20)
        if not piece:
            raise ConnectionError("the service closed a connection")
        if self._left:
            self._left -= len(piece)
            return not self._left
        self._head += piece
        if (place := split(self._head)) is None:
            return False
        self._left = place[1] - len(self._head)
        self._head.clear()
        return not self._left


def _main() -> None:
    traffic = msgspec.json.decode(sys.stdin.buffer.read(), type=Traffic)
    selector = selectors.EpollSelector()
    for request in traffic.requests * traffic.times:
        lane = _Lane(traffic.place, request)
        selector.register(lane.socket, selectors.EVENT_READ, lane)
        lane.send()
    announced = False
    while True:
        for key, _ in selector.select():
            if key.data.receive():
                key.data.send()
                if not announced:
                    announced = True
                    print("started", flush=True)


if __name__ == "__main__":
    _main()
