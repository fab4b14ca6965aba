"""What is said of a statement that has ended: the figures and the log line."""

import structlog

from treadle.model.entities import Statement
from treadle.model.states import StatementState, cancel_outcome
from treadle.scheduler.context import Context
from treadle.scheduler.run import Run

log = structlog.get_logger("treadle.owner")


def report(context: Context, run: Run, final: Statement) -> None:
    """Count and log how a statement ended."""
    ending = final.ending
    if ending is None:
        return
    figures, now = context.figures, context.clock.monotonic()
    figures.statement_ended(final.state, ending.reason, now - run.started)
    if run.asked_at is not None:
        outcome = cancel_outcome(StatementState.RUNNING, final.state)
        figures.cancel_ended(ending.rung, outcome, now - run.asked_at)
    chosen = {"chosen_id": final.chosen_id} if final.chosen_id is not None else {}
    log.info(
        "statement_ended",
        statement_id=run.id,
        session_id=run.statement.session_id,
        state=final.state,
        effects=ending.effects,
        reason=ending.reason,
        detail=ending.detail,
        actor=ending.actor,
        rung=ending.rung,
        seconds=round(now - run.started, 6),
        **chosen,
    )
