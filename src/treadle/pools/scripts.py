"""Counts the statements of a script without an engine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

FIRST_CHARS: Final = 64 * 1024
"""Characters that are read first: they identify most scripts."""

UNSURE_TOKENS: Final = 8
"""Tokens at the end of a prefix that may change with the following text."""


def may_be_several(script: str) -> bool:
    """Check whether the text may have several statements: a semicolon before its end."""
    return ";" in script.rstrip().rstrip(";")


def count_statements(script: str) -> int:
    """Count statements with a tokenizer; stops at 2. 0 for an unterminated text.

    The engine reports the error of such a text.
    """
    size = FIRST_CHARS
    while size < len(script):
        # Later text changes only the last tokens of a prefix.
        if _pieces(_tokens(script[:size])[:-UNSURE_TOKENS]) > 1:
            return 2
        size *= 8
    return _pieces(_tokens(script))


def _tokens(script: str) -> "list[Token]":
    import sqlglot

    try:
        return sqlglot.tokenize(script, read="duckdb")
    except sqlglot.errors.TokenError:
        return []


def _pieces(tokens: "Sequence[Token]") -> int:
    from sqlglot import TokenType

    count = 0
    within = False
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            within = False
        elif not within:
            within = True
            count += 1
    return count
