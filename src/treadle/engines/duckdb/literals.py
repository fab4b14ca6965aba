"""Numbers with an exponent in views and macros: the engine keeps what it parsed, and writes ``1e3`` as ``1000.0``.

That is a DECIMAL when it is read again, in which ``0.1e0 + 0.2e0`` is another value.
"""

from typing import Final

from treadle.engines.duckdb.edits import Edit
from treadle.engines.duckdb.lexer import NUMBER, lex

KEEPING: Final = frozenset(("CREATE VIEW", "CREATE MACRO", "CREATE FUNCTION"))
"""The definitions whose text is kept, by their tags."""


def exact_literals(text: str) -> tuple[Edit, ...]:
    """The edits that bring each DOUBLE of a text into a form that is read as it was written."""
    return tuple(
        Edit(token.start, token.end, f"CAST('{token.text.replace('_', '')}' AS DOUBLE)")
        for token in lex(text)
        if token.kind == NUMBER and "e" in token.text.lower()
    )
