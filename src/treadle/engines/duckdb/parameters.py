"""The parameters in the text of a CREATE MACRO, of each of its overloads."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from treadle.engines.duckdb.lexer import NAMES, WORD, Token, name_of

_OPEN: Final = frozenset("([{")
_CLOSE: Final = frozenset(")]}")
_BEGINS_DEFAULT: Final = (":=", "=>", "=")


class Parameter(msgspec.Struct, frozen=True):
    """One parameter: its name, and the SQL of its type and of its default, empty where there is none."""

    name: str
    type: str
    default: str


def parameters_of(text: str, tokens: Sequence[Token]) -> list[Parameter]:
    """The parameters of every list that may be one, by ``tokens`` from the macro's name on.

    In a table macro an expression in parentheses with a name for it looks like an overload.
    """
    return [
        _parameter(text, item) for inside in _lists(tokens) for item in _items(inside) if item and item[0].kind in NAMES
    ]


def _lists(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """What stands in the parentheses between the beginning or a comma and an AS, all of them in no other ones."""
    depth, start = 0, 0
    for at, token in enumerate(tokens):
        if token.text in _OPEN:
            depth += 1
            start = at + 1 if depth == 1 else start
        elif token.text in _CLOSE:
            depth -= 1
            begins = start == 1 or tokens[start - 2].text == ","
            if depth == 0 and begins and _is_as(tokens[at + 1 : at + 2]):
                yield tokens[start:at]


def _is_as(tokens: Sequence[Token]) -> bool:
    return any(token.kind == WORD and token.text.lower() == "as" for token in tokens)


def _items(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The tokens between the commas."""
    depth, start = 0, 0
    for at, token in enumerate(tokens):
        depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if depth == 0 and token.text == ",":
            yield tokens[start:at]
            start = at + 1
    yield tokens[start:]


def _parameter(text: str, item: Sequence[Token]) -> Parameter:
    for at in range(1, len(item)):
        for sign in _BEGINS_DEFAULT:
            after = at + len(sign)
            if "".join(token.text for token in item[at:after]) == sign:
                return Parameter(name_of(item[0]), _source(text, item[1:at]), _source(text, item[after:]))
    return Parameter(name_of(item[0]), _source(text, item[1:]), "")


def _source(text: str, tokens: Sequence[Token]) -> str:
    return text[tokens[0].start : tokens[-1].end] if tokens else ""
