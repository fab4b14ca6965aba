"""SHOW of a name: a setting of the service, otherwise a table of the engine, otherwise PostgreSQL's error."""

from itertools import islice
from typing import Final

from treadle.engines.duckdb.lexer import NAMES, Token, lex

_LONGEST: Final = 7
"""Number of tokens of a SHOW with a three-part name."""


def shown_name(sql: str) -> str | None:
    """Get the name in a SHOW as written; None for other statements."""
    tokens = [token for token in islice(lex(sql), _LONGEST) if token.text != ";"]
    if not tokens or tokens[0].text.lower() != "show":
        return None
    words = tokens[1:]
    dotted = all(_fits(index, token) for index, token in enumerate(words))
    return "".join(token.text for token in words) if dotted and len(words) % 2 else None


def _fits(index: int, token: Token) -> bool:
    return token.text == "." if index % 2 else token.kind in NAMES
