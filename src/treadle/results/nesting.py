"""Taking nested arrays apart."""

import pyarrow as pa
import pyarrow.types as kinds

from treadle.results.arrays import AnyArray


def is_list(kind: pa.DataType) -> bool:
    """Whether values of the type are lists (a map is not)."""
    return bool(kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind))


def is_nested(kind: pa.DataType) -> bool:
    """Whether values of the type have values in them."""
    return bool(is_list(kind) or kinds.is_struct(kind) or kinds.is_map(kind) or kinds.is_union(kind))


def spans(array: AnyArray) -> tuple[list[slice | None], AnyArray]:
    """For each list (or map) where its elements are, None for a null; and the elements of all."""
    if kinds.is_fixed_size_list(array.type):
        width = array.type.list_size
        offsets = [width * row for row in range(len(array) + 1)]
        first = array.offset * width
    else:
        offsets = array.offsets.to_pylist()
        first = offsets[0] if offsets else 0
        offsets = [offset - first for offset in offsets] or [0]
    ranges = [
        slice(start, end) if valid else None
        for valid, start, end in zip(array.is_valid().to_pylist(), offsets[:-1], offsets[1:], strict=True)
    ]
    return ranges, array.values.slice(first, offsets[-1])
