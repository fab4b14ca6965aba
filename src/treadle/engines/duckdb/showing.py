"""SHOW of a name: a setting of ours, else a table of the engine's, else PostgreSQL's own refusal."""

from itertools import islice
from typing import Final

from treadle.engines.duckdb.lexer import NAMES, Token, lex

_LONGEST: Final = 7
"""Tokens of a SHOW of a name of three parts."""


def shown_name(sql: str) -> str | None:
    """The name a SHOW is about, as it is written; None for another statement."""
    tokens = [token for token in islice(lex(sql), _LONGEST) if token.text != ";"]
    if not tokens or tokens[0].text.lower() != "show":
        return None
    words = tokens[1:]
    dotted = all(_fits(index, token) for index, token in enumerate(words))
    return "".join(token.text for token in words) if dotted and len(words) % 2 else None


def _fits(index: int, token: Token) -> bool:
    return token.text == "." if index % 2 else token.kind in NAMES
