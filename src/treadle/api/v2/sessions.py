"""Sessions of version 2: open and list; show and close are those of version 1."""

from starlette.responses import Response

from treadle.api import render
from treadle.api.answers import answer
from treadle.api.bodies import Nothing
from treadle.api.fields import moment
from treadle.api.replies import SqlSession
from treadle.api.routes import WITH_BODY, AnyRoute, Ask, Route
from treadle.api.sessions import Sessions
from treadle.api.v2.bodies import AuraSessionsQuery, CreateAuraSession
from treadle.api.v2.marking import cut
from treadle.api.v2.paths import SESSION, SESSIONS
from treadle.api.v2.replies import AuraSqlSessions
from treadle.api.verbs import Verbs
from treadle.service.views import NewSession


class AuraSessions:
    """The operations."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    async def create(self, ask: Ask[Nothing, CreateAuraSession]) -> Response:
        """Open a session."""
        body = ask.body
        new = NewSession(
            endpoint_name=body.endpoint_name,
            catalog=body.catalog_context.catalog_name,
            wait_timeout=body.wait_timeout,
            max_retry_times=body.max_retry_times or 0,
            priority=body.priority,
            cpu=body.cpu,
            memory=body.memory,
        )
        opened = await self._verbs.create_session(ask.caller, ask.ids["workspace_id"], new, ask.leaving, ask.delivery)
        return answer(render.session(opened))

    async def list(self, ask: Ask[AuraSessionsQuery, Nothing]) -> Response:
        """List the sessions of a workspace."""
        query = ask.query
        total, found = await self._verbs.list_sessions(
            ask.caller,
            ask.ids["workspace_id"],
            endpoint_id=query.endpoint_id,
            endpoint_name=query.endpoint_name,
            session_id=query.session_id,
            status=query.status,
            start_time=moment(query.start_time),
            end_time=moment(query.end_time),
            limit=query.limit + 1,
            offset=0,
            user_name=query.user_name,
            marker=query.marker,
        )
        page, marker = cut(found, query.limit, lambda one: one.session_id)
        return answer(AuraSqlSessions(sessions=tuple(map(render.session_info, page)), total=total, next_marker=marker))


def routes(verbs: Verbs) -> tuple[AnyRoute, ...]:
    """The table of sessions."""
    rooms, first = AuraSessions(verbs), Sessions(verbs)
    return (
        Route(
            operation="CreateAuraSqlSession",
            method="POST",
            path=SESSIONS,
            summary="Open a session on a SQL endpoint.",
            tag="Aura sessions",
            handle=rooms.create,
            query=Nothing,
            body=CreateAuraSession,
            reply=SqlSession,
            errors=WITH_BODY,
            example={"endpoint_name": "duck", "catalog_context": {"catalog_name": "default"}, "priority": 5},
        ),
        Route(
            operation="ListAuraSqlSessions",
            method="GET",
            path=SESSIONS,
            summary="List the sessions of a workspace, newest first.",
            tag="Aura sessions",
            handle=rooms.list,
            query=AuraSessionsQuery,
            body=Nothing,
            reply=AuraSqlSessions,
        ),
        Route(
            operation="ShowAuraSqlSession",
            method="GET",
            path=SESSION,
            summary="Show how a session stands.",
            tag="Aura sessions",
            handle=first.show,
            query=Nothing,
            body=Nothing,
            reply=SqlSession,
        ),
        Route(
            operation="CloseAuraSqlSession",
            method="DELETE",
            path=SESSION,
            summary="Close a session; what runs in it is stopped.",
            tag="Aura sessions",
            handle=first.close,
            query=Nothing,
            body=Nothing,
        ),
    )
