"""The statement that runs now, as its lane sees it."""

import asyncio
from datetime import datetime, timedelta

from treadle.model.entities import CancelIntent, CommitPoint, Part, Statement
from treadle.scheduler.asking import Asking
from treadle.scheduler.gauge import Gauge
from treadle.scheduler.retries import Tries
from treadle.scheduler.start import Start


class Run:
    """The statement that runs now; times are monotonic seconds.

    ``submitted`` and ``started`` are the request's, ``began`` is the start of the part that runs; ``wall``
    is what the wall clock said at ``started``.
    ``limited`` says that a limit has been passed, so that this is said once; ``killed`` that its worker was
    killed to stop it, whatever the worker has said or may still say.
    """

    def __init__(self, statement: Statement, start: Start, submitted: float, started: float, wall: datetime) -> None:
        self.statement = statement
        self.start = start
        self.submitted = submitted
        self.started = started
        self.wall = wall
        self.began = started
        self.limited = False
        self.gauge = Gauge(started)
        self.before: list[Part] = []
        self.commit: CommitPoint | None = None
        self.tries = Tries(started)
        self.intent: CancelIntent | None = None
        # A stop that was asked for here first: its intent may not be on record yet.
        self.asking: Asking | None = None
        self.asked_at: float | None = None
        self.killed = False
        self.turn = False
        self.asked = asyncio.Event()
        self.ladder: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self.recorded = asyncio.Event()

    def next_part(self, part: Part, now: float) -> None:
        """A part has ended and the next one begins."""
        self.before.append(part)
        self.began = now
        self.tries = Tries(now)
        self.gauge.begin(part.number + 1, now)

    def dated(self, now: float) -> datetime:
        """The wall time of a moment of the run, whatever the wall clock has been set to since it started."""
        at = self.wall + timedelta(seconds=now - self.started)
        return max(at, self.statement.started_at or at)

    @property
    def id(self) -> str:
        """The statement's id."""
        return self.statement.id

    @property
    def session_id(self) -> str:
        """The session it runs in."""
        return self.statement.session_id
