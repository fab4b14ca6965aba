"""Small steps on Arrow arrays that every text form needs."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

AnyArray: TypeAlias = Any
"""A `pyarrow.Array` of a type known only when it is there; the library's stubs cannot say that."""


def strings(values: Iterable[str | None]) -> AnyArray:
    """An Arrow text array."""
    return pa.array(values, pa.string())


def literal(value: str) -> Any:
    """A text constant for Arrow's functions. Left to guess the type, Arrow looks for a module each time."""
    return pa.scalar(value, pa.string())


def patch(texts: AnyArray, mask: AnyArray, values: Iterable[str]) -> AnyArray:
    """``texts`` with those that ``mask`` selects replaced, in order, by ``values``."""
    replacements = strings(values)
    if not len(replacements):
        return texts
    return pc.replace_with_mask(texts, pc.fill_null(mask, False), replacements)


def selected(values: AnyArray, mask: AnyArray) -> list[Any]:
    """The Python values that ``mask`` selects; a null in the mask selects nothing."""
    return list(values.filter(mask).to_pylist())


def ticks_of(array: AnyArray) -> AnyArray:
    """The 64-bit numbers inside an array of times."""
    return array.view(pa.int64())
