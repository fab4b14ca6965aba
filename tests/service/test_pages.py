"""Reading ahead changes when a page is made, never what is on it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from treadle.metrics import Metrics
from treadle.pools.fair import Tenant
from treadle.pools.helpers import Answer, Helpers
from treadle.pools.orders import MakePage, Order
from treadle.pools.threads import Threads
from treadle.results import layout
from treadle.results.reader import PageRows, ResultMissing, read_page
from treadle.results.writer import PartWriter
from treadle.service import pages
from treadle.service.pages import Extent, Pages

FIELDS: "list[pa.Field[Any]]" = [pa.field("n", pa.int64()), pa.field("t", pa.string())]
SCHEMA = pa.schema(FIELDS)
ROWS = 950
PAGE_ROWS = 100
MOST = 2**26
EXTENT = Extent(ROWS, ("BIGINT", "STRUCT(a VARCHAR)"))
"""As of a type that a thread makes no pages of."""

THREADS = Threads("readers", 2, 1, Metrics())
ALICE = ("project-a", "alice")


@contextmanager
def helping(size: int = 2) -> Iterator[Helpers]:
    """Processes that make pages."""
    made = Helpers("pages", size=size, line=100, seconds=60.0, idle=0, figures=Metrics())
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
async def helpers() -> AsyncIterator[Helpers]:
    """Processes of a test's own."""
    with helping() as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three results of ten pages each, the last one short."""
    place = tmp_path_factory.mktemp("results")
    for name in "abc":
        _write(place, name)
    return place


def _write(place: Path, name: str, text: str = "x") -> None:
    numbers = pa.array(range(ROWS), pa.int64())
    words = pa.array([f"{name}{text}{n}" for n in range(ROWS)], pa.string())
    with PartWriter(place, name, 1, SCHEMA, ()) as writer:
        writer.write(pa.record_batch([numbers, words], schema=SCHEMA))
        writer.finish()


@examples(12)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 12), st.booleans()), max_size=30))
async def test_every_order_of_asking(folder: Path, asked: list[tuple[str, int, bool]]) -> None:
    """Whoever asks for what, one after the other or at once, gets the page that stands in the file."""
    with helping() as helpers:
        await _ask_in_order(helpers, folder, asked)


async def _ask_in_order(helpers: Helpers, folder: Path, asked: list[tuple[str, int, bool]]) -> None:
    reader = Pages(helpers, THREADS, PAGE_ROWS, MOST)
    waiting: list[asyncio.Task[PageRows]] = []
    expected: list[PageRows] = []
    for name, number, at_once in asked:
        waiting.append(asyncio.create_task(reader.read(ALICE, folder, name, 1, number, EXTENT)))
        expected.append(read_page(folder, name, 1, number, PAGE_ROWS))
        if not at_once:
            await waiting[-1]
    assert await asyncio.gather(*waiting) == expected


async def test_the_next_page_is_ready_for_whoever_goes_on(
    folder: Path, helpers: Helpers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second page in a row on, the next is read before it is asked for; a single page reads nothing more."""
    read: list[int] = []
    ask = helpers.ask

    async def counted(tenant: Tenant, order: Order, text: bytes = b"") -> Answer:
        assert isinstance(order, MakePage)
        read.append(order.page)
        return await ask(tenant, order, text)

    monkeypatch.setattr(helpers, "ask", counted)
    reader = Pages(helpers, THREADS, PAGE_ROWS, MOST)
    for number in (1, 5, 9, 3):
        await reader.read(ALICE, folder, "a", 1, number, EXTENT)
    assert read == [1, 5, 9, 3]
    read.clear()
    for number in range(1, 11):
        assert (await reader.read(ALICE, folder, "a", 1, number, EXTENT)).row_count == (
            PAGE_ROWS if number < 10 else 50
        )
    assert sorted(read) == list(range(1, 11))


async def test_a_discarded_result_has_no_page_left(helpers: Helpers, tmp_path: Path) -> None:
    """A page that was read ahead is not shown when its result is gone meanwhile."""
    _write(tmp_path, "s")
    reader = Pages(helpers, THREADS, PAGE_ROWS, MOST)
    for number in (1, 2, 3):
        await reader.read(ALICE, tmp_path, "s", 1, number, EXTENT)
    layout.discard(tmp_path, "s")
    for number in (4, 5, 4):
        with pytest.raises(ResultMissing):
            await reader.read(ALICE, tmp_path, "s", 1, number, EXTENT)


async def test_what_is_kept_is_bounded(helpers: Helpers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large pages are not read ahead, and of many readers the oldest are forgotten."""
    monkeypatch.setattr(pages, "READERS", 2)
    for name in "abcd":
        _write(tmp_path, name)
    reader = Pages(helpers, THREADS, PAGE_ROWS, MOST)
    for name in "abcd":
        for number in (1, 2):
            await reader.read(ALICE, tmp_path, name, 1, number, EXTENT)
    assert [key[1] for key in reader._ahead] == ["c", "d"]
    monkeypatch.setattr(pages, "AHEAD_BYTES", 10)
    await reader.read(ALICE, tmp_path, "d", 1, 3, EXTENT)
    assert [expected.rows for expected in reader._ahead.values() if expected.number == 4] == [None]


async def test_a_reader_that_leaves_disturbs_nobody(helpers: Helpers, folder: Path) -> None:
    """A caller that is gone while its page is read takes nothing from the next one."""
    reader = Pages(helpers, THREADS, PAGE_ROWS, MOST)
    for number in range(1, 6):
        leaving = asyncio.create_task(reader.read(ALICE, folder, "a", 1, number, EXTENT))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        page = await reader.read(ALICE, folder, "a", 1, number, EXTENT)
        assert msgspec.json.decode(page.rows_json)[0][0] == str((number - 1) * PAGE_ROWS)


@pytest.mark.parametrize(("length", "at_once"), [(1, True), (100_000, False)])
async def test_a_large_page_of_few_rows_keeps_nobody_waiting(
    helpers: Helpers, tmp_path: Path, length: int, at_once: bool
) -> None:
    """However few its rows are, what takes long to read is read in a process."""
    row = {"n": [7], "t": ["x" * length]}
    with PartWriter(tmp_path, "wide", 1, SCHEMA, ()) as writer:
        for _ in range(5):
            writer.write(pa.RecordBatch.from_pydict(row, schema=SCHEMA))
        writer.finish()
    asked = asyncio.create_task(
        Pages(helpers, THREADS, PAGE_ROWS, MOST).read(ALICE, tmp_path, "wide", 1, 1, Extent(5, ("BIGINT", "VARCHAR")))
    )
    await asyncio.sleep(0)
    assert asked.done() is at_once
    assert msgspec.json.decode((await asked).rows_json) == [["7", "x" * length]] * 5


PLAIN = Extent(ROWS, ("BIGINT", "VARCHAR"))


@pytest.mark.parametrize(
    ("extent", "text", "by_process"), [(PLAIN, "x", 0), (PLAIN, "x" * 50_000, 1), (EXTENT, "x", 1)]
)
async def test_who_makes_a_page(
    helpers: Helpers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    extent: Extent,
    text: str,
    by_process: int,
) -> None:
    """A thread makes pages of plain values; where they are heavy or of other types, a process does."""
    _write(tmp_path, "s", text)
    asked: list[Order] = []
    ask = helpers.ask

    async def counted(tenant: Tenant, order: Order, text: bytes = b"") -> Answer:
        asked.append(order)
        return await ask(tenant, order, text)

    monkeypatch.setattr(helpers, "ask", counted)
    made = await Pages(helpers, THREADS, PAGE_ROWS, MOST).read(ALICE, tmp_path, "s", 1, 2, extent)
    assert made == read_page(tmp_path, "s", 1, 2, PAGE_ROWS)
    assert len(asked) == by_process
