"""Batches in Arrow's own types, as they are written: a file of results needs no reader that knows the engine.

The type of a column follows from the engine's type alone, never from its values: truth values are bits, a
signed 128-bit integer is a decimal of 38 digits, and what Arrow has no type for that every reader has is text in
PostgreSQL's form (UUIDs, intervals, times with a zone, bit strings, wider integers) or JSON (unions).
"""

from binascii import hexlify
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from treadle.results.arrays import AnyArray, literal, strings
from treadle.results.nesting import is_list
from treadle.results.text_json import NULL, engine_json, json_texts, stands_for_json, stands_for_union
from treadle.results.text_scalar import scalar_text

WIDE_INTEGER: Final = pa.decimal128(38)
"""What a signed 128-bit integer is. It holds every one; those of 39 digits are no decimal that others may read."""

AnyType: TypeAlias = Any
"""A `pyarrow.DataType` known only when it is there, as `AnyArray` is."""

_UUID_PARTS: Final = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def standard_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of what `standard_batch` makes of batches of ``schema``."""
    fields = [field if _kept(field.type) else field.with_type(_standard_type(field.type)) for field in schema]
    return pa.schema(fields).with_metadata(schema.metadata)


def standard_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same rows in the types of ``schema``; a batch of no other types is itself."""
    if batch.schema.equals(schema):
        return batch
    return pa.RecordBatch.from_arrays(list(map(_standard, batch.columns)), schema=schema)


def _is_opaque(kind: pa.DataType, name: str) -> bool:
    return isinstance(kind, pa.OpaqueType) and kind.vendor_name == "DuckDB" and kind.type_name == name


def _standard_type(kind: AnyType) -> AnyType:
    """The type that stands for a type of the engine's."""
    if isinstance(kind, pa.Bool8Type):
        return pa.bool_()
    if isinstance(kind, pa.UuidType | pa.OpaqueType) or kinds.is_interval(kind):
        return WIDE_INTEGER if _is_opaque(kind, "hugeint") else pa.string()
    if _leaves_as_json(kind):
        return pa.json_()
    if kinds.is_struct(kind):
        return pa.struct([field.with_type(_standard_type(field.type)) for field in kind])
    if kinds.is_map(kind):
        return pa.map_(_inner(kind.key_field), _inner(kind.item_field), kind.keys_sorted)
    if is_list(kind):
        return _list_of(kind, _inner(kind.field(0)))
    return kind


def _leaves_as_json(kind: AnyType) -> bool:
    """Check whether a type has a part that only JSON can represent; its values leave as JSON as a whole."""
    if kinds.is_union(kind) or stands_for_union(kind) or stands_for_json(kind):
        return True
    if kinds.is_struct(kind) or kinds.is_map(kind) or is_list(kind):
        return any(_leaves_as_json(kind.field(number).type) for number in range(kind.num_fields))
    return False


def _present(texts: list[str]) -> list[str | None]:
    return [None if text == NULL else text for text in texts]


def _inner(field: "pa.Field[Any]") -> "pa.Field[Any]":
    return field.with_type(_standard_type(field.type))


def _list_of(kind: AnyType, element: "pa.Field[Any]") -> AnyType:
    if kinds.is_fixed_size_list(kind):
        return pa.list_(element, kind.list_size)
    return pa.large_list(element) if kinds.is_large_list(kind) else pa.list_(element)


def _kept(kind: pa.DataType) -> bool:
    return bool(_standard_type(kind) == kind)


def _standard(array: AnyArray) -> AnyArray:
    """The values in their standard type."""
    kind = array.type
    if _kept(kind):
        return array
    if _leaves_as_json(kind):
        texts = engine_json(array) if stands_for_json(kind) else _present(json_texts(array))
        whole: AnyArray = pa.ExtensionArray.from_storage(pa.json_(), strings(texts))
        return whole
    if kinds.is_struct(kind):
        children = [_standard(array.field(number)) for number in range(kind.num_fields)]
        mask = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays(children, fields=list(_standard_type(kind)), mask=mask)
    if is_list(kind) or kinds.is_map(kind):
        return _relisted(array)
    return _scalars(array)


def _relisted(array: AnyArray) -> AnyArray:
    """Lists or maps around the standard form of what is in them; where each begins and ends stays as it is."""
    own = array.buffers()[: 1 if kinds.is_fixed_size_list(array.type) else 2]
    kind = _standard_type(array.type)
    return pa.Array.from_buffers(kind, len(array), own, offset=array.offset, children=[_standard(array.values)])


def _scalars(array: AnyArray) -> AnyArray:
    kind = array.type
    if isinstance(kind, pa.Bool8Type):
        return array.storage.cast(pa.bool_())
    if isinstance(kind, pa.UuidType):
        return uuids(array.storage)
    if _is_opaque(kind, "hugeint"):
        storage = array.storage
        return pa.Array.from_buffers(WIDE_INTEGER, len(storage), storage.buffers(), offset=storage.offset)
    return scalar_text(array)


def uuids(storage: AnyArray) -> AnyArray:
    """UUIDs of 16 bytes as text, without a look at each."""
    validity, content = storage.buffers()
    digits = pa.py_buffer(hexlify(memoryview(content)[: 16 * (storage.offset + len(storage))]))
    whole: AnyArray = pa.Array.from_buffers(pa.binary(32), len(storage), [validity, digits], offset=storage.offset)
    texts = whole.cast(pa.binary()).cast(pa.string())
    parts = [pc.utf8_slice_codeunits(texts, start, stop) for start, stop in _UUID_PARTS]
    return pc.binary_join_element_wise(*parts, literal("-"))


def holds_wide_integers(array: AnyArray) -> bool:
    """Whether an integer among the values has more than 38 digits."""
    kind = array.type
    if kind == WIDE_INTEGER:
        bounds: Any = pc.min_max(array).as_py()
        # Not abs(): it rounds to the 28 digits of the decimal context.
        return any(value is not None and value.copy_abs() >= 10**38 for value in bounds.values())
    if kinds.is_struct(kind):
        return any(map(holds_wide_integers, array.flatten()))
    if kinds.is_map(kind):
        return any(map(holds_wide_integers, (array.keys, array.items)))
    return is_list(kind) and holds_wide_integers(array.flatten())
