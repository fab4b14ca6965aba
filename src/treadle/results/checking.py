"""Validates record batches that were read: a damaged file must not make Arrow read outside of its buffers."""

import pyarrow as pa
import pyarrow.types as pt


def check(batch: pa.RecordBatch) -> None:
    """Raise `pyarrow.ArrowInvalid` for an invalid batch."""
    for column in batch.columns:
        column.validate(full=_may_be_full(column.type))


def _may_be_full(kind: pa.DataType) -> bool:
    # Arrow rejects some valid values of the engine in these types: 24:00, and integers of more than 38 digits.
    if pt.is_decimal(kind) or pt.is_time(kind) or pt.is_date64(kind):
        return False
    return all(_may_be_full(kind.field(number).type) for number in range(kind.num_fields))
