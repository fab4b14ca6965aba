"""One value, one text: every Arrow type without inner types in PostgreSQL's text form."""

from binascii import hexlify
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from treadle.results import text_floats, text_numbers, text_times
from treadle.results.arrays import AnyArray, literal, strings
from treadle.results.text_interval import interval

TextOf = Callable[[AnyArray], AnyArray]

_HEX: Final = literal("\\x")
_EMPTY: Final = literal("")


def _characters(array: AnyArray) -> AnyArray:
    return array.cast(pa.string())


def bytea(array: AnyArray) -> AnyArray:
    r"""Format bytes as two hexadecimal digits each, after ``\x``."""
    return pc.binary_join_element_wise(_HEX, hexadecimal(array), _EMPTY)


def hexadecimal(array: AnyArray) -> AnyArray:
    """Format the hexadecimal digits of all bytes at once."""
    values = array.cast(pa.large_binary())
    validity, offsets, content = values.buffers()
    first, count = values.offset, len(values)
    digits = pa.py_buffer(hexlify(memoryview(content)) if content is not None else b"")
    starts: AnyArray = pa.Array.from_buffers(pa.int64(), first + count + 1, [None, offsets])
    doubled = pc.multiply(starts, pa.scalar(2, pa.int64())).buffers()[1]
    own = [validity, doubled, digits]
    return pa.Array.from_buffers(pa.large_string(), count, own, offset=first).cast(pa.string())


def _bits(storage: AnyArray) -> AnyArray:
    """DuckDB's bit string: a byte that counts the padding in front, then the bits."""
    return strings(None if value is None else _bit_string(value) for value in storage.to_pylist())


def _bit_string(value: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in value[1:])[value[0] :]


def _uuid(storage: AnyArray) -> AnyArray:
    return strings(None if value is None else hyphens(value.hex()) for value in storage.to_pylist())


def hyphens(digits: str) -> str:
    """A UUID of 32 hexadecimal digits as it is written."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _nothing(array: AnyArray) -> AnyArray:
    return pa.nulls(len(array), pa.string())


_OPAQUE: Final[dict[str, TextOf]] = {
    "hugeint": text_numbers.hugeint,
    "uhugeint": text_numbers.uhugeint,
    "bignum": text_numbers.bignum,
    "time_tz": text_times.timetz,
    "bit": _bits,
}

_PLAIN: Final[tuple[tuple[Callable[[pa.DataType], bool], TextOf], ...]] = (
    (kinds.is_integer, text_numbers.integer),
    (kinds.is_string, lambda array: array),
    (kinds.is_large_string, _characters),
    (kinds.is_decimal, text_numbers.decimal),
    (kinds.is_float64, text_floats.double),
    (kinds.is_float32, text_floats.real),
    (kinds.is_boolean, text_numbers.boolean),
    (kinds.is_timestamp, text_times.timestamp),
    (kinds.is_date32, text_times.date),
    (kinds.is_time64, text_times.time),
    (kinds.is_binary, bytea),
    (kinds.is_large_binary, bytea),
    (kinds.is_fixed_size_binary, bytea),
    (kinds.is_interval, interval),
    (kinds.is_string_view, _characters),
    (kinds.is_binary_view, bytea),
    (kinds.is_null, _nothing),
)


def _form_of(kind: pa.DataType) -> TextOf:
    for belongs, form in _PLAIN:
        if belongs(kind):
            return form
    raise TypeError(f"no text form for {kind}")


def scalar_text(array: AnyArray) -> AnyArray:
    """The texts of an array of scalars; nulls stay null. Raises TypeError for a type no engine delivers."""
    kind = array.type
    if kinds.is_dictionary(kind):
        return scalar_text(array.dictionary_decode())
    if isinstance(kind, pa.BaseExtensionType):
        return _extension(array)
    return _form_of(kind)(array)


def _extension(array: AnyArray) -> AnyArray:
    kind, storage = array.type, array.storage
    if isinstance(kind, pa.OpaqueType) and kind.vendor_name == "DuckDB" and kind.type_name in _OPAQUE:
        return _OPAQUE[kind.type_name](storage)
    if isinstance(kind, pa.UuidType):
        return _uuid(storage)
    if isinstance(kind, pa.Bool8Type):
        return text_numbers.boolean(storage)
    return scalar_text(storage)
