"""The innermost layer: understand the request, call the operation, send its answer."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from treadle.api.bodies import Nothing
from treadle.api.coding import decoded
from treadle.api.delivery import deliver, deliveries
from treadle.api.exchange import exchange_of
from treadle.api.intake import read_whole
from treadle.api.middleware import respond
from treadle.api.reading import read_any_object, read_body, read_query
from treadle.api.routes import ID_PATTERNS, AnyRoute, Ask, Match
from treadle.api.turns import LARGE
from treadle.model.entities import Principal
from treadle.model.errors import BadRequest, RequestError

STRANGERS_BODY: Final = 32 * 1024
"""Bytes of a body that is read of somebody who is not known."""

_NOTHING = Nothing()
_ANYONE = Principal(project_id="", project_name="", user_id="", user_name="", policies=())
"""The caller of an operation that asks for no token."""


async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
    """Check the ids, then the query, then the body; then the operation."""
    exchange = exchange_of(scope)
    match = exchange.match
    assert match is not None
    _check_ids(match)
    route = match.route
    query = _NOTHING if route.query is Nothing else read_query(scope["query_string"], route.query, route.most)
    body: Any = await _body(route, scope, receive) if route.reads_body else _NOTHING
    exchange.holding.release()
    leaving = partial(_leaving, receive)
    caller = exchange.caller or _ANYONE
    with deliveries() as depending:
        ask = Ask(
            caller, match.ids, query, body, scope["headers"], leaving, scope.get("scheme", "http"), depending.register
        )
        response = await route.handle(ask)
        answer = partial(respond, response, scope, receive)
        if depending:
            await deliver(answer, scope, send)
        else:
            await answer(send)


async def _leaving(receive: Receive) -> None:
    """Raise `ClientDisconnect` when the caller has left; the rest of its body, if there is any, is of no interest."""
    with suppress(RequestError):
        while (await receive())["type"] != "http.disconnect":
            pass
        raise ClientDisconnect
    # What it sent was refused, which says nothing about it.
    await asyncio.get_running_loop().create_future()


def _check_ids(match: Match) -> None:
    """A malformed id is the documented 400, which names no field."""
    for name, value in match.ids.items():
        if not ID_PATTERNS[name].match(value):
            raise BadRequest


async def _body(route: AnyRoute, scope: Scope, receive: Receive) -> object:
    exchange = exchange_of(scope)
    most = exchange.most if route.secured else STRANGERS_BODY
    raw = await read_whole(receive, None if route.secured else STRANGERS_BODY)
    raw = await decoded(raw, scope["headers"], most, exchange.hold)
    if len(raw) < LARGE:
        return _understood(route, raw)
    caller = exchange.caller or _ANYONE
    async with exchange.turns.turn((caller.project_id, caller.user_id)):
        return _understood(route, raw)


def _understood(route: AnyRoute, raw: bytes) -> object:
    return read_any_object(raw, route.body) if route.any_object else read_body(raw, route.body)
