"""Statements: submit, page, cancel, history."""

from typing import Final

from starlette.responses import Response

from treadle.api import bodies, render, replies
from treadle.api.answers import answer, cancelled
from treadle.api.bodies import Nothing
from treadle.api.fields import moment
from treadle.api.routes import SESSION, WITH_BODY, WORKSPACE, AnyRoute, Ask, Route
from treadle.api.verbs import Verbs
from treadle.model.errors import BadRequest
from treadle.service.views import Submission

_STATEMENT: Final = SESSION + "/statements/{statement_id}"
_CANCEL_HEADERS: Final = {
    "X-Statement-State": "The state of the statement, as in its record.",
    "X-Cancel-Outcome": "cancelled, already_cancelled, already_succeeded or already_failed.",
    "X-Cancel-Rung": "How the stop was made: dequeued, interrupted, terminated, killed or too_late.",
    "X-Cancel-Millis": (
        "Milliseconds from the arrival of the call to the confirmed stop. The record's `cancel_millis` counts from "
        "the moment the owner of the statement heard of it to the confirmed stop."
    ),
}


class Statements:
    """The operations."""

    def __init__(self, verbs: Verbs, *, max_chars: int, record_chars: int) -> None:
        self._verbs = verbs
        self._max_chars = max_chars
        self._record_chars = record_chars

    async def execute(self, ask: Ask[Nothing, bodies.ExecuteStatement]) -> Response:
        """Submit a statement."""
        body = ask.body
        if len(body.statement) > self._max_chars:
            raise BadRequest(f"must be a string of 0 to {self._max_chars} characters", field="statement")
        submission = Submission(
            session_id=body.session_id,
            statement=body.statement,
            limit=body.limit,
            bindings=body.bindings,
            is_sync=body.is_sync,
            is_maintain_statement=body.is_maintain_statement,
            fetch_mode=body.resultset_fetch_mode,
        )
        return answer(render.statement(await self._verbs.execute(ask.caller, ask.ids["workspace_id"], submission)))

    async def show(self, ask: Ask[bodies.ResultQuery, Nothing]) -> Response:
        """Show the state of a statement and a page of its result."""
        ids, query = ask.ids, ask.query
        view = await self._verbs.show_result(
            ask.caller,
            ids["workspace_id"],
            ids["session_id"],
            ids["statement_id"],
            page_num=query.page_num,
            locate=query.is_enable_obs_path,
        )
        return answer(render.statement(view))

    async def cancel(self, ask: Ask[Nothing, Nothing]) -> Response:
        """Stop a statement."""
        ids = ask.ids
        return cancelled(
            await self._verbs.cancel(ask.caller, ids["workspace_id"], ids["session_id"], ids["statement_id"])
        )

    async def cancel_all(self, ask: Ask[Nothing, Nothing]) -> Response:
        """Stop every statement of a session."""
        ids = ask.ids
        return cancelled(
            await self._verbs.cancel_session_statements(ask.caller, ids["workspace_id"], ids["session_id"])
        )

    async def session_records(self, ask: Ask[bodies.SessionRecordsQuery, Nothing]) -> Response:
        """List the history of a session."""
        query = ask.query
        total, found = await self._verbs.session_records(
            ask.caller,
            ask.ids["workspace_id"],
            ask.ids["session_id"],
            statement_id=query.statement_id,
            status=query.status,
            limit=query.limit,
            offset=query.offset,
        )
        return answer(render.session_records(total, found, self._record_chars))

    async def records(self, ask: Ask[bodies.RecordsQuery, Nothing]) -> Response:
        """List the history of a workspace."""
        query = ask.query
        total, found = await self._verbs.records(
            ask.caller,
            ask.ids["workspace_id"],
            endpoint_id=query.endpoint_id,
            statement_id=query.statement_id,
            source=query.source,
            status=query.status,
            start_time=moment(query.start_time),
            end_time=moment(query.end_time),
            limit=query.limit,
            offset=query.offset,
        )
        return answer(render.records(total, found, self._record_chars))


def routes(verbs: Verbs, *, max_chars: int, record_chars: int) -> tuple[AnyRoute, ...]:
    """The table of statements; at most ``record_chars`` characters of SQL are shown in a list."""
    rooms = Statements(verbs, max_chars=max_chars, record_chars=record_chars)
    return (*_statement_routes(rooms), *_record_routes(rooms))


def _statement_routes(rooms: Statements) -> tuple[AnyRoute, ...]:
    return (
        Route(
            operation="ExecuteSqlStatement",
            method="POST",
            path=WORKSPACE + "/sessions/statements",
            summary="Submit a statement or a script of several.",
            tag="Statements",
            handle=rooms.execute,
            query=Nothing,
            body=bodies.ExecuteStatement,
            reply=replies.StatementResponse,
            errors=WITH_BODY,
            example={"session_id": "019ec92b-f4cc-7000-8000-000000000002", "statement": "SELECT 42", "is_sync": True},
        ),
        Route(
            operation="ShowSqlStatementResult",
            method="GET",
            path=_STATEMENT,
            summary="Show the state of a statement and a page of its result.",
            tag="Statements",
            handle=rooms.show,
            query=bodies.ResultQuery,
            body=Nothing,
            reply=replies.StatementResponse,
        ),
        Route(
            operation="CancelSqlStatement",
            method="POST",
            path=_STATEMENT + "/cancel",
            summary="Stop a statement. 200 means that it has stopped.",
            tag="Statements",
            handle=rooms.cancel,
            query=Nothing,
            body=Nothing,
            errors=WITH_BODY,
            any_object=True,
            headers=_CANCEL_HEADERS,
        ),
        Route(
            operation="CancelSqlSessionStatements",
            method="POST",
            path=SESSION + "/cancel",
            summary="Stop every unfinished statement of a session. 200 means that they have stopped.",
            tag="Statements",
            handle=rooms.cancel_all,
            query=Nothing,
            body=Nothing,
            errors=WITH_BODY,
            any_object=True,
            headers=_CANCEL_HEADERS,
        ),
    )


def _record_routes(rooms: Statements) -> tuple[AnyRoute, ...]:
    return (
        Route(
            operation="ListSessionStatementRecords",
            method="GET",
            path=SESSION + "/statements",
            summary="List the statements of a session, newest first.",
            tag="Records",
            handle=rooms.session_records,
            query=bodies.SessionRecordsQuery,
            body=Nothing,
            reply=replies.SessionStatementRecords,
        ),
        Route(
            operation="ListStatementRecords",
            method="GET",
            path=WORKSPACE + "/statement-records",
            summary="List the statements of a workspace, newest first.",
            tag="Records",
            handle=rooms.records,
            query=bodies.RecordsQuery,
            body=Nothing,
            reply=replies.StatementRecords,
        ),
    )
