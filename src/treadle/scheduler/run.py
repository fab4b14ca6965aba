"""The statement that runs now, as its lane sees it."""

import asyncio

from treadle.model.entities import CancelIntent, CommitPoint, Part, Statement


class Run:
    """The statement that runs now."""

    def __init__(self, statement: Statement, started: float) -> None:
        self.statement = statement
        self.started = started
        self.before: list[Part] = []
        self.commit: CommitPoint | None = None
        self.intent: CancelIntent | None = None
        self.asked_at: float | None = None
        self.turn = False
        self.asked = asyncio.Event()
        self.ladder: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        self.recorded = asyncio.Event()

    @property
    def id(self) -> str:
        """The statement's id."""
        return self.statement.id
