"""Sessions: open, list, show, close."""

from starlette.responses import Response

from treadle.api import bodies, render, replies
from treadle.api.answers import answer, empty
from treadle.api.bodies import Nothing
from treadle.api.fields import moment
from treadle.api.routes import SESSION, WITH_BODY, WORKSPACE, AnyRoute, Ask, Route
from treadle.api.verbs import Verbs
from treadle.service.views import NewSession


class Sessions:
    """The operations."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    async def create(self, ask: Ask[Nothing, bodies.CreateSession]) -> Response:
        """Open a session."""
        body = ask.body
        new = NewSession(
            endpoint_id=body.endpoint_id,
            instance_id=body.lake_formation_config.instance_id,
            catalog=body.lake_formation_config.catalog,
            wait_timeout=body.wait_timeout,
        )
        opened = await self._verbs.create_session(ask.caller, ask.ids["workspace_id"], new, ask.leaving, ask.delivery)
        return answer(render.session(opened))

    async def list(self, ask: Ask[bodies.SessionsQuery, Nothing]) -> Response:
        """List the sessions of a workspace."""
        query = ask.query
        total, found = await self._verbs.list_sessions(
            ask.caller,
            ask.ids["workspace_id"],
            endpoint_id=query.endpoint_id,
            session_id=query.session_id,
            status=query.status,
            start_time=moment(query.start_time),
            end_time=moment(query.end_time),
            user_name=query.user_name,
            limit=query.limit,
            offset=query.offset,
        )
        return answer(render.sessions(total, found))

    async def show(self, ask: Ask[Nothing, Nothing]) -> Response:
        """Show a session."""
        found = await self._verbs.show_session(ask.caller, ask.ids["workspace_id"], ask.ids["session_id"])
        return answer(render.session(found))

    async def close(self, ask: Ask[Nothing, Nothing]) -> Response:
        """Close a session."""
        await self._verbs.close_session(ask.caller, ask.ids["workspace_id"], ask.ids["session_id"])
        return empty()


def routes(verbs: Verbs) -> tuple[AnyRoute, ...]:
    """The table of sessions."""
    rooms = Sessions(verbs)
    return (
        Route(
            operation="CreateSqlSession",
            method="POST",
            path=WORKSPACE + "/sessions",
            summary="Open a session on a SQL endpoint.",
            tag="Sessions",
            handle=rooms.create,
            query=Nothing,
            body=bodies.CreateSession,
            reply=replies.SqlSession,
            errors=WITH_BODY,
            example={
                "endpoint_id": "019ec92b-f4cc-7000-8000-000000000001",
                "lake_formation_config": {"instance_id": "default", "catalog": "main"},
            },
        ),
        Route(
            operation="ListSqlSessions",
            method="GET",
            path=WORKSPACE + "/sessions",
            summary="List the sessions of a workspace, newest first.",
            tag="Sessions",
            handle=rooms.list,
            query=bodies.SessionsQuery,
            body=Nothing,
            reply=replies.SqlSessions,
        ),
        Route(
            operation="ShowSqlSession",
            method="GET",
            path=SESSION,
            summary="Show how a session stands.",
            tag="Sessions",
            handle=rooms.show,
            query=Nothing,
            body=Nothing,
            reply=replies.SqlSession,
        ),
        Route(
            operation="CloseSqlSession",
            method="DELETE",
            path=SESSION,
            summary="Close a session; what runs in it is stopped.",
            tag="Sessions",
            handle=rooms.close,
            query=Nothing,
            body=Nothing,
        ),
    )
