"""Pages in: the worker writes the batches of one part."""

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import msgspec
import pyarrow as pa

from treadle.model.columns import Column
from treadle.results import layout

COLUMNS_KEY: Final = b"treadle.columns"
"""The schema metadata key under which a file carries its columns, as JSON."""


def described(schema: pa.Schema, columns: Sequence[Column]) -> pa.Schema:
    """The schema with the columns in its metadata."""
    return schema.with_metadata({**(schema.metadata or {}), COLUMNS_KEY: msgspec.json.encode(columns)})


def write_whole(
    results_dir: Path | str,
    statement_id: str,
    part: int,
    schema: pa.Schema,
    columns: Sequence[Column],
    batches: Sequence[pa.RecordBatch],
) -> None:
    """Write a part of at most one batch in one step; removes the file on failure."""
    place = layout.folder(results_dir, statement_id)
    data = f"{place}/{layout.data_name(part)}"
    unfinished = layout.unfinished_name(data)
    content = pa.BufferOutputStream()
    with pa.ipc.new_file(content, described(schema, columns)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    try:
        with _created(place, unfinished) as file:
            file.write(content.getvalue())
        os.replace(unfinished, data)
    except BaseException:
        with suppress(OSError):
            layout.discard_part(results_dir, statement_id, part)
        with suppress(OSError):  # the folder has other parts
            place.rmdir()
        raise


def _created(place: Path, path: str) -> BinaryIO:
    """Create a file, and its folder if needed."""
    try:
        return open(path, "wb")
    except FileNotFoundError:
        place.mkdir(parents=True, exist_ok=True)
        return open(path, "wb")


class PartWriter:
    """Writes one part of a result; nothing can be read before `finish` has returned.

    Use it as a context manager: leaving without `finish` removes every trace of the part.
    """

    def __init__(
        self, results_dir: Path | str, statement_id: str, part: int, schema: pa.Schema, columns: Sequence[Column]
    ) -> None:
        self._place = layout.folder(results_dir, statement_id)
        self._data = layout.data_path(results_dir, statement_id, part)
        self._index = layout.index_path(results_dir, statement_id, part)
        self._discard = partial(layout.discard_part, results_dir, statement_id, part)
        self._ends: list[int] = []
        self._nothing: pa.RecordBatch | None = None
        self._finished = False
        with ExitStack() as undo:
            undo.callback(self._remove)
            self._place.mkdir(parents=True, exist_ok=True)
            self._sink = undo.enter_context(pa.OSFile(str(layout.unfinished(self._data)), "wb"))
            self._writer = pa.ipc.new_file(self._sink, described(schema, columns))
            self._undo = undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            with suppress(OSError):  # why it is not finished is told already
                self._undo.close()

    @property
    def rows(self) -> int:
        """How many rows have been written."""
        return self._ends[-1] if self._ends else 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch; one without rows leaves nothing."""
        if batch.num_rows:
            self._writer.write_batch(batch)
            self._nothing = None if self._ends else batch.slice(0, 0)
            self._ends.append(self.rows + batch.num_rows)

    def finish(self, page_ends: Sequence[int] | None = None) -> int:
        """Make the part visible; returns how many rows it has.

        ``page_ends`` say where its pages end, when rows alone do not.
        """
        if page_ends is not None and self._nothing is not None:
            # Readers look for an index where there are two batches, and never do without it.
            self._writer.write_batch(self._nothing)
            self._ends.append(self.rows)
        self._writer.close()
        self._sink.close()
        # Before the data: a part is there from the moment its data file is.
        if len(self._ends) > 1:
            self._index.write_bytes(layout.index_bytes([*self._ends, *(page_ends or ())]))
        os.replace(layout.unfinished(self._data), self._data)
        self._finished = True
        return self.rows

    def _remove(self) -> None:
        with suppress(OSError):  # what a broken disk keeps has a name that nobody reads
            self._discard()
        with suppress(OSError):  # other parts are in it, or someone has discarded the whole result
            self._place.rmdir()
