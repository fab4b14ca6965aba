"""Detects whether an answer was delivered to its caller.

An answer was delivered if the kernel took all of it while the caller's end of the connection was still open. A sender
cannot learn whether a caller that closes after that has read the bytes from their own kernel.
"""

import asyncio
import os
import select
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from errno import EPIPE
from socket import SO_ERROR, SOL_SOCKET, socket
from typing import Any, Final, Protocol

from starlette.requests import ClientDisconnect
from starlette.types import Message, Scope, Send

from treadle.service.delivery import Settle

_KEY: Final = "treadle.peer"
_HUNG_UP: Final = select.POLLRDHUP | select.POLLHUP | select.POLLERR
_LOOK_SECONDS: Final = 0.005
"""Seconds between two checks whether the kernel has taken an answer."""


class Connection(Protocol):
    """A connection as its protocol sees it; ``lost`` is set once it is over."""

    transport: Any
    lost: bool


class Peer:
    """The caller's end of a connection while one request of it (``cycle``) is answered."""

    def __init__(self, connection: Connection, cycle: Any) -> None:
        self._connection = connection
        self._cycle = cycle

    def left(self) -> bool:
        """Check whether the caller has closed the connection, even if the event loop has not noticed yet."""
        if not self._cycle.disconnected and self._hung_up():
            self._cycle.disconnected = True
            self._cycle.message_event.set()
        return bool(self._cycle.disconnected)

    @contextmanager
    def held(self) -> Iterator[socket]:
        """Duplicate the connection's socket, so that it outlives the answer; raises `ClientDisconnect` when it is
        closed.
        """
        number = self._number()
        if number < 0:
            raise ClientDisconnect
        with socket(fileno=os.dup(number)) as found:
            yield found

    async def took(self, connection: socket) -> bool:
        """Wait until the kernel has taken the written bytes; False when the caller had closed the connection before."""
        while self._connection.transport.get_write_buffer_size():
            if self._connection.lost:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        # EPIPE after a reset: the caller had closed the connection before the answer was written.
        return bool(connection.getsockopt(SOL_SOCKET, SO_ERROR) != EPIPE)

    def _hung_up(self) -> bool:
        number = self._number()
        if number < 0:
            return True
        poll = select.poll()
        poll.register(number, _HUNG_UP)
        return bool(poll.poll(0))

    def _number(self) -> int:
        """Get the file descriptor of the socket, -1 when it is closed."""
        found = self._connection.transport.get_extra_info("socket")
        return -1 if found is None else int(found.fileno())


def attach_peer(scope: Scope, peer: Peer) -> None:
    """Store the peer in the scope of its request."""
    scope[_KEY] = peer


async def deliver(answer: Callable[[Send], Awaitable[None]], scope: Scope, send: Send) -> None:
    """Send the response and check its delivery; raises `ClientDisconnect` unless it was delivered.

    Without access to the connection (a foreign server), a response counts as delivered once it is sent.
    """
    peer: Peer | None = scope.get(_KEY)
    if peer is None:
        await answer(send)
        return
    with peer.held() as connection:
        await answer(_to_those_there(peer, send))
        if not await peer.took(connection):
            raise ClientDisconnect


def _to_those_there(peer: Peer, send: Send) -> Send:
    async def checked(message: Message) -> None:
        if peer.left():
            raise ClientDisconnect
        await send(message)

    return checked


class Deliveries:
    """Callbacks for the delivery of one response; each is called once."""

    def __init__(self) -> None:
        self._settles: list[Settle] = []

    def register(self, settle: Settle) -> None:
        """Add a callback; this method is the service's `Delivery`."""
        self._settles.append(settle)

    def __bool__(self) -> bool:
        return bool(self._settles)

    def settle(self, delivered: bool) -> None:
        """Call and remove all callbacks."""
        settles, self._settles = self._settles, []
        for settle in settles:
            settle(delivered)


@contextmanager
def deliveries() -> Iterator[Deliveries]:
    """Collect the callbacks of one request; an error that leaves the block means that its answer was not delivered."""
    made = Deliveries()
    try:
        yield made
    except BaseException:
        made.settle(False)
        raise
    made.settle(True)
