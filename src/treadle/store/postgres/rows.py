"""Rows to values and back."""

from typing import TYPE_CHECKING

import msgspec

from treadle.model.entities import (
    CancelIntent,
    Catalog,
    CommitPoint,
    Ending,
    Endpoint,
    EndpointStatus,
    Label,
    Part,
    Retry,
    Session,
    Statement,
    Workspace,
)
from treadle.model.states import Effects, Reason, Rung, SessionStatus, StatementState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Record

_encoder = msgspec.json.Encoder()
_parts = msgspec.json.Decoder(Part)
_bindings = msgspec.json.Decoder(tuple[tuple[str | None, ...], ...])
_commit = msgspec.json.Decoder(CommitPoint)
_labels = msgspec.json.Decoder(tuple[Label, ...])
_document = msgspec.json.Decoder(dict[str, object])

encode = _encoder.encode


def encode_parts(parts: "Sequence[Part]") -> bytes:
    """One JSON document a line, so that a part is appended without reading the others."""
    return _encoder.encode_lines(parts)


def to_workspace(row: "Record") -> Workspace:
    """A row of ``workspaces``."""
    values = dict(row)
    values["tags"] = _labels.decode(values["tags"])
    return Workspace(**values)


def to_endpoint(row: "Record") -> Endpoint:
    """A row of ``endpoints``."""
    values = dict(row)
    values["status"] = EndpointStatus(values["status"])
    values["config"] = _document.decode(values["config"])
    values["reserved_resource"] = _document.decode(values["reserved_resource"])
    return Endpoint(**values)


def to_catalog(row: "Record") -> Catalog:
    """A row of ``catalogs``."""
    return Catalog(**dict(row))


def to_session(row: "Record") -> Session:
    """A row of ``sessions``."""
    values = dict(row)
    values["status"] = SessionStatus(values["status"])
    values["reason"] = Reason(values["reason"]) if values["reason"] is not None else None
    return Session(**values)


def to_statement(row: "Record") -> Statement:
    """A row of ``statements``."""
    return Statement(
        id=row["id"],
        workspace_id=row["workspace_id"],
        endpoint_id=row["endpoint_id"],
        session_id=row["session_id"],
        content=row["content"],
        created_at=row["created_at"],
        state=StatementState(row["state"]),
        database_name=row["database_name"],
        bindings=_bindings.decode(row["bindings"]),
        row_limit=row["row_limit"],
        fetch_mode=row["fetch_mode"],
        may_maintain=row["is_maintain"],
        source=row["source"],
        user_id=row["user_id"],
        user_name=row["user_name"],
        owner=row["owner"],
        started_at=row["started_at"],
        committing_at=row["committing_at"],
        commit=_commit.decode(row["commit_point"]) if row["commit_point"] is not None else None,
        cancel=to_intent(row),
        ending=_to_ending(row),
        parts=tuple(_parts.decode_lines(row["parts"])),
        results_expire_at=row["results_expire_at"],
        inline=row.get("inline"),
        profile=row.get("profile"),
        chosen_id=row["chosen_id"],
        tags=tuple(row.get("tags") or ()),
        keepalive=row.get("keepalive"),
        lease_until=row.get("lease_until"),
        retry=_to_retry(row),
        name=row.get("statement_name"),
        type=row.get("statement_type") or "SQL",
        wait_timeout=row.get("wait_timeout"),
        max_retry_times=row.get("max_retry_times"),
    )


def _to_retry(row: "Record") -> Retry | None:
    key = row.get("idempotency_key")
    return Retry(key=key, digest=row["idempotency_digest"]) if key is not None else None


def to_intent(row: "Record") -> CancelIntent | None:
    """The intent beside a statement's state."""
    if row["cancel_requested_at"] is None:
        return None
    return CancelIntent(
        requested_at=row["cancel_requested_at"],
        reason=Reason(row["cancel_reason"]),
        actor=row["cancel_requested_by"],
        detail=row["cancel_detail"],
    )


def _to_ending(row: "Record") -> Ending | None:
    if row["finished_at"] is None:
        return None
    return Ending(
        state=StatementState(row["state"]),
        finished_at=row["finished_at"],
        effects=Effects(row["effects"]),
        reason=Reason(row["reason"]) if row["reason"] is not None else None,
        actor=row["actor"],
        rung=Rung(row["rung"]) if row["rung"] is not None else None,
        cancel_millis=row["cancel_millis"],
        detail=row["detail"],
    )
