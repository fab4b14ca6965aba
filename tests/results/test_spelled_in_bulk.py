"""Whole columns are spelled by Arrow, at a speed that does not depend on what the values are."""

import random
from collections.abc import Callable
from decimal import Decimal
from time import process_time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.results.arrays import AnyArray
from treadle.results.text import text
from treadle.results.text_few import few_texts

CELLS = 40_000
DEAREST = 100
"""How many times as long as an integer a value may take; Python alone takes a thousand times as long."""

_random = random.Random(7)


def _half_ways() -> st.SearchStrategy[float]:
    """Floats near decimals that lie exactly between two of them: odd numbers of 54 bits with many factors of 5."""
    odd = st.integers(2**53, 2**54 - 1).map(lambda number: number | 1)
    return st.tuples(odd, st.integers(1, 22), st.integers(0, 40)).map(
        lambda made: float((made[0] // 5 ** made[1]) * 5 ** made[1]) * 2.0 ** made[2]
    )


doubles = st.floats() | st.integers(-(10**18), 10**18).map(float) | _half_ways() | st.floats(1e10, 1e15)


@given(st.lists(st.none() | doubles, max_size=40), st.integers(0, 3))
def test_doubles_in_bulk_are_those_one_by_one(values: list[float | None], start: int) -> None:
    """A column of doubles has the texts of its values."""
    column = pa.array(values, pa.float64()).slice(start)
    assert text(column).to_pylist() == few_texts(column)


@given(st.integers(1, 38), st.data())
def test_decimals_in_bulk_are_those_one_by_one(precision: int, data: st.DataObject) -> None:
    """A column of decimals has the texts of its values."""
    scale = data.draw(st.integers(0, precision))
    most = 10**precision - 1
    numbers = data.draw(st.lists(st.none() | st.integers(-most, most) | st.integers(-9, 9), max_size=20))
    values = [None if one is None else Decimal(f"{one}e-{scale}") for one in numbers]
    column = pa.array(values, pa.decimal128(precision, scale))
    assert text(column).to_pylist() == few_texts(column)


@given(st.lists(st.none() | st.binary(max_size=9), max_size=20), st.integers(0, 3))
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_blobs_in_bulk_are_those_one_by_one(kind: pa.DataType, values: list[bytes | None], start: int) -> None:
    """A column of blobs has the hexadecimal digits of its values."""
    column: AnyArray = pa.array(values, kind).slice(start)
    expected = [None if value is None else f"\\x{value.hex()}" for value in values[start:]]
    assert text(column).to_pylist() == expected


def _seconds(column: AnyArray) -> float:
    """Seconds of processor to spell a column, the best of three."""
    taken = []
    for _ in range(3):
        began = process_time()
        text(column)
        taken.append(process_time() - began)
    return min(taken)


def _doubles(least: float, most: float) -> AnyArray:
    return pa.array([_random.uniform(least, most) for _ in range(CELLS)])


COLUMNS: dict[str, Callable[[], AnyArray]] = {
    "doubles": lambda: _doubles(0, 1),
    "huge doubles": lambda: _doubles(0, 1e300),
    "large doubles": lambda: _doubles(1e10, 1e15),
    "half-way doubles": lambda: _doubles(2**53, 1e19),
    "small doubles": lambda: _doubles(0, 1e-5),
    "floats": lambda: _doubles(1e6, 1e7).cast(pa.float32()),
    "huge floats": lambda: _doubles(0, 1e30).cast(pa.float32()),
    "decimals": lambda: pa.array(
        [Decimal(_random.getrandbits(30)).scaleb(-20) for _ in range(CELLS)], pa.decimal128(38, 20)
    ),
    "intervals": lambda: pa.array(
        [(_random.randrange(-30, 30), _random.randrange(9), _random.getrandbits(50)) for _ in range(CELLS)],
        pa.month_day_nano_interval(),
    ),
    "blobs": lambda: pa.array([_random.randbytes(16) for _ in range(CELLS)]),
    "timestamps": lambda: pa.array([_random.getrandbits(50) for _ in range(CELLS)], pa.timestamp("us")),
}


@pytest.mark.alone
@pytest.mark.parametrize("kind", COLUMNS)
def test_no_type_is_spelled_value_by_value(kind: str) -> None:
    """No type takes much longer than integers do."""
    integers = pa.array([_random.getrandbits(62) for _ in range(CELLS)])
    column = COLUMNS[kind]()
    assert _seconds(column) <= DEAREST * _seconds(integers)
