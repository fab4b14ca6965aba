"""How far a statement is: never a number that lies."""

from hypothesis import given
from hypothesis import strategies as st

from treadle.scheduler.gauge import EVERY_SECONDS, FRESH_SECONDS, MOST, PATIENCE_SECONDS, Gauge

percents = st.one_of(st.none(), st.floats(0, 100))
answers = st.lists(st.tuples(st.integers(1, 3), percents), max_size=30)


def test_a_short_statement_is_never_asked() -> None:
    """The question comes after a second, and the next one a second after the answer."""
    gauge = Gauge(10.0)
    assert not gauge.ask(10.9)
    assert gauge.ask(11.0)
    assert not gauge.ask(11.5)
    gauge.told(1, 5.0, 11.5)
    assert not gauge.ask(12.0)
    assert gauge.ask(11.5 + EVERY_SECONDS)


def test_a_deaf_worker_is_asked_less_often_and_nothing_is_told_of_it() -> None:
    """An answer is believed for a while only."""
    gauge = Gauge(0.0)
    gauge.told(1, 40.0, 1.0)
    assert gauge.percent(1.0 + FRESH_SECONDS) == 40.0
    assert gauge.percent(1.1 + FRESH_SECONDS) is None
    assert gauge.ask(2.0)
    assert not gauge.ask(1.9 + PATIENCE_SECONDS)
    assert gauge.ask(2.0 + PATIENCE_SECONDS)


def test_an_engine_that_counts_anew_is_not_believed_until_the_next_part() -> None:
    """It works on something else within the part, and of how many there are nobody knows."""
    gauge = Gauge(0.0)
    gauge.told(1, 80.0, 1.0)
    gauge.told(1, 3.0, 2.0)
    assert gauge.percent(2.0) is None
    gauge.told(1, 90.0, 3.0)
    assert gauge.percent(3.0) is None
    gauge.begin(2, 3.0)
    assert gauge.percent(3.0) is None
    gauge.told(1, 95.0, 3.0)
    assert gauge.percent(3.0) is None
    gauge.told(2, 7.25, 4.0)
    assert gauge.percent(4.0) == 7.2


@given(answers)
def test_what_is_told_only_grows_and_is_never_all(said: list[tuple[int, float | None]]) -> None:
    """Whatever the worker says, in whatever order."""
    gauge = Gauge(0.0)
    shown: list[float] = []
    for at, (part, percent) in enumerate(said):
        gauge.told(part, percent, at * EVERY_SECONDS)
        now = gauge.percent(at * EVERY_SECONDS)
        assert percent is not None or part != 1 or now is None
        shown += [now] if now is not None else []
    assert shown == sorted(shown)
    assert all(0 <= value <= MOST < 100 for value in shown)
