"""Submitting statements."""

import asyncio
from datetime import timedelta
from functools import partial

import msgspec
from msgspec.structs import replace

from treadle.model.access import Action
from treadle.model.entities import Principal, Retry, Session, Statement
from treadle.model.errors import Conflict, NotApplicable, TooMany, WrongState
from treadle.model.grants import grants_of
from treadle.model.growth import Full
from treadle.model.states import Reason, StatementState
from treadle.pools import orders
from treadle.pools.digests import digest_of_body
from treadle.pools.helpers import TookTooLong
from treadle.pools.scripts import may_be_several
from treadle.service.cancel import Cancels
from treadle.service.delivery import Delivery
from treadle.service.deps import Leaving, tenant_of, unless_left, watched
from treadle.service.results import has_ended
from treadle.service.views import OnDisconnect, StatementView, Submission
from treadle.store.base import Wake
from treadle.store.errors import DuplicateId, DuplicateKey, StoreUnavailable
from treadle.store.filters import Scope
from treadle.store.retrying import LATE_PAUSES, until_stored


class Statements(Cancels):
    """The verb that submits."""

    async def execute(
        self,
        p: Principal,
        workspace_id: str,
        submission: Submission,
        leaving: Leaving | None = None,
        delivery: Delivery | None = None,
    ) -> StatementView:
        """Submit a statement; a synchronous one is waited for up to ``sync_wait``.

        A statement is cancelled if the submit failed with an error of the store and only the answer would have named
        it. So is one that is to be cancelled with its caller's disconnect, if its answer is not delivered. Raises
        `Forbidden` for another user's session, `BadRequest` for an ended session, `NotFound` for an unknown one,
        `Conflict` for an id that is taken and for an idempotency key that belongs to another submit.
        """
        await self.allow_in_session(p, Action.EXECUTE, workspace_id, submission.session_id)
        await self.allow_use(p, workspace_id, submission.session_id)
        self.may_begin()
        if submission.bindings and may_be_several(submission.statement):
            await unless_left(self._refuse_bound_script(p, submission.statement), leaving)
        new = self._statement(p, workspace_id, submission, await self._retry(p, submission))
        known = await self._repeated(new) if new.retry is not None else None
        with self.deps.signals.watch((known or new).id) as future:
            try:
                stored = known or await self._submit(p, new, soft=submission.is_sync)
            except DuplicateKey:
                # Submitted at the same time by another call: that one's statement is the answer.
                return await self.execute(p, workspace_id, submission, leaving, delivery)
            except (StoreUnavailable, asyncio.CancelledError):
                if new.nameless:
                    self.deps.carry_on(self._give_up(p, new))
                raise
            if submission.is_sync and not stored.state.final:
                try:
                    stored = await self._result(p, stored, future, submission, leaving)
                except StoreUnavailable:
                    if self._leaves_with_caller(submission):
                        self.deps.carry_on(self._give_up(p, stored))
                    raise
                if delivery is not None and not stored.state.final and self._leaves_with_caller(submission):
                    delivery(partial(self._settle, p, stored))
        locate = submission.fetch_mode == "READ_OBS" and stored.state.final
        shown = self.view_of_submit(stored, tenant_of(p), locate=locate)
        return await (shown if self.is_cheap(stored) else unless_left(shown, leaving))

    async def _refuse_bound_script(self, p: Principal, script: str) -> None:
        """Raise `NotApplicable` for a script of several statements with bindings (decision 5)."""
        intake = self.deps.pools.intake
        try:
            reply, _ = await intake.ask(tenant_of(p), orders.CountStatements(), script.encode())
        except TookTooLong:
            raise NotApplicable("takes too long to read, with bindings", field="statement") from None
        if isinstance(reply, orders.Failed):
            raise RuntimeError(f"a helper process could not read a script: {reply.error}")
        if isinstance(reply, orders.Counted) and reply.count > 1:
            raise NotApplicable("cannot be given with a script of several statements", field="bindings")

    async def _repeated(self, new: Statement) -> Statement | None:
        """The statement that was submitted under the key before; raises `Conflict` when it was another."""
        assert new.retry is not None
        known = await self.deps.store.keyed_statement(new.workspace_id, new.user_id, new.retry.key)
        if known is not None and known.retry != new.retry:
            raise Conflict("the Idempotency-Key stands for another submit")
        return known

    async def _result(
        self,
        p: Principal,
        stored: Statement,
        future: "asyncio.Future[Statement | Session]",
        submission: Submission,
        leaving: Leaving | None,
    ) -> Statement:
        """The statement when it has ended, or as it is when ``sync_wait`` is over; raises when the caller has left."""
        deps = self.deps
        stays = not self._leaves_with_caller(submission) and stored.keepalive is None
        with watched(None if stays else leaving) as gone:
            look = partial(self.look_at, stored.id)
            ended = await self.wait_for(look, has_ended, future, deps.settings.sync_wait, gone)
            if isinstance(ended, Statement):
                return ended
            if gone is not None and gone.done():
                if self._leaves_with_caller(submission):
                    await deps.signals.put_on_record()
                    await self.stop(stored, p.user_name, Reason.CLIENT_GONE)
                gone.result()
        return await self._as_it_is(stored.id)

    def _leaves_with_caller(self, submission: Submission) -> bool:
        """Check whether a synchronous statement is cancelled when its caller disconnects."""
        policy = submission.on_disconnect or OnDisconnect(self.deps.settings.on_disconnect)
        return policy is OnDisconnect.CANCEL

    def _settle(self, p: Principal, statement: Statement, delivered: bool) -> None:
        """Cancel the statement unless the answer with its unfinished state was delivered."""
        if not delivered:
            self.deps.carry_on(self._give_up(p, statement))

    async def _give_up(self, p: Principal, statement: Statement) -> None:
        """Cancel a statement whose caller has disconnected or does not know its id, as soon as the store accepts it."""
        deps = self.deps
        intent = self._intent(p.user_name, Reason.CLIENT_GONE)
        ask = partial(deps.store.request_cancels, Scope(ids=(statement.id,)), intent)
        for pause in LATE_PAUSES:
            await deps.clock.sleep(pause)
            if deps.signals.stop(statement.session_id, statement.public_id, intent) is not None:
                return
            for asked in await until_stored(deps.clock, ask):
                after = asked.statement
                if not after.state.final:
                    deps.signals.wake(Wake(session_id=after.session_id, statement_id=after.id, intent=after.cancel))
                    return
                deps.signals.ended(after)
                if not asked.before.final:
                    self.count_dequeued(after, 0.0)
                return

    async def _as_it_is(self, statement_id: str) -> Statement:
        """The statement as it is on record; raises `StoreUnavailable` where a crash of the store took the record."""
        deps = self.deps
        if (current := await deps.store.statement(statement_id)) is not None:
            return current
        await deps.signals.put_on_record()
        if (current := await deps.store.statement(statement_id)) is not None:
            return current
        raise StoreUnavailable("the record of the statement is lost")

    async def _submit(self, p: Principal, statement: Statement, *, soft: bool) -> Statement:
        """Store the statement: running at once if its session is idle, else in the queue."""
        deps = self.deps
        if (full := deps.full(statement.workspace_id)) is not None:
            await self._admit_beyond(full, p, statement)
        await deps.crowd.admit(p, statement.id)
        seat = deps.signals.seat(statement.session_id, p.project_id)
        try:
            if seat is not None and soft and statement.nameless and seat.start(statement):
                seat = None
                return statement
            stored = await deps.store.submit(
                statement, project_id=p.project_id, owner=seat.owner if seat else None, soft=soft
            )
            if stored is None:
                raise await self._session_ended(p, statement)
            if stored.state.final:
                deps.crowd.over(stored.id)
                self.count_dequeued(stored, 0.0)
            elif seat is not None and stored.state is StatementState.RUNNING:
                seat.take(stored)
                seat = None
            else:
                deps.signals.wake(Wake(session_id=stored.session_id, statement_id=stored.id))
            return stored
        except BaseException as error:
            deps.crowd.over(statement.id)
            if isinstance(error, DuplicateId):
                raise Conflict(f"there is a statement {statement.public_id} already") from None
            raise
        finally:
            if seat is not None:
                seat.release()

    async def _admit_beyond(self, full: Full, p: Principal, statement: Statement) -> None:
        """Refuse a statement that may use more of an exceeded quota; raises `TooMany`."""
        met = await self.deps.pools.files.of(*tenant_of(p))(full.met_by, statement.content)
        if met is not None:
            await self.own_session(p, statement.workspace_id, statement.session_id)
            raise TooMany(f"policy workspace over quota,limit:{met.advice}", after=self.deps.settings.quota_interval)

    async def _retry(self, p: Principal, submission: Submission) -> Retry | None:
        """The key of a submit, if it has one, and a digest of everything else it says."""
        if submission.idempotency_key is None:
            return None
        said = replace(submission, idempotency_key=None, tags=tuple(sorted(submission.tags)))
        digest = await digest_of_body(msgspec.json.encode(said), self.deps.pools.digests.of(*tenant_of(p)))
        return Retry(key=submission.idempotency_key, digest=digest)

    def _statement(self, p: Principal, workspace_id: str, submission: Submission, retry: Retry | None) -> Statement:
        """As it is submitted; the store adds what its session decides."""
        now = self.deps.clock.now()
        keepalive = submission.keepalive
        return Statement(
            id=self.deps.new_id(),
            workspace_id=workspace_id,
            endpoint_id="",
            session_id=submission.session_id,
            content=submission.statement,
            created_at=now,
            bindings=submission.bindings,
            row_limit=submission.limit,
            fetch_mode=submission.fetch_mode,
            may_maintain=grants_of(p.policies).allows(Action.MAINTAIN_CATALOG, workspace_id),
            source=submission.source,
            user_id=p.user_id,
            user_name=p.user_name,
            chosen_id=submission.statement_id,
            tags=submission.tags,
            keepalive=keepalive,
            lease_until=now + timedelta(seconds=keepalive) if keepalive is not None else None,
            retry=retry,
            name=submission.name,
            type=submission.type,
            wait_timeout=submission.wait_timeout,
            max_retry_times=submission.max_retry_times,
        )

    async def _session_ended(self, p: Principal, statement: Statement) -> WrongState:
        current = await self.own_session(p, statement.workspace_id, statement.session_id)
        why = f": {current.message}" if current.message else ""
        status = current.status if current.status.final else "being closed"
        return WrongState(f"the session is {status}{why}")
