"""How many statements a script has, without an engine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

FIRST_CHARS: Final = 64 * 1024
"""Characters that are looked at first: most scripts are known to be some by then."""

UNSURE_TOKENS: Final = 8
"""Tokens at the end of a beginning that may turn out to be others."""


def may_be_several(script: str) -> bool:
    """Whether more than one statement is possible at all: a semicolon that is not the last thing there is."""
    return ";" in script.rstrip().rstrip(";")


def count_statements(script: str) -> int:
    """How many statements a tokenizer finds, at least 2 being as good as more; 0 where a text has no end.

    What is wrong with such a text the engine says.
    """
    size = FIRST_CHARS
    while size < len(script):
        # What comes later changes only the last words of a beginning.
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
