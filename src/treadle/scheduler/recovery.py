"""After a crash: tell the truth about every session and statement that a lost owner left (C12).

The workers of a lost gateway died with it; what they had open in the metadata's server is ended
here before any verdict, and a commit whose reply was lost is looked up. Nothing runs again.
"""

import shutil
from pathlib import Path

import structlog

from treadle.model.entities import Session, Statement
from treadle.model.states import Reason, SessionStatus
from treadle.scheduler.aftermath import Aftermath
from treadle.scheduler.context import Context
from treadle.scheduler.endings import Endings, told_of_session
from treadle.scheduler.verdict import Seen, judge
from treadle.staging import STAGING, clear

log = structlog.get_logger("treadle.recovery")


async def recover(context: Context) -> None:
    """End what an earlier owner left; call it before the owner starts, when no old worker lives."""
    # Listed before they end with their statements: what waits in them ends for the same reason.
    lost = [one for one in await context.store.open_sessions() if one.status is SessionStatus.RUNNING]
    for statement in await context.store.running():
        await end_lost_statement(context, statement)
    for session in lost:
        await _cut_off(context, session)
    # Not before the last backend of an old worker is gone: until then a file may still become part of a table.
    await context.keeper.recall()
    await context.keeper.tidy_all()
    for session in lost:
        await _end_lost_session(context, session)
    for session_id in await context.store.queued_sessions():
        await _end_forgotten_queue(context, session_id)
    await context.filing(_sweep_leftovers, context.settings.data_dir, context.settings.copy_dirs)


Closing = tuple[SessionStatus, Reason, str]
"""How a session ends: its status, why, and in words."""


async def end_lost_statement(
    context: Context, statement: Statement, *, unsent: bool = False, closing: Closing | None = None
) -> None:
    """Write the end of a running statement that no worker runs any more.

    ``unsent``: the answer to its claim or its submit was lost, and it never came to its worker, which lives.
    Otherwise its session ends in the same step, as ``closing`` says or as one that was lost.
    """
    session = await context.store.session(None, statement.session_id)
    if session is None:
        raise LookupError(f"statement {statement.id} has no session")
    catalog = await context.catalogs.of_session(session.workspace_id, session.instance_id, session.catalog)
    aftermath = Aftermath(context, session, catalog)
    if not unsent:
        await aftermath.cut_off()
        if catalog is not None:
            await context.keeper.littered(catalog)
    commit, now = statement.commit, context.clock.now()
    verdict = judge(
        Seen(
            now=max(now, statement.started_at or now),
            before=statement.parts,
            died=True,
            unsent=unsent,
            asked=commit is not None,
            durable=await aftermath.durable(statement.id, commit) if commit else None,
            more=commit is not None and not commit.last,
            cancel=statement.cancel,
            lost=Reason.OWNER_LOST,
        )
    )
    await aftermath.clear_files(statement.id, len(statement.parts) + 1)
    log.warning("statement_recovered", statement_id=statement.id, state=verdict.ending.state)
    owner = statement.owner or context.owner_id
    endings = Endings(context, session)
    ends = None if unsent else endings.of_session(*(closing or _lost_end(session)))
    await endings.finish(statement, owner, verdict.ending, statement.parts, verdict.parts, session=ends)


async def _cut_off(context: Context, session: Session) -> None:
    catalog = await context.catalogs.of_session(session.workspace_id, session.instance_id, session.catalog)
    await Aftermath(context, session, catalog).cut_off()
    if catalog is not None:
        await context.keeper.littered(catalog)


async def _end_lost_session(context: Context, session: Session) -> None:
    log.warning("session_recovered", session_id=session.id)
    await Endings(context, session).end_session(*_lost_end(session))


def _lost_end(session: Session) -> Closing:
    if session.close_requested_at is not None:
        return SessionStatus.CLOSED, session.reason or Reason.USER, ""
    return SessionStatus.FAIL, Reason.OWNER_LOST, "the service was restarted"


async def _end_forgotten_queue(context: Context, session_id: str) -> None:
    """End what waits in a session whose end was stored, when its owner was lost right after that."""
    session = await context.store.session(None, session_id)
    if session is not None and session.status.final:
        await Endings(context, session).cancel_queued(told_of_session(session.reason))


def _sweep_leftovers(data_dir: Path, copy_dirs: tuple[Path, ...]) -> None:
    """Remove the temporary folders of dead workers and output that was never published."""
    for left in (data_dir / "tmp").glob("worker-*"):
        shutil.rmtree(left)
    for folder in (*(data_dir / "files").glob("*"), *copy_dirs):
        for staged in (folder / STAGING).glob("*"):
            clear(staged)


async def end_orphans(context: Context, session_id: str, sent: str, closing: Closing, *, but: str = "") -> None:
    """End the statements of a session that were claimed or submitted by a call whose answer was lost.

    ``sent`` is the one that its worker was given last, ``but`` one whose end is written otherwise; ``closing`` is
    how the session ends.
    """
    for statement in await context.store.running():
        ours = statement.session_id == session_id and statement.owner == context.owner_id
        if ours and statement.id != but:
            await end_lost_statement(context, statement, unsent=statement.id != sent, closing=closing)
