"""Submitting statements."""

import asyncio

import sqlglot

from treadle.model.entities import Principal, Session, Statement
from treadle.model.errors import BadRequest
from treadle.service.results import Results, has_ended
from treadle.service.views import StatementView, Submission
from treadle.store.base import Wake


class Statements(Results):
    """The verb that submits."""

    async def execute(self, p: Principal, workspace_id: str, submission: Submission) -> StatementView:
        """Submit a statement; a synchronous one is waited for up to ``sync_wait``.

        Raises `BadRequest` for a session that has ended, `NotFound` for one there is not.
        """
        self.may_write(p)
        self.may_begin()
        session = await self.own_session(p, workspace_id, submission.session_id)
        if submission.bindings:
            await asyncio.to_thread(refuse_bound_script, submission.statement)
        statement = self._statement(p, session, submission)
        deps = self.deps
        with deps.signals.watch(statement.id) as told:
            if session.status.final or not await deps.store.submit(statement):
                raise await self._session_ended(session)
            deps.signals.wake(Wake(session_id=session.id, statement_id=statement.id))
            if submission.is_sync:
                ended = await self.wait_for(
                    lambda: deps.store.statement(statement.id), has_ended, told, deps.settings.sync_wait
                )
                if isinstance(ended, Statement):
                    return await self.view(ended, page_num=1, locate=submission.fetch_mode == "READ_OBS")
                statement = await deps.store.statement(statement.id) or statement
        return await self.view(statement, page_num=1, locate=False)

    def _statement(self, p: Principal, session: Session, submission: Submission) -> Statement:
        return Statement(
            id=self.deps.new_id(),
            workspace_id=session.workspace_id,
            endpoint_id=session.endpoint_id,
            session_id=session.id,
            content=submission.statement,
            created_at=self.deps.clock.now(),
            database_name=session.catalog,
            bindings=submission.bindings[:1],
            row_limit=submission.limit,
            fetch_mode=submission.fetch_mode,
            is_maintain=submission.is_maintain_statement,
            source=submission.source,
            user_id=p.user_id,
            user_name=p.user_name,
        )

    async def _session_ended(self, session: Session) -> BadRequest:
        current = await self.deps.store.session(session.workspace_id, session.id) or session
        why = f": {current.message}" if current.message else ""
        status = current.status if current.status.final else "being closed"
        return BadRequest(f"the session is {status}{why}", field="session_id")


def refuse_bound_script(script: str) -> None:
    """Raise `BadRequest` when a statement with bindings is a script of several (decision 5)."""
    try:
        tokens = sqlglot.tokenize(script, read="duckdb")
    except sqlglot.errors.TokenError:
        return  # the engine says what is wrong with it
    pieces = 0
    within = False
    for token in tokens:
        if token.token_type is sqlglot.TokenType.SEMICOLON:
            within = False
        elif not within:
            within = True
            pieces += 1
    if pieces > 1:
        raise BadRequest("cannot be given with a script of several statements", field="bindings")
