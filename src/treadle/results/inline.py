"""Small results travel as bytes, beside the record of their statement instead of in a file.

The bytes are an Arrow IPC stream, with the columns in its schema as a file has them.
"""

import os
import threading
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

import pyarrow as pa

from treadle.model.columns import Column
from treadle.results import layout
from treadle.results.reader import PageRows, page_of
from treadle.results.writer import described

INLINE_BYTES: Final = 16 * 1024
"""How large the bytes of a result may be for it to travel without a file."""


def inline_bytes(
    batches: Sequence[pa.RecordBatch], schema: pa.Schema, columns: Sequence[Column], limit: int = INLINE_BYTES
) -> bytes | None:
    """The whole result as bytes, None when they would be more than ``limit``."""
    if sum(batch.nbytes for batch in batches) > limit:
        return None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, described(schema, columns)) as writer:
        for batch in batches:
            if batch.num_rows:
                writer.write_batch(batch)
    data = sink.getvalue()
    return data.to_pybytes() if data.size <= limit else None


def read_inline_page(data: bytes, page: int, page_rows: int) -> PageRows:
    """Page ``page`` (from 1) of a result in bytes, as `treadle.results.reader.read_page` has it.

    Raises ValueError when ``page`` or ``page_rows`` is less than 1.
    """
    batches = list(pa.ipc.open_stream(data))
    ends = _ends(batches)
    return page_of(ends, layout.page_at(ends[-1] if ends else 0, page, page_rows), batches.__getitem__)


def materialize(results_dir: Path | str, statement_id: str, part: int, data: bytes) -> None:
    """Make the files the part would have had, if they are not there. Safe to call from many threads."""
    path = layout.data_path(results_dir, statement_id, part)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = pa.ipc.open_stream(data)
    batches = list(stream)
    if len(batches) > 1:
        # Before the data: a part is there from the moment its data file is.
        _publish(layout.index_path(results_dir, statement_id, part), layout.index_bytes(_ends(batches)))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, stream.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    _publish(path, sink.getvalue())


def _ends(batches: Sequence[pa.RecordBatch]) -> list[int]:
    return list(accumulate(batch.num_rows for batch in batches))


def _publish(path: Path, content: bytes | pa.Buffer) -> None:
    """Give a file its content in one step, whoever else does the same at that moment."""
    own = layout.unfinished(path.with_name(f"{path.name}.{os.getpid()}-{threading.get_native_id()}"))
    own.write_bytes(content)
    os.replace(own, path)
