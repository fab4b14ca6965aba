"""The verdict: what was seen decides, and nothing else (C1, C2, C7, C14)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from treadle.model.entities import CancelIntent, Part
from treadle.model.states import (
    CANCEL_MESSAGES,
    Effects,
    PartStatus,
    Reason,
    RecordStatus,
    Rung,
    StatementState,
    record_status,
)
from treadle.scheduler.verdict import Seen, cancelled_part, judge

calm = examples(400)
NOW = datetime(2026, 7, 13, 8, tzinfo=UTC)
ASKED_AT = datetime(2026, 7, 13, 7, 59, tzinfo=UTC)
USER = CancelIntent(requested_at=ASKED_AT, reason=Reason.USER, actor="alice")
S, F, C = StatementState.SUCCEEDED, StatementState.FAILED, StatementState.CANCELLED
NONE, COMMITTED, PARTIAL, UNKNOWN = Effects


def done(number: int, effects: Effects = NONE) -> Part:
    """A part that ended well."""
    return Part(number=number, status=PartStatus.COMMAND_OK, effects=effects)


def rows(number: int) -> Part:
    """A part that ended well with a result."""
    return Part(number=number, status=PartStatus.TUPLES_OK, rows=7)


def refused(number: int, effects: Effects = NONE) -> Part:
    """A part to which the engine said no."""
    return Part(
        number=number,
        status=PartStatus.FATAL_ERROR,
        sql_state="22012",
        message="division by zero",
        effects=effects,
    )


def seen(
    *before: Part,
    last: Part | None = None,
    died: bool = False,
    asked: bool = False,
    durable: bool | None = None,
    more: bool = False,
    cancel: CancelIntent | None = None,
) -> Seen:
    """What was seen, after these parts."""
    return Seen(
        now=NOW,
        before=before,
        last=last,
        died=died,
        asked=asked,
        durable=durable,
        more=more,
        cancel=cancel,
        cancel_millis=12.5 if cancel else None,
    )


W, K = Reason.WORKER_CRASHED, Reason.USER
CASES: dict[str, tuple[Seen, StatementState, Effects, Reason | None, Rung | None]] = {
    "a query ends well": (seen(last=rows(1)), S, NONE, None, None),
    "a write ends well": (seen(last=done(1, COMMITTED)), S, COMMITTED, None, None),
    "a script whose first part wrote ends well": (seen(done(1, COMMITTED), last=rows(2)), S, COMMITTED, None, None),
    "the engine says no": (seen(last=refused(1)), F, NONE, None, None),
    "the engine says no after a write": (seen(done(1, COMMITTED), last=refused(2)), F, PARTIAL, None, None),
    "the engine says no after a query": (seen(rows(1), last=refused(2)), F, NONE, None, None),
    # C2: only the worker's own word or its death
    "interrupted": (seen(cancel=USER), C, NONE, K, Rung.INTERRUPTED),
    "killed": (seen(died=True, cancel=USER), C, NONE, K, Rung.KILLED),
    "interrupted after a write": (seen(done(1, COMMITTED), cancel=USER), C, PARTIAL, K, Rung.INTERRUPTED),
    "killed after a write": (seen(done(1, COMMITTED), died=True, cancel=USER), C, PARTIAL, K, Rung.KILLED),
    "killed after a query": (seen(rows(1), died=True, cancel=USER), C, NONE, K, Rung.KILLED),
    # C1: who comes too late changes nothing
    "too late for a query": (seen(last=rows(1), cancel=USER), S, NONE, K, Rung.TOO_LATE),
    "too late for a write": (seen(last=done(1, COMMITTED), cancel=USER), S, COMMITTED, K, Rung.TOO_LATE),
    "too late for an error": (seen(last=refused(1), cancel=USER), F, NONE, K, Rung.TOO_LATE),
    # no intent: the service lost it
    "died": (seen(died=True), F, NONE, W, None),
    "died after a write": (seen(done(1, COMMITTED), died=True), F, PARTIAL, W, None),
    # C7: the commit's reply is lost, so look
    "died, committed": (seen(died=True, asked=True, durable=True), S, COMMITTED, None, None),
    "died, not committed": (seen(died=True, asked=True, durable=False), F, NONE, W, None),
    "died, untellable": (seen(died=True, asked=True), F, UNKNOWN, W, None),
    "died, committed, more to come": (seen(died=True, asked=True, durable=True, more=True), F, PARTIAL, W, None),
    "killed, committed": (seen(died=True, asked=True, durable=True, cancel=USER), S, COMMITTED, K, Rung.TOO_LATE),
    "killed, not committed": (seen(died=True, asked=True, durable=False, cancel=USER), C, NONE, K, Rung.KILLED),
    "killed, untellable": (seen(died=True, asked=True, cancel=USER), F, UNKNOWN, K, Rung.KILLED),
    "killed, committed, more to come": (
        seen(died=True, asked=True, durable=True, more=True, cancel=USER),
        C,
        PARTIAL,
        K,
        Rung.KILLED,
    ),
    "commit refused, committed": (seen(last=refused(1, UNKNOWN), asked=True, durable=True), S, COMMITTED, None, None),
    "commit refused, not committed": (seen(last=refused(1, UNKNOWN), asked=True, durable=False), F, NONE, None, None),
    "commit refused, untellable": (seen(last=refused(1, UNKNOWN), asked=True), F, UNKNOWN, None, None),
    "commit refused, committed, more to come": (
        seen(last=refused(1, UNKNOWN), asked=True, durable=True, more=True),
        F,
        PARTIAL,
        None,
        None,
    ),
    "commit refused after a write, not committed": (
        seen(done(1, COMMITTED), last=refused(2, UNKNOWN), asked=True, durable=False),
        F,
        PARTIAL,
        None,
        None,
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_cases(case: str) -> None:
    """Each case of the contract has its state, its effects, its reason and its rung."""
    given_seen, state, effects, reason, rung = CASES[case]
    ending = judge(given_seen).ending
    assert (ending.state, ending.effects, ending.reason, ending.rung) == (state, effects, reason, rung)
    assert ending.finished_at == NOW
    assert ending.actor == ("alice" if given_seen.cancel else None)
    assert ending.cancel_millis == given_seen.cancel_millis


@pytest.mark.parametrize("lost", [Reason.WORKER_CRASHED, Reason.OWNER_LOST])
def test_the_service_lost_it(lost: Reason) -> None:
    """A death without an intent is a failure of the service under the name of what was lost."""
    verdict = judge(Seen(now=NOW, before=(rows(1),), died=True, lost=lost))
    assert verdict.ending.reason is lost
    assert record_status(verdict.ending.state, verdict.ending.reason) is RecordStatus.ERROR
    (part,) = verdict.parts
    assert (part.number, part.sql_state, part.status) == (2, "57P02", PartStatus.FATAL_ERROR)
    assert part.message


def test_an_unknown_commit_is_said() -> None:
    """When nobody can tell, the part says so and keeps what the engine said."""
    (part,) = judge(seen(last=refused(1, UNKNOWN), asked=True)).parts
    assert part.effects is UNKNOWN
    assert part.message.startswith("division by zero; ")
    assert part.sql_state == "22012"


@pytest.mark.parametrize("reason", list(Reason))
def test_the_form_of_a_cancelled_part(reason: Reason) -> None:
    """A cancelled statement is 57014 with PostgreSQL's text for its reason."""
    intent = CancelIntent(requested_at=ASKED_AT, reason=reason, actor="ann")
    verdict = judge(seen(rows(1), cancel=intent))
    assert verdict.parts == (cancelled_part(2, intent),)
    (part,) = verdict.parts
    assert part.sql_state == "57014"
    assert part.message.removesuffix(": canceled by ann").removesuffix(": closed by ann") == CANCEL_MESSAGES[reason]
    assert verdict.ending.reason is reason


def test_a_found_commit_is_a_part_that_ended_well() -> None:
    """The commit that was found stands on the record as a part, the stop behind it."""
    killed = judge(seen(rows(1), died=True, asked=True, durable=True, more=True, cancel=USER))
    assert killed.parts == (done(2, COMMITTED), cancelled_part(3, USER))
    assert judge(seen(rows(1), died=True, asked=True, durable=True)).parts == (done(2, COMMITTED),)


def test_an_error_behind_a_found_commit_has_the_next_number() -> None:
    """A script that ends in the error of a commit which is there after all has no two parts of one number."""
    verdict = judge(seen(rows(1), last=refused(2, UNKNOWN), asked=True, durable=True, more=True))
    assert [part.number for part in verdict.parts] == [2, 3]
    assert [part.failed for part in verdict.parts] == [False, True]


# -- every situation ---------------------------------------------------------------------------

intents = st.builds(
    CancelIntent, requested_at=st.just(ASKED_AT), reason=st.sampled_from(Reason), actor=st.sampled_from(["a", "b"])
)


@st.composite
def situations(draw: st.DrawFn) -> Seen:
    """Everything an owner or a recovery can have seen."""
    kinds = draw(st.lists(st.sampled_from([NONE, COMMITTED]), max_size=3))
    before = tuple(done(n, effects) for n, effects in enumerate(kinds, start=1))
    number = len(before) + 1
    lasts = [rows(number), done(number, COMMITTED), refused(number), refused(number, UNKNOWN)]
    died = draw(st.booleans())
    last = None if died else draw(st.sampled_from([None, *lasts]))
    cancel = draw(st.none() | intents)
    if last is None and not died and cancel is None:
        cancel = draw(intents)  # a worker says "cancelled" only of what it was told to cancel
    asked = draw(st.booleans()) if died else last is not None and last.effects is UNKNOWN
    return Seen(
        now=NOW,
        before=before,
        last=last,
        died=died,
        asked=asked,
        durable=draw(st.sampled_from([True, False, None])) if asked else None,
        more=draw(st.booleans()),
        cancel=cancel,
        cancel_millis=draw(st.none() | st.just(3.0)) if cancel else None,
        lost=draw(st.sampled_from([Reason.WORKER_CRASHED, Reason.OWNER_LOST])),
    )


@calm
@given(situations())
def test_cancelled_only_with_an_intent_and_evidence(s: Seen) -> None:
    """Cancelled follows an intent, and the worker's own word, its death or a looked-up commit."""
    ending = judge(s).ending
    if ending.state is not C:
        return
    assert s.cancel is not None
    assert s.last is None or (s.asked and s.durable is True and s.more)
    assert (ending.reason, ending.actor) == (s.cancel.reason, s.cancel.actor)
    assert ending.rung is (Rung.KILLED if s.died else Rung.INTERRUPTED)


@calm
@given(situations())
def test_cancelled_never_with_effects_committed(s: Seen) -> None:
    """Committed belongs to success alone; cancelled is none, or partial when finished parts wrote."""
    verdict = judge(s)
    ending = verdict.ending
    if ending.effects is COMMITTED:
        assert ending.state is S
    if ending.state is C:
        wrote = any(part.effects is COMMITTED for part in (*s.before, *verdict.parts))
        assert ending.effects is (PARTIAL if wrote else NONE)


@calm
@given(situations())
def test_what_is_durable_is_told(s: Seen) -> None:
    """No ending says `none` when a part wrote, and a durable last commit is a success."""
    verdict = judge(s)
    wrote = any(part.effects is COMMITTED for part in (*s.before, *verdict.parts)) or bool(s.durable)
    assert not (wrote and verdict.ending.effects is NONE)
    assert wrote or verdict.ending.effects in {NONE, UNKNOWN}
    if s.durable and not s.more:
        assert verdict.ending.state is S


@calm
@given(situations())
def test_untellable_is_a_failure_and_nothing_else_is_unknown(s: Seen) -> None:
    """Asked and no answer: failed, effects unknown, whatever was intended; and only then unknown."""
    verdict = judge(s)
    untellable = s.asked and s.durable is None
    assert (verdict.ending.effects is UNKNOWN) == untellable
    assert any(part.effects is UNKNOWN for part in verdict.parts) == untellable
    if untellable:
        assert verdict.ending.state is F


@calm
@given(situations())
def test_the_worker_is_believed(s: Seen) -> None:
    """A part that ended well is a success, one that was refused is not cancelled for an intent alone."""
    state = judge(s).ending.state
    if s.last is not None and not s.last.failed:
        assert state is S
    if s.last is not None and s.last.failed and not s.asked:
        assert state is F


@calm
@given(situations())
def test_numbers_go_on(s: Seen) -> None:
    """The parts appended continue the numbers without a gap, at least one, the failed one last."""
    verdict = judge(s)
    first = len(s.before) + 1
    assert [part.number for part in verdict.parts] == list(range(first, first + len(verdict.parts)))
    assert len(verdict.parts) in {1, 2}
    assert [part.failed for part in verdict.parts[:-1]] == [False] * (len(verdict.parts) - 1)
    assert verdict.parts[-1].failed == (verdict.ending.state is not S)


@calm
@given(situations())
def test_who_and_why(s: Seen) -> None:
    """An intent puts its reason, its actor and a rung on every ending; without one only a death has a reason."""
    ending = judge(s).ending
    assert ending.state.final
    if s.cancel is not None:
        assert (ending.reason, ending.actor) == (s.cancel.reason, s.cancel.actor)
        assert ending.rung is not None
        if ending.state is not F:
            assert (ending.rung is Rung.TOO_LATE) == (ending.state is S)
    else:
        assert (ending.actor, ending.rung) == (None, None)
        assert ending.reason is (s.lost if s.died and ending.state is F else None)


def _every_seen() -> Iterator[Seen]:
    """All combinations, also those nobody has met yet."""
    lasts = [None, rows(2), done(2, COMMITTED), refused(2), refused(2, UNKNOWN)]
    befores = [(), (done(1, COMMITTED),), (rows(1),)]
    flags = [False, True]
    for before, last, died, asked, durable, more, cancel in product(
        befores, lasts, flags, flags, [None, True, False], flags, [None, USER]
    ):
        yield Seen(now=NOW, before=before, last=last, died=died, asked=asked, durable=durable, more=more, cancel=cancel)


def test_no_combination_at_all_breaks_the_promise() -> None:
    """Whatever is seen, possible or not: never cancelled without an intent, never with effects committed."""
    for s in _every_seen():
        ending = judge(s).ending
        assert ending.state.final
        if ending.state is C:
            assert s.cancel is not None
            assert ending.effects in {NONE, PARTIAL}
            assert not (s.asked and s.durable is None)
