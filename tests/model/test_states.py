"""The state table, the intent beside it, and the public words: design §4 line by line."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from treadle.model.errors import IllegalTransition
from treadle.model.states import (
    CANCEL_MESSAGES,
    FINAL,
    SERVICE_LOST,
    TRANSITIONS,
    CancelOutcome,
    Reason,
    RecordStatus,
    SessionStatus,
    StatementEvent,
    StatementState,
    advance,
    cancel_message,
    cancel_outcome,
    record_status,
    request_status,
)

Q, R = StatementState.QUEUED, StatementState.RUNNING
S, F, C = StatementState.SUCCEEDED, StatementState.FAILED, StatementState.CANCELLED
CLAIM, SUCCEED, FAIL, CANCEL = StatementEvent
calm = examples()
EVERY_PAIR = list(product(StatementState, StatementEvent))

LEGAL = {
    (Q, CLAIM): R,
    (Q, CANCEL): C,
    (R, SUCCEED): S,
    (R, FAIL): F,
    (R, CANCEL): C,
}


@pytest.mark.parametrize(("state", "event"), EVERY_PAIR)
def test_every_pair(state: StatementState, event: StatementEvent) -> None:
    """Each pair of state and event is a row of the table or an illegal transition that names both."""
    if (state, event) in LEGAL:
        assert advance(state, event) is LEGAL[state, event]
    else:
        with pytest.raises(IllegalTransition, match=f"a {state} statement cannot {event}"):
            advance(state, event)


def test_the_table_has_these_rows_and_no_others() -> None:
    """Queued is claimed or cancelled, running succeeds, fails or is cancelled, and nothing else."""
    assert TRANSITIONS == LEGAL


@calm
@given(st.lists(st.sampled_from(StatementEvent), max_size=20))
def test_no_sequence_of_events_leaves_a_final_state(events: list[StatementEvent]) -> None:
    """Whatever happens in whatever order, a statement has at most one final state and keeps it."""
    state, seen = Q, [Q]
    for event in events:
        try:
            state = advance(state, event)
        except IllegalTransition:
            continue
        seen.append(state)
    assert len({s for s in seen if s.final}) <= 1
    assert len(seen) <= 3
    if any(s.final for s in seen):
        assert state.final


def test_every_state_can_be_reached_and_only_final_ones_are_ends() -> None:
    """No state is dead, and a state without a way out is a final one."""
    assert {Q, *TRANSITIONS.values()} == set(StatementState)
    assert set(StatementState) - {state for state, _ in TRANSITIONS} == FINAL
    assert {state for state in StatementState if state.final} == FINAL


# -- public words -----------------------------------------------------------------------------

TABLE = [
    # inside, has rows, reason -> request status, record status
    (Q, False, None, 3, "SUBMITTED"),
    (R, False, None, 1, "RUNNING"),
    (S, True, None, 0, "SUCCESSFUL"),
    (S, False, None, 2, "SUCCESSFUL"),
    (F, False, None, -1, "FAILED"),
    (F, False, Reason.OWNER_LOST, -1, "ERROR"),
    (F, False, Reason.WORKER_CRASHED, -1, "ERROR"),
    (C, False, Reason.USER, 4, "CANCELED"),
]


@pytest.mark.parametrize(("state", "has_rows", "reason", "status", "word"), TABLE)
def test_public_words(state: StatementState, has_rows: bool, reason: Reason | None, status: int, word: str) -> None:
    """Design §4's table of public words, word for word."""
    assert request_status(state, has_rows=has_rows) == status
    assert record_status(state, reason) == word


@pytest.mark.parametrize(("state", "reason"), list(product(StatementState, [None, *Reason])))
def test_the_public_maps_are_total(state: StatementState, reason: Reason | None) -> None:
    """Every pair has a word; only a success looks at its rows and only a failure at its reason."""
    with_rows, without = request_status(state, has_rows=True), request_status(state, has_rows=False)
    assert (with_rows != without) == (state is S)
    assert {with_rows, without} <= {-1, 0, 1, 2, 3, 4}
    expected = RecordStatus.ERROR if state is F and reason in SERVICE_LOST else record_status(state, None)
    assert record_status(state, reason) is expected


def test_different_states_have_different_words() -> None:
    """No two states share a public integer or a public word."""
    integers = [{request_status(s, has_rows=rows) for rows in (True, False)} for s in StatementState]
    words = [{record_status(s, reason) for reason in (None, *Reason)} for s in StatementState]
    for found in (integers, words):
        assert len(set().union(*found)) == sum(map(len, found))


def test_what_the_service_lost() -> None:
    """Owner lost and worker crashed are the service's failures, the SQL's are all the others."""
    assert {Reason.OWNER_LOST, Reason.WORKER_CRASHED} == SERVICE_LOST


@pytest.mark.parametrize(
    ("reason", "detail", "actor", "expected"),
    [
        (Reason.USER, None, "ann", "user request: canceled by ann"),
        (Reason.USER, "wrong month", "ann", "user request: canceled by ann: wrong month"),
        (Reason.USER, None, "system", "user request: canceled by system"),
        (Reason.USER, None, None, "user request"),
        (Reason.OPERATOR, None, "operator", "operator request: canceled by operator"),
        (Reason.SESSION_CLOSED, None, "ann", "session close: closed by ann"),
        (Reason.STATEMENT_TIMEOUT, "a limit (3 s)", "system", "statement timeout: a limit (3 s)"),
        (Reason.QUOTA, "a limit (3 B)", "system", "quota: a limit (3 B)"),
        (Reason.SHUTDOWN, None, "system", "service shutdown"),
    ],
)
def test_messages_name_who_cancelled_and_which_limit(
    reason: Reason, detail: str | None, actor: str | None, expected: str
) -> None:
    """PostgreSQL's text comes first."""
    assert cancel_message(reason, detail, actor) == f"canceling statement due to {expected}"


def test_every_reason_has_its_text() -> None:
    """Each reason has an error text of its own in PostgreSQL's form (C14)."""
    assert set(CANCEL_MESSAGES) == set(Reason)
    assert len(set(CANCEL_MESSAGES.values())) == len(Reason)
    assert all(text.startswith("canceling statement due to ") for text in CANCEL_MESSAGES.values())
    assert CANCEL_MESSAGES[Reason.USER] == "canceling statement due to user request"
    assert CANCEL_MESSAGES[Reason.STATEMENT_TIMEOUT] == "canceling statement due to statement timeout"


@pytest.mark.parametrize("status", list(SessionStatus))
def test_sessions_end_closed_or_failed(status: SessionStatus) -> None:
    """A session has ended when it is CLOSED or FAIL, and otherwise not."""
    assert status.final == (status.value in {"CLOSED", "FAIL"})


# -- the verdict of a cancel call --------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), list(product(StatementState, StatementState)))
def test_cancel_outcome(before: StatementState, after: StatementState) -> None:
    """The verdict follows the final state, and tells who was first; no final state, no verdict."""
    match after:
        case StatementState.SUCCEEDED:
            assert cancel_outcome(before, after) is CancelOutcome.ALREADY_SUCCEEDED
        case StatementState.FAILED:
            assert cancel_outcome(before, after) is CancelOutcome.ALREADY_FAILED
        case StatementState.CANCELLED:
            by_us = not before.final
            assert (cancel_outcome(before, after) is CancelOutcome.CANCELLED) == by_us
            assert (cancel_outcome(before, after) is CancelOutcome.ALREADY_CANCELLED) == (not by_us)
        case _:
            with pytest.raises(IllegalTransition):
                cancel_outcome(before, after)
