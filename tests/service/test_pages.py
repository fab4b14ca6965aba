"""Reading ahead changes when a page is made, never what is on it."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from treadle.results import layout
from treadle.results.reader import PageRows, ResultMissing, read_page
from treadle.results.writer import PartWriter
from treadle.service import pages
from treadle.service.pages import Pages

FIELDS: "list[pa.Field[Any]]" = [pa.field("n", pa.int64()), pa.field("t", pa.string())]
SCHEMA = pa.schema(FIELDS)
ROWS = 950
PAGE_ROWS = 100
MOST = 2**26


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


@examples(60)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 12), st.booleans()), max_size=30))
async def test_every_order_of_asking(folder: Path, asked: list[tuple[str, int, bool]]) -> None:
    """Whoever asks for what, one after the other or at once, gets the page that stands in the file."""
    reader = Pages(PAGE_ROWS, MOST)
    waiting: list[asyncio.Task[PageRows]] = []
    expected: list[PageRows] = []
    for name, number, at_once in asked:
        waiting.append(asyncio.create_task(reader.read(folder, name, 1, number, ROWS)))
        expected.append(read_page(folder, name, 1, number, PAGE_ROWS))
        if not at_once:
            await waiting[-1]
    assert await asyncio.gather(*waiting) == expected


async def test_the_next_page_is_ready_for_whoever_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second page in a row on, the next is read before it is asked for; a single page reads nothing more."""
    read: list[int] = []

    def counted(results_dir: Path, statement_id: str, part: int, page: int, page_rows: int, most: int) -> PageRows:
        read.append(page)
        return read_page(results_dir, statement_id, part, page, page_rows, most)

    monkeypatch.setattr(pages, "read_page", counted)
    reader = Pages(PAGE_ROWS, MOST)
    for number in (1, 5, 9, 3):
        await reader.read(folder, "a", 1, number, ROWS)
    assert read == [1, 5, 9, 3]
    read.clear()
    for number in range(1, 11):
        assert (await reader.read(folder, "a", 1, number, ROWS)).row_count == (PAGE_ROWS if number < 10 else 50)
    assert sorted(read) == list(range(1, 11))


async def test_a_discarded_result_has_no_page_left(tmp_path: Path) -> None:
    """A page that was read ahead is not shown when its result is gone meanwhile."""
    _write(tmp_path, "s")
    reader = Pages(PAGE_ROWS, MOST)
    for number in (1, 2, 3):
        await reader.read(tmp_path, "s", 1, number, ROWS)
    layout.discard(tmp_path, "s")
    for number in (4, 5, 4):
        with pytest.raises(ResultMissing):
            await reader.read(tmp_path, "s", 1, number, ROWS)


async def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large pages are not read ahead, and of many readers the oldest are forgotten."""
    monkeypatch.setattr(pages, "READERS", 2)
    for name in "abcd":
        _write(tmp_path, name)
    reader = Pages(PAGE_ROWS, MOST)
    for name in "abcd":
        for number in (1, 2):
            await reader.read(tmp_path, name, 1, number, ROWS)
    assert [key[1] for key in reader._ahead] == ["c", "d"]
    monkeypatch.setattr(pages, "AHEAD_BYTES", 10)
    await reader.read(tmp_path, "d", 1, 3, ROWS)
    assert [expected.rows for expected in reader._ahead.values() if expected.number == 4] == [None]


async def test_a_reader_that_leaves_disturbs_nobody(folder: Path) -> None:
    """A caller that is gone while its page is read takes nothing from the next one."""
    reader = Pages(PAGE_ROWS, MOST)
    for number in range(1, 6):
        leaving = asyncio.create_task(reader.read(folder, "a", 1, number, ROWS))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        page = await reader.read(folder, "a", 1, number, ROWS)
        assert msgspec.json.decode(page.rows_json)[0][0] == str((number - 1) * PAGE_ROWS)


@pytest.mark.parametrize(("length", "at_once"), [(1, True), (100_000, False)])
async def test_a_large_page_of_few_rows_keeps_nobody_waiting(tmp_path: Path, length: int, at_once: bool) -> None:
    """However few its rows are, what takes long to read is read in a thread."""
    row = {"n": [7], "t": ["x" * length]}
    with PartWriter(tmp_path, "wide", 1, SCHEMA, ()) as writer:
        for _ in range(5):
            writer.write(pa.RecordBatch.from_pydict(row, schema=SCHEMA))
        writer.finish()
    asked = asyncio.create_task(Pages(PAGE_ROWS, MOST).read(tmp_path, "wide", 1, 1, 5))
    await asyncio.sleep(0)
    assert asked.done() is at_once
    assert msgspec.json.decode((await asked).rows_json) == [["7", "x" * length]] * 5
