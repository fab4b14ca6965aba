"""The verdict: from what was seen to what the record says. Pure, and the only place that decides it.

What was seen is the worker's own last word, or its death; what the catalog says about a commit
whose reply was lost; and whether a stop was intended. ``CANCELED`` only ever follows evidence that
the statement has stopped and left nothing, or only the finished parts of a script (C2, C7).
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from treadle.model.entities import CancelIntent, Ending, Part
from treadle.model.states import Effects, PartStatus, Reason, Rung, StatementState, cancel_message


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a verdict rests on.

    ``before`` are the parts that ended earlier; ``last`` is the part that ended the request, None
    when the worker stopped or died within a part. ``asked`` says that a commit's reply was lost and
    its evidence was looked up; ``durable`` is the answer, None when nobody could tell, and
    ``more`` that parts were to follow that commit. ``unsent`` says that it never came to a worker.
    ``lost`` is the reason when a death explains it.
    """

    now: datetime
    before: tuple[Part, ...]
    last: Part | None = None
    died: bool = False
    unsent: bool = False
    asked: bool = False
    durable: bool | None = None
    more: bool = False
    cancel: CancelIntent | None = None
    cancel_millis: float | None = None
    lost: Reason = Reason.WORKER_CRASHED


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The ending, and the parts to append to those already recorded."""

    ending: Ending
    parts: tuple[Part, ...]


def judge(seen: Seen) -> Verdict:
    """Decide how a request ended."""
    if seen.last is not None and not seen.last.failed:
        return _succeeded(seen, seen.last)
    if seen.asked and seen.durable is None:
        return _failed(seen, (), Effects.UNKNOWN)
    found = (_found(seen),) if seen.asked and seen.durable else ()
    if found and not seen.more:
        return _succeeded(seen, found[0])
    if seen.cancel is not None and (seen.last is None or found):
        return _cancelled(seen, found, seen.cancel)
    return _failed(seen, found, _kept((*seen.before, *found)))


def _death(seen: Seen) -> Rung:
    return Rung.DEQUEUED if seen.unsent else Rung.KILLED


def _found(seen: Seen) -> Part:
    # The commit is there though its reply was lost.
    return Part(number=len(seen.before) + 1, status=PartStatus.COMMAND_OK, effects=Effects.COMMITTED)


def _kept(parts: Iterable[Part]) -> Effects:
    return Effects.PARTIAL if any(part.effects is not Effects.NONE for part in parts) else Effects.NONE


def _ending(seen: Seen, state: StatementState, effects: Effects, rung: Rung, reason: Reason | None = None) -> Ending:
    cancel = seen.cancel
    return Ending(
        state=state,
        finished_at=seen.now,
        effects=effects,
        reason=cancel.reason if cancel else reason,
        actor=cancel.actor if cancel else None,
        rung=rung if cancel else None,
        cancel_millis=seen.cancel_millis,
        detail=cancel.detail if cancel else None,
    )


def _succeeded(seen: Seen, last: Part) -> Verdict:
    committed = any(part.effects is Effects.COMMITTED for part in (*seen.before, last))
    effects = Effects.COMMITTED if committed else Effects.NONE
    return Verdict(ending=_ending(seen, StatementState.SUCCEEDED, effects, Rung.TOO_LATE), parts=(last,))


def _cancelled(seen: Seen, found: tuple[Part, ...], cancel: CancelIntent) -> Verdict:
    rung = _death(seen) if seen.died else Rung.INTERRUPTED
    ending = _ending(seen, StatementState.CANCELLED, _kept((*seen.before, *found)), rung)
    number = len(seen.before) + len(found) + 1
    return Verdict(ending=ending, parts=(*found, cancelled_part(number, cancel)))


def cancelled_part(number: int, cancel: CancelIntent) -> Part:
    """The SQL-visible form of a cancelled statement (design §3)."""
    message = cancel_message(cancel.reason, cancel.detail, cancel.actor)
    return Part(number=number, status=PartStatus.FATAL_ERROR, sql_state="57014", message=message)


def _failed(seen: Seen, found: tuple[Part, ...], effects: Effects) -> Verdict:
    part = seen.last or _lost(len(seen.before) + len(found) + 1)
    message = part.message
    if effects is Effects.UNKNOWN:
        message = f"{message}; whether its commit is durable cannot be told"
    part = msgspec.structs.replace(
        part,
        number=len(seen.before) + len(found) + 1,
        message=message,
        effects=effects if effects is Effects.UNKNOWN else Effects.NONE,
    )
    ending = _ending(
        seen,
        StatementState.FAILED,
        effects,
        _death(seen) if seen.died else Rung.TOO_LATE,
        seen.lost if seen.died else None,
    )
    return Verdict(ending=ending, parts=(*found, part))


def _lost(number: int) -> Part:
    return Part(
        number=number,
        status=PartStatus.FATAL_ERROR,
        sql_state="57P02",
        message="the statement was lost: the worker of its session is gone",
    )
