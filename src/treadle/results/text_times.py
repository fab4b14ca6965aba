"""Dates and times in PostgreSQL's text form (ISO style).

Arrow writes the years 1 to 9999; what lies outside, DuckDB's infinities among them, goes one by one.
"""

from datetime import UTC
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from treadle.results import calendar
from treadle.results.arrays import AnyArray, literal, patch, selected, strings, ticks_of
from treadle.results.zones import zone_of

_FIRST_DAY: Final = -719_162
_LAST_DAY: Final = 2_932_896
"""0001-01-01 and 9999-12-31, in days from 1970-01-01."""

DATE_INFINITY: Final = 2**31 - 1
"""Days that are no date."""

_INFINITY: Final = 2**63 - 1

TICKS: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""How many units make a second."""


def _outside(numbers: AnyArray, least: int, most: int) -> AnyArray | None:
    """Which numbers lie outside the bounds, None when none does."""
    bounds: Any = pc.min_max(numbers).as_py()
    if bounds["min"] is None or (bounds["min"] >= least and bounds["max"] <= most):
        return None
    low, high = pa.scalar(least, numbers.type), pa.scalar(most, numbers.type)
    return pc.or_(pc.less(numbers, low), pc.greater(numbers, high))


def date(array: AnyArray) -> AnyArray:
    """``2026-07-13``, ``0044-03-15 BC``, ``infinity``."""
    days = array.view(pa.int32())
    texts = array.cast(pa.string())
    outside = _outside(days, _FIRST_DAY, _LAST_DAY)
    if outside is None:
        return texts
    return patch(texts, outside, [calendar.date(day, DATE_INFINITY) for day in selected(days, outside)])


def time(array: AnyArray) -> AnyArray:
    """``08:00:00.5``; DuckDB also has ``24:00:00``."""
    ticks = TICKS[array.type.unit]
    numbers = ticks_of(array)
    outside = _outside(numbers, 0, calendar.DAY * ticks - 1)
    texts = _trimmed(array, pa.time32("s"))
    if outside is None:
        return texts
    return patch(texts, outside, [calendar.clock(value, ticks) for value in selected(numbers, outside)])


def timetz(storage: AnyArray) -> AnyArray:
    """DuckDB's time with a zone: 40 bits of microseconds, 24 bits of what is left up to 15:59:59 east."""
    return strings(None if value is None else _timetz(int.from_bytes(value, "little")) for value in storage.to_pylist())


def _timetz(bits: int) -> str:
    return calendar.clock(bits >> 24, TICKS["us"]) + calendar.offset(57_599 - (bits & 0xFFFFFF))


def timestamp(array: AnyArray) -> AnyArray:
    """``2026-07-13 08:00:00.5``, with the zone's offset when the type has a zone."""
    if array.type.tz is None:
        return _naive(array)
    return _zoned(array, array.type.tz)


def _trimmed(array: AnyArray, whole_seconds: pa.DataType) -> AnyArray:
    """The text of times, without a fraction that is zero and without a fraction's zeros at its end."""
    try:
        return array.cast(whole_seconds).cast(pa.string())
    except pa.ArrowInvalid:
        return pc.ascii_rtrim(pc.ascii_rtrim(array.cast(pa.string()), characters="0"), characters=".")


def _naive(array: AnyArray) -> AnyArray:
    numbers, ticks = ticks_of(array), TICKS[array.type.unit]
    outside = _out_of_years(numbers, ticks)
    texts = _trimmed(array, pa.timestamp("s"))
    if outside is None:
        return texts
    return patch(texts, outside, [calendar.timestamp(value, ticks, None) for value in selected(numbers, outside)])


def _out_of_years(numbers: AnyArray, ticks: int) -> AnyArray | None:
    """Which timestamps Arrow does not write, whatever their zone; None when it writes all."""
    least = max((_FIRST_DAY + 1) * calendar.DAY * ticks, 1 - _INFINITY)
    most = min(_LAST_DAY * calendar.DAY * ticks, _INFINITY - 1)
    return _outside(numbers, least, most)


def _zoned(array: AnyArray, name: str) -> AnyArray:
    """The offsets come from `zones`: Arrow forgets daylight saving time after 2037."""
    numbers, unit = ticks_of(array), array.type.unit
    zone, ticks = zone_of(name), TICKS[unit]
    if zone is UTC:
        texts = pc.binary_join_element_wise(_naive(numbers.view(pa.timestamp(unit))), literal("+00"), literal(""))
    else:
        distances = [None if at is None else calendar.distance(at // ticks, zone) for at in numbers.to_pylist()]
        spelled = {distance: calendar.offset(distance) for distance in set(distances) if distance is not None}
        offsets = strings(None if distance is None else spelled[distance] for distance in distances)
        ahead = pc.multiply(pa.array(distances, pa.int64()), pa.scalar(ticks, pa.int64()))
        local = pc.add(numbers, ahead).view(pa.timestamp(unit))
        texts = pc.binary_join_element_wise(_naive(local), offsets, literal(""))
    outside = _out_of_years(numbers, ticks)
    if outside is None:
        return texts
    return patch(texts, outside, [calendar.timestamp(value, ticks, zone) for value in selected(numbers, outside)])
