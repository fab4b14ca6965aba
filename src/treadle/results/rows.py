"""Converts record batches to JSON rows: arrays of strings in PostgreSQL text form, and nulls.

Arrow joins many rows column by column, so that no value passes through Python.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from treadle.results.arrays import AnyArray, literal, patch
from treadle.results.text import text
from treadle.results.text_few import few_texts

_SPECIAL: Final = bytes(range(0x20)) + b'"\\'
"""What JSON escapes."""

_CONTROL: Final = r"[\x00-\x1f]"

_QUOTE: Final = literal('"')
_NULL: Final = literal("null")
_EMPTY: Final = literal("")

JOINABLE: Final = 128 * 2**20
"""Bytes of a batch up to which its rows are joined in one text (2 GiB at most, escapes included)."""


FEW: Final = 24
FEW_BYTES: Final = 2**20
"""Rows up to which Python is faster than Arrow, whose every call costs microseconds; of many bytes it would hold
the interpreter's lock for long.
"""


GoOn = Callable[[], None]
"""Called between two columns; raises to end the work when no caller waits for it any more."""


def always() -> None:
    """Never end the work early."""


def _never_escaped(kind: pa.DataType) -> bool:
    """Whether the text form of the type holds nothing that JSON escapes."""
    return pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or isinstance(kind, pa.Bool8Type)


def _escaped(texts: AnyArray) -> AnyArray:
    """The insides of JSON strings."""
    if _is_plain(texts):
        return texts
    escaped = pc.replace_substring(texts, "\\", "\\\\")
    escaped = pc.replace_substring(escaped, '"', '\\"')
    control = pc.match_substring_regex(texts, _CONTROL)
    return patch(escaped, control, (_json_inside(value) for value in texts.filter(control).to_pylist()))


def _is_plain(texts: AnyArray) -> bool:
    """Whether no text holds anything that JSON escapes: the characters of all of them are looked at in one go."""
    _, offsets, characters = texts.buffers()
    if characters is None:
        return True
    ends = memoryview(offsets).cast("q" if pa.types.is_large_string(texts.type) else "i")
    whole = memoryview(characters)[ends[texts.offset] : ends[texts.offset + len(texts)]].tobytes()
    return len(whole.translate(None, _SPECIAL)) == len(whole)


def _json_inside(value: str) -> str:
    return msgspec.json.encode(value)[1:-1].decode()


def _joined(batch: pa.RecordBatch, go_on: GoOn) -> bytes:
    parts: list[Any] = []
    between = "["
    for number, column in enumerate(batch.columns):
        go_on()
        texts = text(column)
        if not _never_escaped(column.type):
            texts = _escaped(texts)
        between += "," if number else ""
        if texts.null_count:
            quoted = pc.binary_join_element_wise(_QUOTE, texts, _QUOTE, _EMPTY)
            parts += [literal(between), pc.fill_null(quoted, _NULL)]
            between = ""
        else:
            parts += [literal(between + '"'), texts]
            between = '"'
    rows: AnyArray = pc.binary_join_element_wise(*parts, literal(between + "],"), _EMPTY)
    content = rows.buffers()[2]
    return bytes(memoryview(content)[:-1])


def _few(batch: pa.RecordBatch) -> bytes:
    """The fast way for a handful of rows."""
    rows = list(zip(*map(few_texts, batch.columns), strict=True))
    return msgspec.json.encode(rows)[1:-1]


def _one_by_one(batch: pa.RecordBatch, go_on: GoOn) -> bytes:
    """The slow way, for values so large that Arrow could not join them."""
    rows = []
    for row in range(batch.num_rows):
        go_on()
        cells = [text(column).to_pylist()[0] for column in batch.slice(row, 1).columns]
        rows.append(msgspec.json.encode(cells))
    return b",".join(rows)


def rows_json(batch: pa.RecordBatch, go_on: GoOn = always) -> bytes:
    """The rows of a batch as JSON arrays with commas between them."""
    if not batch.num_rows:
        return b""
    if not batch.num_columns:
        return b",".join([b"[]"] * batch.num_rows)
    if batch.num_rows <= FEW and batch.nbytes <= FEW_BYTES:
        return _few(batch)
    return _joined(batch, go_on) if batch.nbytes <= JOINABLE else _one_by_one(batch, go_on)
