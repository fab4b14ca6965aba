"""The way in and out, one duty a class, as plain ASGI.

From outside to inside::

    RequestIds    a name for the request: in the logs, and once on every response
    Consent       a connection whose body was never asked for is closed
    AccessLog     one line and one observation a request
    Errors        what was raised becomes the documented body
    Routing       the operation, or 404 and 405
    Auth          the caller, or 401: before anything is told about ids or bodies
    BodyLimit     413 as soon as the body is known to be too large; 408 when its rest does not come
"""

import asyncio
import re
import secrets
from collections.abc import Callable
from time import perf_counter
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from treadle.api.errors import INTERNAL, BodyTimeout, WrongMethod, fault_of
from treadle.api.exchange import Exchange, attach, exchange_of
from treadle.api.routes import Router
from treadle.api.verbs import Verbs
from treadle.model.errors import RequestError, TooLarge, Unauthorized

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}\Z")
_CLIENT_GONE: Final = 499
"""The status logged when the caller left before there was an answer."""

NO_ROUTE: Final = "none"
"""The route reported for a request that no operation answers."""

Observe = Callable[[str, str, int, float], None]
"""Hears of each request when it is over: route template, method, status, seconds."""

_access: Final = structlog.get_logger("treadle.access")
_log: Final = structlog.get_logger("treadle.api")


def new_request_id() -> str:
    """A name for a request that came without one."""
    return secrets.token_hex(16)


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


async def respond(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response; to HEAD without its body."""
    if scope["method"] == "HEAD":
        response.body = b""
    await response(scope, receive, send)


class RequestIds:
    """Gives every request a name: the caller's, if it sent one valid name, else a new one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        given = _values(scope, b"x-request-id")
        own = len(given) == 1 and _REQUEST_ID.match(given[0])
        request_id = given[0].decode() if own else new_request_id()
        attach(scope, Exchange(request_id))

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                rest = [header for header in message.get("headers", ()) if header[0] != b"x-request-id"]
                message["headers"] = [*rest, (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, named)


class Consent:
    """Closes the connection of a caller that waits for "100 Continue" and is answered without it.

    Such a caller may send its body or the next request: nobody can tell which.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if not _values(scope, b"expect"):
            await self._app(scope, receive, send)
            return
        asked = False

        async def asking() -> Message:
            nonlocal asked
            asked = True
            return await receive()

        async def closing(message: Message) -> None:
            if not asked and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, asking, closing)


class AccessLog:
    """Writes one line a request: no tokens, no bodies, no ids but the request's. Tells ``observe`` as well."""

    def __init__(self, app: ASGIApp, observe: Observe | None = None) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        status = _CLIENT_GONE
        start = perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            self._tell(scope, int(status), perf_counter() - start)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        exchange = exchange_of(scope)
        route = exchange.match.route if exchange.match else None
        if self._observe:
            self._observe(route.path if route else NO_ROUTE, scope["method"], status, seconds)
        write = _access.info if route is None or route.secured else _access.debug
        write(
            "request",
            method=scope["method"],
            route=route.path if route else None,
            status=status,
            ms=round(seconds * 1000, 3),
            request_id=exchange.request_id,
            project=exchange.caller.project_id if exchange.caller else None,
        )


class Errors:
    """Turns what was raised into the documented body; a defect is logged and told as a plain 500."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return
        except RequestError as error:
            await respond(fault_of(error).response(), scope, receive, send)
        except Exception:
            _log.exception("internal error", request_id=exchange_of(scope).request_id)
            if started:
                raise
            await respond(INTERNAL.response(), scope, receive, send)


class Routing:
    """Finds the operation; answers OPTIONS itself."""

    def __init__(self, app: ASGIApp, router: Router) -> None:
        self._app = app
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        raw_path = scope.get("raw_path") or scope["path"].encode()
        try:
            exchange_of(scope).match = self._router.match(scope["method"], raw_path)
        except WrongMethod as error:
            if scope["method"] != "OPTIONS":
                raise
            await respond(Response(status_code=204, headers={"Allow": error.allow}), scope, receive, send)
            return
        await self._app(scope, receive, send)


class Auth:
    """Finds out who is calling, where the operation asks for it."""

    def __init__(self, app: ASGIApp, verbs: Verbs) -> None:
        self._app = app
        self._verbs = verbs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        exchange = exchange_of(scope)
        assert exchange.match is not None
        if exchange.match.route.secured:
            tokens = _values(scope, b"x-auth-token")
            if len(tokens) > 1:
                raise Unauthorized
            token = tokens[0].decode("latin-1") if tokens else None
            exchange.caller = await self._verbs.authenticate(token)
        await self._app(scope, receive, send)


class BodyLimit:
    """Guards the request body, at the moment it is asked for: ``limit`` bytes, ``idle`` seconds between pieces."""

    def __init__(self, app: ASGIApp, limit: int, idle: float) -> None:
        self._app = app
        self._limit = limit
        self._idle = idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        declared = max((int(value) for value in _values(scope, b"content-length") if value.isdigit()), default=0)
        taken = 0
        whole = False

        async def guarded() -> Message:
            nonlocal taken, whole
            if whole:
                # What comes now is the caller's leaving, if it comes at all.
                return await receive()
            if declared > self._limit:
                raise TooLarge
            message = await self._next(receive)
            whole = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise TooLarge
            return message

        await self._app(scope, guarded, send)

    async def _next(self, receive: Receive) -> Message:
        try:
            async with asyncio.timeout(self._idle):
                return await receive()
        except TimeoutError:
            raise BodyTimeout("the rest of the request body did not come") from None
