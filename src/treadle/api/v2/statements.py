"""Statements of version 2: submit and history; page and cancel are those of version 1."""

from msgspec.structs import replace
from starlette.responses import Response

from treadle.api import render
from treadle.api.answers import answer
from treadle.api.bodies import CancelQuery, CancelStatement, Nothing
from treadle.api.fields import moment
from treadle.api.replies import StatementResponse
from treadle.api.routes import WITH_BODY, AnyRoute, Ask, Route
from treadle.api.statements import CANCEL_HEADERS, CANCEL_TAKES, SUBMIT_TAKES, Statements
from treadle.api.v2.bodies import AuraRecordsQuery, AuraResultQuery, AuraSessionRecordsQuery, ExecuteAuraStatement
from treadle.api.v2.marking import cut
from treadle.api.v2.paths import SESSION, SESSIONS, STATEMENT, WORKSPACE
from treadle.api.v2.replies import AuraSessionStatementRecords, AuraStatementRecords
from treadle.api.verbs import Verbs


class AuraStatements:
    """The operations; ``first`` are those of version 1."""

    def __init__(self, verbs: Verbs, first: Statements, record_chars: int) -> None:
        self._verbs = verbs
        self._first = first
        self._record_chars = record_chars

    async def execute(self, ask: Ask[Nothing, ExecuteAuraStatement]) -> Response:
        """Submit a statement."""
        body = ask.body
        submission = replace(
            self._first.submission(body, ask.headers),
            name=body.statement_name,
            type=body.statement_type,
            wait_timeout=body.wait_timeout,
            max_retry_times=body.max_retry_times,
        )
        return await self._first.submit(ask, submission)

    async def session_records(self, ask: Ask[AuraSessionRecordsQuery, Nothing]) -> Response:
        """List the history of a session."""
        query = ask.query
        _, found = await self._verbs.session_records(
            ask.caller,
            ask.ids["workspace_id"],
            ask.ids["session_id"],
            statement_id=query.statement_id,
            status=query.status,
            tag=None,
            limit=query.limit + 1,
            offset=0,
            user_name=query.user_name,
            marker=query.marker,
        )
        page, marker = cut(found, query.limit, lambda one: one.public_id)
        shown = tuple(render.session_record(one, self._record_chars) for one in page)
        return answer(AuraSessionStatementRecords(records=shown, current_count=len(shown), next_marker=marker))

    async def records(self, ask: Ask[AuraRecordsQuery, Nothing]) -> Response:
        """List the history of a workspace."""
        query = ask.query
        _, found = await self._verbs.records(
            ask.caller,
            ask.ids["workspace_id"],
            endpoint_id=query.endpoint_id,
            endpoint_name=query.endpoint_name,
            session_id=query.session_id,
            statement_id=query.statement_id,
            statement_name=query.statement_name,
            source=query.source,
            status=query.status,
            start_time=None,
            end_time=None,
            created_from=moment(query.start_time),
            created_to=moment(query.end_time),
            tag=None,
            limit=query.limit + 1,
            offset=0,
            user_name=query.user_name,
            marker=query.marker,
        )
        page, marker = cut(found, query.limit, lambda one: one.public_id)
        shown = tuple(render.record(one, self._record_chars) for one in page)
        return answer(AuraStatementRecords(records=shown, current_count=len(shown), next_marker=marker))


def routes(verbs: Verbs, *, max_chars: int, record_chars: int, max_wait: float) -> tuple[AnyRoute, ...]:
    """The table of statements; the limits are those of version 1."""
    first = Statements(verbs, max_chars=max_chars, record_chars=record_chars)
    rooms = AuraStatements(verbs, first, record_chars)
    return (
        Route(
            operation="ExecuteAuraSqlStatement",
            method="POST",
            path=SESSIONS + "/statements",
            summary="Submit a statement or a script of several.",
            tag="Aura statements",
            handle=rooms.execute,
            query=Nothing,
            body=ExecuteAuraStatement,
            reply=StatementResponse,
            errors=(*WITH_BODY, 409),
            takes=SUBMIT_TAKES,
            example={"session_id": "019ec92b-f4cc-7000-8000-000000000002", "statement": "SELECT 42", "limit": "1"},
        ),
        Route(
            operation="ShowAuraSqlStatementResult",
            method="GET",
            path=STATEMENT,
            summary="Show the state of a statement and a page of its result.",
            tag="Aura statements",
            handle=first.show,
            query=AuraResultQuery,
            body=Nothing,
            reply=StatementResponse,
            most={"wait": int(max_wait)},
        ),
        Route(
            operation="CancelAuraSqlStatement",
            method="POST",
            path=STATEMENT + "/cancel",
            summary="Stop a statement. 200 means that it has stopped.",
            tag="Aura statements",
            handle=first.cancel,
            query=CancelQuery,
            body=CancelStatement,
            errors=(*WITH_BODY, 409),
            any_object=True,
            example={},
            takes=CANCEL_TAKES,
            headers=CANCEL_HEADERS,
        ),
        Route(
            operation="ListAuraSessionStatementRecords",
            method="GET",
            path=SESSION + "/statements",
            summary="List the statements of a session, newest first.",
            tag="Aura records",
            handle=rooms.session_records,
            query=AuraSessionRecordsQuery,
            body=Nothing,
            reply=AuraSessionStatementRecords,
        ),
        Route(
            operation="ListAuraStatementRecords",
            method="GET",
            path=WORKSPACE + "/aura-statement-records",
            summary="List the statements of a workspace, newest first.",
            tag="Aura records",
            handle=rooms.records,
            query=AuraRecordsQuery,
            body=Nothing,
            reply=AuraStatementRecords,
        ),
    )
