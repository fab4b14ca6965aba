"""Which statements wait for their turn before they run."""

from treadle.worker.contention import LASTS_SECONDS, SHORT_SECONDS, WAITED_SECONDS, Contention


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_a_lost_race_is_expected_again_for_a_while() -> None:
    """By statements that begin with the same word, and by no other ones."""
    clock = Clock()
    contention = Contention(clock)
    assert not contention.expected("UPDATE t SET n = 1")
    contention.lost("UPDATE t SET n = 1", 0.1)
    assert contention.expected("update\n u SET n = 2")
    assert not contention.expected("INSERT INTO t VALUES (1)")
    clock.now = LASTS_SECONDS
    assert not contention.expected("UPDATE t SET n = 1")


def test_a_long_statement_makes_nobody_wait() -> None:
    """It would keep others from their commits for longer than it saves."""
    contention = Contention(Clock())
    contention.lost("UPDATE t SET n = 1", SHORT_SECONDS)
    assert not contention.expected("UPDATE t SET n = 1")


def test_a_turn_that_was_waited_for_shows_that_others_still_write() -> None:
    """One that came at once does not."""
    clock = Clock()
    contention = Contention(clock)
    contention.lost("UPDATE t SET n = 1", 0.1)
    clock.now = LASTS_SECONDS - 1
    contention.waited("UPDATE t SET n = 1", 0.0)
    clock.now = LASTS_SECONDS
    assert not contention.expected("UPDATE t SET n = 1")
    contention.waited("UPDATE t SET n = 1", WAITED_SECONDS)
    assert contention.expected("UPDATE t SET n = 1")
