"""Lists as PostgreSQL arrays: ``{1,2,NULL,"a,b"}``, ``{{1,2},{3,4}}``.

A PostgreSQL array is a box: every list of a level has the same length, and there are six levels at
most. A value that is no box has no form there, and is JSON text.
"""

import re
from typing import Final

import msgspec

from treadle.results.arrays import AnyArray, strings
from treadle.results.nesting import innermost, is_list, is_nested, spans
from treadle.results.text_json import NULL, json_texts
from treadle.results.text_scalar import scalar_text

_QUOTED: Final = re.compile(r'[\s"\\{},]|\A\Z|\A[Nn][Uu][Ll][Ll]\Z', re.ASCII)
_ESCAPED: Final = re.compile(r'(["\\])')

MAX_LEVELS: Final = 6
"""PostgreSQL's MAXDIM."""


class _Box(msgspec.Struct, frozen=True):
    """A list of equal lists; ``lengths`` from the outside in."""

    lengths: tuple[int, ...]
    text: str


def element(value: str | None) -> str:
    """An element of an array literal, quoted when it must be."""
    if value is None:
        return "NULL"
    if _QUOTED.search(value):
        return '"' + _ESCAPED.sub(r"\\\1", value) + '"'
    return value


def nested_text(array: AnyArray) -> AnyArray:
    """The texts of an array of lists, structs, maps or unions."""
    if is_list(array.type) and not is_nested(innermost(array.type)):
        return strings(_lists(array))
    return strings(None if cell == NULL else cell for cell in json_texts(array))


def _lists(array: AnyArray) -> list[str | None]:
    found: list[str | None] = []
    for row, (box, there) in enumerate(zip(_boxes(array), array.is_valid().to_pylist(), strict=True)):
        if not there:
            found.append(None)
        elif box is None or len(box.lengths) > MAX_LEVELS:
            found.append(json_texts(array.slice(row, 1))[0])
        else:
            found.append("{}" if 0 in box.lengths else box.text)
    return found


def _boxes(array: AnyArray) -> list[_Box | None]:
    """Every list as a box, None for what is none, null included."""
    ranges, values = spans(array)
    if not is_list(values.type):
        cells = [element(value) for value in scalar_text(values).to_pylist()]
        return [None if span is None else _row(cells[span]) for span in ranges]
    inner = _boxes(values)
    return [None if span is None else _stacked(inner[span]) for span in ranges]


def _row(cells: list[str]) -> _Box:
    return _Box((len(cells),), "{" + ",".join(cells) + "}")


def _stacked(boxes: list[_Box | None]) -> _Box | None:
    """A box of boxes, None when one is missing or of another shape."""
    whole = [box for box in boxes if box is not None]
    if len(whole) < len(boxes) or len({box.lengths for box in whole}) > 1:
        return None
    inner = whole[0].lengths if whole else ()
    return _Box((len(whole), *inner), "{" + ",".join(box.text for box in whole) + "}")
