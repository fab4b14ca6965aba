"""Commands that look at statements and stop them. A statement goes by the id the API shows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

from treadle.cli.common import Options, Refused, command, run_async, stopping
from treadle.cli.listing import Words, common_cells, duration, endpoint_names, now, show, table, watched
from treadle.cli.moments import Moment
from treadle.cli.resources import require_workspace
from treadle.model.entities import Statement
from treadle.model.errors import NotFound
from treadle.model.ids import split_part_id
from treadle.model.states import Reason, RecordStatus
from treadle.service import Service
from treadle.service.views import CancelEntry
from treadle.store.filters import Page, RecordFilter, Scope

SHOWN_CHARS = 50
"""Characters of SQL in a line."""

SHOWN_WORKSPACES = 10
"""Most workspaces that an error lists when an id is used in several."""

_HEADINGS = ("STATEMENT", "STATUS", "USER", "ENDPOINT", "SUBMITTED", "AGE", "DURATION", "ENDED", "SQL")
_OUTCOMES = ("STATEMENT", "OUTCOME", "STATUS", "RUNG", "MILLIS")


@command("statements")
@click.option("--workspace", "workspace_id", help="Only of this workspace.")
@click.option("--session", "session_id", help="Only of this session.")
@click.option("--statement", "statement_id", help="Only of this id, as the API shows it.")
@click.option(
    "--status", type=click.Choice([s.value for s in RecordStatus], case_sensitive=False), help="Only in this status."
)
@click.option("--user", "user_name", help="Only statements submitted by this user.")
@click.option("--since", type=Moment(), help="Only those submitted since then: a date and time, or 90s, 24h, 7d ago.")
@click.option("--tag", help="Only statements with this tag.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@watched
def statements(
    options: Options,
    workspace_id: str | None,
    session_id: str | None,
    statement_id: str | None,
    status: str | None,
    user_name: str | None,
    since: datetime | None,
    tag: str | None,
    limit: int,
    watch: float | None,
) -> None:
    """List statements, newest first.

    Each line has the id, status, user, endpoint, time of submission and age, the run time, the reason and actor of a
    cancel, and the beginning of the SQL.
    """
    where = RecordFilter(
        session_id=session_id,
        statement_id=statement_id,
        status=RecordStatus(status) if status else None,
        user_name=user_name,
        created_from=since,
        tag=tag,
    )

    async def look(service: Service) -> list[dict[str, Any]]:
        await require_workspace(service, workspace_id)
        if session_id is not None and await service.deps.store.session(workspace_id, session_id) is None:
            raise Refused(f"no such session: {session_id}")
        chars = options.settings.record_chars
        page = Page(limit=limit, counted=False)
        _, found = await service.deps.store.records(workspace_id, where, page, chars)
        endpoints = await endpoint_names(service, found)
        return [_as_json(one, endpoints.get(one.endpoint_id, "")) for one in found]

    show(options, look, lambda found: table(_HEADINGS, map(_row, found)), watch)


def _as_json(statement: Statement, endpoint_name: str) -> dict[str, Any]:
    """A statement as JSON has it: what the API shows first, then all that is kept."""
    kept: dict[str, Any] = msgspec.to_builtins(statement, builtin_types=(datetime,))
    shown = {"statement_id": statement.public_id, "status": statement.record_status, "endpoint_name": endpoint_name}
    return {**shown, **kept}


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    ending = one["ending"]
    return (
        *common_cells(one, "statement_id"),
        duration(one["started_at"], ending["finished_at"] if ending else now()),
        f"{ending['reason']} by {ending['actor'] or 'system'}" if ending and ending["reason"] else "",
        " ".join(one["content"].split())[:SHOWN_CHARS],
    )


@command("cancel")
@click.argument("statement_id", required=False)
@click.option("--workspace", "workspace_id", help="Its workspace: needed where an id is used in several.")
@click.option("--session", "session_id", help="Without an id: the statements of this session.")
@click.option("--user", "user_name", help="Without an id: the statements submitted by this user.")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    help="Without an id: the statements with this tag; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Without an id: only list the statements that would be stopped.")
@click.option("--reason", type=Words(), help="Reason in words, for the record, the message and the audit.")
def cancel(
    options: Options,
    statement_id: str | None,
    workspace_id: str | None,
    session_id: str | None,
    user_name: str | None,
    tags: tuple[str, ...],
    dry_run: bool,
    reason: str | None,
) -> None:
    """Stop statements and wait until they have stopped.

    STATEMENT_ID is the id the API shows, including ids chosen by callers. The id of a script's part stands for the
    script, unless that part has ended: then nothing changes. Without an id, every unfinished statement that matches all
    of the options is stopped; at least one option is required.
    """
    scope = Scope(workspace_id=workspace_id, session_id=session_id, user_name=user_name, tags=tags)
    if statement_id is None and scope == Scope():
        raise click.UsageError("missing STATEMENT_ID, or one of --tag, --user, --session, --workspace")
    if statement_id is None:
        _cancel_many(options, scope, dry_run=dry_run, reason=reason)
    elif session_id or user_name or tags or dry_run:
        raise click.UsageError("--tag, --user, --session and --dry-run cannot be combined with a STATEMENT_ID")
    else:
        _cancel_one(options, workspace_id, statement_id, reason)


def _cancel_many(options: Options, scope: Scope, *, dry_run: bool, reason: str | None) -> None:
    async def work() -> list[CancelEntry]:
        async with stopping(options.settings) as service:
            await require_workspace(service, scope.workspace_id)
            found = await service.stop_matching(scope, "operator", Reason.OPERATOR, dry_run=dry_run, words=reason)
            return list(found)

    options.show(run_async(work()), lambda found: table(_OUTCOMES, map(_outcome, found)))


def _outcome(one: CancelEntry) -> tuple[str, ...]:
    return (one.statement_id, one.outcome, one.state or "", one.rung or "", f"{one.millis:.1f}")


def _cancel_one(options: Options, workspace_id: str | None, statement_id: str, reason: str | None) -> None:
    async def work() -> dict[str, Any]:
        async with stopping(options.settings) as service:
            await require_workspace(service, workspace_id)
            statement, part = await _named(service, workspace_id, statement_id)
            try:
                report = await service.stop(statement, "operator", Reason.OPERATOR, part=part, words=reason)
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
