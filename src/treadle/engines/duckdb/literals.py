"""Numbers that the engine takes for a DOUBLE, in text that is kept: it keeps what it parsed, and writes ``1e3`` as
``1000.0``.

That is a DECIMAL when it is read again, in which ``0.1e0 + 0.2e0`` is another value.
"""

from typing import Final

from treadle.engines.duckdb.edits import Edit
from treadle.engines.duckdb.lexer import NUMBER, lex

KEEPING: Final = frozenset(("CREATE VIEW", "CREATE MACRO", "CREATE FUNCTION"))
"""The definitions whose whole text is kept, by their tags. Of a CREATE TABLE the defaults of its columns are."""

_MOST_DIGITS: Final = 38
"""Of a DECIMAL."""


def exact_literals(text: str) -> tuple[Edit, ...]:
    """The edits that bring each DOUBLE of a text into a form that is read as it was written."""
    return tuple(
        Edit(token.start, token.end, f"CAST('{token.text.replace('_', '')}' AS DOUBLE)")
        for token in lex(text)
        if token.kind == NUMBER and is_double(token.text)
    )


def is_double(number: str) -> bool:
    """Whether a number is one for its exponent, or for having more digits than a DECIMAL."""
    found = number.lower()
    if found.startswith(("0x", "0b")):
        return False
    return "e" in found or ("." in found and sum(map(str.isdigit, found)) > _MOST_DIGITS)
