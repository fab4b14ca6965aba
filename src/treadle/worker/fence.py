"""The fence: an interrupt reaches the statement it is meant for, or nothing (C4, C5).

An engine's interrupt is addressed to a connection, is forgotten when it comes too early and hits
the next statement when it comes too late. So one lock guards both the question "is this the
statement that runs?" and the interrupt that follows, and the same lock publishes "it has ended".
Within it the interrupt is repeated until the statement has ended.
"""

import threading
from collections.abc import Callable
from typing import Final

REPEAT_SECONDS: Final = 0.002


class Fence:
    """Which statement may be interrupted now. Shared by the executing and the listening thread."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._changed = threading.Condition()
        self._known: set[str] = set()
        self._wanted: set[str] = set()
        self._current: str | None = None
        self._shielded = False

    def announce(self, statement_id: str) -> None:
        """A statement has arrived: from now on a cancel of it is kept."""
        with self._changed:
            self._known.add(statement_id)

    def cancel(self, statement_id: str) -> None:
        """Want a statement stopped, and strike the first time. One that has ended is left alone."""
        with self._changed:
            if statement_id in self._known:
                self._wanted.add(statement_id)
                if self._current == statement_id and not self._shielded:
                    self._interrupt()
                self._changed.notify_all()

    def wants(self, statement_id: str) -> bool:
        """Whether the statement should stop."""
        with self._changed:
            return statement_id in self._wanted

    def enter(self, statement_id: str) -> bool:
        """Open the fence for a statement; False when it is already to be stopped and must not start."""
        with self._changed:
            if statement_id in self._wanted:
                return False
            self._current = statement_id
            return True

    def shield(self) -> bool:
        """From here no interrupt is sent to the current statement; False when one is wanted already."""
        with self._changed:
            if self._current in self._wanted:
                return False
            self._shielded = True
            return True

    def unshield(self) -> None:
        """The commit is over: interrupts may be sent again."""
        with self._changed:
            self._shielded = False
            self._changed.notify_all()

    def leave(self) -> None:
        """Close the fence: whatever the engine does from here on is not this statement's."""
        with self._changed:
            self._current = None
            self._shielded = False

    def forget(self, statement_id: str) -> None:
        """The statement has ended; a later cancel of it does nothing."""
        with self._changed:
            self._known.discard(statement_id)
            self._wanted.discard(statement_id)

    def strike_forever(self) -> None:
        """The loop of the striking thread: interrupt what should stop, again and again, until it has."""
        with self._changed:
            while True:
                if self._current in self._wanted and not self._shielded:
                    self._interrupt()
                    self._changed.wait(REPEAT_SECONDS)
                else:
                    self._changed.wait()
