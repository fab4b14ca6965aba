"""Results of a few rows, made once by the real writers."""

import tempfile
from functools import cache
from typing import Final

import pyarrow as pa

from treadle.model.columns import Column
from treadle.results.inline import inline_bytes
from treadle.results.layout import data_path
from treadle.results.writer import PartWriter

COLUMNS: Final = (Column(name="n", type=23, size=4, engine_type="INTEGER"),)

_SCHEMA: Final = pa.schema([("n", pa.int32())])


def _batch(count: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array(range(count), pa.int32())], schema=_SCHEMA)


@cache
def file_of_rows(count: int) -> bytes:
    """The content of a result file."""
    with tempfile.TemporaryDirectory() as folder:
        with PartWriter(folder, "rows", 1, _SCHEMA, COLUMNS) as writer:
            writer.write(_batch(count))
            writer.finish()
        return data_path(folder, "rows", 1).read_bytes()


@cache
def inline_rows(count: int) -> bytes:
    """A small result as it travels without a file."""
    content = inline_bytes([_batch(count)], _SCHEMA, COLUMNS)
    if content is None:
        raise ValueError(f"{count} rows are not small")
    return content
