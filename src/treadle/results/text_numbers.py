"""Whole numbers, decimals and truth values in PostgreSQL's text form."""

from decimal import Decimal
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from treadle.results.arrays import AnyArray, literal, strings

_TRUE: Final = literal("t")
_FALSE: Final = literal("f")
_MINUS: Final = literal("-")
_POINT: Final = literal(".")
_NOTHING: Final = literal("")

_ARROW_PLAIN_SCALE: Final = 6
"""Up to this scale Arrow never writes a decimal with an exponent."""


def boolean(array: AnyArray) -> AnyArray:
    """``t`` and ``f``."""
    return pc.if_else(array.cast(pa.bool_()), _TRUE, _FALSE)


def integer(array: AnyArray) -> AnyArray:
    """Digits."""
    return array.cast(pa.string())


def _whole(kind: AnyArray) -> AnyArray:
    """Reinterpret decimals without a scale."""
    return pa.decimal128(kind.precision) if kind.bit_width == 128 else pa.decimal256(kind.precision)


def decimal(array: AnyArray) -> AnyArray:
    """All digits of the scale, never an exponent."""
    scale = array.type.scale
    if scale <= _ARROW_PLAIN_SCALE:
        return array.cast(pa.string())
    # Arrow writes a decimal without a scale as digits alone; the point and the zeros before them are inserted here.
    whole: AnyArray = pa.Array.from_buffers(_whole(array.type), len(array), array.buffers(), offset=array.offset)
    shown = whole.cast(pa.string())
    sign = pc.if_else(pc.starts_with(shown, "-"), _MINUS, _NOTHING)
    digits = pc.ascii_lpad(pc.ascii_ltrim(shown, characters="-"), width=scale + 1, padding="0")
    before, after = pc.utf8_slice_codeunits(digits, 0, -scale), pc.utf8_slice_codeunits(digits, -scale)
    return pc.binary_join_element_wise(sign, before, _POINT, after, _NOTHING)


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
