"""The parts of a statement in an answer: a page of rows, the location of the result file, or the reason for neither."""

import os
from typing import Final

import structlog

from treadle.model.entities import Part, Statement
from treadle.model.errors import NotApplicable, ResultExpired, ResultLost, Unavailable
from treadle.model.ids import part_id
from treadle.model.states import PartStatus
from treadle.pools.fair import Tenant
from treadle.results.inline import materialize
from treadle.results.layout import data_path, results_root, workspace_folder
from treadle.results.reader import PageRows, PageTooLarge, ResultDamaged, ResultMissing, count_pages, holds_wide
from treadle.service.deps import Deps
from treadle.service.pages import Extent, Pages, PageTooSlow
from treadle.service.views import LEFT_OUT, Location, PartView

log: Final = structlog.get_logger("treadle.results")

READ_OBS: Final = "READ_OBS"
"""The fetch mode of a submit that asks for the location of the result file."""

_WIDE: Final = "HUGEINT"


class Parts:
    """Builds the views of the parts of ended statements."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._pages = Pages(
            deps.pools.pages, deps.pools.readers, deps.settings.page_rows, int(deps.settings.max_page_bytes)
        )

    def is_cheap(self, part: Part) -> bool:
        """Check whether a page of the part is made at once."""
        return self._pages.is_small(_extent(part))

    async def show(
        self, statement: Statement, reader: Tenant, part: Part, shown_id: str, page_num: int, *, locate: bool
    ) -> PartView:
        """Build the view of a part: page ``page_num``, or with ``locate`` the place of its file; neither for no rows.

        Raises `NotApplicable`, `ResultExpired`, `ResultLost`, `Unavailable`.
        """
        if part.status is not PartStatus.TUPLES_OK:
            return _without_rows(part, shown_id)
        if locate:
            return await self._located(statement, part, shown_id)
        return await self._page(statement, reader, part, shown_id, page_num)

    def left_out(self, statement: Statement, part: Part, shown_id: str, why: str) -> PartView:
        """Build the view of a part that has rows, but leaves them out."""
        return PartView(
            statement_id=shown_id,
            status=part.status,
            num_rows=part.rows,
            page_count=self._page_count(statement, part),
            message=f"{LEFT_OUT}: {why}",
            columns=part.columns,
        )

    def no_room(self, statement: Statement, part: Part, shown_id: str) -> PartView:
        """Build the view of a part for which the answer is full; its rows are available under its own id."""
        if part.status is not PartStatus.TUPLES_OK:
            return _without_rows(part, shown_id)
        own = part_id(statement.public_id, part.number)
        return self.left_out(statement, part, shown_id, f"the answer is full; ask for the pages of {own}")

    def _page_count(self, statement: Statement, part: Part) -> int:
        settings = self._deps.settings
        results_dir = workspace_folder(settings.data_dir, statement.workspace_id)
        return count_pages(results_dir, statement.id, part.number, part.rows, settings.page_rows)

    async def _located(self, statement: Statement, part: Part, shown_id: str) -> PartView:
        self._refuse_expired(statement)
        data_dir = self._deps.settings.data_dir
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
        files = self._deps.pools.files.of(statement.workspace_id)
        try:
            wide = unsure and await files(holds_wide, results_dir, statement.id, part.number)
        except (ResultMissing, ResultDamaged) as error:
            raise self._lost(statement, part, error) from None
        if wide:
            raise NotApplicable(
                "the result has an integer of more than 38 digits, which no Arrow file holds; "
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
        page_rows = self._deps.settings.page_rows
        if statement.rows is not None and page_num == 1 and part.rows <= page_rows:
            return PageRows(
                rows_json=statement.rows, row_count=part.rows, page_count=min(part.rows, 1), num_rows=part.rows
            )
        extent = _extent(part)
        results_dir = workspace_folder(self._deps.settings.data_dir, statement.workspace_id)
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

    def _too_large(self, shown_id: str, page_num: int) -> NotApplicable:
        most = self._deps.settings.max_page_bytes
        return NotApplicable(
            f"page {page_num} of statement {shown_id} has more than {most} bytes (max_page_bytes); "
            "ask for its place (READ_OBS), or select less",
            field="page_num",
        )

    def _too_slow(self, shown_id: str, page_num: int) -> NotApplicable:
        seconds = self._deps.settings.page_timeout
        return NotApplicable(
            f"page {page_num} of statement {shown_id} takes more than {seconds:g} s to make (page_timeout); "
            "ask for its place (READ_OBS), or select less",
            field="page_num",
        )

    def _refuse_expired(self, statement: Statement) -> None:
        expires = statement.results_expire_at
        if expires is not None and expires <= self._deps.clock.now():
            raise ResultExpired(f"the result of statement {statement.public_id} has expired")


def _extent(part: Part) -> Extent:
    return Extent(part.rows, tuple(column.engine_type for column in part.columns))


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
