"""Results: one page of a statement, or where its files are."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog
from msgspec.structs import replace

from treadle.model.access import Action
from treadle.model.entities import LEASE_RENEWAL_SHARE, Part, Principal, Session, Statement
from treadle.model.errors import RequestError
from treadle.model.ids import part_id, split_part_id
from treadle.model.states import PartStatus, Rung, StatementState, cancel_message
from treadle.pools.fair import Tenant
from treadle.service.deps import SESSION, STATEMENT, Deps, Leaving, Verb, missing, tenant_of, unless_left, watched
from treadle.service.parts import Parts
from treadle.service.views import PartView, StatementView

log: Final = structlog.get_logger("treadle.results")

REMEMBERED_SECONDS: Final = 1.0
"""How long a statement that is paged through is not looked up again, nor whose it is."""

REMEMBERED_MOST: Final = 1_000

PARTS_IN_TURN: Final = 16
"""Parts whose pages are made in a row before other tasks get their turn."""

_Found = tuple[Statement, int | None]


class Results(Verb):
    """The verb that shows."""

    def __init__(self, deps: Deps) -> None:
        super().__init__(deps)
        self._parts = Parts(deps)
        self._known: dict[tuple[str, ...], tuple[_Found, float]] = {}

    async def show_result(
        self,
        p: Principal,
        workspace_id: str,
        session_id: str,
        statement_id: str,
        *,
        page_num: int,
        locate: bool,
        wait: float = 0.0,
        leaving: Leaving | None = None,
    ) -> StatementView:
        """The state of a statement and page ``page_num`` of its result.

        The plain id of a script shows every part, the asked page of its last result set and the
        first page of the others; a part's id shows that part alone. A statement that has not ended is
        waited for, ``wait`` seconds at most. Raises `NotFound`, `ResultExpired`.
        """
        self.allow_within(p, Action.SHOW_RESULT, workspace_id)
        statement, number = await self._found(p, workspace_id, session_id, statement_id)
        self.allow(p, Action.SHOW_RESULT, workspace_id, statement.endpoint_id, within=SESSION)
        await self.keep(statement)
        if wait > 0 and not statement.state.final:
            statement = await self._awaited(statement, wait, leaving)
            refuse_unknown_part(statement, number)
        self.deps.signals.touch(session_id)
        shown = self.view(statement, tenant_of(p), page_num=page_num, locate=locate, only=number)
        return await (shown if self.is_cheap(statement) else unless_left(shown, leaving))

    def is_cheap(self, statement: Statement) -> bool:
        """Check whether the pages are made at once, so that there is no need to watch for a disconnect."""
        return all(map(self._parts.is_cheap, statement.parts))

    async def _found(self, p: Principal, workspace_id: str, session_id: str, statement_id: str) -> _Found:
        """`own_statement`, remembered for a moment once it has ended with pages to read: it does not change."""
        key = (p.project_id, workspace_id, session_id, statement_id)
        now = self.deps.clock.monotonic()
        if (known := self._known.get(key)) is not None and now < known[1]:
            return known[0]
        statement, number = found = await self.own_statement(p, workspace_id, session_id, statement_id)
        if statement.state.final and any(part.rows > self.deps.settings.page_rows for part in statement.parts):
            if len(self._known) >= REMEMBERED_MOST:
                self._known.clear()
            self._known[key] = ((replace(statement, content="", bindings=()), number), now + REMEMBERED_SECONDS)
        return found

    async def own_statement(
        self,
        p: Principal,
        workspace_id: str,
        session_id: str,
        statement_id: str,
        action: Action = Action.SHOW_RESULT,
    ) -> _Found:
        """The statement of that id in the caller's session, and the number when the id is a part's."""
        session = await self.permitted_session(p, action, workspace_id, session_id)
        found = await self.statement_in(session, statement_id)
        if found is None:
            raise missing(STATEMENT)
        return found

    async def statement_in(self, session: Session, statement_id: str) -> _Found | None:
        """The same in a session that is known; raises `NotFound` for a part that an ended statement has not."""
        find = self.deps.store.find_statement
        statement, number = await find(session.workspace_id, statement_id), None
        if statement is None and (named := split_part_id(statement_id)) is not None:
            statement, number = await find(session.workspace_id, named[0]), named[1]
        if statement is None or statement.session_id != session.id:
            return None
        refuse_unknown_part(statement, number)
        return statement, number

    async def keep(self, statement: Statement) -> None:
        """Renew the lease of a statement, unless it was renewed within `LEASE_RENEWAL_SHARE` of its time."""
        if statement.keepalive is None or statement.lease_until is None or statement.state.final:
            return
        now = self.deps.clock.now()
        left = (statement.lease_until - now).total_seconds()
        # More than there can be is left when the clock was set back.
        if not statement.keepalive * (1 - LEASE_RENEWAL_SHARE) < left <= statement.keepalive:
            await self.deps.store.renew_lease(statement.id, now + timedelta(seconds=statement.keepalive))

    async def look_at(self, statement_id: str) -> Statement | None:
        """The statement now, for somebody who waits for it."""
        statement = await self.deps.store.statement(statement_id)
        if statement is not None:
            await self.keep(statement)
        return statement

    async def _awaited(self, statement: Statement, wait: float, leaving: Leaving | None) -> Statement:
        """The statement when it has ended or the wait is over; raises when the caller has left."""
        deps = self.deps
        with deps.signals.watch(statement.id) as told, watched(leaving) as gone:
            current = await self.look_at(statement.id) or statement
            if current.state.final:
                return current
            seconds = min(wait, deps.settings.max_wait)
            ended = await self.wait_for(lambda: self.look_at(statement.id), has_ended, told, seconds, gone)
            if isinstance(ended, Statement):
                return ended
            if gone is not None and gone.done():
                gone.result()
        return await deps.store.statement(statement.id) or current

    async def view(
        self, statement: Statement, reader: Tenant, *, page_num: int, locate: bool, only: int | None = None
    ) -> StatementView:
        """The statement as the API shows it. While it runs there are no results.

        Raises `ResultExpired`, and `BadRequest` for a page that no answer can hold.
        """
        parts = await self._results(statement, reader, page_num, locate, only) if statement.state.final else None
        return self._view(statement, parts, only)

    async def view_of_submit(self, statement: Statement, reader: Tenant, *, locate: bool) -> StatementView:
        """The statement as its submit is answered: where a page cannot be shown, its part says so.

        A statement that ran must not look like a request that was refused.
        """
        if not statement.state.final:
            return self._view(statement, None)
        views: list[PartView] = []
        left = int(self.deps.settings.max_page_bytes)
        for part in shown_parts(statement):
            shown_id = _shown_id(statement, part)
            shown = await self._shown(statement, reader, part, shown_id, locate=locate) if left > 0 else None
            left -= len(shown.rows) if shown is not None else 0
            await others_turn(len(views))
            views.append(shown if shown is not None and left >= 0 else self._parts.no_room(statement, part, shown_id))
        return self._view(statement, tuple(views))

    async def _shown(
        self, statement: Statement, reader: Tenant, part: Part, shown_id: str, *, locate: bool
    ) -> PartView:
        """The first page of a part, or why there is none."""
        try:
            return await self._parts.show(statement, reader, part, shown_id, 1, locate=locate)
        except RequestError as error:
            return self._parts.left_out(statement, part, shown_id, str(error))
        except Exception:
            log.exception("page not made", statement_id=statement.id, part=part.number)
            return self._parts.left_out(statement, part, shown_id, "its page cannot be shown")

    def _view(self, statement: Statement, parts: tuple[PartView, ...] | None, only: int | None = None) -> StatementView:
        running = statement.state is StatementState.RUNNING
        return StatementView(
            status=statement.status,
            session_id=statement.session_id,
            statement_id=statement.public_id if only is None else part_id(statement.public_id, only),
            state=statement.record_status,
            results=parts,
            progress=self.deps.signals.progress(statement.session_id, statement.id) if running else None,
        )

    async def _results(
        self, statement: Statement, reader: Tenant, page_num: int, locate: bool, only: int | None
    ) -> tuple[PartView, ...]:
        """The asked page of one part, and beside it the first pages of the others as far as the answer takes them."""
        paged = only if only is not None else last_result_set(statement)
        parts = [part for part in shown_parts(statement) if only is None or part.number == only]
        views: dict[int, PartView] = {}
        left = int(self.deps.settings.max_page_bytes)
        # The asked page first: it is the others that may find no room.
        for part in sorted(parts, key=lambda part: part.number != paged):
            shown_id = _shown_id(statement, part, only)
            page = page_num if part.number == paged else 1
            shown = await self._parts.show(statement, reader, part, shown_id, page, locate=locate) if left > 0 else None
            left -= len(shown.rows) if shown is not None else 0
            await others_turn(len(views))
            views[part.number] = (
                shown if shown is not None and left >= 0 else self._parts.no_room(statement, part, shown_id)
            )
        return tuple(views[part.number] for part in parts)


async def others_turn(made: int) -> None:
    """Yield to other tasks after every few parts: a script may have thousands of small ones."""
    if made % PARTS_IN_TURN == PARTS_IN_TURN - 1:
        await asyncio.sleep(0)


def refuse_unknown_part(statement: Statement, number: int | None) -> None:
    """Raise `NotFound` for the number of a part that the ended statement has not."""
    if number is not None and statement.state.final and number > len(shown_parts(statement)):
        raise missing(STATEMENT)


def last_result_set(statement: Statement) -> int | None:
    """The number of the last part with rows: what the plain id of a script pages through (decision 6)."""
    return max((part.number for part in statement.parts if part.status is PartStatus.TUPLES_OK), default=None)


def shown_parts(statement: Statement) -> tuple[Part, ...]:
    """The parts of an ended statement; one that was cancelled before it started says so in a part of its own."""
    ending = statement.ending
    if ending is None or ending.rung is not Rung.DEQUEUED or ending.reason is None or statement.parts:
        return statement.parts
    message = cancel_message(ending.reason, ending.detail, ending.actor)
    return (Part(number=1, status=PartStatus.FATAL_ERROR, sql_state="57014", message=message),)


def _shown_id(statement: Statement, part: Part, only: int | None = None) -> str:
    """The id a part is shown by: a statement that is no script has but one."""
    single = only is None and len(shown_parts(statement)) == 1
    return statement.public_id if single else part_id(statement.public_id, part.number)


def has_ended(thing: Statement | Session) -> bool:
    """Whether a statement is in a final state."""
    return isinstance(thing, Statement) and thing.state.final
