"""Floats in PostgreSQL's text form: shortest digits, an exponent below 1e-4 and from 1e15 on (float4: 1e6).

Arrow finds the shortest digits but formats them differently; this module reformats whole arrays. The few numbers with
shortest digits half-way between two floats are formatted one by one.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from math import isinf, isnan
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from treadle.results.arrays import AnyArray, literal

_LEAST_PLAIN: Final = 1e-4
"""The smallest magnitude that PostgreSQL writes without an exponent."""

_ARROW_PLAIN_FROM: Final = 1e-6
_ARROW_PLAIN_BELOW: Final = 1e10
"""The range of magnitudes that Arrow writes without an exponent."""

_TWO_DIGITS_BELOW: Final = 1e-9
"""The magnitude below which Arrow's negative exponents have two digits as well."""

_EXACT_BELOW: Final = 4e18
"""The magnitude below which numbers and their neighbours are compared as 64-bit integers."""

_ONE: Final = pa.scalar(1, pa.int64())
_EMPTY: Final = literal("")
_MINUS: Final = literal("-")
_POINT: Final = literal(".")


class _Float(msgspec.Struct, frozen=True):
    """PostgreSQL's format of a float type: ``precision`` digits before an exponent, ``mantissa`` bits.

    From ``unambiguous`` on no decimal of so few digits is half-way between two floats: such a number has a factor 5 for
    each zero at its end, and more of these than half a mantissa can hold.
    """

    precision: int
    mantissa: int
    bias: int
    whole: AnyArray
    unambiguous: float


_FLOAT4: Final = _Float(6, 24, 150, pa.int32(), 1e20)
_FLOAT8: Final = _Float(15, 53, 1075, pa.int64(), 1e41)


def real(array: AnyArray) -> AnyArray:
    """Format PostgreSQL's float4: shortest digits, an exponent from 1e+06."""
    return _floating(array, _FLOAT4)


def double(array: AnyArray) -> AnyArray:
    """Format PostgreSQL's float8: shortest digits, an exponent from 1e+15."""
    return _floating(array, _FLOAT8)


def _floating(array: AnyArray, form: _Float) -> AnyArray:
    """Format floats: Arrow's texts where they match PostgreSQL's, the others reformatted class by class."""
    texts = array.cast(pa.string())
    magnitude = pc.abs(array)
    if _all_plain(magnitude, form):
        return texts
    classes: list[tuple[float, float, Callable[[AnyArray, AnyArray], AnyArray]]] = [
        (0.0, _TWO_DIGITS_BELOW, lambda texts, _: texts),
        (_TWO_DIGITS_BELOW, _ARROW_PLAIN_FROM, _longer_exponent),
        (_ARROW_PLAIN_FROM, _LEAST_PLAIN, _small),
    ]
    first = 10.0**form.precision
    if first > _ARROW_PLAIN_BELOW:
        classes.append((_ARROW_PLAIN_BELOW, first, _plain))
    else:
        classes.append((first, _ARROW_PLAIN_BELOW, _large))
    for least, most, layout in classes:
        texts = _relaid(texts, array, _between(magnitude, least, most), layout)
    texts = _respelled(texts, array, magnitude, form)
    return _named(texts, array)


def _all_plain(magnitude: AnyArray, form: _Float) -> bool:
    least = pa.scalar(_LEAST_PLAIN, magnitude.type)
    most = pa.scalar(min(10.0**form.precision, _ARROW_PLAIN_BELOW), magnitude.type)
    plain = pc.and_(pc.greater_equal(magnitude, least), pc.less(magnitude, most))
    return bool(pc.all(pc.or_(plain, pc.equal(magnitude, pa.scalar(0.0, magnitude.type)))).as_py() is not False)


def _between(magnitude: AnyArray, least: float, most: float) -> AnyArray:
    low, high = pa.scalar(least, magnitude.type), pa.scalar(most, magnitude.type)
    return pc.fill_null(pc.and_(pc.greater_equal(magnitude, low), pc.less(magnitude, high)), False)


def _relaid(
    texts: AnyArray, array: AnyArray, mask: AnyArray, layout: Callable[[AnyArray, AnyArray], AnyArray]
) -> AnyArray:
    """Reformat the texts that ``mask`` selects; ``layout`` gets them and their values."""
    if not pc.any(mask).as_py():
        return texts
    return pc.replace_with_mask(texts, mask, layout(texts.filter(mask), array.filter(mask)))


def _sign(values: AnyArray) -> AnyArray:
    return pc.if_else(pc.less(values, pa.scalar(0.0, values.type)), _MINUS, _EMPTY)


def _scientific(sign: AnyArray, digits: AnyArray, exponent: AnyArray) -> AnyArray:
    """Format ``15`` and ``e+06`` as ``1.5e+06``."""
    rest = pc.utf8_slice_codeunits(digits, 1)
    point = pc.if_else(pc.equal(pc.binary_length(rest), pa.scalar(0)), _EMPTY, _POINT)
    return pc.binary_join_element_wise(sign, pc.utf8_slice_codeunits(digits, 0, 1), point, rest, exponent, _EMPTY)


def _longer_exponent(texts: AnyArray, _: AnyArray) -> AnyArray:
    """Format ``1.5e-7`` as ``1.5e-07``."""
    before, digit = pc.utf8_slice_codeunits(texts, 0, -1), pc.utf8_slice_codeunits(texts, -1)
    return pc.binary_join_element_wise(before, digit, literal("0"))


def _small(texts: AnyArray, values: AnyArray) -> AnyArray:
    """Format ``0.000015`` as ``1.5e-05``."""
    fraction = pc.utf8_slice_codeunits(pc.ascii_ltrim(texts, characters="-"), 2)
    digits = pc.ascii_ltrim(fraction, characters="0")
    place = pc.subtract(pc.binary_length(fraction), pc.binary_length(digits))
    exponent = pc.add(place, _ONE).cast(pa.string())
    return _scientific(_sign(values), digits, pc.binary_join_element_wise(literal("e-0"), exponent, _EMPTY))


def _large(texts: AnyArray, values: AnyArray) -> AnyArray:
    """Format ``1500000`` as ``1.5e+06``."""
    texts = pc.ascii_ltrim(texts, characters="-")
    point = pc.find_substring(texts, ".")
    whole = pc.if_else(pc.less(point, pa.scalar(0)), pc.binary_length(texts), point)
    exponent = pc.subtract(whole, _ONE).cast(pa.string())
    digits = pc.ascii_rtrim(pc.replace_substring(texts, ".", ""), characters="0")
    return _scientific(_sign(values), digits, pc.binary_join_element_wise(literal("e+0"), exponent, _EMPTY))


def _plain(texts: AnyArray, values: AnyArray) -> AnyArray:
    """Format ``1.5e+10`` as ``15000000000``: the integer part of the value, then the other digits as the fraction."""
    shown, digits = _digits(texts)
    whole = pc.trunc(pc.abs(values)).cast(pa.int64())
    whole_text = whole.cast(pa.string())
    places = pc.max_element_wise(pc.subtract(pc.binary_length(shown), pc.binary_length(whole_text)), pa.scalar(0))
    power = pc.power(pa.scalar(10, pa.int64()), places)
    marked = pc.add(pc.subtract(digits, pc.multiply(whole, power)), power).cast(pa.string())
    some = pc.greater(places, pa.scalar(0))
    fraction = pc.if_else(some, pc.utf8_slice_codeunits(marked, 1), _EMPTY)
    point = pc.if_else(some, _POINT, _EMPTY)
    return pc.binary_join_element_wise(_sign(values), whole_text, point, fraction, _EMPTY)


def _digits(texts: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Extract the digits before a two-digit exponent, without sign and point, as text and as numbers."""
    unsigned = pc.ascii_ltrim(pc.utf8_slice_codeunits(texts, 0, -4), characters="-")
    shown = pc.replace_substring(unsigned, ".", "")
    return shown, shown.cast(pa.int64())


def _respelled(texts: AnyArray, array: AnyArray, magnitude: AnyArray, form: _Float) -> AnyArray:
    """Reformat the texts whose digits may be half-way between two floats."""
    mask = _between(magnitude, 2.0**form.mantissa, form.unambiguous)
    if not pc.any(mask).as_py():
        return texts
    some = texts.filter(mask)
    values = array.filter(mask)
    unsure = _half_way(some, values, form)
    if not pc.any(unsure).as_py():
        return texts
    rest: Iterable[tuple[str, float]] = zip(
        some.filter(unsure).to_pylist(), values.filter(unsure).to_pylist(), strict=True
    )
    spelled = pa.array([_spell(shortest, value, form) for shortest, value in rest], pa.string())
    return pc.replace_with_mask(texts, mask, pc.replace_with_mask(some, unsure, spelled))


def _half_way(texts: AnyArray, values: AnyArray, form: _Float) -> AnyArray:
    """Check whether digits may be half-way, or below a power of two a quarter of the way, to the next float.

    In binary such a number ends with the half or the quarter of the distance between the floats.
    """
    shown, digits = _digits(texts)
    length = pc.binary_length(shown).cast(pa.int64())
    zeros = pc.add(pc.subtract(pc.utf8_slice_codeunits(texts, -2).cast(pa.int64()), length), _ONE)
    gap = _gap(values, form)
    lowest = pc.cast(pc.bit_wise_and(digits, pc.negate(digits)), pa.float64(), safe=False)
    missing = pc.subtract(gap, pc.add(pc.log2(lowest).cast(pa.int64()), zeros))
    possible = pc.or_(pc.equal(missing, _ONE), pc.equal(missing, pa.scalar(2, pa.int64())))
    magnitude = pc.min_element_wise(pc.abs(values).cast(pa.float64()), pa.scalar(_EXACT_BELOW))
    near = pc.less(magnitude, pa.scalar(_EXACT_BELOW))
    number = pc.multiply(digits, pc.power(pa.scalar(10, pa.int64()), pc.min_element_wise(zeros, pa.scalar(18))))
    twice = pc.multiply(pc.abs(pc.subtract(number, magnitude.cast(pa.int64()))), pa.scalar(2, pa.int64()))
    between = pc.shift_left(_ONE, pc.min_element_wise(gap, pa.scalar(62)))
    exact = pc.or_(pc.equal(twice, between), pc.equal(pc.shift_left(twice, _ONE), between))
    return pc.if_else(near, exact, possible)


def _gap(values: AnyArray, form: _Float) -> AnyArray:
    """Compute the power of two between a float and the next one."""
    bits = values.view(form.whole).cast(pa.int64())
    exponents = pc.shift_right(bits, pa.scalar(form.mantissa - 1, pa.int64()))
    most = pa.scalar((1 << (form.whole.bit_width - form.mantissa)) - 1, pa.int64())
    return pc.subtract(pc.bit_wise_and(exponents, most), pa.scalar(form.bias, pa.int64()))


def _named(texts: AnyArray, array: AnyArray) -> AnyArray:
    """Name infinities and NaN."""
    if pc.all(pc.is_finite(array)).as_py() is not False:
        return texts
    texts = pc.if_else(pc.is_nan(array), literal("NaN"), texts)
    endless = pc.if_else(pc.less(array, pa.scalar(0.0, array.type)), literal("-Infinity"), literal("Infinity"))
    return pc.if_else(pc.is_inf(array), endless, texts)


def spell_double(shortest: str, value: float) -> str:
    """Format PostgreSQL's float8 from its shortest digits in any layout."""
    return _spell(shortest, value, _FLOAT8)


def _spell(shortest: str, value: float, form: _Float) -> str:
    """Format a number that Arrow or Python wrote in PostgreSQL's layout."""
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign = "-" if value < 0 else ""
    number = abs(Decimal(shortest))
    if 2.0**form.mantissa <= abs(value) < form.unambiguous:
        whole = str(_unambiguous(int(number), int(abs(value)), form.mantissa))
        return sign + _exponential(whole, len(whole) - 1)
    point = number.adjusted()
    if not -4 <= point < form.precision:
        return sign + _exponential("".join(map(str, number.as_tuple().digits)), point)
    return f"{sign}{number:f}"


def _exponential(digits: str, point: int) -> str:
    digits = digits.rstrip("0")
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point:+03d}"


def _unambiguous(number: int, value: int, mantissa: int) -> int:
    """Find the shortest number that reads back as the float ``value`` (from 2**mantissa), however ties are rounded.

    ``number`` is the shortest if ties round to even: it may be half-way between two floats, and there PostgreSQL uses
    one more digit.
    """
    gap = 1 << (value.bit_length() - mantissa)
    below = gap if value & (value - 1) else gap // 2

    def inside(candidate: int) -> bool:
        return value * 2 - below < candidate * 2 < value * 2 + gap

    shown = str(number)
    step = 10 ** (len(shown) - len(shown.rstrip("0")))
    while not inside(number):
        step //= 10
        low = value // step * step
        fit = [candidate for candidate in (low, low + step) if inside(candidate)]
        number = min(fit, key=lambda candidate: abs(candidate - value), default=number)
    return number
