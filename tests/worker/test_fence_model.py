"""The fence step by step: in any order of steps it interrupts exactly what a model of it says (C4, C5)."""

from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.support.properties import histories
from treadle.worker.fence import Fence

NAMES = st.sampled_from([f"s{number}" for number in range(6)])


class Waited(Exception):
    """The striking thread would wait now."""


class OneStep:
    """A condition that nobody can wait for: the striker's loop comes back after one turn."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None

    def notify_all(self) -> None:
        """Nobody waits."""

    def wait(self, timeout: float | None = None) -> bool:
        """End the turn."""
        raise Waited


class Steps(RuleBasedStateMachine):
    """One executing thread, which goes by its rules, and cancels of anything at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupts = 0
        self.fence = Fence(self._interrupt)
        condition: Any = OneStep()
        self.fence._changed = condition
        self.known: list[str] = []
        self.wanted: set[str] = set()
        self.running: str | None = None
        self.shielded = False

    def _interrupt(self) -> None:
        self.interrupts += 1

    def strike(self) -> bool:
        """One turn of the striker; whether it interrupted."""
        before = self.interrupts
        with suppress(Waited):
            self.fence.strike_forever()
        assert self.interrupts - before <= 1
        return self.interrupts > before

    @rule(name=NAMES)
    def announce(self, name: str) -> None:
        if name not in self.known:
            self.fence.announce(name)
            self.known.append(name)

    @rule(name=NAMES)
    def cancel(self, name: str) -> None:
        self.fence.cancel(name)
        if name in self.known:
            self.wanted.add(name)

    @precondition(lambda self: self.running is None and self.known)
    @rule()
    def enter(self) -> None:
        first = self.known[0]
        assert self.fence.enter(first) is (first not in self.wanted)
        self.running = None if first in self.wanted else first

    @precondition(lambda self: self.running is not None and not self.shielded)
    @rule()
    def shield(self) -> None:
        self.shielded = self.running not in self.wanted
        assert self.fence.shield() is self.shielded

    @precondition(lambda self: self.shielded)
    @rule()
    def unshield(self) -> None:
        self.fence.unshield()
        self.shielded = False

    @precondition(lambda self: self.running is not None)
    @rule()
    def leave(self) -> None:
        self.fence.leave()
        self.running, self.shielded = None, False

    @precondition(lambda self: self.running is None and self.known)
    @rule()
    def forget(self) -> None:
        gone = self.known.pop(0)
        self.fence.forget(gone)
        self.wanted.discard(gone)

    @invariant()
    def the_right_one_is_struck(self) -> None:
        due = self.running in self.wanted and not self.shielded
        assert [self.strike(), self.strike()] == [due, due]

    @invariant()
    def what_is_wanted_is_known(self) -> None:
        for number in range(6):
            assert self.fence.wants(f"s{number}") is (f"s{number}" in self.wanted)
        assert sum(len(kept) for kept in vars(self.fence).values() if isinstance(kept, set)) == len(self.known) + len(
            self.wanted
        )


def test_every_order_of_steps() -> None:
    """A statement is struck while it runs, is wanted and is not in its commit; at no other moment, and no other one."""
    run_state_machine_as_test(Steps, settings=histories(50, 40))
