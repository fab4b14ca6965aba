"""Results: one page of a statement, or where its files are."""

from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from treadle.model.access import Action
from treadle.model.entities import LEASE_RENEWAL_SHARE, Part, Principal, Session, Statement
from treadle.model.errors import BadRequest, NotFound, ResultExpired
from treadle.model.ids import part_id, split_part_id
from treadle.model.states import PartStatus, Rung, StatementState, cancel_message
from treadle.results.inline import materialize, read_inline_page
from treadle.results.layout import data_path, results_root, workspace_folder
from treadle.results.reader import PageRows, PageTooLarge, ResultMissing
from treadle.service.deps import Deps, Leaving, Verb, watched
from treadle.service.pages import Pages
from treadle.service.views import Location, PartView, StatementView

REMEMBERED_SECONDS: Final = 1.0
"""How long a statement that is paged through is not looked up again, nor whose it is."""

REMEMBERED_MOST: Final = 1_000

_Found = tuple[Statement, int | None]


class Results(Verb):
    """The verb that shows."""

    def __init__(self, deps: Deps) -> None:
        super().__init__(deps)
        self._pages = Pages(deps.settings.page_rows, deps.settings.max_page_bytes)
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
        self.allow(p, Action.SHOW_RESULT, workspace_id, statement.endpoint_id)
        await self.keep(statement)
        if wait > 0 and not statement.state.final:
            statement = await self._awaited(statement, wait, leaving)
            refuse_unknown_part(statement, number)
        self.deps.signals.touch(session_id)
        return await self.view(statement, page_num=page_num, locate=locate, only=number)

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
            raise NotFound
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
        self, statement: Statement, *, page_num: int, locate: bool, only: int | None = None
    ) -> StatementView:
        """The statement as the API shows it. While it runs there are no results."""
        running = statement.state is StatementState.RUNNING
        return StatementView(
            status=statement.status,
            session_id=statement.session_id,
            statement_id=statement.public_id if only is None else part_id(statement.public_id, only),
            state=statement.record_status,
            results=await self._results(statement, page_num, locate, only) if statement.state.final else None,
            progress=self.deps.signals.progress(statement.session_id, statement.id) if running else None,
        )

    async def _results(
        self, statement: Statement, page_num: int, locate: bool, only: int | None
    ) -> tuple[PartView, ...]:
        paged = only if only is not None else last_result_set(statement)
        parts = shown_parts(statement)
        views = []
        left = int(self.deps.settings.max_page_bytes)
        for part in parts:
            if only is not None and part.number != only:
                continue
            public_id = statement.public_id
            shown_id = public_id if len(parts) == 1 and only is None else part_id(public_id, part.number)
            if part.status is not PartStatus.TUPLES_OK:
                views.append(_without_rows(part, shown_id))
            elif locate:
                views.append(self._located(statement, part, shown_id))
            else:
                page = page_num if part.number == paged else 1
                shown = await self._page(statement, part, shown_id, page)
                left -= len(shown.rows or b"")
                if left < 0:
                    raise self._too_large(shown_id, page)
                views.append(shown)
        return tuple(views)

    def _located(self, statement: Statement, part: Part, shown_id: str) -> PartView:
        self._refuse_expired(statement)
        data_dir = self.deps.settings.data_dir
        results_dir = workspace_folder(data_dir, statement.workspace_id)
        if statement.inline is not None:
            materialize(results_dir, statement.id, part.number, statement.inline)
        bucket = results_root(data_dir)
        path = data_path(results_dir, statement.id, part.number)
        return PartView(
            statement_id=shown_id,
            status=part.status,
            num_rows=part.rows,
            page_count=_pages(part.rows, self.deps.settings.page_rows),
            columns=part.columns,
            location=Location(
                endpoint=f"file://{bucket.parent}",
                bucket=bucket.name,
                prefix=str(path.relative_to(bucket)),
            ),
        )

    async def _page(self, statement: Statement, part: Part, shown_id: str, page_num: int) -> PartView:
        self._refuse_expired(statement)
        page = await self._read(statement, part, page_num)
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

    async def _read(self, statement: Statement, part: Part, page_num: int) -> PageRows:
        page_rows = self.deps.settings.page_rows
        if statement.rows is not None and page_num == 1 and part.rows <= page_rows:
            return PageRows(
                rows_json=statement.rows, row_count=part.rows, page_count=min(part.rows, 1), num_rows=part.rows
            )
        if statement.inline is not None:
            return read_inline_page(statement.inline, page_num, page_rows)
        results_dir = workspace_folder(self.deps.settings.data_dir, statement.workspace_id)
        try:
            return await self._pages.read(results_dir, statement.id, part.number, page_num, part.rows)
        except ResultMissing:
            raise ResultExpired(f"the result of statement {statement.public_id} is gone: it has expired") from None
        except PageTooLarge:
            raise self._too_large(part_id(statement.public_id, part.number), page_num) from None

    def _too_large(self, shown_id: str, page_num: int) -> BadRequest:
        most = self.deps.settings.max_page_bytes
        return BadRequest(
            f"page {page_num} of statement {shown_id} brings the answer to more than {most} bytes (max_page_bytes); "
            "ask for its parts one by one or for its place (READ_OBS), or select less",
            field="page_num",
        )

    def _refuse_expired(self, statement: Statement) -> None:
        expires = statement.results_expire_at
        if expires is not None and expires <= self.deps.clock.now():
            raise ResultExpired(f"the result of statement {statement.public_id} has expired")


def refuse_unknown_part(statement: Statement, number: int | None) -> None:
    """Raise `NotFound` for the number of a part that the ended statement has not."""
    if number is not None and statement.state.final and number > len(shown_parts(statement)):
        raise NotFound


def last_result_set(statement: Statement) -> int | None:
    """The number of the last part with rows: what the plain id of a script pages through (decision 6)."""
    return max((part.number for part in statement.parts if part.status is PartStatus.TUPLES_OK), default=None)


def shown_parts(statement: Statement) -> tuple[Part, ...]:
    """The parts of an ended statement; one that was cancelled before it started says so in a part of its own."""
    ending = statement.ending
    if ending is None or ending.rung is not Rung.DEQUEUED or ending.reason is None or statement.parts:
        return statement.parts
    message = cancel_message(ending.reason, ending.detail)
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


def _pages(rows: int, page_rows: int) -> int:
    return -(-rows // page_rows)


def has_ended(thing: Statement | Session) -> bool:
    """Whether a statement is in a final state."""
    return isinstance(thing, Statement) and thing.state.final
