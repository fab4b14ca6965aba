"""The result of a part while it is written: small ones stay in hand, larger ones become a file."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from treadle.model.columns import Column
from treadle.results import layout
from treadle.results.inline import INLINE_BYTES, inline_bytes
from treadle.results.paging import PageBreaks
from treadle.results.rows import FEW, rows_json
from treadle.results.standard import standard_batch, standard_schema
from treadle.results.writer import PartWriter, write_whole
from treadle.wire import Excess


class Output:
    """Takes the batches of one part; nothing can be read before `finish` has returned.

    Use it as a context manager: leaving without `finish` removes every trace of the part. With
    ``as_file`` even a small result becomes a file.
    """

    def __init__(
        self,
        results_dir: Path | str,
        statement_id: str,
        part: int,
        schema: pa.Schema,
        columns: Sequence[Column],
        *,
        as_file: bool,
        breaks: PageBreaks,
    ) -> None:
        self._place = (results_dir, statement_id, part)
        self._schema = standard_schema(schema)
        self._columns = columns
        self._as_file = as_file
        self._breaks = breaks
        self._held: list[pa.RecordBatch] = []
        self._file: PartWriter | None = None
        self._whole = False
        """Whether the part was written as a file in one step."""
        self.rows = 0
        self.bytes = 0
        """As Arrow holds them in memory."""
        self.inline: bytes | None = None
        self.json: bytes | None = None
        """Of a result of few rows in hand: them as JSON, which costs less here than to read them again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.__exit__(kind, error, trace)

    def write(self, given: pa.RecordBatch) -> pa.RecordBatch:
        """Append a batch; one without rows leaves nothing. Returns it as it is written."""
        batch = standard_batch(given, self._schema)
        if batch.num_rows:
            self._append(batch)
        return batch

    def _append(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        size = batch.nbytes
        self.bytes += size
        self._breaks.add(batch, size)
        if self._file is not None:
            self._file.write(batch)
            return
        self._held.append(batch)
        if self.bytes > INLINE_BYTES:
            self._spill()

    def beyond(self, rows: int, size: int) -> Excess | None:
        """What there is too much of, when at most ``rows`` rows and ``size`` bytes are allowed; 0 is any number."""
        if rows and self.rows > rows:
            return Excess.ROWS
        return Excess.BYTES if size and self.bytes > size else None

    def finish(self) -> None:
        """Make the result readable: as `inline` if it is small and has one page of bytes, else as a file."""
        page_ends = self._breaks.ends()
        if self._file is None and page_ends is None and self._as_file and len(self._held) <= 1:
            # A script may have thousands of such parts: a single write costs a third of a stream.
            write_whole(*self._place, self._schema, self._columns, self._held)
            self._whole = True
            return
        if self._file is None and page_ends is None and not self._as_file:
            self.inline = inline_bytes(self._held, self._schema, self._columns)
            if self.inline is not None and self.rows <= FEW:
                self.json = b"[" + b",".join(map(rows_json, self._held)) + b"]"
        if self._file is None and self.inline is None:
            self._spill()
        if self._file is not None:
            self._file.finish(page_ends)

    def discard(self) -> None:
        """Take a finished result back; what a broken disk keeps belongs to a part that has failed, and is not read."""
        self.inline = self.json = None
        if self._file is not None or self._whole:
            with suppress(OSError):
                layout.discard_part(*self._place)

    def _spill(self) -> None:
        self._file = PartWriter(*self._place, self._schema, self._columns)
        for batch in self._held:
            self._file.write(batch)
        self._held.clear()
