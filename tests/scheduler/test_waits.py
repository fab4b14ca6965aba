"""Who waits since when: each is found when its time is over, once, and who has started is not."""

from hypothesis import given
from hypothesis import strategies as st

from treadle.model.states import Reason
from treadle.scheduler.deadlines import TimeLimits
from treadle.scheduler.waits import Waits

waiters = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.floats(0, 100), max_size=20)


def test_nothing_is_kept_without_a_limit() -> None:
    """The queue of a service without limits costs nothing."""
    waits = Waits(TimeLimits(statement=5, idle=5, life=5))
    waits.heard("s", "a", 1.0)
    assert not waits.limited
    assert not waits.knows("s")
    assert waits.started("a") is None
    assert waits.overdue(1e9) == {}


def test_those_of_one_moment_end_together() -> None:
    """One intent for all of them, with what ended them."""
    waits = Waits(TimeLimits(queue=5))
    for name in "abc":
        waits.heard("s", name, 1.0)
    waits.heard("s", "a", 0.0)
    assert waits.overdue(5.9) == {}
    ((deadline, ids),) = waits.overdue(6.0).items()
    assert (deadline.reason, sorted(ids)) == (Reason.QUEUE_TIMEOUT, ["a", "b", "c"])
    assert not waits.knows("s")


def test_a_statement_may_say_how_long_it_waits() -> None:
    """Alone its own wish counts, beside the operator's limit the shorter of the two; it may be heard of late."""
    alone = Waits(TimeLimits())
    alone.heard("s", "a", 1.0)
    alone.heard("s", "a", 1.0, 300.0)
    alone.heard("s", "a", 1.0, 300.0)
    assert alone.overdue(300.9) == {}
    ((deadline, ids),) = alone.overdue(301.0).items()
    assert (deadline.reason, deadline.detail, ids) == (
        Reason.QUEUE_TIMEOUT,
        "statement waited longer than wait_timeout (300 s)",
        ["a"],
    )
    both = Waits(TimeLimits(queue=500))
    both.heard("s", "a", 0.0)
    both.heard("s", "a", 2.0, 300.0)
    both.heard("s", "b", 0.0, 900.0)
    assert list(both.overdue(300.0).values()) == [["a"]]
    assert list(both.overdue(500.0).values()) == [["b"]]
    assert both.overdue(1e9) == {}
    assert not both.knows("s")


def test_who_has_started_is_not_overdue_by_its_own_limit() -> None:
    """Its entries find nothing, and since when it waited is told once."""
    waits = Waits(TimeLimits(queue=500))
    waits.heard("s", "a", 1.0)
    waits.heard("s", "a", 9.0, 300.0)
    assert waits.started("a") == 1.0
    assert waits.started("a") is None
    assert waits.overdue(1e9) == {}


@given(waiters, st.sets(st.text("abcdef", min_size=1, max_size=3)), st.floats(0, 200))
def test_who_is_overdue(since: dict[str, float], started: set[str], now: float) -> None:
    """Exactly those that still wait and came before their limit; the others are still known."""
    waits = Waits(TimeLimits(queue=50, total=70))
    for name, at in since.items():
        waits.heard("s", name, at)
    for name in started:
        assert waits.started(name) == since.get(name)
    waiting = {name: at for name, at in since.items() if name not in started}
    found = [name for names in waits.overdue(now).values() for name in names]
    assert sorted(found) == sorted(name for name, at in waiting.items() if at + 50 <= now)
    assert waits.knows("s") == (len(found) < len(waiting))
    assert waits.overdue(now) == {}
