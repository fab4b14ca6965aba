"""Intervals in PostgreSQL's ``postgres`` style: ``1 year 2 mons -3 days +04:05:06.5``.

Arrow counts nanoseconds, DuckDB microseconds: beyond 292 years of hours the engine's product overflows
its 64 bits. The factor 1,000 is 8 times an odd number, so that up to `MOST_MICROSECONDS` the overflow
can be undone; the adapter refuses what lies beyond.
"""

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from treadle.results.arrays import AnyArray, literal

MOST_MICROSECONDS: Final = 2**60 - 1
"""About 36,000 years."""

_CYCLE_BITS: Final = 61
_ODD_INVERSE: Final = pow(125, -1, 2**_CYCLE_BITS)

_HOUR: Final = 3_600_000_000
"""Microseconds."""

_SPACE: Final = literal(" ")
_EMPTY: Final = literal("")
_PLUS: Final = literal("+")
_MINUS: Final = literal("-")
_UNITS: Final = {name: (literal(f" {name}"), literal(f" {name}s")) for name in ("year", "mon", "day")}


def _number(value: int) -> Any:
    return pa.scalar(value, pa.int64())


def interval(array: AnyArray) -> AnyArray:
    """Format months, days and a signed time of day like PostgreSQL's EncodeInterval.

    A positive part after a negative one has a plus sign.
    """
    months, days, micros = _parts(array)
    years = pc.divide(months, _number(12))
    months = pc.subtract(months, pc.multiply(years, _number(12)))
    below: AnyArray = pc.less(years, _number(0))
    shown = []
    for amounts, name in ((years, "year"), (months, "mon"), (days, "day")):
        there = pc.not_equal(amounts, _number(0))
        if not pc.any(there).as_py():
            continue
        shown.append(_amounts(amounts, there, below, name))
        below = pc.if_else(there, pc.less(amounts, _number(0)), below)
    nothing: AnyArray = pc.equal(pc.bit_wise_or(pc.bit_wise_or(years, months), days), _number(0))
    with_clock = pc.or_(pc.not_equal(micros, _number(0)), nothing)
    shown.append(pc.if_else(with_clock, _clocks(micros, below), pa.scalar(None, pa.string())))
    texts = pc.binary_join_element_wise(*shown, _SPACE, null_handling="skip")
    return pc.if_else(array.is_valid(), texts, pa.scalar(None, pa.string()))


def _parts(array: AnyArray) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Split into months, days and microseconds; those of nulls are arbitrary."""
    _, content = array.buffers()
    first, count = array.offset, len(array)
    fields: AnyArray = pa.Array.from_buffers(pa.int32(), 4 * (first + count), [None, content])
    fields = pa.FixedSizeListArray.from_arrays(fields, 4).slice(first)
    times: AnyArray = pa.Array.from_buffers(pa.int64(), 2 * (first + count), [None, content])
    times = pa.FixedSizeListArray.from_arrays(times, 2).slice(first)
    months, days = (pc.list_element(fields, at).cast(pa.int64()) for at in (0, 1))
    return months, days, _microseconds(pc.list_element(times, 1))


def _microseconds(products: AnyArray) -> AnyArray:
    """Recover microseconds from their product with 1,000, which may have wrapped around at 64 bits."""
    found = pc.multiply(pc.shift_right(products, _number(3)), _number(_ODD_INVERSE))
    spare = _number(64 - _CYCLE_BITS)
    return pc.shift_right(pc.shift_left(found, spare), spare)


def _amounts(amounts: AnyArray, there: AnyArray, below: AnyArray, name: str) -> AnyArray:
    """Format ``-2 mons`` and the like; null for zero."""
    one, many = _UNITS[name]
    plus = pc.if_else(pc.and_(below, pc.greater(amounts, _number(0))), _PLUS, _EMPTY)
    unit = pc.if_else(pc.equal(amounts, _number(1)), one, many)
    texts = pc.binary_join_element_wise(plus, amounts.cast(pa.string()), unit, _EMPTY)
    return pc.if_else(there, texts, pa.scalar(None, pa.string()))


def _clocks(micros: AnyArray, below: AnyArray) -> AnyArray:
    """Format ``-04:05:06.5`` and the like; a positive time after a negative part has a plus sign."""
    sign = pc.if_else(pc.less(micros, _number(0)), _MINUS, pc.if_else(below, _PLUS, _EMPTY))
    size = pc.abs(micros)
    hours = pc.divide(size, _number(_HOUR))
    rest = pc.subtract(size, pc.multiply(hours, _number(_HOUR))).view(pa.time64("us")).cast(pa.string())
    within = pc.utf8_slice_codeunits(rest, 2)
    trimmed = pc.ascii_rtrim(pc.ascii_rtrim(within, characters="0"), characters=".")
    padded = pc.ascii_lpad(hours.cast(pa.string()), width=2, padding="0")
    return pc.binary_join_element_wise(sign, padded, trimmed, _EMPTY)
