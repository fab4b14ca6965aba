"""Where a result lies, and how a page is found in it.

Each workspace has a folder of its own, its ``results_dir``: ``<data_dir>/results/<workspace_id>``, and
of all results that is what its workers can reach. The part n of a statement is
``<results_dir>/<statement_id>/<n>.arrow`` (Arrow IPC file format, uncompressed). A part of several
batches has an ``<n>.index`` beside it: the running row count after each batch, as native 64-bit
integers; behind them, where pages are full before they have all their rows, the running row count after
each page. The data file gets its name last, so a part without one does not exist.
"""

import shutil
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from treadle.model.ids import PLAIN_ID, STATEMENT_ID

ROW_COUNT: Final = "q"
"""The array type code of one number of an index."""


def results_root(data_dir: Path) -> Path:
    """The folder of all results, with one folder a workspace."""
    return data_dir / "results"


def workspace_folder(data_dir: Path, workspace_id: str) -> Path:
    """The folder of the results of a workspace; raises ValueError when the id is no workspace id.

    While the workspace lives it is never removed: what the kernel lets its workers do holds for this
    very folder, not for its name.
    """
    if not PLAIN_ID.match(workspace_id):
        raise ValueError(f"not a workspace id: {workspace_id!r}")
    return results_root(data_dir) / workspace_id


def folder(results_dir: Path | str, statement_id: str) -> Path:
    """The folder of a statement's result; raises ValueError when the id is no statement id."""
    if not STATEMENT_ID.match(statement_id):
        raise ValueError(f"not a statement id: {statement_id!r}")
    return Path(results_dir) / statement_id


def data_path(results_dir: Path | str, statement_id: str, part: int) -> Path:
    """The Arrow file of a part."""
    return folder(results_dir, statement_id) / data_name(part)


def data_name(part: int) -> str:
    """Name the Arrow file of a part in the folder of its statement."""
    return f"{part}.arrow"


def index_path(results_dir: Path | str, statement_id: str, part: int) -> Path:
    """The index of a part."""
    return folder(results_dir, statement_id) / f"{part}.index"


def unfinished(path: Path) -> Path:
    """The name a file has until it is whole."""
    return path.with_name(unfinished_name(path.name))


def unfinished_name(name: str) -> str:
    """Name the temporary file for a file name."""
    return f"{name}.unfinished"


def index_bytes(ends: Sequence[int]) -> bytes:
    """The content of an index: how many rows there are up to the end of each batch, and of each page."""
    return array(ROW_COUNT, ends).tobytes()


def index_ends(content: bytes) -> Sequence[int]:
    """The numbers `index_bytes` wrote, without copying them."""
    return memoryview(content).cast(ROW_COUNT)


class Slice(msgspec.Struct, frozen=True):
    """``length`` rows of a batch, from its row ``offset``."""

    batch: int
    offset: int
    length: int


class Page(msgspec.Struct, frozen=True):
    """The rows of a page, ``start`` up to, not including, ``stop``; and ``count``, how many pages there are."""

    start: int
    stop: int
    count: int


def require_page(page: int, page_rows: int) -> None:
    """Raise ValueError when ``page`` or ``page_rows`` is less than 1."""
    if page < 1 or page_rows < 1:
        raise ValueError("pages count from 1 and have at least one row")


def page_at(total: int, page: int, page_rows: int, page_ends: Sequence[int] | None = None) -> Page:
    """The rows of a page (from 1) of ``total`` rows: ``page_rows`` of them, or what ``page_ends`` say.

    A page past the end has none. Raises ValueError when ``page`` or ``page_rows`` is less than 1.
    """
    require_page(page, page_rows)
    if page_ends is None:
        start = min((page - 1) * page_rows, total)
        return Page(start, min(start + page_rows, total), -(-total // page_rows))
    if page > len(page_ends):
        return Page(total, total, len(page_ends))
    return Page(page_ends[page - 2] if page > 1 else 0, page_ends[page - 1], len(page_ends))


def row_slices(ends: Sequence[int], start: int, stop: int) -> tuple[Slice, ...]:
    """Rows ``start`` up to, not including, ``stop``, batch by batch: logarithmic in the number of batches."""
    at = start
    found = []
    batch = bisect_right(ends, at)
    while at < stop:
        first, end = (ends[batch - 1] if batch else 0), min(ends[batch], stop)
        found.append(Slice(batch, at - first, end - at))
        at, batch = end, batch + 1
    return tuple(found)


def discard_part(results_dir: Path | str, statement_id: str, part: int) -> None:
    """Remove one part, whole or not; no error when there is none."""
    data, index = data_path(results_dir, statement_id, part), index_path(results_dir, statement_id, part)
    for path in (data, index, unfinished(data)):
        path.unlink(missing_ok=True)


def discard(results_dir: Path | str, statement_id: str) -> None:
    """Remove everything of a statement's result; no error when there is nothing."""
    place = folder(results_dir, statement_id)
    try:
        shutil.rmtree(place)
    except FileNotFoundError:
        shutil.rmtree(place, ignore_errors=True)
