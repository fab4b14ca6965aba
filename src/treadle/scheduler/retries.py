"""How often a part whose commit lost a race is run again; pure."""

import msgspec


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """The bound: so many further tries, begun within so many seconds after the first loss."""

    most: int
    seconds: float

    def allow(self, tries: "Tries", now: float) -> bool:
        """Whether a part that has lost its latest try now may be run again."""
        return tries.losses <= self.most and now - tries.first_loss <= self.seconds


class Tries:
    """The tries of the part that runs; times are monotonic seconds.

    ``worked`` is how long the latest one took until it asked to commit.
    """

    def __init__(self, now: float) -> None:
        self.losses = 0
        self.first_loss = 0.0
        self.worked = 0.0
        self._began = now

    def asks(self, now: float) -> None:
        """The latest try asks to commit."""
        self.worked = now - self._began

    def loses(self, now: float) -> None:
        """The commit of the latest try has lost a race."""
        if not self.losses:
            self.first_loss = now
        self.losses += 1

    def begin(self, now: float) -> None:
        """Another one begins."""
        self._began = now
