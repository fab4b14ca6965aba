"""Cancel: the verb the project exists for.

It writes the intent, wakes the owner and returns when the statement has a final state, which is
written only on evidence. So an answer without error means: it has stopped. When that cannot be
proven in time the answer says so, and the intent stays (C18).
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from datetime import timedelta
from functools import partial

import msgspec

from treadle.model.access import Action
from treadle.model.audit import By, Event, Outcome
from treadle.model.entities import CancelIntent, Principal, Session, Statement
from treadle.model.errors import Conflict, NotStopped
from treadle.model.ids import split_part_id
from treadle.model.states import (
    CancelOutcome,
    Reason,
    RecordStatus,
    Rung,
    StatementState,
    cancel_outcome,
    record_status,
)
from treadle.service.attempt import Attempt, in_time, not_recorded
from treadle.service.audit import ORIGIN, asker
from treadle.service.deps import STATEMENT, missing
from treadle.service.results import Results, has_ended, refuse_unknown_part
from treadle.service.views import CancelEntry, CancelFilter, CancelReport
from treadle.store.base import Asked, Wake
from treadle.store.filters import Scope
from treadle.store.rules import cancel_key

_STATES = {RecordStatus.SUBMITTED: StatementState.QUEUED, RecordStatus.RUNNING: StatementState.RUNNING}


class Stopped(msgspec.Struct, frozen=True):
    """A statement of many that has ended: its state before the call, and how long the call took until then."""

    before: StatementState
    statement: Statement
    millis: float


class Cancels(Results):
    """The verbs that stop. Each answers within ``cancel_timeout``, whatever the store does (C18)."""

    async def cancel(
        self,
        p: Principal,
        workspace_id: str,
        session_id: str,
        statement_id: str,
        *,
        before_submit: bool = False,
        words: str | None = None,
    ) -> CancelReport:
        """Return when the statement has stopped; raises `NotFound`, `Forbidden`, `NotStopped`.

        The id of a script's part stands for its script, unless that part has ended: then nothing changes (C8). A cancel
        of an unknown id is kept for a while: a statement submitted under that id starts cancelled (C15). The answer is
        `NotFound` all the same, unless the caller cancels ``before_submit``; then it is `Conflict` when the cancel
        cannot be kept. ``words`` are the caller's reason, here and below, for the record, the message and the audit.
        """
        by = asker(p)
        async with self._in_time() as attempt:
            await self.allow_in_session(p, Action.CANCEL, workspace_id, session_id)
            if self.deps.signals.serves(session_id, workspace_id, p.project_id):
                # It runs here, so its owner is known: one step does for most.
                intent = self._intent(p.user_name, Reason.USER, words)
                running = self.deps.signals.stop(session_id, statement_id, intent)
                if running is not None:
                    self._note_strike(by, workspace_id, statement_id, running, words)
                    return await self._wait_for_end(attempt, running, by)
                here = Scope(ids=(statement_id,), workspace_id=workspace_id, session_id=session_id)
                for one in await self._stop_all(attempt, here, by, words):
                    return _report(one.statement, one.before, one.millis)
            session = await self.own_session(p, workspace_id, session_id)
            found = await self.statement_in(session, statement_id)
            if found is None:
                if await self._remember(session, statement_id, self._intent(p.user_name, Reason.USER, words)):
                    self._note_early(by, session, statement_id, words)
                    if before_submit:
                        return CancelReport(state=RecordStatus.CANCELED, outcome=CancelOutcome.TOMBSTONED)
                    raise missing(STATEMENT)
                # Submitted meanwhile, or nothing that can be.
                found = await self.statement_in(session, statement_id)
            if found is None and before_submit:
                raise Conflict(f"the cancel of {statement_id} cannot be kept for its submit")
            if found is None:
                raise missing(STATEMENT)
            statement, number = found
            if number is not None and number <= len(statement.parts):
                return _report_of_part(statement, number)
            return await self._stop(attempt, statement, self._intent(p.user_name, Reason.USER, words), by)

    async def cancel_session_statements(
        self, p: Principal, workspace_id: str, session_id: str, *, words: str | None = None
    ) -> CancelReport:
        """Return when every statement submitted to the session before this call has stopped."""
        async with self._in_time() as attempt:
            session = await self.permitted_session(p, Action.CANCEL, workspace_id, session_id)
            started = self.deps.clock.monotonic()
            ended = await self._stop_all(attempt, Scope(session_id=session.id), asker(p), words)
        return _common_report(ended, (self.deps.clock.monotonic() - started) * 1000)

    async def cancel_statements(
        self, p: Principal, workspace_id: str, where: CancelFilter, *, dry_run: bool, words: str | None = None
    ) -> Sequence[CancelEntry]:
        """Return when every statement that matches and was submitted before this call has stopped.

        One entry a statement, in the order of the ids or of their submission; `NotStopped` when not all
        could be proven stopped. With ``dry_run`` nothing is done, and the entries tell what would be. Where
        the caller may not cancel there is nothing that matches.
        """
        within = self.allow_within(p, Action.CANCEL, workspace_id)
        scope = Scope(
            ids=where.statement_ids,
            workspace_id=workspace_id,
            session_id=where.session_id,
            endpoint_id=where.endpoint_id,
            tags=where.tags,
            user_name=where.user_name,
            state=_STATES[where.status] if where.status is not None else None,
            submitted_before=where.submitted_before,
            within=within,
        )
        if dry_run:
            await self.own_workspace(p, workspace_id)
            await self.deps.signals.put_on_record()
            asked = await self.deps.store.request_cancels(scope, self._intent(p.user_name, Reason.USER), dry_run=True)
            entries = [_planned(one) for one in asked]
        else:
            async with self._in_time() as attempt:
                await self.own_workspace(p, workspace_id)
                entries = [_entry(one) for one in await self._stop_all(attempt, scope, asker(p), words)]
        if where.statement_ids is None:
            return entries
        known = {entry.statement_id: entry for entry in entries}
        missing = CancelOutcome.NOT_FOUND
        return [known.get(one) or CancelEntry(statement_id=one, outcome=missing) for one in where.statement_ids]

    async def stop_matching(
        self, scope: Scope, actor: str, reason: Reason, *, dry_run: bool, words: str | None = None
    ) -> Sequence[CancelEntry]:
        """Return when every statement of a scope that was submitted before this call has stopped, in any state."""
        if dry_run:
            asked = await self.deps.store.request_cancels(scope, self._intent(actor, reason), dry_run=True)
            return [_planned(one) for one in asked]
        async with self._in_time() as attempt:
            by = By(user_name=actor, address=ORIGIN.get().address)
            return [_entry(one) for one in await self._stop_all(attempt, scope, by, words, reason)]

    async def stop(
        self, statement: Statement, actor: str, reason: Reason, *, part: int | None = None, words: str | None = None
    ) -> CancelReport:
        """Cancel one statement and wait for its end, whatever it is; a ``part`` that has ended stays as it is."""
        refuse_unknown_part(statement, part)
        if part is not None and part <= len(statement.parts):
            return _report_of_part(statement, part)
        async with self._in_time() as attempt:
            by = By(user_name=actor, address=ORIGIN.get().address) if reason is Reason.OPERATOR else None
            return await self._stop(attempt, statement, self._intent(actor, reason, words), by)

    def _in_time(self) -> AbstractAsyncContextManager[Attempt]:
        seconds = self.deps.settings.cancel_timeout
        return in_time(seconds, partial(not_recorded, "the cancel", seconds))

    async def _stop(self, attempt: Attempt, statement: Statement, intent: CancelIntent, by: By | None) -> CancelReport:
        deps = self.deps
        if statement.state.final:
            self._note(by, statement.state, statement)
            return _report(statement, statement.state)
        started = deps.clock.monotonic()
        with deps.signals.watch(statement.id) as told:
            asked = await deps.store.request_cancels(Scope(ids=(statement.id,)), intent, by=by)
            if not asked:
                raise NotStopped("the record of the statement is gone")
            # It may have started or ended since it was looked at: what counts is what this step met.
            before, after = asked[0].before, asked[0].statement
            if not after.state.final:
                attempt.late = lambda: self._not_stopped(1, 1)
                deps.signals.wake(Wake(session_id=after.session_id, statement_id=after.id, intent=after.cancel))
                ended = await self.wait_for(
                    lambda: deps.store.statement(statement.id), has_ended, told, deps.settings.cancel_timeout
                )
                if not isinstance(ended, Statement):
                    raise attempt.late()
                after = ended
            else:
                self._tell_dequeued(before, after, started)
        self._note(by, before, after)
        return _report(after, before, 0.0 if before.final else (deps.clock.monotonic() - started) * 1000)

    async def _wait_for_end(self, attempt: Attempt, running: str, by: By) -> CancelReport:
        """Return when the statement, which its owner was told to stop, has ended."""
        deps, started = self.deps, self.deps.clock.monotonic()
        attempt.late = lambda: self._not_stopped(1, 1)
        with deps.signals.watch(running) as told:
            look = partial(deps.store.statement, running)
            ended = await self.wait_for(look, has_ended, told, deps.settings.cancel_timeout)
        if not isinstance(ended, Statement):
            raise attempt.late()
        self._note(by, StatementState.RUNNING, ended)
        return _report(ended, StatementState.RUNNING, (deps.clock.monotonic() - started) * 1000)

    async def _stop_all(
        self, attempt: Attempt, scope: Scope, by: By, words: str | None = None, reason: Reason = Reason.USER
    ) -> Sequence[Stopped]:
        """Cancel the whole scope in one step and wait for every end; raises `NotStopped` when one cannot be proven."""
        deps = self.deps
        started = deps.clock.monotonic()
        await deps.signals.put_on_record()
        asked = await deps.store.request_cancels(scope, self._intent(by.user_name, reason, words), by=by)
        for one in asked:
            if one.statement.state.final:
                self._tell_dequeued(one.before, one.statement, started)
        answered = deps.clock.monotonic()
        running = [one.statement for one in asked if not one.statement.state.final]
        ends: dict[str, tuple[Statement, float]] = {}
        attempt.late = lambda: self._not_stopped(len(running) - len(ends), len(asked))
        await self._wait_for_ends(running, ends)
        stopped = []
        for one in asked:
            after, at = ends.get(one.statement.id, (one.statement, answered))
            self._note(by, one.before, after)
            stopped.append(Stopped(one.before, after, 0.0 if one.before.final else (at - started) * 1000))
        return stopped

    async def _wait_for_ends(self, running: Sequence[Statement], ends: dict[str, tuple[Statement, float]]) -> None:
        """Note in ``ends`` how and when (monotonic seconds) each has ended; return when all have."""
        deps = self.deps

        def note(told: "asyncio.Future[Statement | Session]") -> None:
            if not told.cancelled() and isinstance(ended := told.result(), Statement):
                ends[ended.id] = ended, deps.clock.monotonic()

        with ExitStack() as stack:
            told = {one.id: stack.enter_context(deps.signals.watch(one.id)) for one in running}
            for future in told.values():
                future.add_done_callback(note)
            for one in running:
                deps.signals.wake(Wake(session_id=one.session_id, statement_id=one.id, intent=one.cancel))
            while left := [one for one in told if one not in ends]:
                for current in await deps.store.statements(left):
                    if current.state.final:
                        ends.setdefault(current.id, (current, deps.clock.monotonic()))
                waited = [told[one] for one in left if one not in ends]
                if waited:
                    await asyncio.wait(waited, timeout=deps.look_seconds)

    async def _remember(self, session: Session, statement_id: str, intent: CancelIntent) -> bool:
        """Keep the cancel for the submit to come; False where none can come or too many are kept."""
        if session.status.final or split_part_id(statement_id) is not None:
            return False
        settings = self.deps.settings
        until = intent.requested_at + timedelta(seconds=settings.tombstone_ttl)
        return await self.deps.store.entomb(session, statement_id, intent, until, settings.session_tombstones)

    def _note(self, by: By | None, before: StatementState, after: Statement) -> None:
        """What came of a request to stop; that it was made is on record already, unless the statement had ended."""
        dequeued = after.ending is not None and after.ending.rung is Rung.DEQUEUED and not before.final
        if by is not None and not dequeued:
            event = Event(
                at=self.deps.clock.now(),
                by=by,
                action=Action.CANCEL,
                outcome=cancel_outcome(before, after.state),
                workspace_id=after.workspace_id,
                resource=f"statement:{after.public_id}",
                key=cancel_key(after.id),
                closes=not before.final,
            )
            self.deps.audit.note(event)

    def _note_strike(self, by: By, workspace_id: str, public_id: str, statement_id: str, words: str | None) -> None:
        """A stop was asked of the owner himself, before anything of it is on record."""
        event = Event(
            at=self.deps.clock.now(),
            by=by,
            action=Action.CANCEL,
            outcome=Outcome.REQUESTED,
            workspace_id=workspace_id,
            resource=f"statement:{public_id}",
            detail=words or "",
            key=cancel_key(statement_id),
        )
        self.deps.audit.note(event)

    def _note_early(self, by: By, session: Session, statement_id: str, words: str | None) -> None:
        event = Event(
            at=self.deps.clock.now(),
            by=by,
            action=Action.CANCEL,
            outcome=CancelOutcome.TOMBSTONED,
            workspace_id=session.workspace_id,
            resource=f"statement:{statement_id}",
            detail=words or "",
            key=f"cancel:{session.id}/{statement_id}",
        )
        self.deps.audit.note(event)

    def _tell_dequeued(self, before: StatementState, after: Statement, started: float) -> None:
        """Tell whoever waits for a statement that this cancel has taken from the queue."""
        if before.final or after.ending is None or after.ending.rung is not Rung.DEQUEUED:
            return
        self.deps.signals.ended(after)
        self.count_dequeued(after, self.deps.clock.monotonic() - started)

    def count_dequeued(self, statement: Statement, seconds: float) -> None:
        """The owner counts what it ran; this one it never saw."""
        reason = statement.ending.reason if statement.ending else None
        self.deps.metrics.statement_ended(statement.state, reason, None)
        self.deps.metrics.cancel_ended(Rung.DEQUEUED, CancelOutcome.CANCELLED, seconds)

    def _intent(self, actor: str, reason: Reason, words: str | None = None) -> CancelIntent:
        return CancelIntent(requested_at=self.deps.clock.now(), reason=reason, actor=actor, detail=words)

    def _not_stopped(self, left: int, total: int) -> NotStopped:
        what = "the stop" if total == 1 else f"the stop of {left} of {total} statements"
        seconds = self.deps.settings.cancel_timeout
        return NotStopped(f"{what} could not be proven within {seconds:g} s; the service goes on until it is")


def _report(after: Statement, before: StatementState, millis: float = 0.0) -> CancelReport:
    ending = after.ending
    return CancelReport(
        state=after.record_status,
        outcome=cancel_outcome(before, after.state),
        rung=ending.rung if ending else None,
        millis=millis,
    )


def _report_of_part(statement: Statement, number: int) -> CancelReport:
    """The verdict for a part that has ended."""
    part = statement.parts[number - 1]
    if not part.failed:
        return CancelReport(state=RecordStatus.SUCCESSFUL, outcome=CancelOutcome.ALREADY_SUCCEEDED)
    return _report(statement, statement.state)


def _common_report(ended: Sequence[Stopped], millis: float) -> CancelReport:
    """The verdict over many: cancelled if any was, else what became of the last; with none nothing was to stop."""
    cancelled = [one for one in ended if one.statement.state is StatementState.CANCELLED]
    told = (cancelled or list(ended))[-1:]
    if not told:
        return CancelReport(state=RecordStatus.CANCELED, outcome=CancelOutcome.ALREADY_CANCELLED, millis=millis)
    return _report(told[0].statement, StatementState.RUNNING, millis)


def _entry(stopped: Stopped) -> CancelEntry:
    report = _report(stopped.statement, stopped.before, stopped.millis)
    return CancelEntry(
        statement_id=stopped.statement.public_id,
        session_id=stopped.statement.session_id,
        outcome=report.outcome,
        state=report.state,
        rung=report.rung,
        millis=report.millis,
    )


def _planned(asked: Asked) -> CancelEntry:
    """What a cancel would do now."""
    statement, before = asked.statement, asked.before
    ended = before.final
    return CancelEntry(
        statement_id=statement.public_id,
        session_id=statement.session_id,
        outcome=cancel_outcome(before, statement.state) if ended else CancelOutcome.WOULD_CANCEL,
        state=statement.record_status if ended else record_status(before, None),
        rung=statement.ending.rung if ended and statement.ending else None,
    )
