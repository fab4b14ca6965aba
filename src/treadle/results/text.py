"""From Arrow values to PostgreSQL text, for every type an engine delivers.

DuckDB's Arrow must carry the types Arrow does not know by name (``SET arrow_lossless_conversion``):
the form is chosen by the Arrow type alone, so a file can be shown by whoever has only the file.
"""

from treadle.results.arrays import AnyArray
from treadle.results.nesting import is_list, is_nested
from treadle.results.text_nested import nested_text
from treadle.results.text_scalar import scalar_text


def text(array: AnyArray) -> AnyArray:
    """The values as an array of strings, nulls left null.

    Raises TypeError for an Arrow type no engine delivers.
    """
    if is_list(array.type) or is_nested(array.type):
        return nested_text(array)
    return scalar_text(array)
