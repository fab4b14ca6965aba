"""What Arrow's own types cannot carry: in a file that others read it must not stand for something else.

Arrow counts the time of an interval in 64 bits of nanoseconds. The engine multiplies its microseconds by
1,000 and lets the product wrap around. `treadle.results.text_interval` knows how to undo that; other
readers of a file do not. A product that was not wrapped around ends in three zeros, and one that was does
not: 2**64 leaves 616 when divided by 1,000, and only 125 times that leaves nothing, which is far beyond
what the adapter lets through.
"""

from typing import Final

import pyarrow as pa
import pyarrow.types as kinds

from treadle.results.arrays import AnyArray
from treadle.results.nesting import is_list

MOST_HOURS: Final = 2_562_047
"""What Arrow can count of an interval's time."""

_INTERVAL: Final = pa.month_day_nano_interval()


def holds_intervals(kind: pa.DataType) -> bool:
    """Whether there are intervals in values of the type."""
    return kind == _INTERVAL or any(holds_intervals(kind.field(n).type) for n in range(kind.num_fields))


def holds_long_intervals(array: AnyArray) -> bool:
    """Whether an interval in the array has more than `MOST_HOURS`, and stands for another one."""
    kind = array.type
    if kind == _INTERVAL:
        return any(value is not None and value.nanoseconds % 1000 for value in array.to_pylist())
    return holds_intervals(kind) and any(map(holds_long_intervals, _within(array)))


def _within(array: AnyArray) -> list[AnyArray]:
    """The arrays that a nested one is made of."""
    kind = array.type
    if kinds.is_map(kind):
        return [array.keys, array.items]
    if kinds.is_union(kind):
        return [array.field(number) for number in range(kind.num_fields)]
    return [array.flatten()] if is_list(kind) else list(array.flatten())
