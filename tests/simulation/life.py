"""What is known of one statement besides its record, and how much trouble there was."""

from collections import Counter

import msgspec

from tests.simulation.scenario import Program
from treadle.model.entities import CancelIntent, Statement
from treadle.wire import Cancelled, Failed, Finished


class Violation(msgspec.Struct, frozen=True):
    """A clause that was broken, when, and how."""

    clause: str
    text: str
    at: float

    def __str__(self) -> str:
        return f"{self.at:10.4f}  {self.clause}: {self.text}"


class Trouble:
    """How many seconds faults may have cost up to now: what a bound is widened by."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._spans: list[tuple[float, float, float]] = []

    def add(self, seconds: float) -> None:
        """A delay."""
        self._sum += seconds

    def span(self, start: float, end: float, tail: float) -> None:
        """An outage, and ``tail`` seconds until whoever waited for its end looks again."""
        self._spans.append((start, end, tail))

    def until(self, now: float) -> float:
        """Seconds of trouble so far."""
        spans = sum(max(0.0, min(now, end) - start) + (tail if now >= end else 0.0) for start, end, tail in self._spans)
        return self._sum + spans

    def at(self, now: float) -> bool:
        """Whether there is an outage, or one that not everybody has seen the end of."""
        return any(start <= now < end + tail for start, end, tail in self._spans)


class Life:
    """What really became of one statement."""

    def __init__(self, row: Statement, program: int, plan: Program, born_at: float) -> None:
        # Of one that has started and is not on record yet, what its record will be.
        self.row = row
        self.program = program
        self.plan = plan
        self.born_at = born_at
        self.first = True
        self.recorded = True
        self.lost = False
        self.answered = False
        self.began: set[int] = set()
        self.engine: int | None = None
        self.held = False
        self.sent = False
        self.durable: set[int] = set()
        self.losses: Counter[int] = Counter()
        self.said: Finished | Failed | Cancelled | None = None
        self.heard = False
        self.vanished = False
        self.claimed_at: float | None = None
        # The intent that came to the owner before it was on record.
        self.brought: CancelIntent | None = None
        self.intended_at: float | None = None
        self.died_at: float | None = None
        self.trouble_then = 0.0

    @property
    def id(self) -> str:
        """The statement's id."""
        return self.row.id

    @property
    def gone(self) -> bool:
        """Whether the store, or its gateway, died before it was on disk."""
        return self.vanished or self.lost

    @property
    def done(self) -> bool:
        """Whether all of it was done."""
        return isinstance(self.said, Finished) or len(self.plan.steps) in self.durable

    @property
    def whole(self) -> bool:
        """Whether all of it was done and the owner can know."""
        return (self.heard and isinstance(self.said, Finished)) or len(self.plan.steps) in self.durable
