"""What it costs a request that somebody has to be found out: the door's own step, taken alone, in this process.

The step has the service's real store behind it, which it asks once a second; in between it remembers,
and so p50 is the cost of a request of a busy caller. Differences of whole requests would be smaller
than their noise.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from bench.served import Target
from treadle.api.bodies import Nothing
from treadle.api.exchange import Exchange, attach, exchange_of
from treadle.api.middleware import Auth
from treadle.api.routes import Ask, Match, Route
from treadle.api.signature import read_claim, signed_request
from treadle.app import operator
from treadle.config import Settings
from treadle.model.errors import BadRequest
from treadle.service import Service
from treadle.service.accounts import NewCredential
from treadle.service.strangers import Strangers

PROJECT: Final = "bench"
USER: Final = "caller"
PATH: Final = "/v1/workspaces/0199c0de-0000-7000-8000-000000000000/sessions/statements"
HOST: Final = b"127.0.0.1:8760"


def by_token(target: Target, count: int) -> list[float]:
    """Seconds to find out who holds a token, each time."""
    return asyncio.run(_measure(target, count, _token_headers))


def by_signature(target: Target, count: int) -> list[float]:
    """Seconds to verify the signature of a submit, each time of another one."""
    return asyncio.run(_measure(target, count, _signed_headers))


Headers = list[tuple[bytes, bytes]]
Make = Callable[[Service], Awaitable[Callable[[bytes], Headers]]]


async def _measure(target: Target, count: int, make: Make) -> list[float]:
    settings = Settings(data_dir=target.service.data_dir)
    async with operator(settings) as service:
        headers_of = await make(service)
        door = Auth(_nothing, service, settings.max_signed_body, Strangers(settings, time.monotonic))
        taken = []
        for number in range(count):
            body = b'{"session_id":"0199c0de-1111-7000-8000-000000000000","statement":"SELECT %d"}' % number
            scope = _scope(headers_of(body))
            started = time.perf_counter()
            await door(scope, _giving(body), _send)
            taken.append(time.perf_counter() - started)
            assert exchange_of(scope).caller is not None
        return taken


async def _token_headers(service: Service) -> Callable[[bytes], Headers]:
    token, _ = await service.create_token(PROJECT, USER, "operator", 3600.0)
    headers = [(b"host", HOST), (b"content-type", b"application/json"), (b"x-auth-token", token.encode())]
    return lambda _: headers


async def _signed_headers(service: Service) -> Callable[[bytes], Headers]:
    with suppress(BadRequest):  # an earlier round made him
        await service.create_user(PROJECT, USER, "operator")
    user, project = await service.find_user(USER), await service.find_project(PROJECT)
    key = await service.create_credential(user, project, 3600.0)
    return lambda body: _sign(key, body)


def _sign(key: NewCredential, body: bytes) -> Headers:
    assert key.securitytoken is not None
    rest: Headers = [
        (b"content-type", b"application/json"),
        (b"host", HOST),
        (b"user-agent", b"bench"),
        (b"x-sdk-date", datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ").encode()),
        (b"x-security-token", key.securitytoken.encode()),
    ]
    names = b";".join(name for name, _ in rest)
    frame = b"SDK-HMAC-SHA256 Access=" + key.access.encode() + b", SignedHeaders=" + names + b", Signature="
    claim = read_claim([*rest, (b"authorization", frame + b"0" * 64)])
    request = signed_request(
        claim, "POST", PATH.encode(), b"", hashlib.sha256(body).digest(), repeatable=False, connection=None
    )
    signature = hmac.new(key.secret.encode(), request.strings[0], hashlib.sha256).hexdigest().encode()
    return [*rest, (b"authorization", frame + signature)]


async def _handle(_: Ask[Nothing, Nothing]) -> Response:
    raise NotImplementedError


_ROUTE: Final = Route(
    operation="Bench",
    method="POST",
    path=PATH,
    summary="",
    tag="",
    handle=_handle,
    query=Nothing,
    body=Nothing,
)


def _scope(headers: Headers) -> Scope:
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    attach(scope, Exchange("bench"))
    exchange_of(scope).match = Match(_ROUTE, {})
    return scope


def _giving(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """What lies behind the door."""


async def _send(message: Message) -> None:
    """Nobody hears it."""
