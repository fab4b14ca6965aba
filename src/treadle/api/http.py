"""HTTP/1.1 as uvicorn and httptools speak it, with what they leave open closed.

Requests that cannot be parsed get the documented JSON instead of plain text, never in the place of
an answer that another request of the connection still waits for. The head of a request is bounded in
size and time, and so is what is read and thrown away after an early answer. A caller that does not take
its answer is not waited for.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, cast

import httptools
import msgspec
from starlette.types import Message, Scope
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from treadle.api.delivery import Peer, attach_peer
from treadle.api.errors import BodyTimeout, Fault, HeadersTooLarge, UriTooLong, fault_of
from treadle.api.middleware import new_request_id
from treadle.model.errors import BadRequest, RequestError

MAX_URI: Final = 32 * 1024
MAX_HEAD: Final = 128 * 1024
"""Bytes of a request target, and of target and headers together: the documented gateway's bounds."""

MAX_DISCARD: Final = 16 * 2**20
"""Bytes read and thrown away after an early answer."""

LINGER: Final = 2.0
"""Seconds a refused caller has to read why: closing at once on unread bytes would destroy the refusal."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What one connection may cost: bytes of a request target, and of a head; seconds a head may take to come, and
    an answer may lie untaken; connections at once.
    """

    uri: int = MAX_URI
    head: int = MAX_HEAD
    head_seconds: float = 30.0
    send_seconds: float = 60.0
    connections: int = 5000


class FabricHttpProtocol(HttpToolsProtocol):
    """One connection."""

    bounds = Bounds()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head = 0
        self._unfinished = 0
        self._discarded = 0
        self._refusal: RequestError = BadRequest()
        self._held: Fault | None = None
        self._broken = False
        self._last: RequestResponseCycle | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._unsent = 0
        self.lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller connected; one that says nothing is not kept for ever."""
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections:
            transport.abort()
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self.lost = True
        for timer in (self._head_timer, self._send_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """An answer is larger than what the caller has taken of it: it is given time to take more."""
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._send_timer = self.loop.call_later(self.bounds.send_seconds, self._send_late)

    def resume_writing(self) -> None:
        """The caller has taken what there was."""
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _send_late(self) -> None:
        """Wait on for a caller that takes its answer, however slowly; give up one that takes nothing."""
        unsent = self.transport.get_write_buffer_size()
        if unsent >= self._unsent:
            self.transport.abort()
            return
        self._unsent = unsent
        self._send_timer = self.loop.call_later(self.bounds.send_seconds, self._send_late)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more came in time; what lies untaken then would be waited for by nobody."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def data_received(self, data: bytes) -> None:
        """Parse, unless the connection is given up already."""
        if self._broken:
            self._discard(len(data))
        else:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Parse; bound a head that does not end."""
        before, last = self._in_head, self._last
        super().data_received(data)
        # A header that never ends makes no callback: count what came since the head began.
        same_head = before and self._in_head and self._last is last
        self._unfinished = self._unfinished + len(data) if same_head else 0
        self._time_head()
        if self._broken or not self._unfinished:
            return
        if self._unfinished > self.bounds.head:
            self._refusal = HeadersTooLarge()
            self.send_400_response("")
        elif last is None or last.response_complete:
            self._arm()

    def _time_head(self) -> None:
        """A head that has begun must end in time, however it trickles."""
        if not self._unfinished:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.bounds.head_seconds, self._head_late)

    def _head_late(self) -> None:
        self._refusal = BodyTimeout("the rest of the request did not come")
        self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._head, self._discarded = True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._grow(len(url))
        super().on_url(url)
        if len(self.url) > self.bounds.uri:
            self._refuse(UriTooLong())

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; those after the body are none of ours."""
        if not self._in_head:
            return
        self._grow(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()
        self._last = self.cycle
        self.cycle.receive = _received(self.cycle)  # type: ignore[assignment, method-assign]
        attach_peer(cast("Scope", self.cycle.scope), Peer(self, self.cycle))

    def on_body(self, body: bytes) -> None:
        """A piece of the body; after the answer it is thrown away, up to a bound."""
        super().on_body(body)
        if self.cycle.response_complete:
            self._discard(len(body))

    def on_message_complete(self) -> None:
        """The request is whole."""
        super().on_message_complete()
        self._in_head = True

    def on_response_complete(self) -> None:
        """An answer is out: the next request of the connection has its turn, or the refusal it got."""
        if self._held and not self.pipeline and not self.transport.is_closing():
            self._finish(self._held)
            return
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (the text is the library's)
        """Refuse what cannot be parsed, in the documented form, when its turn has come."""
        self._broken = True
        fault = fault_of(self._refusal)
        last = self._last
        if last is None or (last.response_complete and self._in_head):
            self._finish(fault)
        elif last.response_complete:
            self.transport.close()
        elif self._in_head:
            self._held = fault
        else:
            self._refuse_body(last, fault)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > MAX_DISCARD:
            self._broken = True
            self.transport.close()

    def _grow(self, size: int) -> None:
        self._head += size
        if self._head > self.bounds.head:
            self._refuse(HeadersTooLarge())

    def _refuse(self, error: RequestError) -> None:
        self._refusal = error
        raise httptools.HttpParserError(str(error))

    def _refuse_body(self, cycle: RequestResponseCycle, fault: Fault) -> None:
        """The body of the last request is broken: that request gets the refusal instead of its answer."""
        for entry in self.pipeline:
            if entry[0] is cycle:
                self.pipeline.remove(entry)
                self._held = fault
                return
        cycle.disconnected = True
        cycle.message_event.set()
        if cycle.response_started:
            self.transport.close()
        else:
            self._finish(fault)

    def _arm(self) -> None:
        """Close the connection unless more comes in time."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _finish(self, fault: Fault) -> None:
        head = [
            STATUS_LINE[fault.status],
            b"content-type: application/json\r\n",
            b"content-length: %d\r\n" % len(fault.body),
            b"x-request-id: %s\r\n" % new_request_id().encode(),
            b"connection: close\r\n\r\n",
        ]
        self.transport.write(b"".join([*head, fault.body]))
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(LINGER, self.timeout_keep_alive_handler)


def _received(cycle: RequestResponseCycle) -> Callable[[], Awaitable[Message]]:
    """What came whole is handed over also when its caller has left meanwhile: what he asked for is done."""
    receive = cycle.receive
    handed = False

    async def next_message() -> Message:
        nonlocal handed
        message = cast("Message", await receive())
        if message["type"] == "http.disconnect":
            if handed or cycle.more_body or cycle.response_complete:
                return message
            message = {"type": "http.request", "body": bytes(cycle.body), "more_body": False}
        handed = not message["more_body"]
        return message

    return next_message


class Certificate(msgspec.Struct, frozen=True):
    """The files of a server's certificate, with those it rests on, and of its private key."""

    cert: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """TLS as it is spoken here: 1.2 and newer. Raises what `ssl` raises for files it cannot use."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.cert, self.key)
        return context


def server_config(
    app: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    timeout_keep_alive: int = 75,
    bounds: Bounds | None = None,
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> Config:
    """The configuration of a uvicorn server for ``app``; seconds, and ``options`` that are uvicorn's own."""
    bounded = type("BoundedHttpProtocol", (FabricHttpProtocol,), {"bounds": bounds or Bounds()})
    return Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=bounded,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        # Who believes whose headers is a setting of ours, and decided by the middlewares.
        proxy_headers=False,
        ssl_context_factory=_given(tls) if tls is not None else None,
        timeout_keep_alive=timeout_keep_alive,
        **options,
    )


def _given(context: ssl.SSLContext) -> Callable[[Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    return lambda _config, _default: context
