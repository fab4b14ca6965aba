"""Sessions: create, list, show, close."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from treadle.model.entities import Endpoint, Principal, Session, Statement
from treadle.model.errors import BadRequest, NotFound, SessionNotReady, Unavailable
from treadle.model.states import Reason, SessionStatus
from treadle.service.closing import Closing
from treadle.service.views import NewSession, SessionView
from treadle.store.base import Page, SessionFilter, Wake


class Sessions(Closing):
    """The verbs of sessions."""

    async def create_session(self, p: Principal, workspace_id: str, new: NewSession) -> SessionView:
        """Open a session on an endpoint.

        With a ``wait_timeout`` the answer comes at once and the session waits that long for a slot;
        without one the answer comes when the session runs, or says why it cannot: `SessionNotReady`
        when no slot came free within ``sync_wait``.
        """
        self.may_write(p)
        self.may_begin()
        await self.own_workspace(p, workspace_id)
        deps = self.deps
        endpoint = await deps.store.endpoint(workspace_id, new.endpoint_id)
        if endpoint is None:
            raise NotFound
        if await deps.store.catalog(workspace_id, new.instance_id, new.catalog) is None:
            raise BadRequest(
                f"there is no catalog {new.catalog} in {new.instance_id}", field="lake_formation_config.catalog"
            )
        now = deps.clock.now()
        patience = new.wait_timeout if new.wait_timeout is not None else deps.settings.sync_wait
        session = Session(
            id=deps.new_id(),
            workspace_id=workspace_id,
            endpoint_id=endpoint.id,
            instance_id=new.instance_id,
            catalog=new.catalog,
            status=SessionStatus.CREATING,
            created_at=now,
            user_id=p.user_id,
            user_name=p.user_name,
            wait_deadline=now + timedelta(seconds=patience),
        )
        with deps.signals.watch(session.id) as told:
            await deps.store.add_session(session)
            deps.signals.wake(Wake(session_id=session.id))
            if new.wait_timeout is not None:
                return view_of(session, endpoint)
            opened = await self.wait_for(
                lambda: deps.store.session(None, session.id), _is_settled, told, patience + deps.settings.worker_start
            )
        return self._settled(opened, endpoint)

    def _settled(self, opened: Statement | Session | None, endpoint: Endpoint) -> SessionView:
        if not isinstance(opened, Session):
            raise SessionNotReady("the session could not be opened in time")
        if opened.status is SessionStatus.RUNNING:
            return view_of(opened, endpoint)
        if opened.reason is Reason.WAIT_TIMEOUT:
            raise SessionNotReady(opened.message)
        raise Unavailable(opened.message or "the session could not be opened")

    async def list_sessions(
        self,
        p: Principal,
        workspace_id: str,
        *,
        endpoint_id: str | None,
        session_id: str | None,
        status: SessionStatus | None,
        start_time: datetime | None,
        end_time: datetime | None,
        limit: int,
        offset: int,
    ) -> tuple[int, Sequence[SessionView]]:
        """The sessions of a workspace, newest first."""
        await self.own_workspace(p, workspace_id)
        where = SessionFilter(
            endpoint_id=endpoint_id,
            session_id=session_id,
            status=status,
            created_from=start_time,
            created_to=end_time,
        )
        total, sessions = await self.deps.store.sessions(workspace_id, where, Page(limit=limit, offset=offset))
        endpoints = {
            endpoint: await self.deps.store.endpoint(workspace_id, endpoint)
            for endpoint in {session.endpoint_id for session in sessions}
        }
        return total, [view_of(session, endpoints[session.endpoint_id]) for session in sessions]

    async def show_session(self, p: Principal, workspace_id: str, session_id: str) -> SessionView:
        """One session."""
        session = await self.own_session(p, workspace_id, session_id)
        return view_of(session, await self.deps.store.endpoint(workspace_id, session.endpoint_id))

    async def close_session(self, p: Principal, workspace_id: str, session_id: str) -> None:
        """Close a session: what runs in it is stopped first. Closing an ended one changes nothing."""
        self.may_write(p)
        session = await self.own_session(p, workspace_id, session_id)
        await self.end_session(session, p.user_name, Reason.USER)


def view_of(session: Session, endpoint: Endpoint | None) -> SessionView:
    """The session as the API shows it; its endpoint may be deleted meanwhile."""
    return SessionView(
        session_id=session.id,
        status=session.status,
        create_time=session.created_at,
        endpoint_id=session.endpoint_id,
        endpoint_name=endpoint.name if endpoint else "",
        message=session.message,
    )


def _is_settled(thing: Statement | Session) -> bool:
    return isinstance(thing, Session) and thing.status not in (SessionStatus.CREATING, SessionStatus.WAITING)
