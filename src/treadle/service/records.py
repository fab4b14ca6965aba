"""Records: the history of statements."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from treadle.model.access import Action
from treadle.model.entities import Principal, Statement
from treadle.model.states import RecordStatus, StatementState
from treadle.service.deps import Verb, unknown_marker
from treadle.store.filters import Page, Place, RecordFilter


class Records(Verb):
    """The verbs that look back."""

    async def session_records(
        self,
        p: Principal,
        workspace_id: str,
        session_id: str,
        *,
        statement_id: str | None,
        status: RecordStatus | None,
        tag: str | None,
        limit: int,
        offset: int,
        user_name: str | None = None,
        marker: str | None = None,
    ) -> tuple[int, Sequence[Statement]]:
        """The statements of a session, newest first."""
        await self.permitted_session(p, Action.LIST_SESSION_RECORDS, workspace_id, session_id)
        where = RecordFilter(
            session_id=session_id, statement_id=statement_id, status=status, tag=tag, user_name=user_name
        )
        return await self._history(workspace_id, where, limit, offset, marker)

    async def records(
        self,
        p: Principal,
        workspace_id: str,
        *,
        endpoint_id: str | None,
        statement_id: str | None,
        source: int | None,
        status: RecordStatus | None,
        start_time: datetime | None,
        end_time: datetime | None,
        tag: str | None,
        limit: int,
        offset: int,
        session_id: str | None = None,
        endpoint_name: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        statement_name: str | None = None,
        user_name: str | None = None,
        marker: str | None = None,
    ) -> tuple[int, Sequence[Statement]]:
        """The statements of a workspace, newest first.

        With a ``marker`` (empty at the beginning of the list) those that come after the statement the
        API shows under that id, and they are not counted.
        """
        within = self.allow_within(p, Action.LIST_RECORDS, workspace_id)
        await self.own_workspace(p, workspace_id)
        where = RecordFilter(
            session_id=session_id,
            endpoint_id=await self.endpoint_meant(workspace_id, endpoint_id, endpoint_name),
            statement_id=statement_id,
            source=source,
            status=status,
            started_from=start_time,
            finished_to=end_time,
            tag=tag,
            created_from=created_from,
            created_to=created_to,
            name=statement_name,
            user_name=user_name,
            within=within,
        )
        return await self._history(workspace_id, where, limit, offset, marker)

    async def _history(
        self, workspace_id: str, where: RecordFilter, limit: int, offset: int, marker: str | None
    ) -> tuple[int, Sequence[Statement]]:
        after = None
        if marker:
            marked = RecordFilter(statement_id=marker, session_id=where.session_id, within=where.within)
            after = await self._record_place(workspace_id, marked)
        page = Page(limit=limit, offset=offset, after=after, counted=marker is None)
        total, found = await self.deps.store.records(workspace_id, where, page, self.deps.settings.record_chars)
        return total, [self._with_progress(one) for one in found]

    async def _record_place(self, workspace_id: str, marked: RecordFilter) -> Place:
        """The place of the statement a marker names; raises `BadRequest` when the caller sees none such."""
        _, found = await self.deps.store.records(workspace_id, marked, Page(limit=1, counted=False), 0)
        for statement in found:
            return Place(statement.created_at, statement.id)
        raise unknown_marker()

    def _with_progress(self, one: Statement) -> Statement:
        if one.state is not StatementState.RUNNING:
            return one
        return replace(one, progress=self.deps.signals.progress(one.session_id, one.id))
