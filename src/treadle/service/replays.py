"""Which signed requests have been made already.

A signature is good for as long as its date may be off, so whoever overhears a request could make it
again until then. The date has a resolution of a second: an honest caller who does the same twice in
a second signs the same twice. He does so over his own connection, which nobody else can speak on;
over any other the second one is a replay, and so is one that comes later.
"""

from collections import defaultdict
from datetime import datetime
from typing import Final

from treadle.model.ports import Clock

SAME_SECOND: Final = 1.5
"""Seconds within which two requests of one date arrive over one connection."""

KEPT_MOST: Final = 50_000
"""Signatures kept of one key. Of more, the oldest dates are forgotten, and what bears them is refused from then on."""


class _Seen:
    """The signatures of one key, by the second they bear; ``floor`` is the last second that was forgotten."""

    __slots__ = ("count", "floor", "seconds")

    def __init__(self) -> None:
        self.seconds: dict[int, dict[str, tuple[object, float]]] = {}
        self.count = 0
        self.floor = 0

    def forget(self, second: int) -> None:
        self.count -= len(self.seconds.pop(second))


class Replays:
    """Remembers in this process; ``window`` is how many seconds a date may be off."""

    def __init__(self, window: float, clock: Clock) -> None:
        self._window = window
        self._clock = clock
        self._keys: defaultdict[str, _Seen] = defaultdict(_Seen)

    def first(self, access: str, at: datetime, signature: str, connection: object) -> bool:
        """Whether the request may be made: for the first time, or again by the same caller in the same second."""
        seen = self._keys[access]
        second = int(at.timestamp())
        if second not in seen.seconds:
            self._expire(seen)
        if second <= seen.floor:
            return False
        now = self._clock.monotonic()
        known = seen.seconds.setdefault(second, {}).setdefault(signature, (connection, now))
        if known != (connection, now):
            return connection is not None and known[0] == connection and now - known[1] < SAME_SECOND
        seen.count += 1
        if seen.count > KEPT_MOST:
            seen.floor = min(seen.seconds)
            seen.forget(seen.floor)
        return True

    def _expire(self, seen: _Seen) -> None:
        """Forget what is refused by its date anyway."""
        oldest = int(self._clock.now().timestamp() - self._window) - 1
        for second in [one for one in seen.seconds if one < oldest]:
            seen.forget(second)
