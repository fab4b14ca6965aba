"""A gigabyte thrown at the gateway: it is refused, and nothing of it stays in memory."""

import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import psutil
import pytest

from tests.service.caller import Caller, calling
from treadle.demo.processes import proportional_bytes

TOTAL: Final = int(os.environ.get("TREADLE_FUZZ_BYTES", str(2**30)))
PIECE: Final = bytes(2**20)
ROOM: Final = 96 * 2**20
"""What the gateway may grow by meanwhile: bodies within the limit, buffers, what Python does not give back."""


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service that takes small bodies."""
    with calling(tmp_path_factory.mktemp("flood") / "data", {"TREADLE_MAX_BODY": "8MiB"}) as running:
        yield running


def pour(caller: Caller, head: bytes, chunked: bool) -> tuple[int, bytes]:
    """Send until the connection is closed or everything is sent; how much went, and what was answered."""
    address = urlsplit(caller.service.url)
    sent, answer = 0, b""
    with socket.create_connection((address.hostname, address.port), timeout=30) as wire:
        with contextlib.suppress(ConnectionError):
            wire.sendall(head)
            while sent < TOTAL:
                wire.sendall(b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
                sent += len(PIECE)
        wire.settimeout(5)
        with contextlib.suppress(ConnectionError, TimeoutError):
            while piece := wire.recv(65536):
                answer += piece
    return sent, answer


def heads(caller: Caller) -> dict[str, tuple[bytes, bool, bytes]]:
    """Requests with endless bodies: the head, whether it is chunked, and the answer that must come if any does."""
    token = caller.http.headers["X-Auth-Token"]
    first = f"POST {caller.base}/sessions/statements HTTP/1.1\r\nHost: t\r\n"
    secret = f"X-Auth-Token: {token}\r\n"
    length, chunks = f"Content-Length: {TOTAL}\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"
    return {
        "a length beyond the limit": ((first + secret + length).encode(), False, b"413"),
        "chunks without end": ((first + secret + chunks).encode(), True, b"413"),
        "a length, from nobody": ((first + length).encode(), False, b"401"),
        "chunks, from nobody": ((first + chunks).encode(), True, b"401"),
        "an unknown path": (f"POST /nothing HTTP/1.1\r\nHost: t\r\n{length}".encode(), False, b"404"),
        "no body is read": (f"GET /healthz HTTP/1.1\r\nHost: t\r\n{chunks}".encode(), True, b"200"),
        "no HTTP": (b"", False, b"400"),
    }


@pytest.mark.slow
def test_a_gigabyte_leaves_the_memory_flat(caller: Caller) -> None:
    """Bodies without end, with a length and in chunks, from a user and from nobody, and what is no HTTP at all."""
    gateway = psutil.Process(caller.service.pid)
    assert caller.http.get("/healthz").status_code == 200
    before = peak = gateway.memory_info().rss
    poured = 0
    while poured < TOTAL:
        for name, (head, chunked, expected) in heads(caller).items():
            sent, answer = pour(caller, head, chunked)
            poured += sent
            peak = max(peak, gateway.memory_info().rss)
            assert sent < TOTAL, name
            assert not answer or answer.startswith(b"HTTP/1.1 " + expected), (name, answer[:200])
    assert peak - before < ROOM
    assert caller.http.get("/healthz").status_code == 200
    with caller.session() as sql:
        assert sql.rows("SELECT 1") == [["1"]]


STRANGERS: Final = 200
BEGUN: Final = 2**20
"""Bytes that each of them sends of a body that does not end."""


def strangers(caller: Caller) -> dict[str, tuple[bytes, set[bytes]]]:
    """Who is not known and begins a body: the head, and the answers that may come while the body is still open."""
    chunks = "Transfer-Encoding: chunked\r\n\r\n"
    first = f"POST {caller.base}/sessions/statements HTTP/1.1\r\nHost: t\r\n"
    date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = (
        f"Authorization: SDK-HMAC-SHA256 Access={'A' * 20}, SignedHeaders=host;x-sdk-date, Signature={'0' * 64}\r\n"
        f"X-Sdk-Date: {date}\r\n"
    )
    login = "POST /v3/auth/tokens HTTP/1.1\r\nHost: t\r\n"
    return {
        "no token": ((first + chunks).encode(), {b"401", b"429", b""}),
        "a wrong token": ((first + "X-Auth-Token: wrong\r\n" + chunks).encode(), {b"401", b"429", b""}),
        # Those that fit into the memory of strangers are read on, the others refused.
        "a signature": ((first + signed + chunks).encode(), {b"429", b""}),
        "a log-in": ((login + chunks).encode(), {b"413", b"429", b""}),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["no token", "a wrong token", "a signature", "a log-in"])
def test_strangers_bodies_are_not_kept(caller: Caller, kind: str) -> None:
    """Hundreds of strangers begin large bodies at once: what they send is not kept, and whoever is known is served."""
    head, expected = strangers(caller)[kind]
    address = urlsplit(caller.service.url)
    chunk = b"%x\r\n%s\r\n" % (BEGUN, bytes(BEGUN))
    assert caller.http.get("/healthz").status_code == 200
    before = proportional_bytes(caller.service.pid)
    with contextlib.ExitStack() as open_wires:
        wires = [
            open_wires.enter_context(socket.create_connection((address.hostname, address.port), timeout=30))
            for _ in range(STRANGERS)
        ]
        for wire in wires:
            with contextlib.suppress(ConnectionError):
                wire.sendall(head + chunk)
        assert caller.http.get(f"{caller.base}/sessions").status_code == 200
        after = proportional_bytes(caller.service.pid)
        answers = {answered(wire) for wire in wires}
    assert after > 0
    assert answers <= expected
    assert after - before < ROOM
    with caller.session() as sql:
        assert sql.rows("SELECT 3") == [["3"]]


def answered(wire: socket.socket) -> bytes:
    """The status that was answered so far; nothing when there is none, or it was lost with the connection."""
    wire.setblocking(False)
    with contextlib.suppress(BlockingIOError, ConnectionError):
        return wire.recv(65536).partition(b" ")[2][:3]
    return b""


@pytest.mark.slow
def test_many_slow_callers_keep_nobody_out(caller: Caller) -> None:
    """Hundreds of connections that never finish their request: others are served at once."""
    address = urlsplit(caller.service.url)
    with contextlib.ExitStack() as open_wires:
        for number in range(400):
            wire = open_wires.enter_context(socket.create_connection((address.hostname, address.port)))
            wire.sendall(f"POST /v1/workspaces HTTP/1.1\r\nX-A{number}: ".encode())
        with caller.session() as sql:
            assert sql.rows("SELECT 2") == [["2"]]
