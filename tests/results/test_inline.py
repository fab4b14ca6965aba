"""A small result in bytes is the same result as in a file."""

from concurrent.futures import ThreadPoolExecutor
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
from treadle.model.columns import Column
from treadle.results import layout, rows
from treadle.results.inline import inline_bytes, materialize, read_inline_page
from treadle.results.reader import read_page
from treadle.results.text import text
from treadle.results.text_few import few_texts
from treadle.results.writer import COLUMNS_KEY, PartWriter

FIELDS: "list[pa.Field[Any]]" = [pa.field("n", pa.int64()), pa.field("t", pa.large_string())]
SCHEMA = pa.schema(FIELDS)
COLUMNS = (column("n", "BIGINT", 1), column("t", "VARCHAR", 2))
ENOUGH = 2**20

fast = examples(80)
texts = st.text(st.characters(exclude_categories=["Cs"]))


def _batch(values: list[tuple[int, str | None]]) -> pa.RecordBatch:
    numbers, words = [number for number, _ in values], [word for _, word in values]
    return pa.record_batch([pa.array(numbers, pa.int64()), pa.array(words, pa.large_string())], schema=SCHEMA)


row = st.tuples(st.integers(-(2**63), 2**63 - 1), st.none() | texts)
batches = st.lists(st.lists(row, max_size=40).map(_batch), max_size=4)


@fast
@given(batches, st.integers(1, 50))
def test_pages_are_those_of_the_file(tmp_path: Path, batches: list[pa.RecordBatch], page_rows: int) -> None:
    """Whatever the batches, every page is the same as from the file a worker would have written."""
    data = inline_bytes(batches, SCHEMA, COLUMNS, ENOUGH)
    assert data is not None
    with PartWriter(tmp_path, "s", 1, SCHEMA, COLUMNS) as writer:
        for batch in batches:
            writer.write(batch)
        total = writer.finish()
    for page in range(1, -(-total // page_rows) + 2):
        assert read_inline_page(data, page, page_rows) == read_page(tmp_path, "s", 1, page, page_rows)


@fast
@given(batches)
def test_the_file_made_of_the_bytes(tmp_path: Path, batches: list[pa.RecordBatch]) -> None:
    """Asked for its file, a result in bytes has one, with its columns and all its batches."""
    layout.discard(tmp_path, "s")
    data = inline_bytes(batches, SCHEMA, COLUMNS, ENOUGH)
    assert data is not None
    for _ in range(2):
        materialize(tmp_path, "s", 1, data)
    assert read_page(tmp_path, "s", 1, 1, 1000) == read_inline_page(data, 1, 1000)
    with pa.ipc.open_file(str(layout.data_path(tmp_path, "s", 1))) as file:
        metadata = file.schema.metadata or {}
        assert msgspec.json.decode(metadata[COLUMNS_KEY], type=tuple[Column, ...]) == COLUMNS
        assert [file.get_batch(n) for n in range(file.num_record_batches)] == [b for b in batches if b.num_rows]
    assert {path.suffix for path in (tmp_path / "s").iterdir()} <= {".arrow", ".index"}


def test_every_type(duck: Duck, tmp_path: Path) -> None:
    """Every type of DuckDB goes through the bytes, dictionaries and unions included, and into a file."""
    batch = duck.batch("FROM test_all_types()")
    data = inline_bytes([batch, batch.slice(1, 2)], batch.schema, (), 2**24)
    assert data is not None
    page = read_inline_page(data, 1, 100)
    assert page.rows_json == b"[%b,%b]" % (rows.rows_json(batch), rows.rows_json(batch.slice(1, 2)))
    assert (page.row_count, page.page_count, page.num_rows) == (5, 1, 5)
    materialize(tmp_path, "s", 3, data)
    assert read_page(tmp_path, "s", 3, 1, 100) == page


def test_the_limit() -> None:
    """What is too large has no bytes: judged by the rows, and by what describes them."""
    batch = _batch([(1, "x" * 1000)])
    data = inline_bytes([batch], SCHEMA, COLUMNS, ENOUGH)
    assert data is not None
    assert inline_bytes([batch], SCHEMA, COLUMNS, len(data)) == data
    assert inline_bytes([batch], SCHEMA, COLUMNS, len(data) - 1) is None
    assert inline_bytes([batch], SCHEMA, COLUMNS, 1000) is None


def test_no_rows(tmp_path: Path) -> None:
    """A result without rows is there, and has no pages."""
    data = inline_bytes([], SCHEMA, COLUMNS)
    assert data is not None
    page = read_inline_page(data, 1, 1000)
    assert (page.rows_json, page.row_count, page.page_count, page.num_rows) == (b"[]", 0, 0, 0)
    materialize(tmp_path, "s", 1, data)
    assert read_page(tmp_path, "s", 1, 1, 1000) == page


@pytest.mark.parametrize(("page", "page_rows"), [(0, 10), (-1, 10), (1, 0)])
def test_pages_count_from_one(page: int, page_rows: int) -> None:
    """There is no page 0, and no page without rows."""
    data = inline_bytes([_batch([(1, "a")])], SCHEMA, COLUMNS)
    assert data is not None
    with pytest.raises(ValueError, match="pages count from 1"):
        read_inline_page(data, page, page_rows)


def test_many_ask_for_the_file_at_once(tmp_path: Path) -> None:
    """Whoever asks sees a whole file, and no other file is left."""
    data = inline_bytes([_batch([(1, "a")]), _batch([(2, "b")])], SCHEMA, COLUMNS)
    assert data is not None

    def ask(_: int) -> bytes:
        materialize(tmp_path, "s", 1, data)
        return bytes(read_page(tmp_path, "s", 1, 1, 10).rows_json)

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(200))) == {b'[["1","a"],["2","b"]]'}
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["1.arrow", "1.index"]


days = st.sampled_from([-(2**31) + 1, 2**31 - 1, -719_163, -719_162, 2_932_896, 2_932_897]) | st.integers(
    -(2**31) + 1, 2**31 - 1
)
ticks = st.sampled_from([-(2**63) + 1, 2**63 - 1, 0, -1, 999_999]) | st.integers(-(2**63) + 1, 2**63 - 1)
NUMBERS = {
    kind: st.integers(-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)
    for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())
} | {kind: st.integers(0, 2**kind.bit_width - 1) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())}
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    **NUMBERS,
    pa.bool_(): st.booleans(),
    pa.string(): texts,
    pa.large_string(): texts,
    pa.float32(): st.floats(width=32),
    pa.float64(): st.floats() | st.integers(-(10**17), 10**17).map(float) | st.floats(-1e-3, 1e-3),
    pa.date32(): days,
    **{pa.timestamp(unit): ticks for unit in ("s", "ms", "us", "ns")},
    **{pa.timestamp("us", zone): ticks for zone in ("UTC", "Europe/Amsterdam", "America/St_Johns", "No/Where")},
    pa.time64("us"): st.integers(0, 86_400_000_000),
    pa.time64("ns"): st.integers(0, 86_400_000_000_000),
    pa.binary(): st.binary(),
    **{pa.decimal128(38, scale): st.decimals(-(10**20), 10**20, places=scale, allow_nan=False) for scale in (0, 2, 10)},
}


@examples(600)
@given(st.data())
def test_the_two_ways_to_text_agree(data: st.DataObject) -> None:
    """Value by value in Python, or all at once in Arrow: the text is the same, to the byte."""
    kind = data.draw(st.sampled_from(list(VALUES)))
    array = pa.array(data.draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=20)), kind)
    start = data.draw(st.integers(0, len(array) - 1))
    part = array[start:]
    assert few_texts(part) == text(part).to_pylist()
    batch = pa.record_batch([part, part], names=["a", "b"])
    assert rows._few(batch) == rows._joined(batch, rows.always)


def test_the_two_ways_agree_on_all_of_duckdb(duck: Duck) -> None:
    """Every type DuckDB has, and the numbers that only a sum or a cast delivers."""
    for sql in (
        "FROM test_all_types()",
        "SELECT sum(i), avg(i), -sum(i), count(*) FROM range(10) t(i)",
        "SELECT uuid(), now(), current_date, 1 = 1, NULL::bool, (-2)::hugeint, (2::hugeint ^ 126)::hugeint",
    ):
        batch = duck.batch(sql)
        assert rows._few(batch) == rows._joined(batch, rows.always)
