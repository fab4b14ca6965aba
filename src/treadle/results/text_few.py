"""The same texts as `treadle.results.text`, value by value in Python.

A call of Arrow's costs microseconds whatever it works on, so a few rows are faster this way.
"""

from collections.abc import Callable
from typing import Final

import pyarrow as pa

from treadle.results import calendar
from treadle.results.arrays import AnyArray, ticks_of
from treadle.results.text import text
from treadle.results.text_floats import spell_double
from treadle.results.text_scalar import hyphens
from treadle.results.text_times import DATE_INFINITY, TICKS
from treadle.results.zones import zone_of

Texts = list[str | None]


def few_texts(array: AnyArray) -> Texts:
    """The values as `treadle.results.text.text` has them; for rare types they come from there."""
    kind = array.type
    form = _FORMS.get(kind.id)
    if form is not None:
        return form(array)
    if isinstance(kind, pa.Bool8Type):
        return _booleans(array.storage)
    if isinstance(kind, pa.OpaqueType) and kind.vendor_name == "DuckDB" and kind.type_name == "hugeint":
        return _hugeints(array.storage)
    if isinstance(kind, pa.UuidType):
        return [None if value is None else hyphens(value.hex()) for value in array.storage.to_pylist()]
    return list(text(array).to_pylist())


def _characters(array: AnyArray) -> Texts:
    return list(array.to_pylist())


def _integers(array: AnyArray) -> Texts:
    return [None if value is None else str(value) for value in array.to_pylist()]


def _booleans(array: AnyArray) -> Texts:
    return [None if value is None else "t" if value else "f" for value in array.to_pylist()]


def _decimals(array: AnyArray) -> Texts:
    return [None if value is None else f"{value:f}" for value in array.to_pylist()]


def _doubles(array: AnyArray) -> Texts:
    return [None if value is None else _double(value) for value in array.to_pylist()]


def _double(value: float) -> str:
    if value == 0 or 1e-4 <= abs(value) < 1e15:
        return repr(value).removesuffix(".0")
    return spell_double(repr(value), value)


def _dates(array: AnyArray) -> Texts:
    days = array.view(pa.int32()).to_pylist()
    return [None if day is None else calendar.date(day, DATE_INFINITY) for day in days]


def _timestamps(array: AnyArray) -> Texts:
    ticks, name = TICKS[array.type.unit], array.type.tz
    zone = None if name is None else zone_of(name)
    numbers = ticks_of(array).to_pylist()
    return [None if number is None else calendar.timestamp(number, ticks, zone) for number in numbers]


def _times(array: AnyArray) -> Texts:
    ticks = TICKS[array.type.unit]
    numbers = ticks_of(array).to_pylist()
    return [None if number is None else calendar.clock(number, ticks) for number in numbers]


def _hugeints(storage: AnyArray) -> Texts:
    return [
        None if value is None else str(int.from_bytes(value, "little", signed=True)) for value in storage.to_pylist()
    ]


_FORMS: Final[dict[int, Callable[[AnyArray], Texts]]] = {
    **dict.fromkeys((pa.string().id, pa.large_string().id), _characters),
    **dict.fromkeys((pa.int8().id, pa.int16().id, pa.int32().id, pa.int64().id), _integers),
    **dict.fromkeys((pa.uint8().id, pa.uint16().id, pa.uint32().id, pa.uint64().id), _integers),
    pa.bool_().id: _booleans,
    pa.decimal128(1).id: _decimals,
    pa.float64().id: _doubles,
    pa.date32().id: _dates,
    pa.timestamp("us").id: _timestamps,
    pa.time64("us").id: _times,
}
"""By the number Arrow gives a type, whatever its parameters."""
