"""What is known of a run, and what in it broke a clause."""

from collections.abc import Callable
from typing import Final

from tests.simulation.life import Life, Trouble, Violation
from tests.simulation.scenario import Limits, Moment, Program
from treadle.model.entities import Session

KILL_TO_RECORD: Final = 3.0
"""Seconds from a kill to the record (C3)."""

RETRIES: Final = 3
"""Times a part is run again when its commit lost a race, at most."""

SLACK: Final = 0.6
"""Seconds for everything the ladder does not count: pipes, burials, looks of a waiting verb."""


class Ledger:
    """What is known of each statement and session; each clause that was broken."""

    def __init__(
        self,
        programs: tuple[Program, ...],
        clock: Callable[[], float],
        on_moment: Callable[[Moment, int], None],
        *,
        grace: float,
        patience: float,
        limits: Limits,
    ) -> None:
        self.violations: list[Violation] = []
        self.trouble = Trouble()
        self.lives: dict[str, Life] = {}
        self.ids: dict[int, str] = {}
        self.sessions: dict[str, Session] = {}
        self._rows: dict[str, Session] = {}
        self.asked: set[str] = set()
        self.on_session: Callable[[Session], None] = lambda _: None
        self.cloudy = False
        self.stopping = False
        self.stepped = False
        self.entombed: set[str] = set()
        self.answered: set[str] = set()
        self._public: dict[str, Life] = {}
        self._keyed: set[int] = set()
        self._leaving: set[int] = set()
        # The sessions whose engine has declared itself invalid.
        self._invalid: set[str] = set()
        self._programs = programs
        self._clock = clock
        self._on_moment = on_moment
        self._bound = grace + KILL_TO_RECORD + patience + SLACK
        self._patience = patience
        self._limits = limits

    def wrong(self, clause: str, text: str) -> None:
        """A clause is broken."""
        self.violations.append(Violation(clause, text, self._clock()))

    def _hold(self, clause: str, true: object, text: str) -> None:
        if not true:
            self.wrong(clause, text)

    @property
    def unfinished(self) -> list[Life]:
        """The statements that have not ended."""
        return [life for life in self.lives.values() if not life.row.state.final and not life.gone]
