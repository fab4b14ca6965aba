"""Exact numbers in text that the engine keeps. The engine stores its own form of an expression, in which a DOUBLE such
as ``1e3`` is ``1000.0``.

That is read back as a DECIMAL, so that ``0.1e0 + 0.2e0`` would have another value.
"""

from typing import Final

from treadle.engines.duckdb.edits import Edit
from treadle.engines.duckdb.lexer import NUMBER, lex

KEEPING: Final = frozenset(("CREATE VIEW", "CREATE MACRO", "CREATE FUNCTION"))
"""The definitions whose whole text is kept, by their tags. Of a CREATE TABLE only the defaults are."""

_MOST_DIGITS: Final = 38
"""Of a DECIMAL."""


def exact_literals(text: str) -> tuple[Edit, ...]:
    """Build the edits that write each DOUBLE of a text in a form that is read back unchanged."""
    return tuple(
        Edit(token.start, token.end, f"CAST('{token.text.replace('_', '')}' AS DOUBLE)")
        for token in lex(text)
        if token.kind == NUMBER and is_double(token.text)
    )


def is_double(number: str) -> bool:
    """Check whether a number is a DOUBLE, because of its exponent or because it has too many digits for a DECIMAL."""
    found = number.lower()
    if found.startswith(("0x", "0b")):
        return False
    return "e" in found or ("." in found and sum(map(str.isdigit, found)) > _MOST_DIGITS)
