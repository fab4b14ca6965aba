"""Cancel: the verb the project exists for.

It writes the intent, wakes the owner and returns when the statement has a final state, which is
written only on evidence. So an answer without error means: it has stopped. When that cannot be
proven in time the answer says so, and the intent stays (C18).
"""

import asyncio
from collections.abc import Sequence

from treadle.model.entities import CancelIntent, Principal, Statement
from treadle.model.errors import NotStopped
from treadle.model.states import CancelOutcome, Reason, RecordStatus, Rung, StatementState, cancel_outcome
from treadle.service.results import Results, has_ended
from treadle.service.views import CancelReport
from treadle.store.base import Wake


class Cancels(Results):
    """The verbs that stop."""

    async def cancel(
        self, p: Principal, workspace_id: str, session_id: str, statement_id: str, reason: Reason = Reason.USER
    ) -> CancelReport:
        """Return when the statement has stopped; raises `NotFound`, `Forbidden`, `NotStopped`.

        The id of a script's part stands for its script, unless that part has ended: then nothing
        changes (C8).
        """
        self.may_write(p)
        statement, number = await self.own_statement(p, workspace_id, session_id, statement_id)
        if number is not None and number <= len(statement.parts):
            return _report_of_part(statement, number)
        return await self.stop(statement, p.user_name, reason)

    async def cancel_session_statements(self, p: Principal, workspace_id: str, session_id: str) -> CancelReport:
        """Return when every statement submitted to the session before this call has stopped."""
        self.may_write(p)
        session = await self.own_session(p, workspace_id, session_id)
        intent = self._intent(p.user_name, Reason.USER)
        started = self.deps.clock.monotonic()
        ids = await self.deps.store.request_cancel_session(session.id, intent)
        ended = await asyncio.gather(*(self._stopped(session.id, statement_id, intent) for statement_id in ids))
        millis = (self.deps.clock.monotonic() - started) * 1000
        return _common_report([statement for statement in ended if statement is not None], millis)

    async def stop(self, statement: Statement, actor: str, reason: Reason) -> CancelReport:
        """Cancel one statement and wait for its end, whatever it is."""
        deps = self.deps
        if statement.state.final:
            return _report(statement, statement.state)
        started = deps.clock.monotonic()
        intent = self._intent(actor, reason)
        with deps.signals.watch(statement.id) as told:
            after = await deps.store.request_cancel(statement.id, intent)
            if after is None:
                raise NotStopped("the record of the statement is gone")
            if not after.state.final:
                deps.signals.wake(Wake(session_id=after.session_id, statement_id=after.id, intent=after.cancel))
                ended = await self.wait_for(
                    lambda: deps.store.statement(statement.id), has_ended, told, deps.settings.cancel_timeout
                )
                if not isinstance(ended, Statement):
                    raise NotStopped(
                        f"the stop could not be proven within {deps.settings.cancel_timeout:g} s; "
                        "the service goes on until it is"
                    )
                after = ended
            elif after.ending is not None and after.ending.rung is Rung.DEQUEUED:
                deps.signals.ended(after)
                self._count_dequeued(after, deps.clock.monotonic() - started)
        return _report(after, statement.state, (deps.clock.monotonic() - started) * 1000)

    def _count_dequeued(self, statement: Statement, seconds: float) -> None:
        """The owner counts what it ran; this one it never saw."""
        reason = statement.ending.reason if statement.ending else None
        self.deps.metrics.statement_ended(statement.state, reason, None)
        self.deps.metrics.cancel_ended(Rung.DEQUEUED, CancelOutcome.CANCELLED, seconds)

    async def _stopped(self, session_id: str, statement_id: str, intent: CancelIntent) -> Statement | None:
        """The statement once it has ended; None when its record is gone. Raises `NotStopped`."""
        deps = self.deps
        with deps.signals.watch(statement_id) as told:
            deps.signals.wake(Wake(session_id=session_id, statement_id=statement_id, intent=intent))
            current = await deps.store.statement(statement_id)
            if current is None:
                return None
            if current.state.final:
                deps.signals.ended(current)
                return current
            ended = await self.wait_for(
                lambda: deps.store.statement(statement_id), has_ended, told, deps.settings.cancel_timeout
            )
        if not isinstance(ended, Statement):
            raise NotStopped(f"the stop of statement {statement_id} could not be proven in time")
        return ended

    def _intent(self, actor: str, reason: Reason) -> CancelIntent:
        return CancelIntent(requested_at=self.deps.clock.now(), reason=reason, actor=actor)


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


def _common_report(ended: Sequence[Statement], millis: float) -> CancelReport:
    """The verdict over many: cancelled if any was, else what became of the last; with none nothing was to stop."""
    cancelled = [statement for statement in ended if statement.state is StatementState.CANCELLED]
    told = (cancelled or list(ended))[-1:]
    if not told:
        return CancelReport(state=RecordStatus.CANCELED, outcome=CancelOutcome.ALREADY_CANCELLED, millis=millis)
    return _report(told[0], StatementState.RUNNING, millis)
