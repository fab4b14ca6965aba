"""How often a part whose commit lost a race is run again; pure."""

import msgspec


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """The bound: so many further tries, begun within so many seconds after the first loss."""

    most: int
    seconds: float

    def allow(self, losses: int, since_first: float) -> bool:
        """Whether a part that has lost that often, for the first time so many seconds ago, may be run again."""
        return losses <= self.most and since_first <= self.seconds


class Losses:
    """The lost commits of the part that runs; times are monotonic seconds."""

    def __init__(self) -> None:
        self.count = 0
        self._first = 0.0

    def add(self, now: float) -> None:
        """One more."""
        if not self.count:
            self._first = now
        self.count += 1

    def since_first(self, now: float) -> float:
        """Seconds since the first."""
        return now - self._first
