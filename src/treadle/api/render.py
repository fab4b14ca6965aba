"""Entities and views to the documented response bodies. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, UnsetType

from treadle.api import replies
from treadle.model.columns import Column
from treadle.model.entities import Endpoint, Principal, Statement, Workspace
from treadle.model.ids import part_id
from treadle.model.states import RecordStatus, StatementState, cancel_message
from treadle.service.views import CancelEntry, PartView, SessionView, StatementView

MAX_PARTS: Final = 20
"""Parts of a script shown on a record; ``part_count`` tells how many there are."""

_CANCELED: Final = "57014"
"""PostgreSQL's query_canceled."""

_NOT_METERED: Final = "0"
"""DPU figures are amounts billed, and nothing is."""


def time(moment: datetime) -> str:
    """ISO-8601, UTC, milliseconds, ending in Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _time(moment: datetime | None) -> str | UnsetType:
    return UNSET if moment is None else time(moment)


def session(view: SessionView) -> replies.SqlSession:
    """A session alone."""
    return replies.SqlSession(session_id=view.session_id, status=view.status, message=view.message or UNSET)


def sessions(total: int, views: Sequence[SessionView]) -> replies.SqlSessions:
    """A page of sessions."""
    return replies.SqlSessions(sessions=tuple(map(session_info, views)), total=total)


def session_info(view: SessionView) -> replies.SqlSessionInfo:
    """A session in a list."""
    return replies.SqlSessionInfo(
        session_id=view.session_id,
        status=view.status,
        create_time=time(view.create_time),
        endpoint_info=replies.EndpointReference(endpoint_id=view.endpoint_id, endpoint_name=view.endpoint_name),
        user_name=view.user_name,
    )


def statement(view: StatementView, *, with_progress: bool = True) -> replies.StatementResponse:
    """A submitted request with what it has to show."""
    return replies.StatementResponse(
        status=cast(Any, view.status),
        session_id=view.session_id,
        statement_id=view.statement_id,
        progress=view.progress if with_progress and view.state is RecordStatus.RUNNING else UNSET,
        results=UNSET if view.results is None else tuple(map(_result, view.results)),
    )


def _result(view: PartView) -> replies.StatementResult:
    columns = tuple(map(_column, view.columns))
    place = view.location
    return replies.StatementResult(
        status=view.status,
        statement_id=view.statement_id,
        num_rows=view.num_rows,
        row_count=view.row_count,
        page_no=view.page_no,
        page_count=view.page_count,
        err_code=view.err_code,
        sql_state=view.sql_state,
        message=view.message,
        position=UNSET if view.position is None else view.position,
        result_set=UNSET if place else replies.StatementResultSet(columns=columns, rows=msgspec.Raw(view.rows)),
        obs_endpoint=place.endpoint if place else UNSET,
        obs_bucket_name=place.bucket if place else UNSET,
        obs_file_path_prefix=place.prefix if place else UNSET,
        schema=columns if place else UNSET,
    )


def _column(column: Column) -> replies.StatementResultColumn:
    return replies.StatementResultColumn(
        name=column.name,
        table_id=column.table_id,
        column_id=column.column_id,
        format=column.format,
        type=column.type,
        size=column.size,
        type_mod=column.type_mod,
    )


def session_records(total: int, found: Sequence[Statement], chars: int) -> replies.SessionStatementRecords:
    """A page of a session's history, with at most ``chars`` characters of each statement."""
    return replies.SessionStatementRecords(records=tuple(session_record(one, chars) for one in found), total=total)


def session_record(one: Statement, chars: int) -> replies.SessionStatementRecord:
    """A statement in the history of its session."""
    return replies.SessionStatementRecord(
        statement_id=one.public_id,
        statement_content=one.content[:chars],
        create_time=time(one.created_at),
        status=one.record_status,
        user_name=one.user_name,
        duration=_milliseconds(one.started_at, one.ending.finished_at if one.ending else None),
        **_ending(one),
    )


def records(total: int, found: Sequence[Statement], chars: int) -> replies.StatementRecords:
    """A page of a workspace's history, with at most ``chars`` characters of each statement."""
    return replies.StatementRecords(total=total, records=tuple(record(one, chars) for one in found))


def record(one: Statement, chars: int) -> replies.StatementRecord:
    """A statement in the history of its workspace."""
    finished = one.ending.finished_at if one.ending else None
    return replies.StatementRecord(
        id=one.public_id,
        workspace_id=one.workspace_id,
        endpoint_id=one.endpoint_id,
        session_id=one.session_id,
        database_name=one.database_name,
        statement_content=one.content[:chars],
        dpu_duration=_NOT_METERED,
        duration=_milliseconds(one.started_at, finished),
        dpu_cost=_NOT_METERED,
        status=one.record_status,
        user_name=one.user_name,
        create_time=time(one.created_at),
        start_time=_time(one.started_at),
        finish_time=_time(finished),
        **_ending(one),
    )


def _milliseconds(start: datetime | None, end: datetime | None) -> str | UnsetType:
    if end is None:
        return UNSET
    return "0" if start is None else str(max(0, round((end - start).total_seconds() * 1000)))


def _ending(one: Statement) -> dict[str, Any]:
    """What the record tells beyond the documented fields: how it ended, and who asked."""
    known: dict[str, Any] = {}
    if one.cancel:
        known = {
            "reason": one.cancel.reason,
            "actor": one.cancel.actor,
            "cancel_requested_at": time(one.cancel.requested_at),
        }
        if one.cancel.detail:
            known["detail"] = one.cancel.detail
    if one.state is StatementState.RUNNING:
        known["progress"] = one.progress
    if end := one.ending:
        told = {
            "effects": end.effects,
            "reason": end.reason,
            "actor": end.actor,
            "rung": end.rung,
            "cancel_millis": end.cancel_millis,
            "detail": end.detail,
        }
        known |= {name: value for name, value in told.items() if value is not None}
    known |= _failure(one)
    if one.name is not None:
        known["statement_name"] = one.name
    if one.tags:
        known["tags"] = one.tags
    if len(one.parts) > 1:
        known |= {"part_count": len(one.parts), "parts": _parts(one)}
    return known


def _failure(one: Statement) -> dict[str, str | int]:
    """The error of the part that failed; of a cancelled statement without such a part, the cancel's own."""
    if failed := next((part for part in one.parts if part.failed), None):
        place = {} if failed.position is None else {"position": failed.position}
        return {"sql_state": failed.sql_state, "message": failed.message, **place}
    end = one.ending
    if end is None or end.state is not StatementState.CANCELLED or end.reason is None:
        return {}
    return {"sql_state": _CANCELED, "message": cancel_message(end.reason, end.detail, end.actor)}


def _parts(one: Statement) -> tuple[replies.PartRecord, ...]:
    return tuple(
        replies.PartRecord(
            statement_id=part_id(one.public_id, part.number),
            status=part.status,
            rows=part.rows,
            sql_state=part.sql_state,
            effects=part.effects,
        )
        for part in one.parts[:MAX_PARTS]
    )


def cancelled(entries: Sequence[CancelEntry], *, dry_run: bool) -> replies.CancelledStatements:
    """The outcomes of a bulk cancel."""
    outcomes = tuple(
        replies.CancelledStatement(
            statement_id=one.statement_id,
            session_id=one.session_id or UNSET,
            state=one.state or UNSET,
            outcome=one.outcome,
            rung=one.rung or UNSET,
            millis=round(one.millis, 1),
        )
        for one in entries
    )
    return replies.CancelledStatements(total=len(outcomes), dry_run=dry_run, outcomes=outcomes)


def workspace(one: Workspace, caller: Principal, base: str) -> replies.WorkspaceInfo:
    """A workspace, as reached under the address ``base``."""
    return replies.WorkspaceInfo(
        id=one.id,
        name=one.name,
        description=one.description,
        create_time=time(one.created_at),
        create_domain_name=caller.domain_name,
        create_user_name=one.create_user_name,
        metastore_id=one.metastore_id,
        access_url=f"{base}/v1/workspaces/{one.id}" if base else "",
        enterprise_project_id=one.enterprise_project_id,
        tags=tuple(replies.TagInfo(key=tag.key, value=tag.value) for tag in one.tags),
    )


def workspaces(total: int, found: Sequence[Workspace], caller: Principal, base: str) -> replies.Workspaces:
    """A page of workspaces."""
    return replies.Workspaces(total=total, workspaces=tuple(workspace(one, caller, base) for one in found))


def endpoint(one: Endpoint, caller: Principal, base: str) -> replies.EndpointInfo:
    """An endpoint alone, as reached under the address ``base``."""
    urls = (replies.EndpointUrl(address=base),) if base else ()
    return msgspec.structs.replace(_endpoint_brief(one, caller), config=one.config, urls=urls)


def endpoints(total: int, found: Sequence[Endpoint], caller: Principal) -> replies.Endpoints:
    """A page of endpoints."""
    return replies.Endpoints(total=total, endpoints=tuple(_endpoint_brief(one, caller) for one in found))


def _endpoint_brief(one: Endpoint, caller: Principal) -> replies.EndpointInfo:
    return replies.EndpointInfo(
        id=one.id,
        name=one.name,
        type=one.type,
        status=one.status,
        description=one.description,
        create_time=time(one.created_at),
        update_time=time(one.updated_at),
        owner=replies.EndpointOwner(
            domain_name=caller.domain_name,
            domain_id=caller.domain_id,
            user_name=one.owner_user_name,
            user_id=one.owner_user_id,
        ),
        reserved_resource=one.reserved_resource,
        engine=one.engine,
        max_sessions=one.max_sessions,
        max_statements=one.max_statements,
    )
