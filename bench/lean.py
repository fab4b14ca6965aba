"""A client that costs as little as a client can: one kept socket, bytes out, bytes in.

The processors are shared with the service, so what the client spends is taken from what is measured.
"""

import re
import socket
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END: Final = b"\r\n\r\n"
_CHUNK: Final = 2**18


class Refused(Exception):
    """The service answered something else than 200."""


class Place(NamedTuple):
    """Where a service answers, and to whom."""

    host: str
    port: int
    token: str

    @classmethod
    def of(cls, url: str, token: str) -> Self:
        """The place an ``http://`` address names."""
        parts = urlsplit(url)
        return cls(parts.hostname or "127.0.0.1", parts.port or 80, token)

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """A whole request, ready to be sent as often as needed."""
        lines = (
            f"{method} {path} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            f"X-Auth-Token: {self.token}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        )
        return "\r\n".join(lines).encode() + _HEAD_END + body


class Reply(NamedTuple):
    """An answer with status 200."""

    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header; empty when it is absent."""
        found = re.search(rb"\r\n" + name.encode() + rb": *([^\r]*)", self.head, re.IGNORECASE)
        return found[1].decode() if found else ""


def split(data: bytes | bytearray) -> tuple[int, int] | None:
    """Where the body of an answer begins and ends, None while its head is not whole."""
    at = data.find(_HEAD_END)
    if at < 0:
        return None
    length = _LENGTH.search(data, 0, at)
    begin = at + len(_HEAD_END)
    return begin, begin + (int(length[1]) if length else 0)


class Lean:
    """One connection; an exchange is one send and, for a small answer, one receive."""

    def __init__(self, place: Place) -> None:
        self._socket = connected(place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def exchange(self, request: bytes) -> Reply:
        """Send a request and take its answer; raises `Refused`."""
        self._socket.sendall(request)
        data = bytearray(self._socket.recv(_CHUNK))
        while (place := split(data)) is None or len(data) < place[1]:
            piece = self._socket.recv(_CHUNK)
            if not piece:
                raise ConnectionError("the service closed the connection in the middle of an answer")
            data += piece
        begin, end = place
        if data[9:12] != b"200":
            raise Refused(data.decode(errors="replace"))
        return Reply(bytes(data[:begin]), bytes(data[begin:end]))


def connected(place: Place) -> socket.socket:
    """A connected socket that sends at once."""
    made = socket.create_connection((place.host, place.port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
