"""Wrong settings in words: the value, and what it must be."""

from collections.abc import Mapping
from typing import Final

_BY_KIND: Final[Mapping[str, str]] = {
    "int_parsing": "must be an integer",
    "int_parsing_size": "must be an integer of a usual size",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "byte_size": "must be a size in bytes, or with a unit, such as 512MiB",
    "byte_size_unit": "must be a size in bytes, or with a unit, such as 512MiB",
    "missing": "is required",
}
_PLAIN: Final = (
    ("Input should be ", "must be "),
    ("greater than or equal to", "at least"),
    ("less than or equal to", "at most"),
)


def requirement(kind: str, message: str) -> str:
    """Rephrase the ``message`` of a validator; ``kind`` is its name of the mistake."""
    if (known := _BY_KIND.get(kind)) is not None:
        return known
    for theirs, ours in _PLAIN:
        message = message.replace(theirs, ours)
    return message


def shown(name: str, value: object) -> str:
    """Format a wrong value, unless it may hold a password."""
    harmless = isinstance(value, str | int | float) and not name.startswith(("database_url", "engines"))
    return f" = {value}" if harmless else ""
