"""Deadlines: of all limits of time the first one counts, and no session goes beyond its operator's (C16)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.config import Settings
from treadle.model.states import Reason
from treadle.scheduler.deadlines import Deadline, TimeLimits, of_running, of_session, of_waiting

NONE = TimeLimits()
limit = st.one_of(st.just(0.0), st.floats(0.001, 1e6))
moment = st.floats(0, 1e6)
limits = st.builds(TimeLimits, queue=limit, total=limit, statement=limit, idle=limit, life=limit)


def test_nothing_is_limited_by_default() -> None:
    """A service without settings has no deadline but the idle session's own."""
    assert TimeLimits.of(Settings()) == NONE
    assert not NONE.waits
    assert of_waiting(NONE, 5.0) is None
    assert of_running(NONE, 0.0, 5.0, 6.0) is None
    assert of_session(NONE, 0.0, 5.0, 6.0) is None


@pytest.mark.parametrize(
    ("given_limits", "asked", "expected"),
    [
        (
            TimeLimits(),
            3.0,
            Deadline(13.0, Reason.STATEMENT_TIMEOUT, "statement ran longer than statement_timeout (3 s)"),
        ),
        (
            TimeLimits(statement=9),
            3.0,
            Deadline(13.0, Reason.STATEMENT_TIMEOUT, "statement ran longer than statement_timeout (3 s)"),
        ),
        (
            TimeLimits(statement=2),
            3.0,
            Deadline(12.0, Reason.STATEMENT_TIMEOUT, "statement ran longer than max_statement_timeout (2 s)"),
        ),
        (
            TimeLimits(statement=2),
            0.0,
            Deadline(12.0, Reason.STATEMENT_TIMEOUT, "statement ran longer than max_statement_timeout (2 s)"),
        ),
        (
            TimeLimits(statement=2, total=4),
            0.0,
            Deadline(8.0, Reason.TOTAL_TIMEOUT, "statement waited and ran longer than total_timeout (4 s)"),
        ),
        (
            TimeLimits(total=3600),
            0.0,
            Deadline(3604.0, Reason.TOTAL_TIMEOUT, "statement waited and ran longer than total_timeout (3,600 s)"),
        ),
    ],
)
def test_the_first_limit_of_what_runs_counts(given_limits: TimeLimits, asked: float, expected: Deadline) -> None:
    """A part that began at 10 of a request submitted at 4."""
    assert of_running(given_limits, asked, 4.0, 10.0) == expected


def test_waiting_counts_from_the_submit() -> None:
    """The queue's own limit, or the whole request's when that is shorter."""
    assert of_waiting(TimeLimits(queue=5, total=9), 1.0) == Deadline(
        6.0, Reason.QUEUE_TIMEOUT, "statement waited longer than queue_timeout (5 s)"
    )
    shorter = of_waiting(TimeLimits(queue=9, total=5), 1.0)
    assert shorter is not None
    assert (shorter.at, shorter.reason) == (6.0, Reason.TOTAL_TIMEOUT)


def test_a_busy_session_is_not_idle_and_may_still_be_too_old() -> None:
    """Only its age ends a session in which something runs."""
    both = TimeLimits(idle=5, life=100)
    assert of_session(both, 600.0, 0.0, None) == Deadline(
        100.0, Reason.SESSION_EXPIRED, "session was open longer than max_session_seconds (100 s)"
    )
    assert of_session(both, 600.0, 0.0, 10.0) == Deadline(
        15.0, Reason.SESSION_IDLE, "session was idle longer than max_session_timeout (5 s)"
    )
    assert of_session(TimeLimits(), 600.0, 0.0, None) is None


@given(limits, limit, moment, moment)
def test_no_setting_of_a_session_beats_its_operator(
    given_limits: TimeLimits, asked: float, submitted: float, began: float
) -> None:
    """Whatever a session asks for, it is stopped no later than its operator says, and never before both."""
    found = of_running(given_limits, asked, submitted, began)
    ends = [began + seconds for seconds in (asked, given_limits.statement) if seconds > 0]
    ends += [submitted + given_limits.total] if given_limits.total > 0 else []
    assert (found.at if found else None) == min(ends, default=None)


@given(limits, limit, moment, st.one_of(st.none(), moment))
def test_no_setting_keeps_a_session_open(
    given_limits: TimeLimits, asked: float, opened: float, idle_since: float | None
) -> None:
    """The same for sessions."""
    found = of_session(given_limits, asked, opened, idle_since)
    ends = [opened + given_limits.life] if given_limits.life > 0 else []
    if idle_since is not None:
        ends += [idle_since + seconds for seconds in (asked, given_limits.idle) if seconds > 0]
    assert (found.at if found else None) == min(ends, default=None)
