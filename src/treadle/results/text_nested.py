"""Lists as PostgreSQL arrays: ``{1,2,NULL,"a,b"}``; lists of lists, structs, maps and unions as JSON.

Which of the two follows from the type alone. A PostgreSQL array of arrays is a box, and cannot say how many
empty lists there are in a list: all lists of lists are JSON, so that no two values have one text.
"""

import re
from typing import Final

from treadle.results.arrays import AnyArray, strings
from treadle.results.nesting import is_list, is_nested, spans
from treadle.results.text_json import NULL, json_texts
from treadle.results.text_scalar import scalar_text

_QUOTED: Final = re.compile(r'[\s"\\{},]|\A\Z|\A[Nn][Uu][Ll][Ll]\Z', re.ASCII)
_ESCAPED: Final = re.compile(r'(["\\])')


def element(value: str | None) -> str:
    """An element of an array literal, quoted when it must be."""
    if value is None:
        return "NULL"
    if _QUOTED.search(value):
        return '"' + _ESCAPED.sub(r"\\\1", value) + '"'
    return value


def nested_text(array: AnyArray) -> AnyArray:
    """The texts of an array of lists, structs, maps or unions."""
    if is_list(array.type) and not is_nested(array.type.field(0).type):
        return strings(_lists(array))
    return strings(None if cell == NULL else cell for cell in json_texts(array))


def _lists(array: AnyArray) -> list[str | None]:
    ranges, values = spans(array)
    cells = [element(value) for value in scalar_text(values).to_pylist()]
    return [None if span is None else f"{{{','.join(cells[span])}}}" for span in ranges]
