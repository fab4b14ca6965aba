"""Requests that identify no user: no credentials, a wrong token, a bad signature. Counted by where they come from.

An address may send `stranger_rate` of them a second; what is more is refused (429). Whether a token is
good is known only when the store has been asked, and a flood shall not be passed on to it: from an
address that has used up its rate the store is asked about one credential at a time, a few hundred a
second, unless the credential has been good before in this process. So whoever has a good one is served
from such an address as from any other.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

import msgspec

from treadle.config import Settings
from treadle.model.errors import TooMany
from treadle.service.limits import Bucket

BURST_SECONDS: Final = 10.0
"""How much of its rate an address may use at once after a pause."""

TURN_SECONDS: Final = 0.005
"""The least time between two looks at the store for one address that has used up its rate."""

LINE_MOST: Final = 64
"""Requests of one such address that wait for their turn; of more each is refused at once."""

PROVEN_MOST: Final = 10_000
"""Credentials remembered that have been good; of more, those used longest ago are forgotten."""


@lru_cache(4096)
def network_of(address: str) -> str:
    """What is counted as one address: of IPv6 a /64, which is what one customer has."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> 64 << 64))


class Proven:
    """Credentials that have been good before in this process."""

    def __init__(self) -> None:
        self._known: OrderedDict[object, None] = OrderedDict()

    def __contains__(self, credential: object) -> bool:
        return credential in self._known

    def add(self, credential: object) -> None:
        """It was good."""
        self._known[credential] = None
        self._known.move_to_end(credential)
        if len(self._known) > PROVEN_MOST:
            self._known.popitem(last=False)

    def drop(self, credential: object) -> None:
        """It is good no more."""
        self._known.pop(credential, None)


class _Line(msgspec.Struct):
    """Who waits for a look at the store, of one address."""

    lock: asyncio.Lock
    length: int = 0


class Strangers:
    """How many requests of each address have proven nobody."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._bucket = Bucket("address", settings.stranger_rate, BURST_SECONDS)
        self._lines: dict[str, _Line] = {}

    def flood(self, address: str) -> bool:
        """Whether the address has used up its rate."""
        return self._bucket.used and self._bucket.empty(network_of(address), self._monotonic())

    def count(self, address: str) -> None:
        """Count a request that proved nobody; raises `TooMany`."""
        self._bucket.take(network_of(address), self._monotonic())

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """The turn of an address that has used up its rate to have one credential looked up; raises `TooMany`."""
        key = network_of(address)
        line = self._lines.setdefault(key, _Line(asyncio.Lock()))
        if line.length >= LINE_MOST:
            self.count(address)
            raise TooMany("too many requests of this address wait to be known")
        line.length += 1
        try:
            async with line.lock:
                try:
                    yield
                finally:
                    await asyncio.sleep(TURN_SECONDS)
        finally:
            line.length -= 1
            if not line.length:
                self._lines.pop(key, None)
