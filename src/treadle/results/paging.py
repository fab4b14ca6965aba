"""Where the pages of a result end: when they have all their rows, or earlier, when they are full by bytes.

The worker finds the ends while it writes, so that each page can be read without the ones before it.
"""

from array import array
from collections.abc import Sequence
from functools import lru_cache

import pyarrow as pa
import pyarrow.types as kinds

from treadle.results.arrays import AnyArray
from treadle.results.layout import ROW_COUNT
from treadle.results.nesting import is_list, is_nested


class PageBreaks:
    """Cuts the rows of one part into pages of ``page_rows`` rows and ``page_bytes`` bytes at most.

    A row that is larger by itself is a page of its own. Bytes are `weight`: the rows as Arrow holds them
    or, where their text is far longer, an eighth of that.
    """

    def __init__(self, page_rows: int, page_bytes: int) -> None:
        self._page_rows = page_rows
        self._page_bytes = page_bytes
        self._ends = array(ROW_COUNT)
        self._by_bytes = False
        self._total = 0
        self._rows = 0
        self._most = 0
        """What the rows of the page count for, or more."""
        self._page: list[pa.RecordBatch] = []
        """The rows of the page, as long as what they count for is not known better."""

    def add(self, batch: pa.RecordBatch, size: int) -> None:
        """Go on with the rows of a batch of so many bytes."""
        whole = size + _beside_bytes(batch)
        if self._most + whole > self._page_bytes and self._page:
            self._most, self._page = sum(map(weight, self._page)), []
        if self._most + whole <= self._page_bytes:
            self._add_light(batch, whole)
            return
        left = batch
        while left.num_rows:
            left = left.slice(self._fill(left))

    def ends(self) -> Sequence[int] | None:
        """How many rows there are up to the end of each page; None where every page is full by its rows."""
        if not self._by_bytes:
            return None
        return [*self._ends, self._total] if self._rows else list(self._ends)

    def _add_light(self, batch: pa.RecordBatch, whole: int) -> None:
        """Rows of which no page becomes full by bytes."""
        ended, rest = divmod(self._rows + batch.num_rows, self._page_rows)
        first = self._total - self._rows
        self._ends.extend(range(first + self._page_rows, first + ended * self._page_rows + 1, self._page_rows))
        self._total += batch.num_rows
        self._rows = rest
        if not ended:
            self._most += whole
            if self._page:
                self._page.append(batch)
        elif rest:
            # The bytes of a slice are looked at only where they may matter.
            self._most, self._page = whole, [batch.slice(batch.num_rows - rest)]
        else:
            self._most, self._page = 0, []

    def _fill(self, rows: pa.RecordBatch) -> int:
        """Put as many rows on the page as it takes, end it when it is full; how many they were."""
        most = min(rows.num_rows, self._page_rows - self._rows)
        taken, added = _prefix(rows, most, self._page_bytes - self._most)
        if not taken and not self._rows:
            taken, added = 1, self._page_bytes
        self._rows += taken
        self._total += taken
        self._most += added
        full_by_rows = self._rows == self._page_rows
        if full_by_rows or taken < rows.num_rows:
            self._by_bytes = self._by_bytes or not full_by_rows
            self._ends.append(self._total)
            self._rows = self._most = 0
        return taken


def _prefix(rows: pa.RecordBatch, most: int, room: int) -> tuple[int, int]:
    """How many of the first rows, ``most`` at most, take no more than ``room`` bytes; and how many bytes they take."""
    least, found = 0, 0
    while least < most:
        middle = (least + most + 1) // 2
        size = weight(rows.slice(0, middle))
        if size <= room:
            least, found = middle, size
        else:
            most = middle - 1
    return least, found


def weight(batch: pa.RecordBatch) -> int:
    """What rows count for on their page: their bytes, and at least an eighth of their JSON."""
    # Those whose text is at most eight times as long are counted by Arrow, all at once.
    return int(batch.nbytes) + _beside_bytes(batch)


def _beside_bytes(batch: pa.RecordBatch) -> int:
    return sum(_beside(batch.column(number)) for number in _odd_columns(batch.schema))


@lru_cache(maxsize=8)
def _odd_columns(schema: pa.Schema) -> tuple[int, ...]:
    """The columns that count for more than their bytes."""
    return tuple(number for number, field in enumerate(schema) if _is_odd(field.type))


def _is_odd(kind: pa.DataType) -> bool:
    short = kinds.is_boolean(kind) or kinds.is_null(kind)
    return bool(short or kinds.is_dictionary(kind) or is_nested(kind))


def _beside(values: AnyArray) -> int:
    """What values count for beside their bytes."""
    kind = values.type
    if not len(values):
        return 0
    if kinds.is_boolean(kind) or kinds.is_null(kind):
        return len(values)
    if kinds.is_dictionary(kind):
        return len(values) * _longest(values.dictionary)
    if kinds.is_struct(kind):
        names = sum(len((field.name or "f0").encode()) + 8 for field in kind)
        return len(values) * names + sum(map(_beside, values.flatten()))
    if is_list(kind) or kinds.is_map(kind):
        return len(values) + _beside(_elements(values))
    return 0


def _longest(labels: AnyArray) -> int:
    return max((len(label.encode()) for label in labels.to_pylist()), default=0)


def _elements(values: AnyArray) -> AnyArray:
    """The elements of lists or maps, which are the values of a slice alone."""
    if kinds.is_fixed_size_list(values.type):
        return values.flatten()
    first, last = values.offsets[0].as_py(), values.offsets[len(values)].as_py()
    return values.values.slice(first, last - first)
