"""Memory that bodies take, of requests while they are read and of answers until they are taken: bounded together,
and for each whose they are.

A body must be whole before it can be understood. One alone is bounded by its size; many at once are
bounded here, so that neither strangers nor one user can fill the memory with what they begin to send.
"""

from typing import Final

from treadle.model.errors import TooMany

FREE: Final = 32 * 1024
"""Bytes of each body that are not counted: connections are bounded too."""


class Pool:
    """Bytes for the bodies of many; nobody gets more than his ``share``."""

    def __init__(self, most: int, share: int) -> None:
        self._most = most
        self._share = share
        self._held: dict[object, int] = {}
        self.taken = 0

    def take(self, holder: object, size: int) -> None:
        """Count bytes of a holder; raises `TooMany` and counts nothing when there is no room for them."""
        held = self._held.get(holder, 0) + size
        if held > self._share or self.taken + size > self._most:
            raise TooMany("too much is held in memory for other requests")
        self._held[holder] = held
        self.taken += size

    def give_back(self, holder: object, size: int) -> None:
        """They are free again."""
        held = self._held.get(holder, 0) - size
        if held > 0:
            self._held[holder] = held
        else:
            self._held.pop(holder, None)
        self.taken -= size


class Holding:
    """What the body of one request holds of a pool."""

    __slots__ = ("_holder", "_pool", "_read", "_size")

    def __init__(self) -> None:
        self._pool: Pool | None = None
        self._holder: object = None
        self._read = 0
        self._size = 0

    def grow(self, pool: Pool, holder: object, size: int) -> None:
        """So many bytes more are read; raises `TooMany`."""
        self._read += size
        more = self._read - FREE - self._size
        if more <= 0:
            return
        pool.take(holder, more)
        self._pool, self._holder = pool, holder
        self._size += more

    def release(self) -> None:
        """Nothing is held any more."""
        if self._pool is not None:
            self._pool.give_back(self._holder, self._size)
            self._pool = None
        self._size = self._read = 0
