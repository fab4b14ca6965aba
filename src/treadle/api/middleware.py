"""The way in and out, one duty a class, as plain ASGI.

From outside to inside::

    RequestIds    a name for the request: in the logs, and once on every response
    Consent       a connection whose body was never asked for is closed
    AccessLog     one line and one observation a request
    Errors        what was raised becomes the documented body
    Routing       the operation, or 404 and 405
    BodyLimit     413 as soon as the body is known to be too large; 408 when its rest does not come (`intake`)
    Auth          the caller, or 401, and 429 for too many of those: before anything is told about ids or bodies
    Throttle      429 for whoever asks too often
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Collection, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from time import perf_counter
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from treadle.api.answers import Shown
from treadle.api.errors import INTERNAL, WrongMethod, fault_of
from treadle.api.exchange import Exchange, attach, exchange_of
from treadle.api.intake import read_whole
from treadle.api.routes import AnyRoute, Router
from treadle.api.signature import is_signed, read_claim, signed_request
from treadle.api.verbs import Verbs
from treadle.model.entities import Principal
from treadle.model.errors import CredentialRefused, RequestError, TooMany, Unauthorized
from treadle.service.audit import ORIGIN, Origin
from treadle.service.limits import Rates
from treadle.service.signatures import Signed
from treadle.service.strangers import Strangers, network_of

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}\Z")
_CLIENT_GONE: Final = 499
"""The status logged when the caller left before there was an answer."""

PIECE: Final = 2**18
"""Bytes of an answer that are given to the connection at once."""

NO_ROUTE: Final = "none"
"""The route reported for a request that no operation answers."""

Network = IPv4Network | IPv6Network

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
    """Send a response; to HEAD without its body, and a large one piece by piece, as it is taken.

    Where there is no room for the answer to a submit, the one without its rows goes out.
    """
    try:
        await _send(response, scope, receive, send)
    except TooMany:
        if not isinstance(response, Shown) or response.instead is None:
            raise
        await _send(response.instead, scope, receive, send)


async def _send(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["method"] == "HEAD":
        response.body = b""
        await response(scope, receive, send)
        return
    body = getattr(response, "body", b"")  # the body of a file response is not in memory
    pieces = response.pieces if isinstance(response, Shown) else [body]
    if len(pieces) == 1 and len(body) <= PIECE:
        await response(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    for whole in pieces:
        for start in range(0, len(whole), PIECE):
            piece = bytes(whole[start : start + PIECE])
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            # A caller that receives as fast as the server sends would not let other tasks run.
            await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class RequestIds:
    """Gives every request a name: the caller's, if it sent one valid name, else a new one."""

    def __init__(self, app: ASGIApp, proxies: Sequence[Network] = ()) -> None:
        self._app = app
        self._proxies = tuple(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        given = _values(scope, b"x-request-id")
        own = len(given) == 1 and _REQUEST_ID.match(given[0])
        request_id = given[0].decode() if own else new_request_id()
        attach(scope, Exchange(request_id))
        path = scope.get("raw_path") or scope["path"].encode()
        ORIGIN.set(Origin(client_address(scope, self._proxies), request_id, scope["method"], path))

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                rest = [header for header in message.get("headers", ()) if header[0] != b"x-request-id"]
                message["headers"] = [*rest, (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, named)


def client_address(scope: Scope, proxies: Sequence[Network]) -> str:
    """Where a request comes from: the peer, or, where that is a trusted proxy, whom the proxy speaks for."""
    client = scope.get("client")
    address: str = client[0] if client else ""
    if not proxies or not _is_among(address, proxies):
        return address
    told = b",".join(_values(scope, b"x-forwarded-for")).decode("latin-1")
    hops = [hop for piece in told.split(",") if (hop := piece.strip())]
    # From the nearest on: what a stranger says of whom he speaks for is believed by nobody.
    while hops and _is_among(address, proxies):
        hop = hops.pop()
        parsed = _parsed(hop)
        if parsed is None:
            break
        # In one form, and without what may stand behind a %: the rest is a stranger's own words.
        address = str(parsed)
    return address


def _is_among(address: str, networks: Sequence[Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The address without its zone; IPv4 also where it is written as IPv6."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None) or parsed


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
            exchange = exchange_of(scope)
            plain = exchange.match is not None and exchange.match.route.plain_forbidden
            await respond(fault_of(error, plain=plain).response(exchange.request_id), scope, receive, send)
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
    """Finds out who is calling, where the operation asks for it: by token or, if there is none, by signature.

    A token decides alone: what it does not open no signature beside it does. A signed body has to be read
    before its sender is known, so it may have ``signed_most`` bytes. Who proves to be nobody is counted.
    """

    def __init__(self, app: ASGIApp, verbs: Verbs, signed_most: int, strangers: Strangers) -> None:
        self._app = app
        self._verbs = verbs
        self._signed_most = signed_most
        self._strangers = strangers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        exchange = exchange_of(scope)
        assert exchange.match is not None
        if exchange.match.route.secured:
            try:
                exchange.caller, receive = await self._caller(scope, receive, exchange.match.route)
            except Unauthorized:
                self._strangers.count(ORIGIN.get().address)
                raise
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope, receive: Receive, route: AnyRoute) -> tuple[Principal, Receive]:
        """Who asks, and the body as it is still to be read."""
        tokens = _values(scope, b"x-auth-token")
        if len(tokens) > 1:
            raise Unauthorized
        if tokens or not (given := _values(scope, b"authorization")):
            return await self._by_token(tokens[0].decode("latin-1") if tokens else None), receive
        if is_signed(given[0]):
            return await self._by_signature(scope, receive, route)
        raise CredentialRefused("x-auth-token not found")

    async def _by_token(self, token: str | None) -> Principal:
        address = ORIGIN.get().address
        if not self._strangers.flood(address) or self._verbs.knows(token):
            return await self._verbs.authenticate(token)
        async with self._strangers.turn(address):
            return await self._verbs.authenticate(token)

    async def _by_signature(self, scope: Scope, receive: Receive, route: AnyRoute) -> tuple[Principal, Receive]:
        """The signer, and the body again, which had to be read to know him."""
        claim = read_claim(scope["headers"])
        self._verbs.check_claim(claim.access, claim.at)
        body = await read_whole(receive, self._signed_most)
        digest = await self._verbs.digest(body)
        signed = signed_request(
            claim,
            scope["method"],
            scope.get("raw_path") or scope["path"].encode(),
            scope["query_string"],
            digest,
            repeatable=_is_repeatable(route, claim.signed),
            connection=scope.get("client"),
        )
        caller = await self._signer(signed)
        # From here on the body is that of somebody who is known.
        exchange_of(scope).holding.release()
        read = False

        async def again() -> Message:
            nonlocal read
            if read:
                return await receive()
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        return caller, again

    async def _signer(self, signed: Signed) -> Principal:
        address = ORIGIN.get().address
        if not self._strangers.flood(address) or self._verbs.knows_key(signed.access):
            return await self._verbs.authenticate_signature(signed)
        async with self._strangers.turn(address):
            return await self._verbs.authenticate_signature(signed)


def _is_repeatable(route: AnyRoute, signed: Collection[bytes]) -> bool:
    """Whether a request made twice does no more than made once: it reads, it removes something that has an id,
    it stops one statement, or it has a key of its own by which the service knows it again.
    """
    return (
        route.method in {"GET", "DELETE"}
        or route.path.endswith("/statements/{statement_id}/cancel")
        or b"idempotency-key" in signed
    )


class Throttle:
    """Turns away whoever asks too often. Who is not known yet is counted by address, where it costs something."""

    def __init__(self, app: ASGIApp, rates: Rates) -> None:
        self._app = app
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        exchange = exchange_of(scope)
        assert exchange.match is not None
        route = exchange.match.route
        if exchange.caller is not None:
            self._rates.admit(exchange.caller, cancel=route.path.endswith("/cancel"))
        elif route.reads_body:
            self._rates.admit_login(network_of(ORIGIN.get().address))
        await self._app(scope, receive, send)
