"""Bodies on their way: of requests how large, how slow and how many at once; of answers how many are held at once."""

import asyncio
from functools import partial
from time import perf_counter
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from treadle.api.errors import BodyTimeout
from treadle.api.exchange import Exchange, exchange_of
from treadle.api.turns import Turns
from treadle.config import Settings
from treadle.model.errors import TooLarge
from treadle.service.audit import ORIGIN
from treadle.service.holdings import Pool
from treadle.service.strangers import network_of

AROUND_ROWS: Final = 2**20
"""Bytes of an answer beside its rows, at most; more are columns, whose number is bounded."""

SLOWEST: Final = 1024
"""Bytes a second of a body that is still waited for."""


async def read_whole(receive: Receive, most: int | None = None) -> bytes:
    """The request body; raises `TooLarge` beyond ``most`` bytes, `ClientDisconnect` when the caller leaves before."""
    pieces: list[bytes] = []
    taken = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        taken += len(pieces[-1])
        if most is not None and taken > most:
            raise TooLarge
        if not message.get("more_body", False):
            return b"".join(pieces)


class BodyLimit:
    """Guards the request body, at the moment it is asked for.

    It may have `max_body` bytes, pause for ``idle`` seconds, and after these must come `SLOWEST` bytes a second.
    What all bodies hold together is bounded, and so is what one user or one address has of it; likewise the
    answers that users have not taken yet.
    """

    def __init__(self, app: ASGIApp, settings: Settings, idle: float) -> None:
        self._app = app
        self._limit = int(settings.max_body)
        self._idle = idle
        self._turns = Turns()
        known, unknown = int(settings.body_memory), int(settings.stranger_memory)
        self._known = Pool(max(known, self._limit), max(known // 4, self._limit))
        signed = min(int(settings.max_signed_body), self._limit)
        self._unknown = Pool(max(unknown, signed), max(unknown // 4, signed))
        answers, largest = int(settings.answer_memory), int(settings.max_page_bytes) + AROUND_ROWS
        self._answers = Pool(max(answers, largest), max(answers // 4, largest))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        declared = max(
            (int(value) for name, value in scope["headers"] if name == b"content-length" and value.isdigit()), default=0
        )
        exchange = exchange_of(scope)
        exchange.most = self._limit
        exchange.turns = self._turns
        exchange.hold = partial(self._hold, exchange)
        taken = 0
        whole = False
        began = 0.0

        async def guarded() -> Message:
            nonlocal taken, whole, began
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
            self._hold(exchange, len(message.get("body", b"")))
            began = began or perf_counter()
            seconds = perf_counter() - began
            if not whole and seconds > self._idle and taken < seconds * SLOWEST:
                raise BodyTimeout("the request body comes too slowly")
            return message

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._hold_answer(exchange, message)
            await send(message)

        try:
            await self._app(scope, guarded, counted)
        finally:
            exchange.holding.release()

    def _hold(self, exchange: Exchange, size: int) -> None:
        caller = exchange.caller
        if caller is not None:
            exchange.holding.grow(self._known, (caller.project_id, caller.user_id), size)
        else:
            exchange.holding.grow(self._unknown, network_of(ORIGIN.get().address), size)

    def _hold_answer(self, exchange: Exchange, start: Message) -> None:
        """Count an answer until its caller has taken it; raises `TooMany`."""
        caller = exchange.caller
        if caller is not None:
            size = next((int(value) for name, value in start["headers"] if name == b"content-length"), 0)
            exchange.holding.release()
            exchange.holding.grow(self._answers, (caller.project_id, caller.user_id), size)

    async def _next(self, receive: Receive) -> Message:
        try:
            async with asyncio.timeout(self._idle):
                return await receive()
        except TimeoutError:
            raise BodyTimeout("the rest of the request body did not come") from None
