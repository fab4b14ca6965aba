"""A tenant that asks for as much as the service gives, again and again, and takes no interest in the answers.

As a program it reads a `Noise` from standard input, says so on standard output once its first answer is there, and
goes on until it is killed.
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


class Noise(msgspec.Struct, frozen=True):
    """Each request is sent over connections of its own, ``times`` of them at once."""

    place: Place
    requests: list[bytes]
    times: int


@contextmanager
def noise(what: Noise) -> Iterator[None]:
    """Make noise in a process of its own, until the block ends."""
    with subprocess.Popen(child.command("bench.noise"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(what))
            process.stdin.close()
            if not process.stdout.readline():
                raise ConnectionError("there is no noise")
            yield
        finally:
            process.kill()


class _Lane:
    """One connection: what came of the head of an answer, and how much of its body is still to come."""

    def __init__(self, place: Place, request: bytes) -> None:
        self._request = request
        self._head = bytearray()
        self._left = 0
        self.socket: socket.socket = connected(place)

    def send(self) -> None:
        self.socket.sendall(self._request)

    def receive(self) -> bool:
        """Take what is there; True when the answer is whole."""
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
    what = msgspec.json.decode(sys.stdin.buffer.read(), type=Noise)
    selector = selectors.EpollSelector()
    for request in what.requests * what.times:
        lane = _Lane(what.place, request)
        selector.register(lane.socket, selectors.EVENT_READ, lane)
        lane.send()
    announced = False
    while True:
        for key, _ in selector.select():
            if key.data.receive():
                key.data.send()
                if not announced:
                    announced = True
                    print("noise", flush=True)


if __name__ == "__main__":
    _main()
