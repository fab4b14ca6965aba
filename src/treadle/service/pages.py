"""Pages of large results: each is read in a thread, and for whoever goes on the next one is read ahead."""

import asyncio
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from treadle.results.layout import data_path
from treadle.results.reader import PageRows, ResultMissing, read_page

READERS: Final = 32
"""How many results may be read page after page at once; of more, the longest unread are forgotten."""

AHEAD_BYTES: Final = 2**20
"""How large a page may be for the next one to be read ahead, and to be kept."""

SMALL_ROWS: Final = 64
SMALL_BYTES: Final = 2**18
"""Results of at most so many rows and bytes are read at once: handing them to a thread costs more."""

LARGE_BYTES: Final = 2**24
LARGE_AT_ONCE: Final = 2
"""Pages of more bytes, on an average, and how many of them are made at once: each takes several times its size."""

_Key = tuple[Path, str, int]
"""The folder of a workspace's results, a statement id and the number of a part."""


class _Ahead(msgspec.Struct, frozen=True):
    """The page a reader is expected to ask for, and its rows if they are being read already."""

    number: int
    rows: "asyncio.Future[PageRows] | None" = None


class Pages:
    """Reads pages of ``page_rows`` rows, and at most ``most`` bytes.

    While a caller of two pages in a row works on the second, the third is made ready, so that
    client and service work at the same time. A caller of single pages costs nothing more.
    """

    def __init__(self, page_rows: int, most: int) -> None:
        self._page_rows = page_rows
        self._most = most
        self._ahead: OrderedDict[_Key, _Ahead] = OrderedDict()
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def read(self, results_dir: Path, statement_id: str, part: int, number: int, rows: int) -> PageRows:
        """Page ``number`` (from 1) of a part of ``rows`` rows; raises `ResultMissing`, `PageTooLarge`."""
        key = (results_dir, statement_id, part)
        size = _size(key)
        if rows <= SMALL_ROWS and size <= SMALL_BYTES:
            return read_page(*key, number, self._page_rows, self._most)
        expected = self._ahead.pop(key, None)
        goes_on = expected is not None and expected.number == number
        if goes_on and expected is not None and expected.rows is not None:
            page = await expected.rows
            if not data_path(*key).exists():
                raise ResultMissing(f"part {part} of the result of {statement_id} is not there")
        elif size * min(rows, self._page_rows) > LARGE_BYTES * rows:
            async with self._large:
                page = await self._start(key, number)
        else:
            page = await self._start(key, number)
        if number < page.page_count:
            self._expect(key, number + 1, now=goes_on and len(page.rows_json) <= AHEAD_BYTES)
        return page

    def _start(self, key: _Key, number: int) -> "asyncio.Future[PageRows]":
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(None, read_page, *key, number, self._page_rows, self._most)

    def _expect(self, key: _Key, number: int, *, now: bool) -> None:
        expected = _Ahead(number, self._start(key, number) if now else None)
        self._ahead[key] = expected
        if expected.rows is not None:
            expected.rows.add_done_callback(partial(self._keep_small, key))
        if len(self._ahead) > READERS:
            self._ahead.popitem(last=False)

    def _keep_small(self, key: _Key, done: "asyncio.Future[PageRows]") -> None:
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
