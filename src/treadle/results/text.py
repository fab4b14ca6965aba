"""From Arrow values to PostgreSQL text, for every type an engine delivers.

The form is chosen by the Arrow type alone, so that a file is all that is needed to show it. Results of earlier
versions have types that DuckDB alone knows, by name (``SET arrow_lossless_conversion``); they are shown as well.
"""

from treadle.results.arrays import AnyArray
from treadle.results.nesting import is_nested
from treadle.results.text_nested import nested_text
from treadle.results.text_scalar import scalar_text


def text(array: AnyArray) -> AnyArray:
    """The values as an array of strings, nulls left null.

    Raises TypeError for an Arrow type no engine delivers.
    """
    if is_nested(array.type):
        return nested_text(array)
    return scalar_text(array)
