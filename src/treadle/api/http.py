"""HTTP/1.1 as uvicorn and httptools speak it, with what they leave open closed.

Requests that cannot be parsed get the documented JSON instead of plain text, never in the place of
an answer that another request of the connection still waits for. The head of a request is bounded,
and so is what is read and thrown away after an early answer.
"""

import asyncio
from typing import Any, Final

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from treadle.api.errors import Fault, HeadersTooLarge, UriTooLong, fault_of
from treadle.api.middleware import new_request_id
from treadle.model.errors import BadRequest, RequestError

MAX_URI: Final = 32 * 1024
MAX_HEAD: Final = 128 * 1024
"""Bytes of a request target, and of target and headers together: the documented gateway's bounds."""

MAX_DISCARD: Final = 16 * 2**20
"""Bytes read and thrown away after an early answer."""

LINGER: Final = 2.0
"""Seconds a refused caller has to read why: closing at once on unread bytes would destroy the refusal."""


class FabricHttpProtocol(HttpToolsProtocol):
    """One connection."""

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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller connected; one that says nothing is not kept for ever."""
        super().connection_made(transport)
        self._arm()

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
        if self._broken or not self._unfinished:
            return
        if self._unfinished > MAX_HEAD:
            self._refusal = HeadersTooLarge()
            self.send_400_response("")
        elif last is None or last.response_complete:
            self._arm()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._head, self._discarded = True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._grow(len(url))
        super().on_url(url)
        if len(self.url) > MAX_URI:
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
        if self._head > MAX_HEAD:
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


def server_config(
    app: Any, *, host: str = "127.0.0.1", port: int = 0, timeout_keep_alive: int = 75, **options: Any
) -> Config:
    """The configuration of a uvicorn server for ``app``; seconds, and ``options`` that are uvicorn's own."""
    return Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=FabricHttpProtocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=timeout_keep_alive,
        **options,
    )
