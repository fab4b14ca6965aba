"""Whether what was read is what Arrow can work on: a damaged file must not lead outside of its buffers."""

import pyarrow as pa
import pyarrow.types as pt


def check(batch: pa.RecordBatch) -> None:
    """Raise `pyarrow.ArrowInvalid` for a batch that is not sound."""
    for column in batch.columns:
        column.validate(full=_may_be_full(column.type))


def _may_be_full(kind: pa.DataType) -> bool:
    # Arrow calls values of these types wrong that the engine has: 24:00, and integers of more than 38 digits.
    if pt.is_decimal(kind) or pt.is_time(kind) or pt.is_date64(kind):
        return False
    return all(_may_be_full(kind.field(number).type) for number in range(kind.num_fields))
