"""Results: one page of a statement, or where its files are."""

import asyncio
from pathlib import Path

from treadle.model.entities import Part, Principal, Session, Statement
from treadle.model.errors import NotFound, ResultExpired
from treadle.model.ids import part_id, split_part_id
from treadle.model.states import CANCEL_MESSAGES, PartStatus, Rung
from treadle.results.layout import folder
from treadle.results.reader import PageRows, ResultMissing, read_page
from treadle.service.deps import Verb
from treadle.service.views import Location, PartView, StatementView


class Results(Verb):
    """The verb that shows."""

    async def show_result(
        self, p: Principal, workspace_id: str, session_id: str, statement_id: str, *, page_num: int, locate: bool
    ) -> StatementView:
        """The state of a statement and page ``page_num`` of its result.

        The plain id of a script shows every part, the asked page of its last result set and the
        first page of the others; a part's id shows that part alone. Raises `NotFound`, `ResultExpired`.
        """
        statement, number = await self.own_statement(p, workspace_id, session_id, statement_id)
        return await self.view(statement, page_num=page_num, locate=locate, only=number)

    async def own_statement(
        self, p: Principal, workspace_id: str, session_id: str, statement_id: str
    ) -> tuple[Statement, int | None]:
        """The statement of that id in the caller's session, and the number when the id is a part's."""
        await self.own_session(p, workspace_id, session_id)
        statement = await self.deps.store.statement(statement_id)
        number = None
        if statement is None and (named := split_part_id(statement_id)) is not None:
            statement, number = await self.deps.store.statement(named[0]), named[1]
        if statement is None or statement.session_id != session_id:
            raise NotFound
        if number is not None and statement.state.final and number > len(shown_parts(statement)):
            raise NotFound
        return statement, number

    async def view(
        self, statement: Statement, *, page_num: int, locate: bool, only: int | None = None
    ) -> StatementView:
        """The statement as the API shows it. While it runs there are no results."""
        return StatementView(
            status=statement.status,
            session_id=statement.session_id,
            statement_id=statement.id if only is None else part_id(statement.id, only),
            state=statement.record_status,
            results=await self._results(statement, page_num, locate, only) if statement.state.final else None,
        )

    async def _results(
        self, statement: Statement, page_num: int, locate: bool, only: int | None
    ) -> tuple[PartView, ...]:
        paged = only if only is not None else last_result_set(statement)
        parts = shown_parts(statement)
        views = []
        for part in parts:
            if only is not None and part.number != only:
                continue
            shown_id = statement.id if len(parts) == 1 and only is None else part_id(statement.id, part.number)
            if part.status is not PartStatus.TUPLES_OK:
                views.append(_without_rows(part, shown_id))
            elif locate:
                views.append(self._located(statement, part, shown_id))
            else:
                page = page_num if part.number == paged else 1
                views.append(await self._page(statement, part, shown_id, page))
        return tuple(views)

    def _located(self, statement: Statement, part: Part, shown_id: str) -> PartView:
        self._refuse_expired(statement)
        results_dir = self.deps.settings.data_dir / "results"
        path = folder(results_dir, statement.id)
        return PartView(
            statement_id=shown_id,
            status=part.status,
            num_rows=part.rows,
            page_count=_pages(part.rows, self.deps.settings.page_rows),
            columns=part.columns,
            location=Location(
                endpoint=f"file://{results_dir.parent}",
                bucket=results_dir.name,
                prefix=f"{path.name}/{part.number}.arrow",
            ),
        )

    async def _page(self, statement: Statement, part: Part, shown_id: str, page_num: int) -> PartView:
        self._refuse_expired(statement)
        page = await self._read(statement.id, part, page_num)
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

    async def _read(self, statement_id: str, part: Part, page_num: int) -> PageRows:
        results_dir: Path = self.deps.settings.data_dir / "results"
        page_rows = self.deps.settings.page_rows
        try:
            if part.rows <= SMALL_ROWS:
                return read_page(results_dir, statement_id, part.number, page_num, page_rows)
            return await asyncio.to_thread(read_page, results_dir, statement_id, part.number, page_num, page_rows)
        except ResultMissing:
            raise ResultExpired(f"the result of statement {statement_id} is gone: it has expired") from None

    def _refuse_expired(self, statement: Statement) -> None:
        expires = statement.results_expire_at
        if expires is not None and expires <= self.deps.clock.now():
            raise ResultExpired(f"the result of statement {statement.id} has expired")


SMALL_ROWS = 64
"""Results of at most so many rows are read at once: handing them to a thread costs more."""


def last_result_set(statement: Statement) -> int | None:
    """The number of the last part with rows: what the plain id of a script pages through (decision 6)."""
    return max((part.number for part in statement.parts if part.status is PartStatus.TUPLES_OK), default=None)


def shown_parts(statement: Statement) -> tuple[Part, ...]:
    """The parts of an ended statement; one that was cancelled before it started says so in a part of its own."""
    ending = statement.ending
    if ending is None or ending.rung is not Rung.DEQUEUED or ending.reason is None or statement.parts:
        return statement.parts
    message = CANCEL_MESSAGES[ending.reason]
    return (Part(number=1, status=PartStatus.FATAL_ERROR, sql_state="57014", message=message),)


def _without_rows(part: Part, shown_id: str) -> PartView:
    return PartView(
        statement_id=shown_id,
        status=part.status,
        num_rows=part.rows,
        err_code="1" if part.failed else "0",
        sql_state=part.sql_state,
        message=part.message,
    )


def _pages(rows: int, page_rows: int) -> int:
    return -(-rows // page_rows)


def has_ended(thing: Statement | Session) -> bool:
    """Whether a statement is in a final state."""
    return isinstance(thing, Statement) and thing.state.final
