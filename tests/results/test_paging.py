"""Pages end when they are full, by rows or by bytes, and hold every row once."""

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.results.conftest import Duck
from tests.support.properties import examples
from treadle.engines.duckdb.types import column
from treadle.results import layout
from treadle.results.output import Output
from treadle.results.paging import PageBreaks, weight
from treadle.results.reader import ResultMissing, count_pages, read_page
from treadle.results.rows import rows_json
from treadle.results.writer import PartWriter

FIELDS: "list[pa.Field[Any]]" = [pa.field("n", pa.int64()), pa.field("t", pa.large_string())]
SCHEMA = pa.schema(FIELDS)
COLUMNS = (column("n", "BIGINT", 1), column("t", "VARCHAR", 2))
PAGE_BYTES = 2**14


def _batches(sizes: list[list[int]]) -> list[pa.RecordBatch]:
    """Batches of rows with texts of these lengths; the rows are numbered."""
    batches, first = [], 0
    for lengths in sizes:
        numbers = pa.array(range(first, first + len(lengths)), pa.int64())
        texts = pa.array(["x" * length for length in lengths], pa.large_string())
        batches.append(pa.record_batch([numbers, texts], schema=SCHEMA))
        first += len(lengths)
    return batches


lengths = st.lists(
    st.lists(st.sampled_from((0, 10, 1000, PAGE_BYTES - 16, PAGE_BYTES, 3 * PAGE_BYTES)), max_size=30), max_size=6
)


@examples(200)
@given(lengths, st.integers(1, 12))
def test_pages_make_up_the_result(tmp_path: Path, sizes: list[list[int]], page_rows: int) -> None:
    """Whatever the sizes of rows and batches: no page is too full, none could take the next row, none is empty."""
    layout.discard(tmp_path, "s")
    batches = _batches(sizes)
    with Output(tmp_path, "s", 1, SCHEMA, COLUMNS, as_file=True, breaks=PageBreaks(page_rows, PAGE_BYTES)) as output:
        for batch in batches:
            output.write(batch)
        output.finish()
    expected = [[str(n), "x" * length] for n, length in enumerate(length for batch in sizes for length in batch)]
    pages: list[list[Any]] = []
    while (page := read_page(tmp_path, "s", 1, len(pages) + 1, page_rows)).row_count:
        pages.append(msgspec.json.decode(page.rows_json))
        assert (page.row_count, page.num_rows) == (len(pages[-1]), len(expected))
    assert [row for page in pages for row in page] == expected
    assert page.page_count == len(pages) == count_pages(tmp_path, "s", 1, len(expected), page_rows)
    for number, rows in enumerate(pages):
        size = _size(rows)
        assert len(rows) == 1 or (len(rows) <= page_rows and size <= PAGE_BYTES)
        if number + 1 < len(pages):
            assert len(rows) == page_rows or size + _size(pages[number + 1][:1]) > PAGE_BYTES


def _size(rows: list[Any]) -> int:
    """Bytes of rows as Arrow holds them: a number, an offset, a text; an offset more at their end."""
    return sum(16 + len(text) for _, text in rows)


def test_rows_of_many_batches_on_one_page(tmp_path: Path) -> None:
    """What the first rows of a page count for is not forgotten when more batches come."""
    small, rest = [[10] * 25], [[2000] * 3] * 6
    with Output(tmp_path, "s", 1, SCHEMA, COLUMNS, as_file=True, breaks=PageBreaks(20, PAGE_BYTES)) as output:
        for batch in _batches([*small, *rest]):
            output.write(batch)
        output.finish()
    pages = [msgspec.json.decode(read_page(tmp_path, "s", 1, number, 20).rows_json) for number in range(1, 5)]
    assert [len(page) for page in pages] == [20, 13, 8, 2]
    assert all(_size(page) <= PAGE_BYTES for page in pages)


def test_full_rows_need_no_list_of_pages(tmp_path: Path) -> None:
    """Where rows alone end every page nothing more is written, so that earlier versions' results read on."""
    breaks = PageBreaks(1000, PAGE_BYTES * 1000)
    with PartWriter(tmp_path, "s", 1, SCHEMA, COLUMNS) as writer:
        for batch in _batches([[5] * 2500]):
            breaks.add(batch, batch.nbytes)
            writer.write(batch)
        writer.finish(breaks.ends())
    assert breaks.ends() is None
    assert not layout.index_path(tmp_path, "s", 1).exists()
    assert read_page(tmp_path, "s", 1, 3, 1000).row_count == 500


def test_pages_stay_what_they_were(tmp_path: Path) -> None:
    """A result whose pages are written down has them under another number of rows a page as well."""
    with Output(tmp_path, "s", 1, SCHEMA, COLUMNS, as_file=True, breaks=PageBreaks(10, PAGE_BYTES)) as output:
        output.write(_batches([[PAGE_BYTES // 3] * 7])[0])
        output.finish()
    assert [read_page(tmp_path, "s", 1, number, 3).row_count for number in range(1, 6)] == [2, 2, 2, 1, 0]
    layout.index_path(tmp_path, "s", 1).unlink()
    with pytest.raises(ResultMissing):  # never other pages than there were
        read_page(tmp_path, "s", 1, 1, 3)


@pytest.mark.parametrize(
    "expression",
    [
        "i",
        "i % 2 = 0",
        "repeat(chr(1), 50)",
        "repeat('\"', 50)",
        "repeat('z', 50)::blob",
        "[i % 2 = 0 FOR j IN range(50)]",
        "[NULL::int FOR j IN range(50)]",
        "[NULL::boolean FOR j IN range(50)]",
        "[{'a_rather_long_name_of_a_member': NULL::tinyint} FOR j IN range(9)]",
        "{'a': repeat(chr(1) || '\"', 50), 'b': {'c': [repeat('\\', 9)]}}",
        "map([repeat('\"', 20)], [i % 2 = 0])",
        "map([i], [repeat(chr(31), 20)])",
        "(array_value(true, NULL, false))",
        "'long_label_of_an_enum'::ENUM('long_label_of_an_enum', 'x')",
        "[[], [[NULL::boolean]]]",
        "timestamptz '2020-01-01 01:02:03.123456'",
        "interval '-1 year -3 days 01:02:03.5'",
        "uuid()",
        "'101'::bit",
        "99::hugeint",
    ],
)
def test_an_eighth_of_the_text_is_counted(duck: Duck, expression: str) -> None:
    """A page that is full by what is counted has at most eight times as much text, whatever is in it."""
    batch = duck.batch(f"SELECT {expression} AS x FROM range(500) r(i)")
    for rows in (batch, batch.slice(100, 37)):
        assert len(rows_json(rows)) <= 8 * weight(rows)
