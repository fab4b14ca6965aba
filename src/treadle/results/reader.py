"""Pages out: the gateway reads one page of a part as finished JSON."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from treadle.results import layout
from treadle.results.checking import check
from treadle.results.rows import GoOn, always, rows_json
from treadle.results.standard import holds_wide_integers

MOST_BYTES: Final = 2**62
"""No bound."""


class ResultMissing(Exception):
    """The result is not there: never finished, discarded, or its time is over."""


class ResultDamaged(Exception):
    """The files of a result are damaged; the message has the details."""


class PageTooLarge(Exception):
    """The rows of a page take more bytes than an answer may have."""


class PageRows(msgspec.Struct, frozen=True, kw_only=True):
    """One page: ``rows_json`` is a JSON array of arrays of strings and nulls, of ``row_count`` rows.

    ``num_rows`` counts the rows of the whole result and ``page_count`` its pages.
    """

    rows_json: bytes | memoryview
    row_count: int
    page_count: int
    num_rows: int


@contextmanager
def _opened(results_dir: Path | str, statement_id: str, part: int) -> Iterator[pa.RecordBatchFileReader]:
    """Open the file of a part; raises `ResultMissing`, `ResultDamaged`."""
    with contextlib.ExitStack() as opened:
        try:
            with _readable():
                source = opened.enter_context(pa.memory_map(str(layout.data_path(results_dir, statement_id, part))))
                reader = pa.ipc.open_file(source)
        except FileNotFoundError:
            raise ResultMissing(f"part {part} of the result of {statement_id} is not there") from None
        yield reader


@contextmanager
def _readable() -> Iterator[None]:
    """Raise `ResultDamaged` for data that Arrow cannot decode, and for I/O errors."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, IndexError) as error:
        raise ResultDamaged(f"{type(error).__name__}: {error}") from error


def _ends(reader: pa.RecordBatchFileReader, index: Path) -> tuple[Sequence[int], Sequence[int] | None]:
    """The running row counts after each batch, and after each page unless all are full by their rows.

    They come from the index, which a part of one batch does not have.
    """
    with _readable():
        batches = reader.num_record_batches
        if batches <= 1:
            return [reader.get_batch(0).num_rows] if batches else [], None
        try:
            counts = layout.index_ends(index.read_bytes())
        except FileNotFoundError:
            raise ResultMissing("its index is not there") from None
    if len(counts) < batches:
        raise ResultDamaged("its index is too short")
    return counts[:batches], counts[batches:] or None


def count_pages(results_dir: Path | str, statement_id: str, part: int, rows: int, page_rows: int) -> int:
    """Count the pages of a part of ``rows`` rows without reading its files."""
    try:
        with _opened(results_dir, statement_id, part) as reader:
            _, page_ends = _ends(reader, layout.index_path(results_dir, statement_id, part))
            return layout.page_at(rows, 1, page_rows, page_ends).count
    except (ResultMissing, ResultDamaged):
        return layout.page_at(rows, 1, page_rows).count


def read_page(
    results_dir: Path | str,
    statement_id: str,
    part: int,
    page: int,
    page_rows: int,
    most: int = MOST_BYTES,
    go_on: GoOn = always,
) -> PageRows:
    """Read page ``page`` (from 1) of a part: ``page_rows`` rows, or fewer if they fill the page; none past the end.

    Reads only the batches of the page; thread-safe. ``go_on`` is called at each step and may raise to end the work.
    Raises `ResultMissing`, `ResultDamaged`, `PageTooLarge` for a page of more than ``most`` bytes, and ValueError when
    ``page`` or ``page_rows`` is less than 1.
    """
    layout.require_page(page, page_rows)
    with _opened(results_dir, statement_id, part) as reader:
        ends, page_ends = _ends(reader, layout.index_path(results_dir, statement_id, part))
        place = layout.page_at(ends[-1] if ends else 0, page, page_rows, page_ends)
        return page_of(ends, place, reader.get_batch, most, go_on)


def holds_wide(results_dir: Path | str, statement_id: str, part: int) -> bool:
    """Check whether a part has integers of more than 38 digits, which other readers do not accept as decimals.

    Raises `ResultMissing`, `ResultDamaged`.
    """
    with _opened(results_dir, statement_id, part) as reader:
        for number in range(reader.num_record_batches):
            with _readable():
                batch = reader.get_batch(number)
                check(batch)
            if any(map(holds_wide_integers, batch.columns)):
                return True
        return False


def page_of(
    ends: Sequence[int],
    page: layout.Page,
    batch_of: Callable[[int], pa.RecordBatch],
    most: int = MOST_BYTES,
    go_on: GoOn = always,
) -> PageRows:
    """A page of a result of known batches: ``ends`` is the running row count after each, ``batch_of`` gets one."""
    if not 0 <= page.start <= page.stop <= (ends[-1] if ends else 0):
        raise ResultDamaged("its index leads outside of it")
    with _readable():
        places = layout.row_slices(ends, page.start, page.stop)
        slices = [batch_of(place.batch).slice(place.offset, place.length) for place in places]
    if [one.num_rows for one in slices] != [place.length for place in places]:
        raise ResultDamaged("there are fewer rows than the index says")
    if sum(one.nbytes for one in slices) > most:
        # Before any text is made of it, which takes several times as much.
        raise PageTooLarge
    with _readable():
        for one in slices:
            check(one)
    texts = [rows_json(one, go_on) for one in slices]
    if sum(map(len, texts)) > most:
        raise PageTooLarge
    return PageRows(
        rows_json=b"[" + b",".join(texts) + b"]",
        row_count=page.stop - page.start,
        page_count=page.count,
        num_rows=ends[-1] if ends else 0,
    )
