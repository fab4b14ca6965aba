"""Makes pages of results: small ones at once, others in separate threads and processes, shared fairly by users.

The next page is made ahead for callers that read consecutive pages.
"""

import asyncio
import re
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from treadle.pools import orders
from treadle.pools.fair import Tenant
from treadle.pools.helpers import Helpers, TookTooLong
from treadle.pools.threads import Threads
from treadle.results.inline import read_inline_page
from treadle.results.layout import data_path
from treadle.results.reader import PageRows, PageTooLarge, ResultDamaged, ResultMissing, read_page

READERS: Final = 32
"""How many results may be read page after page at once; of more, the longest unread are forgotten."""

AHEAD_BYTES: Final = 2**20
"""Maximum size of a page for which the next one is made ahead and kept, in bytes."""

SMALL_CELLS: Final = 2_000
SMALL_BYTES: Final = 2**16
"""Cells and bytes up to which results are read on the event loop: a process would cost more, and the work takes at most
some milliseconds.
"""

MIDDLE_CELLS: Final = 20_000
MIDDLE_BYTES: Final = 2**22
"""Cells and bytes up to which pages of types that Arrow formats column by column are made in a thread: it releases the
interpreter most of the time, and is faster than a process.
"""

_BY_COLUMNS: Final = re.compile(
    r"(U?(TINY|SMALL|BIG)INT|U?INTEGER|BOOLEAN|FLOAT|DOUBLE|DECIMAL\(\d+,\s?\d+\)|VARCHAR|UUID|DATE|TIME|TIMESTAMP)\Z"
)
"""Types that Arrow formats column by column, whatever their values."""

_Key = tuple[Path, str, int]
"""The folder of a workspace's results, a statement id and the number of a part."""


class Extent(msgspec.Struct, frozen=True):
    """The number of rows of a part, and the engine's names of its column types."""

    rows: int
    types: tuple[str, ...]

    def cells(self, page_rows: int) -> int:
        """Compute the maximum number of cells of a page."""
        return min(self.rows, page_rows) * max(len(self.types), 1)


class PageTooSlow(Exception):
    """Making the page took too long."""


class _Ahead(msgspec.Struct, frozen=True):
    """The page a reader is expected to ask for, and its rows if they are being read already."""

    number: int
    rows: "asyncio.Task[PageRows] | None" = None


class Pages:
    """Makes pages of ``page_rows`` rows, and at most ``most`` bytes.

    While a caller of two consecutive pages works on the second, the third is made ahead, so that client and service
    work in parallel. Callers of single pages cause no extra work.
    """

    def __init__(self, helpers: Helpers, threads: Threads, page_rows: int, most: int) -> None:
        self._helpers = helpers
        self._threads = threads
        self._page_rows = page_rows
        self._most = most
        self._light = min(most, MIDDLE_BYTES)
        self._ahead: OrderedDict[_Key, _Ahead] = OrderedDict()

    def is_small(self, extent: Extent) -> bool:
        """Check whether pages of the part have so few cells that they are made at once."""
        return extent.cells(self._page_rows) <= SMALL_CELLS

    def _is_middling(self, extent: Extent) -> bool:
        return extent.cells(self._page_rows) <= MIDDLE_CELLS and all(map(_BY_COLUMNS.match, extent.types))

    async def read(
        self, tenant: Tenant, results_dir: Path, statement_id: str, part: int, number: int, extent: Extent
    ) -> PageRows:
        """Read page ``number`` (from 1) of a part.

        Raises `ResultMissing`, `ResultDamaged`, `PageTooLarge`, `PageTooSlow`.
        """
        key = (results_dir, statement_id, part)
        if extent.rows <= self._page_rows and self.is_small(extent) and _size(key) <= SMALL_BYTES:
            return read_page(*key, number, self._page_rows, self._most)
        expected = self._ahead.pop(key, None)
        goes_on = expected is not None and expected.number == number
        if goes_on and expected is not None and expected.rows is not None:
            page = await expected.rows
            if not data_path(*key).exists():
                raise ResultMissing(f"part {part} of the result of {statement_id} is not there")
        else:
            page = await self._made(tenant, key, number, extent)
        if number < page.page_count:
            self._expect(tenant, key, number + 1, extent, now=goes_on and len(page.rows_json) <= AHEAD_BYTES)
        return page

    async def read_inline(self, tenant: Tenant, data: bytes, number: int, extent: Extent) -> PageRows:
        """Read a page of an inline result."""
        if self.is_small(extent):
            return read_inline_page(data, number, self._page_rows)
        return await self._ask(tenant, orders.MakeInlinePage(data, number, self._page_rows))

    async def _made(self, tenant: Tenant, key: _Key, number: int, extent: Extent) -> PageRows:
        results_dir, statement_id, part = key
        if self._is_middling(extent):
            try:
                return await self._threads.of(*tenant)(read_page, *key, number, self._page_rows, self._light)
            except PageTooLarge:
                pass  # too large for a thread; the helper process checks the limit of an answer
        order = orders.MakePage(str(results_dir), statement_id, part, number, self._page_rows, self._most)
        return await self._ask(tenant, order)

    async def _ask(self, tenant: Tenant, order: orders.Order) -> PageRows:
        try:
            reply, rows = await self._helpers.ask(tenant, order)
        except TookTooLong:
            raise PageTooSlow from None
        match reply:
            case orders.MadePage():
                return PageRows(
                    rows_json=rows if reply.rows is None else reply.rows,
                    row_count=reply.row_count,
                    page_count=reply.page_count,
                    num_rows=reply.num_rows,
                )
            case orders.Missing():
                raise ResultMissing("the result is not there")
            case orders.Damaged(what=what):
                raise ResultDamaged(what)
            case orders.TooLarge():
                raise PageTooLarge
            case _:
                raise RuntimeError(f"a helper process could not make a page: {reply}")

    def _expect(self, tenant: Tenant, key: _Key, number: int, extent: Extent, *, now: bool) -> None:
        rows = asyncio.create_task(self._made(tenant, key, number, extent)) if now else None
        self._ahead[key] = _Ahead(number, rows)
        if rows is not None:
            rows.add_done_callback(partial(self._keep_small, key))
        if len(self._ahead) > READERS:
            _, forgotten = self._ahead.popitem(last=False)
            if forgotten.rows is not None:
                forgotten.rows.cancel()

    def _keep_small(self, key: _Key, done: "asyncio.Task[PageRows]") -> None:
        """Forget what could not be read, and what is too large to lie about."""
        if done.cancelled() or done.exception() or len(done.result().rows_json) > AHEAD_BYTES:
            expected = self._ahead.get(key)
            if expected is not None and expected.rows is done:
                del self._ahead[key]


def _size(key: _Key) -> int:
    """Bytes of the file of a part, 0 when it is not there."""
    try:
        return data_path(*key).stat().st_size
    except FileNotFoundError:
        return 0
