"""Statements: submit, page, cancel, history."""

from typing import Any, Final

from starlette.responses import Response

from treadle.api import bodies, headers, render, replies
from treadle.api.answers import answer, cancelled, shown, submitted
from treadle.api.bodies import Nothing
from treadle.api.fields import moment
from treadle.api.routes import SESSION, WITH_BODY, WORKSPACE, AnyRoute, Ask, Route
from treadle.api.verbs import Verbs
from treadle.model.errors import BadRequest
from treadle.model.ids import split_part_id
from treadle.model.states import RecordStatus
from treadle.model.words import reason_of
from treadle.service.views import CancelFilter, StatementView, Submission

_STATEMENT: Final = SESSION + "/statements/{statement_id}"
SUBMIT_TAKES: Final = {
    headers.STATEMENT: "An id of your own choice; the same as `statement_id` in the body.",
    headers.TAGS: "Tags, parted by commas; added to the `tags` in the body.",
    headers.KEY: (
        "1-128 printable ASCII characters that make the submit safe to repeat: the same key with the same body is the "
        "same statement, with another body 409."
    ),
}
CANCEL_TAKES: Final = {headers.BEFORE_SUBMIT: "`true` is the same as `before_submit=true`."}
CANCEL_HEADERS: Final = {
    "X-Statement-State": "The state of the statement, as in its record.",
    "X-Cancel-Outcome": (
        "cancelled, already_cancelled, already_succeeded, already_failed, or tombstoned: the cancel came before the "
        "submit, which will be born cancelled."
    ),
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
        return await self.submit(ask, self.submission(ask.body, ask.headers))

    async def submit(self, ask: Ask[Nothing, Any], submission: Submission) -> Response:
        """Submit what a body of either version says."""
        view = await self._verbs.execute(ask.caller, ask.ids["workspace_id"], submission, ask.leaving, ask.delivery)
        # An asynchronous submit is answered with the ids alone, however far the statement has come.
        return submitted(view, with_progress=submission.is_sync)

    def submission(self, body: bodies.ExecuteStatement, given: headers.Headers) -> Submission:
        """What the fields say that both versions have, and the headers."""
        if len(body.statement) > self._max_chars:
            raise BadRequest(f"must be a string of at most {self._max_chars} characters", field="statement")
        statement_id = headers.chosen_id(body.statement_id, given)
        if statement_id is not None and split_part_id(statement_id) is not None:
            raise BadRequest("must not end in `_` and a number: such ids are those of parts", field="statement_id")
        return Submission(
            session_id=body.session_id,
            statement=body.statement,
            limit=body.limit,
            bindings=body.bindings,
            is_sync=body.is_sync,
            is_maintain_statement=body.is_maintain_statement,
            fetch_mode=body.resultset_fetch_mode,
            statement_id=statement_id,
            tags=headers.tags(body.tags, given),
            keepalive=body.keepalive,
            on_disconnect=body.on_disconnect,
            idempotency_key=headers.idempotency_key(given),
        )

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
            wait=query.wait,
            leaving=ask.leaving,
        )
        _check_page(query, view)
        return shown(view)

    async def cancel(self, ask: Ask[bodies.CancelQuery, bodies.CancelStatement]) -> Response:
        """Stop a statement."""
        ids = ask.ids
        early = ask.query.before_submit or headers.flag(ask.headers, headers.BEFORE_SUBMIT)
        return cancelled(
            await self._verbs.cancel(
                ask.caller,
                ids["workspace_id"],
                ids["session_id"],
                ids["statement_id"],
                before_submit=early,
                words=reason_of(ask.body.reason),
            )
        )

    async def cancel_many(self, ask: Ask[Nothing, bodies.CancelStatements]) -> Response:
        """Stop every statement that matches."""
        body = ask.body
        ids = body.statement_ids
        where = CancelFilter(
            statement_ids=tuple(dict.fromkeys(ids)) if ids is not None else None,
            session_id=body.session_id,
            endpoint_id=body.endpoint_id,
            tags=body.tags,
            user_name=body.user_name,
            status=RecordStatus(body.status) if body.status is not None else None,
            submitted_before=moment(body.submitted_before),
        )
        entries = await self._verbs.cancel_statements(
            ask.caller, ask.ids["workspace_id"], where, dry_run=body.dry_run, words=reason_of(body.reason)
        )
        return answer(render.cancelled(entries, dry_run=body.dry_run))

    async def cancel_all(self, ask: Ask[Nothing, bodies.CancelStatement]) -> Response:
        """Stop every statement of a session."""
        ids = ask.ids
        return cancelled(
            await self._verbs.cancel_session_statements(
                ask.caller, ids["workspace_id"], ids["session_id"], words=reason_of(ask.body.reason)
            )
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
            tag=query.tag,
            user_name=query.user_name,
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
            tag=query.tag,
            user_name=query.user_name,
            limit=query.limit,
            offset=query.offset,
        )
        return answer(render.records(total, found, self._record_chars))


def routes(verbs: Verbs, *, max_chars: int, record_chars: int, max_wait: float) -> tuple[AnyRoute, ...]:
    """The table of statements.

    At most ``record_chars`` characters of SQL are shown in a list; ``max_wait`` seconds may be waited for an end.
    """
    rooms = Statements(verbs, max_chars=max_chars, record_chars=record_chars)
    return (*_statement_routes(rooms, max_wait), *_record_routes(rooms))


def _statement_routes(rooms: Statements, max_wait: float) -> tuple[AnyRoute, ...]:
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
            errors=(*WITH_BODY, 409),
            takes=SUBMIT_TAKES,
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
            most={"wait": int(max_wait)},
        ),
        Route(
            operation="CancelSqlStatement",
            method="POST",
            path=_STATEMENT + "/cancel",
            summary="Stop a statement. 200 means that it has stopped.",
            tag="Statements",
            handle=rooms.cancel,
            query=bodies.CancelQuery,
            body=bodies.CancelStatement,
            errors=(*WITH_BODY, 409),
            any_object=True,
            example={},
            takes=CANCEL_TAKES,
            headers=CANCEL_HEADERS,
        ),
        Route(
            operation="CancelSqlSessionStatements",
            method="POST",
            path=SESSION + "/cancel",
            summary="Stop every unfinished statement of a session. 200 means that they have stopped.",
            tag="Statements",
            handle=rooms.cancel_all,
            query=Nothing,
            body=bodies.CancelStatement,
            errors=WITH_BODY,
            any_object=True,
            example={},
            headers=CANCEL_HEADERS,
        ),
        Route(
            operation="CancelSqlStatements",
            method="POST",
            path=WORKSPACE + "/statements/cancel",
            summary="Stop every statement that matches. 200 means that they have stopped.",
            tag="Statements",
            handle=rooms.cancel_many,
            query=Nothing,
            body=bodies.CancelStatements,
            reply=replies.CancelledStatements,
            errors=WITH_BODY,
            example={"tags": ["nightly"], "dry_run": True},
        ),
    )


def _check_page(query: bodies.ResultQuery, view: StatementView) -> None:
    """Check that a page beyond the documented numbers exists. Raises `BadRequest`."""
    page, most = query.page_num, query.documented_pages
    if page > most and all(page > part.page_count for part in view.results or ()):
        raise BadRequest(f"must be an integer from 1 to {most}", field="page_num")


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
