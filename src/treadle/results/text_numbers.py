"""Numbers and truth values in PostgreSQL's text form."""

from decimal import Decimal
from math import isinf, isnan
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from treadle.results.arrays import AnyArray, literal, patch, selected, strings

_TRUE: Final = literal("t")
_FALSE: Final = literal("f")

_ARROW_PLAIN_SCALE: Final = 6
"""Up to this scale Arrow never writes a decimal with an exponent."""

_LEAST_PLAIN: Final = 1e-4
"""The least magnitude that PostgreSQL writes without an exponent; Arrow goes on a little longer."""

_ARROW_PLAIN_BELOW: Final = 1e10
"""The magnitude from which Arrow may write an exponent."""


def boolean(array: AnyArray) -> AnyArray:
    """``t`` and ``f``."""
    return pc.if_else(array.cast(pa.bool_()), _TRUE, _FALSE)


def integer(array: AnyArray) -> AnyArray:
    """Digits."""
    return array.cast(pa.string())


def decimal(array: AnyArray) -> AnyArray:
    """All digits of the scale, never an exponent."""
    texts = array.cast(pa.string())
    if array.type.scale <= _ARROW_PLAIN_SCALE:
        return texts
    exponent = pc.match_substring(texts, "E")
    return patch(texts, exponent, (f"{Decimal(value):f}" for value in selected(texts, exponent)))


def hugeint(storage: AnyArray) -> AnyArray:
    """A signed 128-bit integer in 16 bytes, which is how Arrow lays out a decimal of scale 0."""
    digits: AnyArray = pa.Array.from_buffers(pa.decimal128(38), len(storage), storage.buffers(), offset=storage.offset)
    return digits.cast(pa.string())


def uhugeint(storage: AnyArray) -> AnyArray:
    """An unsigned 128-bit integer in 16 bytes."""
    return strings(None if value is None else str(int.from_bytes(value, "little")) for value in storage.to_pylist())


def bignum(storage: AnyArray) -> AnyArray:
    """DuckDB's integer without bounds: three bytes of header, then the magnitude, all inverted when negative."""
    return strings(None if value is None else _bignum(value) for value in storage.to_pylist())


def _bignum(value: bytes) -> str:
    if value[0] & 0x80:
        return f"{Decimal(int.from_bytes(value[3:])):f}"
    return f"-{Decimal(int.from_bytes(bytes(byte ^ 0xFF for byte in value[3:]))):f}"


class _Float(msgspec.Struct, frozen=True):
    """How PostgreSQL writes a float: ``precision`` digits before an exponent, ``mantissa`` bits."""

    precision: int
    mantissa: int


_FLOAT4: Final = _Float(6, 24)
_FLOAT8: Final = _Float(15, 53)


def real(array: AnyArray) -> AnyArray:
    """PostgreSQL's float4: shortest digits, an exponent from 1e+06."""
    return _floating(array, _FLOAT4)


def double(array: AnyArray) -> AnyArray:
    """PostgreSQL's float8: shortest digits, an exponent from 1e+15."""
    return _floating(array, _FLOAT8)


def _floating(array: AnyArray, form: _Float) -> AnyArray:
    """Arrow's shortest digits where it writes as PostgreSQL does, ours for the rest."""
    texts = array.cast(pa.string())
    magnitude = pc.abs(array)
    least = pa.scalar(_LEAST_PLAIN, array.type)
    most = pa.scalar(min(10.0**form.precision, _ARROW_PLAIN_BELOW), array.type)
    plain = pc.and_(pc.greater_equal(magnitude, least), pc.less(magnitude, most))
    plain = pc.or_(plain, pc.equal(magnitude, pa.scalar(0.0, array.type)))
    if pc.all(plain).as_py():
        return texts
    other = pc.invert(plain)
    rest = zip(selected(texts, other), selected(array, other), strict=True)
    return patch(texts, other, [_spell(shortest, value, form) for shortest, value in rest])


def spell_double(shortest: str, value: float) -> str:
    """PostgreSQL's float8 from its shortest digits, in whatever layout they come."""
    return _spell(shortest, value, _FLOAT8)


def _spell(shortest: str, value: float, form: _Float) -> str:
    """PostgreSQL's layout of a number that Arrow wrote in its own."""
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    number = abs(Decimal(shortest))
    if abs(value) >= 2.0**form.mantissa:
        number = Decimal(_unambiguous(int(number), int(abs(value)), form.mantissa))
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    point = number.adjusted()
    sign = "-" if value < 0 else ""
    if not -4 <= point < form.precision:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{point:+03d}"
    return f"{sign}{number:f}"


def _unambiguous(number: int, value: int, mantissa: int) -> int:
    """The shortest number that reads back as the float ``value`` (from 2**mantissa), however ties are read.

    ``number`` is the shortest if ties go to even: it may lie half-way between two floats, and there
    PostgreSQL spends a digit more.
    """
    gap = 1 << (value.bit_length() - mantissa)
    below = gap if value & (value - 1) else gap // 2

    def inside(candidate: int) -> bool:
        return value * 2 - below < candidate * 2 < value * 2 + gap

    step = 10 ** len(str(number))
    while not inside(number):
        step //= 10
        low = value // step * step
        fit = [candidate for candidate in (low, low + step) if inside(candidate)]
        number = min(fit, key=lambda candidate: abs(candidate - value), default=number)
    return number
