"""Who has failed too often in a row, and for how long nobody listens to him.

Names that exist and names that do not are counted alike, but apart: whoever tries names at random
pushes nobody who exists out of the table.
"""

from collections import OrderedDict
from typing import Final

import msgspec

from treadle.model.ports import Clock

KEPT_MOST: Final = 10_000
"""Names kept, of either kind; of more, those that failed longest ago are forgotten."""


class _Failures(msgspec.Struct):
    """Failures in a row, and until when (by the monotonic clock) they count, or lock."""

    count: int
    until: float


class Lockouts:
    """Counts in this process: ``most`` failures in a row lock a name for ``seconds``."""

    def __init__(self, most: int, seconds: float, clock: Clock) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._known: OrderedDict[str, _Failures] = OrderedDict()
        self._unknown: OrderedDict[str, _Failures] = OrderedDict()

    def locked(self, name: str) -> bool:
        """Whether the name is locked now."""
        return any(self._count(table, name) >= self._most for table in (self._known, self._unknown))

    def failed(self, name: str, *, known: bool) -> bool:
        """Note a failure; True when it is the one that locks the name."""
        table = self._known if known else self._unknown
        count = self._count(table, name) + 1
        table[name] = _Failures(count, self._clock.monotonic() + self._seconds)
        table.move_to_end(name)
        if len(table) > KEPT_MOST:
            table.popitem(last=False)
        return count == self._most

    def passed(self, name: str) -> None:
        """The next failure is the first again."""
        self._known.pop(name, None)
        self._unknown.pop(name, None)

    def _count(self, table: OrderedDict[str, _Failures], name: str) -> int:
        failures = table.get(name)
        if failures is None:
            return 0
        if failures.until <= self._clock.monotonic():
            del table[name]
            return 0
        return failures.count
