"""Sessions: create, list, show, close."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from treadle.config import MIN_MEMORY
from treadle.model.access import Action
from treadle.model.entities import Endpoint, EndpointStatus, Principal, Session, Statement
from treadle.model.errors import InvalidParameter, NotApplicable, SessionNotReady, TooMany, Unavailable
from treadle.model.states import Reason, SessionStatus
from treadle.service.attempt import in_time, not_recorded
from treadle.service.closing import Closing
from treadle.service.delivery import Delivery
from treadle.service.deps import ENDPOINT, Leaving, missing, unknown_marker, watched
from treadle.service.unanswered import Unanswered
from treadle.service.views import NewSession, SessionView
from treadle.service.workspaces import DEFAULT_INSTANCE
from treadle.store.base import Wake
from treadle.store.filters import Page, Place, SessionFilter

MEBIBYTE: Final = 2**20


class Sessions(Closing):
    """The verbs of sessions."""

    async def create_session(
        self,
        p: Principal,
        workspace_id: str,
        new: NewSession,
        leaving: Leaving | None = None,
        delivery: Delivery | None = None,
    ) -> SessionView:
        """Open a session on an endpoint.

        With a ``wait_timeout`` the answer comes at once and the session waits that long for a slot. Without one the
        answer comes when the session runs; otherwise it is `TooMany` when no slot became free within ``session_wait``,
        or `SessionNotReady` when its worker took too long. A session whose opener has disconnected or got an error is
        closed.
        """
        endpoint, instance_id = await self._place(p, workspace_id, new)
        deps = self.deps
        most = deps.settings.project_sessions
        if await deps.store.count_open_sessions(p.project_id) >= most:
            raise TooMany(f"policy project over sessions,limit:{most}")
        session = self._session(p, new, endpoint, instance_id)
        unanswered = Unanswered(deps, session)
        try:
            opened = await self._open(session, leaving, waits=new.wait_timeout is None)
            view = self._settled(opened, endpoint, waits=new.wait_timeout is None)
        except BaseException as error:
            unanswered.disown(Reason.WAIT_TIMEOUT if isinstance(error, SessionNotReady) else Reason.CLIENT_GONE)
            raise
        self.opened_by(p, session)
        unanswered.hand_over(delivery, runs=view.status is SessionStatus.RUNNING)
        return view

    def _session(self, p: Principal, new: NewSession, endpoint: Endpoint, instance_id: str) -> Session:
        """Build the new session."""
        now, settings = self.deps.clock.now(), self.deps.settings
        patience = new.wait_timeout if new.wait_timeout is not None else settings.session_wait
        return Session(
            id=self.deps.new_id(),
            workspace_id=endpoint.workspace_id,
            endpoint_id=endpoint.id,
            instance_id=instance_id,
            catalog=new.catalog,
            status=SessionStatus.CREATING,
            created_at=now,
            user_id=p.user_id,
            user_name=p.user_name,
            wait_deadline=now + timedelta(seconds=patience),
            priority=new.priority,
            max_retry_times=new.max_retry_times,
            threads=self._threads(new) or endpoint.threads,
            memory=self._memory(new) or endpoint.memory,
            unanswered=True,
        )

    async def _open(self, session: Session, leaving: Leaving | None, *, waits: bool) -> Session | None:
        """Insert the session; with ``waits`` return it once it runs or has ended, None after the time-out.

        Raises the error of ``leaving`` when its opener has disconnected meanwhile.
        """
        deps = self.deps
        with deps.signals.watch(session.id) as future, watched(leaving if waits else None) as gone:
            await deps.store.add_session(session)
            deps.signals.wake(Wake(session_id=session.id))
            if not waits:
                return session
            look = partial(deps.store.session, None, session.id)
            seconds = deps.settings.session_wait + deps.settings.worker_start
            opened = await self.wait_for(look, _is_settled, future, seconds, gone)
            if opened is None and gone is not None and gone.done():
                gone.result()
            return opened if isinstance(opened, Session) else None

    async def _place(self, p: Principal, workspace_id: str, new: NewSession) -> tuple[Endpoint, str]:
        """The endpoint a session is to run on, and the metastore instance of its catalog; raises what is wrong."""
        if new.endpoint_id is not None:
            self.allow(p, Action.CREATE_SESSION, workspace_id, new.endpoint_id)
        else:
            self.allow_within(p, Action.CREATE_SESSION, workspace_id)
        self.may_begin()
        workspace = await self.own_workspace(p, workspace_id)
        store = self.deps.store
        if new.endpoint_id is not None:
            endpoint = await store.endpoint(workspace_id, new.endpoint_id)
        else:
            endpoint = await store.endpoint_named(workspace_id, new.endpoint_name)
        if endpoint is None:
            raise missing(ENDPOINT)
        self.allow(p, Action.CREATE_SESSION, workspace_id, endpoint.id)
        if endpoint.status is not EndpointStatus.RUNNING:
            raise NotApplicable(f"the endpoint is {endpoint.status}", field=new.endpoint_field)
        instances = (new.instance_id,) if new.instance_id is not None else (workspace.metastore_id, DEFAULT_INSTANCE)
        for instance_id in dict.fromkeys(instances):
            if await store.catalog(workspace_id, instance_id, new.catalog) is not None:
                return endpoint, instance_id
        raise NotApplicable(f"there is no catalog {new.catalog} in metastore {instances[0]}", field=new.catalog_field)

    def _threads(self, new: NewSession) -> int | None:
        """The threads a session asks for, a millicore rounded up; raises `InvalidParameter`."""
        most = self.deps.settings.max_session_threads
        if new.cpu is not None and new.cpu > most * 1000:
            raise InvalidParameter(f"must be an integer from 1 to {most * 1000}", field="cpu")
        return None if new.cpu is None else -(-new.cpu // 1000)

    def _memory(self, new: NewSession) -> int | None:
        """The bytes of memory a session asks for; raises `InvalidParameter`."""
        most = int(self.deps.settings.max_session_memory)
        if new.memory is not None and new.memory * MEBIBYTE > most:
            raise InvalidParameter(f"must be an integer from 1 to {most // MEBIBYTE}", field="memory")
        return None if new.memory is None else max(new.memory * MEBIBYTE, MIN_MEMORY)

    def _settled(self, opened: Session | None, endpoint: Endpoint, *, waits: bool) -> SessionView:
        """Get the view of the new session; raises the reason why it could not be opened."""
        if opened is None:
            raise SessionNotReady("the session could not be opened in time")
        if not waits or opened.status is SessionStatus.RUNNING:
            return view_of(opened, endpoint)
        if opened.reason is Reason.WAIT_TIMEOUT:
            limit = f"policy endpoint over sessions,limit:{endpoint.max_sessions}"
            raise TooMany(limit, after=self.deps.settings.session_wait)
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
        endpoint_name: str | None = None,
        user_name: str | None = None,
        marker: str | None = None,
    ) -> tuple[int, Sequence[SessionView]]:
        """The sessions of a workspace, newest first.

        Those where the caller may not look are left out, and those whose request was refused.

        With a ``marker`` those that come after the session of that id.
        """
        within = self.allow_within(p, Action.LIST_SESSIONS, workspace_id)
        await self.own_workspace(p, workspace_id)
        where = SessionFilter(
            endpoint_id=await self.endpoint_meant(workspace_id, endpoint_id, endpoint_name),
            session_id=session_id,
            status=status,
            created_from=start_time,
            created_to=end_time,
            within=within,
            user_name=user_name,
            known=True,
        )
        after = (
            await self._session_place(workspace_id, SessionFilter(session_id=marker, within=within)) if marker else None
        )
        page = Page(limit=limit, offset=offset, after=after)
        total, sessions = await self.deps.store.sessions(workspace_id, where, page)
        endpoints = {
            endpoint: await self.deps.store.endpoint(workspace_id, endpoint)
            for endpoint in {session.endpoint_id for session in sessions}
        }
        return total, [view_of(session, endpoints[session.endpoint_id]) for session in sessions]

    async def _session_place(self, workspace_id: str, marked: SessionFilter) -> Place:
        """The place of the session a marker names; raises `BadRequest` when the caller sees none such."""
        _, found = await self.deps.store.sessions(workspace_id, marked, Page(limit=1, counted=False))
        for session in found:
            return Place(session.created_at, session.id)
        raise unknown_marker()

    async def show_session(self, p: Principal, workspace_id: str, session_id: str) -> SessionView:
        """One session."""
        session = await self.permitted_session(p, Action.SHOW_SESSION, workspace_id, session_id)
        return view_of(session, await self.deps.store.endpoint(workspace_id, session.endpoint_id))

    async def close_session(self, p: Principal, workspace_id: str, session_id: str) -> None:
        """Close a session: what runs in it is stopped first. Closing an ended one changes nothing.

        Raises `NotStopped` after ``cancel_timeout``, whatever the store does.
        """
        seconds = self.deps.settings.cancel_timeout
        late = partial(not_recorded, f"the close of session {session_id}", seconds)
        async with in_time(seconds, late) as attempt:
            session = await self.permitted_session(p, Action.CLOSE_SESSION, workspace_id, session_id)
            self.noted(p, Action.CLOSE_SESSION, workspace_id, f"session:{session.id}")
            await self.end_sessions(attempt, [session], p.user_name, Reason.USER)


def view_of(session: Session, endpoint: Endpoint | None) -> SessionView:
    """The session as the API shows it; its endpoint may be deleted meanwhile."""
    return SessionView(
        session_id=session.id,
        status=session.status,
        create_time=session.created_at,
        endpoint_id=session.endpoint_id,
        endpoint_name=endpoint.name if endpoint else session.endpoint_name,
        user_name=session.user_name,
        message=session.message,
    )


def _is_settled(thing: Statement | Session) -> bool:
    return isinstance(thing, Session) and thing.status not in (SessionStatus.CREATING, SessionStatus.WAITING)
