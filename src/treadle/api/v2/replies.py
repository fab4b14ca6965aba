"""Response bodies of version 2, where they differ from those of version 1: lists that go on after a marker."""

from typing import Annotated

from msgspec import Meta

from treadle.api.replies import Reply, SessionStatementRecord, SqlSessionInfo, StatementRecord

NextMarker = Annotated[str, Meta(description="The `marker` of the next page; empty when this is the last one.")]


class AuraSqlSessions(Reply, frozen=True, kw_only=True):
    """A page of sessions; ``total`` counts all that match."""

    sessions: tuple[SqlSessionInfo, ...]
    total: int
    next_marker: NextMarker


class AuraSessionStatementRecords(Reply, frozen=True, kw_only=True):
    """A page of a session's history."""

    records: tuple[SessionStatementRecord, ...]
    current_count: int
    next_marker: NextMarker


class AuraStatementRecords(Reply, frozen=True, kw_only=True):
    """A page of a workspace's history."""

    records: tuple[StatementRecord, ...]
    current_count: int
    next_marker: NextMarker
