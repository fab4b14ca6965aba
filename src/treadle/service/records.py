"""Records: the history of statements."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from treadle.model.entities import Principal, Statement
from treadle.model.states import RecordStatus, StatementState
from treadle.service.deps import Verb
from treadle.store.base import Page, RecordFilter


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
    ) -> tuple[int, Sequence[Statement]]:
        """The statements of a session, newest first."""
        await self.own_session(p, workspace_id, session_id)
        where = RecordFilter(session_id=session_id, statement_id=statement_id, status=status, tag=tag)
        return await self._history(workspace_id, where, limit, offset)

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
    ) -> tuple[int, Sequence[Statement]]:
        """The statements of a workspace, newest first."""
        await self.own_workspace(p, workspace_id)
        where = RecordFilter(
            endpoint_id=endpoint_id,
            statement_id=statement_id,
            source=source,
            status=status,
            started_from=start_time,
            finished_to=end_time,
            tag=tag,
        )
        return await self._history(workspace_id, where, limit, offset)

    async def _history(
        self, workspace_id: str, where: RecordFilter, limit: int, offset: int
    ) -> tuple[int, Sequence[Statement]]:
        page = Page(limit=limit, offset=offset)
        total, found = await self.deps.store.records(workspace_id, where, page, self.deps.settings.record_chars)
        return total, [self._with_progress(one) for one in found]

    def _with_progress(self, one: Statement) -> Statement:
        if one.state is not StatementState.RUNNING:
            return one
        return replace(one, progress=self.deps.signals.progress(one.session_id, one.id))
