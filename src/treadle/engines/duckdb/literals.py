"""Numbers with an exponent in views and macros: the engine keeps what it parsed, and writes ``1e3`` as ``1000.0``.

That is a DECIMAL when it is read again, in which ``0.1e0 + 0.2e0`` is another value.
"""

from typing import Final

from treadle.engines.duckdb.lexer import NUMBER, lex

KEEPING: Final = frozenset(("CREATE VIEW", "CREATE MACRO", "CREATE FUNCTION"))
"""The definitions whose text is kept, by their tags."""


def exact_literals(text: str) -> str:
    """The text with each DOUBLE in a form that is read as it was written."""
    pieces, done = [], 0
    for token in lex(text):
        if token.kind == NUMBER and "e" in token.text.lower():
            pieces += [text[done : token.start], f"CAST('{token.text.replace('_', '')}' AS DOUBLE)"]
            done = token.end
    return "".join(pieces) + text[done:] if pieces else text
