"""What the worker wrote is what the gateway reads, page by page."""

import os
import subprocess
import sys
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
from treadle.results.reader import ResultMissing, read_page
from treadle.results.writer import COLUMNS_KEY, PartWriter

FIELDS: "list[pa.Field[Any]]" = [pa.field("n", pa.int64()), pa.field("t", pa.large_string())]
SCHEMA = pa.schema(FIELDS)
COLUMNS = (column("n", "BIGINT", 1), column("t", "VARCHAR", 2))

fast = examples(80)


def _write(folder: Path, batches: list[pa.RecordBatch], part: int = 1, schema: pa.Schema = SCHEMA) -> int:
    with PartWriter(folder, "s", part, schema, COLUMNS) as writer:
        for batch in batches:
            writer.write(batch)
        return writer.finish()


def _numbers(sizes: list[int]) -> list[pa.RecordBatch]:
    batches, first = [], 0
    for size in sizes:
        numbers = range(first, first + size)
        columns = [pa.array(numbers), pa.array(map(str, numbers), pa.large_string())]
        batches.append(pa.record_batch(columns, schema=SCHEMA))
        first += size
    return batches


@fast
@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 50))
def test_pages_make_up_the_result(tmp_path: Path, sizes: list[int], page_rows: int) -> None:
    """Whatever the batches, the pages one after the other are all rows in order, and the page after is empty."""
    total = _write(tmp_path, _numbers(sizes))
    assert total == sum(sizes)
    pages = -(-total // page_rows)
    seen = []
    for number in range(1, pages + 2):
        page = read_page(tmp_path, "s", 1, number, page_rows)
        found = msgspec.json.decode(page.rows_json)
        assert (page.row_count, page.page_count, page.num_rows) == (len(found), pages, total)
        assert len(found) == (page_rows if number < pages else max(0, total - (number - 1) * page_rows))
        seen += found
    assert seen == [[str(n), str(n)] for n in range(total)]
    assert read_page(tmp_path, "s", 1, pages + 1, page_rows).rows_json == b"[]"


texts = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=30)


@fast
@given(texts, st.booleans(), st.booleans())
def test_rows_are_json(monkeypatch: pytest.MonkeyPatch, values: list[str | None], huge: bool, few: bool) -> None:
    """Any text is escaped as JSON demands, in few rows, in many, and in batches too large to be joined at once."""
    monkeypatch.setattr(rows, "JOINABLE", -1 if huge else 2**27)
    monkeypatch.setattr(rows, "FEW", 30 if few else 0)
    batch = pa.record_batch([pa.array(values, pa.string()), pa.array(values, pa.large_string())], names=["a", "b"])
    decoded = msgspec.json.decode(b"[" + rows.rows_json(batch) + b"]")
    assert decoded == [[value, value] for value in values]


def test_a_result_of_every_type(duck: Duck, tmp_path: Path) -> None:
    """Every type of DuckDB can be written in several batches and read back, dictionaries and unions included."""
    batch = duck.batch("FROM test_all_types()")
    with PartWriter(tmp_path, "s", 1, batch.schema, ()) as writer:
        for _ in range(3):
            writer.write(batch)
            writer.write(batch.slice(1, 2))
        assert writer.finish() == 15
    once = msgspec.json.decode(read_page(tmp_path, "s", 1, 1, 3).rows_json)
    assert len(once) == 3
    everything = msgspec.json.decode(read_page(tmp_path, "s", 1, 1, 100).rows_json)
    assert everything == (once + once[1:]) * 3


def test_empty_result(tmp_path: Path) -> None:
    """A result without rows is there, and has no pages."""
    assert _write(tmp_path, []) == 0
    page = read_page(tmp_path, "s", 1, 1, 1000)
    assert (page.rows_json, page.row_count, page.page_count, page.num_rows) == (b"[]", 0, 0, 0)


def test_no_columns() -> None:
    """Rows without columns are empty arrays."""
    batch = pa.record_batch([pa.array([1, 2])], names=["a"]).select([])
    assert rows.rows_json(batch) == b"[],[]"


def test_the_file_describes_itself(tmp_path: Path) -> None:
    """An Arrow file carries its columns."""
    _write(tmp_path, _numbers([2]))
    schema = pa.ipc.open_file(str(layout.data_path(tmp_path, "s", 1))).schema
    assert msgspec.json.decode(schema.metadata[COLUMNS_KEY], type=tuple[Column, ...]) == COLUMNS


def test_nothing_is_visible_before_finish(tmp_path: Path) -> None:
    """A part being written cannot be read, and a failure on the way leaves no trace of it."""
    with PartWriter(tmp_path, "s", 1, SCHEMA, COLUMNS) as writer:
        writer.write(_numbers([5])[0])
        assert writer.rows == 5
        with pytest.raises(ResultMissing):
            read_page(tmp_path, "s", 1, 1, 10)
        with pytest.raises(pa.ArrowInvalid):
            writer.write(pa.record_batch([pa.array([1])], names=["other"]))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_part_leaves_the_others(tmp_path: Path) -> None:
    """A part that is given up takes nothing of the finished ones with it."""
    _write(tmp_path, _numbers([3]), part=1)
    with PartWriter(tmp_path, "s", 2, SCHEMA, COLUMNS) as writer:
        writer.write(_numbers([5])[0])
    assert read_page(tmp_path, "s", 1, 1, 10).num_rows == 3
    with pytest.raises(ResultMissing):
        read_page(tmp_path, "s", 2, 1, 10)


CRASH = """
import os, sys, pyarrow as pa
from treadle.results.writer import PartWriter
batch = pa.record_batch([pa.array(range(100000))], names=["n"])
with PartWriter(sys.argv[1], "s", 1, batch.schema, ()) as writer:
    writer.write(batch)
    os.kill(os.getpid(), 9)
"""


def test_a_killed_writer_leaves_nothing_visible(tmp_path: Path) -> None:
    """After a SIGKILL in the middle there is no result, and discard removes what lies about."""
    path = os.pathsep.join(sys.path)
    died = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path)], env={"PYTHONPATH": path}, check=False)
    assert died.returncode == -9
    assert list((tmp_path / "s").iterdir()) != []
    with pytest.raises(ResultMissing):
        read_page(tmp_path, "s", 1, 1, 10)
    layout.discard(tmp_path, "s")
    assert list(tmp_path.iterdir()) == []


def test_discard(tmp_path: Path) -> None:
    """Discarding removes a part, or all of them, and may be done again."""
    for part in (1, 2, 3):
        _write(tmp_path, _numbers([4]), part)
    for _ in range(2):
        layout.discard_part(tmp_path, "s", 2)
    assert read_page(tmp_path, "s", 1, 1, 10).num_rows == 4
    with pytest.raises(ResultMissing):
        read_page(tmp_path, "s", 2, 1, 10)
    for _ in range(2):
        layout.discard(tmp_path, "s")
    with pytest.raises(ResultMissing):
        read_page(tmp_path, "s", 1, 1, 10)
    assert list(tmp_path.iterdir()) == []


def test_an_index_without_its_data_is_no_result(tmp_path: Path) -> None:
    """A part whose rows are gone is missing, not empty."""
    _write(tmp_path, _numbers([4]))
    layout.data_path(tmp_path, "s", 1).unlink()
    for page in (1, 2):
        with pytest.raises(ResultMissing):
            read_page(tmp_path, "s", 1, page, 10)


@pytest.mark.parametrize("statement_id", ["", "..", "a/b", "../x", "a" * 65])
def test_no_way_out_of_the_results(tmp_path: Path, statement_id: str) -> None:
    """A statement id that is none leads to no folder."""
    with pytest.raises(ValueError, match="not a statement id"):
        layout.discard(tmp_path, statement_id)


@pytest.mark.parametrize(("page", "page_rows"), [(0, 10), (-1, 10), (1, 0)])
def test_pages_count_from_one(tmp_path: Path, page: int, page_rows: int) -> None:
    """There is no page 0, and no page without rows."""
    _write(tmp_path, _numbers([4]))
    with pytest.raises(ValueError, match="pages count from 1"):
        read_page(tmp_path, "s", 1, page, page_rows)


def test_threads(tmp_path: Path) -> None:
    """Many threads read the pages of one result without disturbing each other."""
    _write(tmp_path, _numbers([97] * 50))
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda page: read_page(tmp_path, "s", 1, page, 10), [*range(1, 486)] * 3))
    found = [row for page in pages[:485] for row in msgspec.json.decode(page.rows_json)]
    assert found == [[str(n), str(n)] for n in range(4850)]
    assert pages[:485] == pages[485:970] == pages[970:]


def _bytes_allocated(folder: Path, page: int) -> int:
    """The most memory Arrow held at once while it read a page."""
    before = pa.default_memory_pool()
    counting = pa.proxy_memory_pool(before)
    pa.set_memory_pool(counting)
    try:
        assert read_page(folder, "s", 1, page, 1000).row_count == 1000
        return counting.max_memory() or 0
    finally:
        pa.set_memory_pool(before)


def test_the_last_page_of_ten_million_rows_costs_what_the_first_does(duck: Duck, tmp_path: Path) -> None:
    """A page of a very large result touches one batch and a little memory, wherever it is."""
    reader = duck.connection.sql("SELECT i, i::VARCHAR AS t FROM range(10000000) AS r(i)").to_arrow_reader(10_000)
    with PartWriter(tmp_path, "s", 1, reader.schema, COLUMNS) as writer:
        for batch in reader:
            writer.write(batch)
        assert writer.finish() == 10_000_000
    ends = layout.index_ends(layout.index_path(tmp_path, "s", 1).read_bytes())
    assert len(layout.row_slices(ends, 0, 1000)) == len(layout.row_slices(ends, 9_999_000, 10_000_000)) == 1
    last = read_page(tmp_path, "s", 1, 10_000, 1000)
    assert msgspec.json.decode(last.rows_json)[-1] == ["9999999", "9999999"]
    first_cost, last_cost = _bytes_allocated(tmp_path, 1), _bytes_allocated(tmp_path, 10_000)
    assert first_cost <= last_cost <= 1.5 * first_cost + 2**18
    assert last_cost < layout.data_path(tmp_path, "s", 1).stat().st_size / 50


class _Counting(list[int]):
    """Row counts that count how often they are looked at."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        return super().__getitem__(index)


@pytest.mark.parametrize("page", [1, 5_000, 10_000, 10_001])
def test_finding_a_page_takes_few_looks(page: int) -> None:
    """Of a hundred thousand batches a page is found by looking at a few dozen."""
    ends = _Counting(range(100, 10_000_001, 100))
    place = layout.page_at(10_000_000, page, 1000)
    layout.row_slices(ends, place.start, place.stop)
    assert ends.looks < 60
