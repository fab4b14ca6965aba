"""Whether an answer came to its caller.

An answer was delivered when the kernel took all of it while the caller's end of the connection was
still open. A caller that closes after that has it, as far as can be known: a sender does not learn
whether they read what their own kernel took.
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
"""Seconds between two looks at an answer that the kernel has not taken yet."""


class Connection(Protocol):
    """A connection as its protocol knows it; ``lost`` says that it is over."""

    transport: Any
    lost: bool


class Peer:
    """The caller's end of a connection, while one request of it (``cycle``) is answered."""

    def __init__(self, connection: Connection, cycle: Any) -> None:
        self._connection = connection
        self._cycle = cycle

    def left(self) -> bool:
        """Whether the caller has closed the connection, seen by the event loop or not."""
        if not self._cycle.disconnected and self._hung_up():
            self._cycle.disconnected = True
            self._cycle.message_event.set()
        return bool(self._cycle.disconnected)

    @contextmanager
    def held(self) -> Iterator[socket]:
        """The connection's socket, also after the answer has closed it; raises `ClientDisconnect` when it is gone."""
        number = self._number()
        if number < 0:
            raise ClientDisconnect
        with socket(fileno=os.dup(number)) as found:
            yield found

    async def took(self, connection: socket) -> bool:
        """Whether the kernel takes what was written, for a caller who was there then."""
        while self._connection.transport.get_write_buffer_size():
            if self._connection.lost:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        # What a reset leaves behind on a connection that the caller had closed before: the answer came too late.
        return bool(connection.getsockopt(SOL_SOCKET, SO_ERROR) != EPIPE)

    def _hung_up(self) -> bool:
        number = self._number()
        if number < 0:
            return True
        poll = select.poll()
        poll.register(number, _HUNG_UP)
        return bool(poll.poll(0))

    def _number(self) -> int:
        """The descriptor of its socket, -1 when that is closed."""
        found = self._connection.transport.get_extra_info("socket")
        return -1 if found is None else int(found.fileno())


def attach_peer(scope: Scope, peer: Peer) -> None:
    """Put it into the scope of its request."""
    scope[_KEY] = peer


async def deliver(answer: Callable[[Send], Awaitable[None]], scope: Scope, send: Send) -> None:
    """Have ``answer`` send itself; raises `ClientDisconnect` unless it was delivered.

    Where the server knows nothing of its connections, what could be sent was delivered.
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
    """What hears, once each, whether the answer of a request was delivered."""

    def __init__(self) -> None:
        self._settles: list[Settle] = []

    def register(self, settle: Settle) -> None:
        """Have ``settle`` hear of it: the service's `Delivery`."""
        self._settles.append(settle)

    def __bool__(self) -> bool:
        return bool(self._settles)

    def settle(self, delivered: bool) -> None:
        """Call all of them."""
        settles, self._settles = self._settles, []
        for settle in settles:
            settle(delivered)


@contextmanager
def deliveries() -> Iterator[Deliveries]:
    """What depends on the answer of one request, which was not delivered when the block is left by an error."""
    made = Deliveries()
    try:
        yield made
    except BaseException:
        made.settle(False)
        raise
    made.settle(True)
