"""Commands that look at statements and stop them. A statement goes by the id the API shows."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from treadle.app import operator
from treadle.cli.common import Options, Refused, command, lines, run_async, stopping
from treadle.cli.resources import require_workspace
from treadle.model.entities import Statement
from treadle.model.errors import NotFound
from treadle.model.ids import split_part_id
from treadle.model.states import Reason, RecordStatus
from treadle.service import Service
from treadle.store.base import Page, RecordFilter

SHOWN_CHARS = 60
"""Characters of SQL in a line."""

SHOWN_WORKSPACES = 10
"""Workspaces that are told when an id is used in several."""


@command("statements")
@click.option("--workspace", "workspace_id", help="Only of this workspace.")
@click.option("--session", "session_id", help="Only of this session.")
@click.option("--statement", "statement_id", help="Only of this id, as the API shows it.")
@click.option("--status", type=click.Choice([s.value for s in RecordStatus]), help="Only in this status.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
def statements(
    options: Options,
    workspace_id: str | None,
    session_id: str | None,
    statement_id: str | None,
    status: str | None,
    limit: int,
) -> None:
    """List statements, newest first.

    A line has its id, status, user, time of submission, who ended it and why, and the beginning of its SQL.
    """
    where = RecordFilter(
        session_id=session_id, statement_id=statement_id, status=RecordStatus(status) if status else None
    )

    async def work() -> list[Statement]:
        async with operator(options.settings) as service:
            await require_workspace(service, workspace_id)
            if session_id is not None and await service.deps.store.session(workspace_id, session_id) is None:
                raise Refused(f"no such session: {session_id}")
            chars = options.settings.record_chars
            _, found = await service.deps.store.records(workspace_id, where, Page(limit=limit, counted=False), chars)
            return list(found)

    found = run_async(work())
    options.show([_told(one) for one in found], lambda _: lines(map(_row, found)))


def _told(statement: Statement) -> dict[str, Any]:
    """A statement as JSON has it: what the API shows first, then all that is kept."""
    told: dict[str, Any] = msgspec.to_builtins(statement)
    return {"statement_id": statement.public_id, "status": statement.record_status, **told}


def _row(statement: Statement) -> tuple[str, ...]:
    ending = statement.ending
    return (
        statement.public_id,
        statement.record_status,
        statement.user_name,
        f"{statement.created_at:%Y-%m-%dT%H:%M:%SZ}",
        f"{ending.reason} by {ending.actor or 'system'}" if ending and ending.reason else "",
        " ".join(statement.content.split())[:SHOWN_CHARS],
    )


@command("cancel")
@click.argument("statement_id")
@click.option("--workspace", "workspace_id", help="Its workspace: needed where an id is used in several.")
def cancel(options: Options, statement_id: str, workspace_id: str | None) -> None:
    """Stop a statement and wait until it has stopped.

    STATEMENT_ID is the id the API shows, one that its caller chose included. The id of a script's part stands for
    the script, unless that part has ended: then nothing changes.
    """

    async def work() -> dict[str, Any]:
        async with stopping(options.settings) as service:
            await require_workspace(service, workspace_id)
            statement, part = await _named(service, workspace_id, statement_id)
            try:
                report = await service.stop(statement, "operator", Reason.OPERATOR, part=part)
            except NotFound:
                raise Refused(f"statement {statement.public_id} has no part {part}") from None
            return {"statement_id": statement.public_id, **msgspec.to_builtins(report)}

    options.show(run_async(work()), _verdict)


def _verdict(report: dict[str, Any]) -> str:
    rung = f", {report['rung']}" if report["rung"] else ""
    return f"{report['outcome']} ({report['state']}{rung}) after {report['millis']:.1f} ms"


async def _named(service: Service, workspace_id: str | None, statement_id: str) -> tuple[Statement, int | None]:
    """The statement of that name, and the number of the part it names; raises `Refused`."""
    found, part = await _shown(service, workspace_id, statement_id), None
    if not found and (named := split_part_id(statement_id)) is not None:
        found, part = await _shown(service, workspace_id, named[0]), named[1]
    if len(found) > 1:
        places = ", ".join(one.workspace_id for one in found[:SHOWN_WORKSPACES])
        raise Refused(f"{statement_id} is the id of statements in several workspaces: say --workspace, one of {places}")
    statement = await service.deps.store.statement(found[0].id if found else statement_id)
    if statement is None or workspace_id not in (None, statement.workspace_id):
        raise Refused(f"no such statement: {statement_id}")
    return statement, part


async def _shown(service: Service, workspace_id: str | None, statement_id: str) -> Sequence[Statement]:
    where, page = RecordFilter(statement_id=statement_id), Page(limit=SHOWN_WORKSPACES + 1, counted=False)
    _, found = await service.deps.store.records(workspace_id, where, page, 0)
    return found


COMMANDS = (statements, cancel)
