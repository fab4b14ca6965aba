"""What the bench's own clients cost: the same requests sent to a server that only says one thing.

As a program it is that server; it writes its port to standard output and ends with its standard input.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvloop

from bench import child, load
from bench.lean import Lean, Place

BODY: Final = (
    b'{"status":0,"session_id":"0190f3c1-0000-7000-8000-000000000000","statement_id":'
    b'"0190f3c1-0000-7000-8000-000000000001","results":[{"status":"PGRES_TUPLES_OK","statement_id":'
    b'"0190f3c1-0000-7000-8000-000000000001","num_rows":1,"row_count":1,"page_no":1,"page_count":1,"err_code":"0",'
    b'"sql_state":"00000","message":"","result_set":{"columns":[{"name":"1","table_id":0,"column_id":0,"format":0,'
    b'"type":23,"size":4,"type_mod":-1}],"rows":[["1"]]}}]}'
)
ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


def cost_of_a_request(seconds: float, connections: int) -> float:
    """Processor seconds the load client spends on one request."""
    with _server() as place:
        request = place.request("POST", "/", b"{}")
        done = load.run(load.Order(place, [request] * connections, b'"status":0', seconds))
    return done.cpu_seconds / done.answers


def round_trips(count: int) -> list[float]:
    """Seconds of each exchange of the single client."""
    taken = []
    with _server() as place, Lean(place) as client:
        request = place.request("POST", "/", b"{}")
        for _ in range(count):
            started = time.perf_counter()
            client.exchange(request)
            taken.append(time.perf_counter() - started)
    return taken


@contextmanager
def _server() -> Iterator[Place]:
    command = child.command("bench.trivial")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Place("127.0.0.1", int(process.stdout.readline()), "token")
        process.stdin.close()


class _Answer(asyncio.Protocol):
    """Takes whatever comes for a request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 (whatever it is)
        """Answer."""
        self._transport.write(ANSWER)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve())
