"""The fence under real threads: an interrupt reaches the statement it is meant for, or nothing (C4, C5)."""

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from treadle.worker.fence import REPEAT_SECONDS, Fence

ROUNDS = 600
SWITCH_SECONDS = 1e-5
"""Threads take turns so often that every order of steps comes up."""
PATIENCE = 10.0


class Over(Exception):
    """Ends the striking thread, which never ends by itself."""


class Rig:
    """A fence with its striking thread, and an engine that notes whom each interrupt hits.

    ``running`` is set before the fence is entered and cleared after it is left, ``shielded`` only
    while the shield is up for certain: what the striker sees here is what the engine would do.
    """

    def __init__(self) -> None:
        self.fence = Fence(self._interrupt)
        self.running: str | None = None
        self.shielded = False
        self.asked: set[str] = set()
        self.hits: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._hit = threading.Condition()
        self._over = False
        self._striker = threading.Thread(target=self._strike, daemon=True)
        self._striker.start()

    def _strike(self) -> None:
        with suppress(Over):
            self.fence.strike_forever()

    def _interrupt(self) -> None:
        if self._over:
            if threading.current_thread() is self._striker:
                raise Over
            return
        target, shielded = self.running, self.shielded
        if target is None or target not in self.asked or shielded:
            self.wrong.append(f"interrupt while {target} runs, shielded: {shielded}")
        with self._hit:
            self.hits[target or ""] += 1
            self._hit.notify_all()

    def ask(self, statement_id: str) -> None:
        """A cancel arrives."""
        self.asked.add(statement_id)
        self.fence.cancel(statement_id)

    def enter(self, statement_id: str) -> bool:
        """The executing thread begins."""
        self.running = statement_id
        if self.fence.enter(statement_id):
            return True
        self.running = None
        return False

    def leave(self, statement_id: str) -> None:
        """The executing thread is done."""
        self.fence.leave()
        self.running = None

    def shield(self) -> bool:
        """The commit begins."""
        self.shielded = self.fence.shield()
        return self.shielded

    def unshield(self) -> None:
        """The commit is over."""
        self.shielded = False
        self.fence.unshield()

    def wait_hits(self, statement_id: str, count: int, seconds: float = PATIENCE) -> bool:
        """Whether the statement is interrupted so often in time."""
        with self._hit:
            return self._hit.wait_for(lambda: self.hits[statement_id] >= count, seconds)

    def strike_another(self, name: str = "another") -> None:
        """Let the striker work on another statement: it has seen everything that came before."""
        self.fence.announce(name)
        assert self.enter(name)
        self.ask(name)
        assert self.wait_hits(name, 3)
        self.leave(name)
        self.fence.forget(name)

    def kept(self) -> int:
        """How many statement ids the fence remembers."""
        return sum(len(value) for value in vars(self.fence).values() if isinstance(value, set))

    def stop(self) -> None:
        """End the striking thread."""
        self._over = True
        self.fence.announce("over")
        self.fence.enter("over")
        self.fence.cancel("over")
        self._striker.join(PATIENCE)
        assert not self._striker.is_alive()


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A fence and its threads, with nobody hit who was not to be."""
    made = Rig()
    yield made
    made.stop()
    assert made.wrong == []


def in_threads(*works: Callable[[], None]) -> None:
    """Run all at once; an error in any of them is the test's error."""
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(6 * PATIENCE)
            assert not thread.is_alive()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]


def spin(steps: int) -> None:
    """Use a little processor time and let other threads in."""
    for n in range(steps):
        sum(range(n % 50))


# -- one after the other -----------------------------------------------------------------------


def test_a_statement_that_nobody_cancels_is_not_interrupted(rig: Rig) -> None:
    """Without a cancel no interrupt comes."""
    rig.fence.announce("a")
    assert rig.enter("a")
    assert rig.shield()
    rig.unshield()
    rig.leave("a")
    rig.strike_another()
    assert rig.hits["a"] == 0


def test_interrupts_are_repeated_until_the_statement_leaves(rig: Rig) -> None:
    """An engine that forgets an interrupt gets another, and none once the statement has left."""
    rig.fence.announce("a")
    assert rig.enter("a")
    rig.ask("a")
    assert rig.wait_hits("a", 5)
    rig.leave("a")
    after = rig.hits["a"]
    assert not rig.wait_hits("", 1, 20 * REPEAT_SECONDS)
    rig.strike_another()
    assert rig.hits["a"] == after


def test_a_cancel_before_enter(rig: Rig) -> None:
    """A statement that is cancelled before it starts does not start, and no interrupt is sent."""
    rig.fence.announce("a")
    rig.ask("a")
    assert rig.fence.wants("a")
    assert not rig.enter("a")
    assert not rig.enter("a")
    rig.fence.forget("a")
    rig.strike_another()
    assert rig.hits["a"] == 0


def test_a_cancel_between_two_parts(rig: Rig) -> None:
    """A cancel that falls between two parts of a script keeps the second one from starting."""
    rig.fence.announce("a")
    assert rig.enter("a")
    rig.leave("a")
    rig.ask("a")
    assert not rig.enter("a")


def test_a_cancel_of_an_unknown_statement(rig: Rig) -> None:
    """A cancel of what never came, or has ended, does nothing and is not remembered."""
    rig.fence.cancel("never")
    assert not rig.fence.wants("never")
    rig.fence.announce("a")
    assert rig.enter("a")
    rig.leave("a")
    rig.fence.forget("a")
    rig.fence.cancel("a")
    assert not rig.fence.wants("a")
    assert rig.kept() == 0
    rig.fence.announce("b")
    assert rig.enter("b")
    rig.fence.cancel("a")
    rig.leave("b")


def test_nothing_is_kept_of_what_has_ended(rig: Rig) -> None:
    """However many statements, wanted or not, came and went: the fence remembers none."""
    for n in range(200):
        rig.fence.announce(f"s{n}")
        if n % 3 == 0:
            rig.ask(f"s{n}")
        if rig.enter(f"s{n}"):
            rig.leave(f"s{n}")
        rig.fence.forget(f"s{n}")
        rig.fence.cancel(f"s{n}")
        rig.fence.forget(f"s{n}")
    assert rig.kept() == 0


def test_the_shield(rig: Rig) -> None:
    """Within a commit no interrupt is sent; the cancel is kept and works behind it."""
    rig.fence.announce("a")
    assert rig.enter("a")
    assert rig.shield()
    rig.ask("a")
    assert rig.fence.wants("a")
    assert not rig.wait_hits("a", 1, 20 * REPEAT_SECONDS)
    rig.unshield()
    assert rig.wait_hits("a", 2)
    rig.leave("a")


def test_no_shield_for_what_is_to_stop(rig: Rig) -> None:
    """A cancel that came first forbids the commit, and goes on being delivered."""
    rig.fence.announce("a")
    assert rig.enter("a")
    rig.ask("a")
    assert not rig.shield()
    assert rig.wait_hits("a", rig.hits["a"] + 2)
    rig.leave("a")


def test_leaving_within_the_shield_lowers_it(rig: Rig) -> None:
    """A commit that fails leaves no shield over the next statement."""
    for name in ("a", "b"):
        rig.fence.announce(name)
    assert rig.enter("a")
    assert rig.shield()
    rig.shielded = False
    rig.leave("a")
    assert rig.enter("b")
    rig.ask("b")
    assert rig.wait_hits("b", 1)
    rig.leave("b")


def test_any_number_of_cancels_is_one(rig: Rig) -> None:
    """Cancels at once and again leave one wish, which ends with the statement (C9)."""
    rig.fence.announce("a")
    assert rig.enter("a")
    in_threads(*[lambda: rig.ask("a")] * 8)
    assert rig.wait_hits("a", 1)
    rig.leave("a")
    rig.fence.forget("a")
    assert rig.kept() == 0
    rig.strike_another()


# -- races -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_no_interrupt_ever_hits_another_statement(rig: Rig, seed: int) -> None:
    """Hundreds of short statements, cancels falling anywhere: only the asked one is hit, never in its commit."""
    order = threading.Semaphore(0)
    chance = random.Random(seed)
    aim = [chance.random() < 0.6 for _ in range(ROUNDS)]
    runs = [chance.randrange(60) for _ in range(ROUNDS)]
    waits = [chance.randrange(120) for _ in range(ROUNDS)]
    refused: list[str] = []

    def execute() -> None:
        for n in range(ROUNDS):
            name = f"s{n}"
            rig.fence.announce(name)
            order.release()
            spin(runs[n] // 3)
            if rig.enter(name):
                spin(runs[n])
                if rig.shield():
                    spin(runs[n])
                    rig.unshield()
                else:
                    assert name in rig.asked
                rig.leave(name)
            else:
                assert name in rig.asked
                refused.append(name)
            rig.fence.forget(name)

    def cancel() -> None:
        for n in range(ROUNDS):
            assert order.acquire(timeout=PATIENCE)
            if aim[n]:
                spin(waits[n])
                rig.ask(f"s{n}")

    in_threads(execute, cancel)
    assert set(rig.hits) <= rig.asked
    assert not set(refused) & set(rig.hits)
    assert rig.kept() == 0


def test_no_cancel_is_lost(rig: Rig) -> None:
    """A cancel at any instant from the arrival on is seen: the statement does not start, or is hit while it runs."""
    chance = random.Random(7)
    arrived: list[threading.Event] = [threading.Event() for _ in range(ROUNDS)]
    waits = [(chance.randrange(40), chance.randrange(40)) for _ in range(ROUNDS)]

    def execute() -> None:
        for n in range(ROUNDS):
            name = f"s{n}"
            rig.fence.announce(name)
            arrived[n].set()
            spin(waits[n][0])
            if rig.enter(name):
                # It never ends by itself.
                assert rig.wait_hits(name, 1), f"the cancel of {name} was lost"
                rig.leave(name)
            rig.fence.forget(name)

    def cancel() -> None:
        for n in range(ROUNDS):
            assert arrived[n].wait(PATIENCE)
            spin(waits[n][1])
            rig.ask(f"s{n}")

    in_threads(execute, cancel)


def test_a_cancel_that_comes_too_late_hits_nobody(rig: Rig) -> None:
    """The cancel of the statement before falls into the next one, which is as like it as can be: nothing happens."""
    ended = threading.Semaphore(0)
    rig.asked.clear()

    def execute() -> None:
        for n in range(ROUNDS):
            name = f"s{n}"
            rig.fence.announce(name)
            assert rig.enter(name)
            spin(20)
            rig.leave(name)
            rig.fence.forget(name)
            ended.release()

    def cancel() -> None:
        for n in range(ROUNDS):
            assert ended.acquire(timeout=PATIENCE)
            rig.fence.cancel(f"s{n}")

    in_threads(execute, cancel)
    assert rig.hits.total() == 0
    assert rig.kept() == 0


def test_the_commit_and_the_cancel_have_one_winner(rig: Rig) -> None:
    """Either the shield goes up and no interrupt comes within it, or it is refused to a wanted statement."""
    gate = threading.Barrier(2)
    outcomes: Counter[bool] = Counter()

    def execute() -> None:
        for n in range(ROUNDS):
            name = f"s{n}"
            rig.fence.announce(name)
            assert rig.enter(name)
            gate.wait(PATIENCE)
            spin(n % 7)
            won = rig.shield()
            outcomes[won] += 1
            if won:
                before = rig.hits[name]
                spin(30)
                assert rig.hits[name] == before
                rig.unshield()
            gate.wait(PATIENCE)
            assert rig.wait_hits(name, 1)
            rig.leave(name)
            rig.fence.forget(name)

    def cancel() -> None:
        for n in range(ROUNDS):
            gate.wait(PATIENCE)
            spin((n * 3) % 11)
            rig.ask(f"s{n}")
            gate.wait(PATIENCE)

    in_threads(execute, cancel)
    assert outcomes.total() == ROUNDS
