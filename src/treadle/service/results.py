"""Results: one page of a statement, or where its files are."""

import asyncio
import os
from datetime import timedelta
from typing import Final

import structlog
from msgspec.structs import replace

from treadle.model.access import Action
from treadle.model.entities import LEASE_RENEWAL_SHARE, Part, Principal, Session, Statement
from treadle.model.errors import BadRequest, RequestError, ResultExpired, ResultLost, Unavailable
from treadle.model.ids import part_id, split_part_id
from treadle.model.states import PartStatus, Rung, StatementState, cancel_message
from treadle.pools.fair import Tenant
from treadle.results.inline import materialize
from treadle.results.layout import data_path, results_root, workspace_folder
from treadle.results.reader import (
    PageRows,
    PageTooLarge,
    ResultDamaged,
    ResultMissing,
    count_pages,
    holds_wide,
)
from treadle.service.deps import SESSION, STATEMENT, Deps, Leaving, Verb, missing, tenant_of, unless_left, watched
from treadle.service.pages import Extent, Pages, PageTooSlow
from treadle.service.views import LEFT_OUT, Location, PartView, StatementView

log: Final = structlog.get_logger("treadle.results")

REMEMBERED_SECONDS: Final = 1.0
"""How long a statement that is paged through is not looked up again, nor whose it is."""

REMEMBERED_MOST: Final = 1_000

PARTS_IN_TURN: Final = 16
"""Parts whose pages are made in a row before other tasks get their turn."""

READ_OBS: Final = "READ_OBS"
"""The mode of a submit that asks for the place of the results."""

_WIDE: Final = "HUGEINT"

_Found = tuple[Statement, int | None]


class Results(Verb):
    """The verb that shows."""

    def __init__(self, deps: Deps) -> None:
        super().__init__(deps)
        self._pages = Pages(
            deps.pools.pages, deps.pools.readers, deps.settings.page_rows, int(deps.settings.max_page_bytes)
        )
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
        return all(self._pages.is_small(_extent(part)) for part in statement.parts)

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
            views.append(shown if shown is not None and left >= 0 else self._no_room(statement, part, shown_id))
        return self._view(statement, tuple(views))

    async def _shown(
        self, statement: Statement, reader: Tenant, part: Part, shown_id: str, *, locate: bool
    ) -> PartView:
        """The first page of a part, or why there is none."""
        try:
            return await self._part(statement, reader, part, shown_id, 1, locate=locate)
        except RequestError as error:
            return self._left_out(statement, part, shown_id, str(error))
        except Exception:
            log.exception("page not made", statement_id=statement.id, part=part.number)
            return self._left_out(statement, part, shown_id, "its page cannot be shown")

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
            shown = await self._part(statement, reader, part, shown_id, page, locate=locate) if left > 0 else None
            left -= len(shown.rows) if shown is not None else 0
            await others_turn(len(views))
            views[part.number] = shown if shown is not None and left >= 0 else self._no_room(statement, part, shown_id)
        return tuple(views[part.number] for part in parts)

    async def _part(
        self, statement: Statement, reader: Tenant, part: Part, shown_id: str, page_num: int, *, locate: bool
    ) -> PartView:
        if part.status is not PartStatus.TUPLES_OK:
            return _without_rows(part, shown_id)
        if locate:
            return await self._located(statement, part, shown_id)
        return await self._page(statement, reader, part, shown_id, page_num)

    def _left_out(self, statement: Statement, part: Part, shown_id: str, why: str) -> PartView:
        """A part whose rows are there and not shown."""
        return PartView(
            statement_id=shown_id,
            status=part.status,
            num_rows=part.rows,
            page_count=self._page_count(statement, part),
            message=f"{LEFT_OUT}: {why}",
            columns=part.columns,
        )

    def _no_room(self, statement: Statement, part: Part, shown_id: str) -> PartView:
        if part.status is not PartStatus.TUPLES_OK:
            return _without_rows(part, shown_id)
        own = part_id(statement.public_id, part.number)
        return self._left_out(statement, part, shown_id, f"the answer is full; ask for the pages of {own}")

    def _page_count(self, statement: Statement, part: Part) -> int:
        settings = self.deps.settings
        results_dir = workspace_folder(settings.data_dir, statement.workspace_id)
        return count_pages(results_dir, statement.id, part.number, part.rows, settings.page_rows)

    async def _located(self, statement: Statement, part: Part, shown_id: str) -> PartView:
        self._refuse_expired(statement)
        data_dir = self.deps.settings.data_dir
        results_dir = workspace_folder(data_dir, statement.workspace_id)
        if statement.inline is not None:
            try:
                materialize(results_dir, statement.id, part.number, statement.inline)
            except OSError as error:
                raise Unavailable(
                    f"the file of the result cannot be written: {os.strerror(error.errno or 0)}"
                ) from error
        bucket = results_root(data_dir)
        path = data_path(results_dir, statement.id, part.number)
        # The worker looks only where a file was asked for from the beginning.
        if not path.is_file():
            raise self._lost(statement, part, ResultMissing(f"{path.name} is not there"))
        unsure = statement.fetch_mode != READ_OBS and any(_WIDE in column.engine_type for column in part.columns)
        files = self.deps.pools.files.of(statement.workspace_id)
        try:
            wide = unsure and await files(holds_wide, results_dir, statement.id, part.number)
        except (ResultMissing, ResultDamaged) as error:
            raise self._lost(statement, part, error) from None
        if wide:
            raise BadRequest(
                "the result has an integer of more than 38 digits, which no Arrow file holds for everybody; "
                "read its pages, or cast it to varchar",
                field="is_enable_obs_path",
            )
        return PartView(
            statement_id=shown_id,
            status=part.status,
            num_rows=part.rows,
            page_count=self._page_count(statement, part),
            columns=part.columns,
            location=Location(
                endpoint=f"file://{bucket.parent}",
                bucket=bucket.name,
                prefix=str(path.relative_to(bucket)),
            ),
        )

    async def _page(self, statement: Statement, reader: Tenant, part: Part, shown_id: str, page_num: int) -> PartView:
        self._refuse_expired(statement)
        page = await self._read(statement, reader, part, page_num)
        return PartView(
            statement_id=shown_id,
            status=part.status,
            num_rows=part.rows,
            row_count=page.row_count,
            page_no=page_num,
            page_count=page.page_count,
            message=part.message,
            columns=part.columns,
            rows=page.rows_json,
        )

    async def _read(self, statement: Statement, reader: Tenant, part: Part, page_num: int) -> PageRows:
        page_rows = self.deps.settings.page_rows
        if statement.rows is not None and page_num == 1 and part.rows <= page_rows:
            return PageRows(
                rows_json=statement.rows, row_count=part.rows, page_count=min(part.rows, 1), num_rows=part.rows
            )
        extent = _extent(part)
        results_dir = workspace_folder(self.deps.settings.data_dir, statement.workspace_id)
        try:
            if statement.inline is not None:
                return await self._pages.read_inline(reader, statement.inline, page_num, extent)
            page = await self._pages.read(reader, results_dir, statement.id, part.number, page_num, extent)
        except PageTooLarge:
            raise self._too_large(part_id(statement.public_id, part.number), page_num) from None
        except PageTooSlow:
            raise self._too_slow(part_id(statement.public_id, part.number), page_num) from None
        except (ResultMissing, ResultDamaged) as error:
            raise self._lost(statement, part, error) from None
        if page.num_rows != part.rows:
            raise self._lost(statement, part, ResultDamaged(f"{page.num_rows} rows in place of {part.rows}"))
        return page

    def _lost(self, statement: Statement, part: Part, error: ResultMissing | ResultDamaged) -> ResultLost:
        """Build the error for a result with missing or damaged files."""
        self._refuse_expired(statement)
        damaged = isinstance(error, ResultDamaged)
        log.warning(
            "result_damaged" if damaged else "result_missing",
            statement_id=statement.id,
            part=part.number,
            detail=str(error),
        )
        how = "damaged" if damaged else "missing"
        return ResultLost(
            f"the result of statement {part_id(statement.public_id, part.number)} cannot be read: "
            f"its file is {how}; run the statement again"
        )

    def _too_large(self, shown_id: str, page_num: int) -> BadRequest:
        most = self.deps.settings.max_page_bytes
        return BadRequest(
            f"page {page_num} of statement {shown_id} has more than {most} bytes (max_page_bytes); "
            "ask for its place (READ_OBS), or select less",
            field="page_num",
        )

    def _too_slow(self, shown_id: str, page_num: int) -> BadRequest:
        seconds = self.deps.settings.page_timeout
        return BadRequest(
            f"page {page_num} of statement {shown_id} takes more than {seconds:g} s to make (page_timeout); "
            "ask for its place (READ_OBS), or select less",
            field="page_num",
        )

    def _refuse_expired(self, statement: Statement) -> None:
        expires = statement.results_expire_at
        if expires is not None and expires <= self.deps.clock.now():
            raise ResultExpired(f"the result of statement {statement.public_id} has expired")


async def others_turn(made: int) -> None:
    """Yield to other tasks after every few parts: a script may have thousands of small ones."""
    if made % PARTS_IN_TURN == PARTS_IN_TURN - 1:
        await asyncio.sleep(0)


def _extent(part: Part) -> Extent:
    return Extent(part.rows, tuple(column.engine_type for column in part.columns))


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


def _without_rows(part: Part, shown_id: str) -> PartView:
    return PartView(
        statement_id=shown_id,
        status=part.status,
        num_rows=part.rows,
        err_code="1" if part.failed else "0",
        sql_state=part.sql_state,
        message=part.message,
        position=part.position,
    )


def _shown_id(statement: Statement, part: Part, only: int | None = None) -> str:
    """The id a part is shown by: a statement that is no script has but one."""
    single = only is None and len(shown_parts(statement)) == 1
    return statement.public_id if single else part_id(statement.public_id, part.number)


def has_ended(thing: Statement | Session) -> bool:
    """Whether a statement is in a final state."""
    return isinstance(thing, Statement) and thing.state.final
