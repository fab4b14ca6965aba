"""Reads the defaults in a CREATE TABLE or an ALTER TABLE: their columns, values and positions."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from treadle.engines.duckdb.definitions import types_between
from treadle.engines.duckdb.edits import Edit
from treadle.engines.duckdb.lexer import LITERALS, NAMES, SIGN, WORD, Token, name_of
from treadle.engines.duckdb.vocabulary import words

_CONSTRAINTS: Final = words("default not null unique primary check references collate generated constraint using")


class Written(msgspec.Struct, frozen=True):
    """A default: the name of its column, the word DEFAULT, the value, and the type if it is of a new field."""

    column: str
    word: Token
    value: tuple[Token, ...]
    field_type: str = ""


def written(text: str, tokens: Sequence[Token]) -> Iterator[Written]:
    """Yield the defaults of a statement in order."""
    target = default_target(text, tokens)
    if target is not None:
        at = max(at for at, token in enumerate(tokens) if token.text.lower() == "set")
        found = _of_column(target[1], tokens[at:])
        yield from () if found is None else (found,)
        return
    first, end = types_between(tokens)
    # The types of an ALTER stand behind the name of the one column.
    start = first - 1 if tokens[0].text.lower() == "alter" and first else first
    is_field = start > 0 and tokens[start - 1].text == "."
    for item in _items(tokens[start:end]):
        if (found := _of_column(name_of(item[0]), item[1:])) is not None:
            kind = text[item[1].start : found.word.start] if is_field else ""
            yield msgspec.structs.replace(found, field_type=kind)


def without_nulls(text: str, tokens: Sequence[Token]) -> tuple[Edit, ...]:
    """Build the edits that remove DEFAULT NULL from new columns; DuckLake does not accept it for every type."""
    if default_target(text, tokens) is not None:
        return ()
    return tuple(Edit(one.word.start, one.value[-1].end, "") for one in written(text, tokens) if is_null(one.value))


def is_null(tokens: Sequence[Token]) -> bool:
    """Check for the constant NULL, also in parentheses or with a type."""
    tokens = bare(tokens)
    lowered = [token.text.lower() for token in tokens]
    if lowered[:4] == ["cast", "(", "null", "as"] and lowered[-1] == ")":
        return _is_type(tokens[4:-1])
    return lowered == ["null"] or (lowered[:3] == ["null", ":", ":"] and _is_type(tokens[3:]))


def text_of(tokens: Sequence[Token]) -> str | None:
    """Return the SQL of a value that is a single string; None for other values."""
    tokens = bare(tokens)
    return tokens[0].text if len(tokens) == 1 and tokens[0].kind in LITERALS else None


def bare(tokens: Sequence[Token]) -> Sequence[Token]:
    """Remove the parentheses around an expression; the result is not an expression if they are no pair."""
    at = 0
    while len(tokens) > 2 * at + 2 and tokens[at].text == "(" and tokens[-1 - at].text == ")":
        at += 1
    return tokens[at : len(tokens) - at]


def _is_type(tokens: Sequence[Token]) -> bool:
    """Check for a type of one word, with or without parentheses or brackets after it."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.text in "([") - (token.text in ")]")
        outside = depth == 0 and token.text not in (")", "]")
        if depth < 0 or (outside and (at or token.kind not in NAMES)):
            return False
    return bool(tokens) and depth == 0


def default_target(text: str, tokens: Sequence[Token]) -> tuple[str, str] | None:
    """Find the table and the column of an ``ALTER TABLE … ALTER COLUMN … SET DEFAULT``; None for other statements."""
    lowered = [token.text.lower() if token.kind == WORD else token.text for token in tokens]
    if "default" not in lowered:
        return None
    at = lowered.index("default")
    if lowered[at - 1] != "set":
        return None
    start = 4 if lowered[2] == "if" else 2
    end = at - 1 - lowered[:at][::-1].index("alter")
    return text[tokens[start].start : tokens[end - 1].end], name_of(tokens[at - 2])


def until_constraint(tokens: Sequence[Token], lowered: Sequence[str]) -> list[Token]:
    """Take the tokens of an expression or a type up to the first constraint; ``lowered`` are their words."""
    depth, taken = 0, []
    for at, (token, word) in enumerate(zip(tokens, lowered, strict=True)):
        depth += (word in "([{") - (word in ")]}") if token.kind == SIGN else 0
        if word == ";" or (at and not depth and token.kind == WORD and word in _CONSTRAINTS):
            break
        taken.append(token)
    return taken


def _of_column(column: str, tokens: Sequence[Token]) -> Written | None:
    """Find the default among the tokens after a column's name."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.text in "([{") - (token.text in ")]}")
        if depth == 0 and token.kind == WORD and token.text.lower() == "default":
            rest = tokens[at + 1 :]
            value = until_constraint(rest, [one.text.lower() if one.kind == WORD else one.text for one in rest])
            return Written(column, token, tuple(value)) if value else None
    return None


def _items(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Split at the commas outside of parentheses."""
    depth, start = 0, 0
    for at, token in enumerate(tokens):
        depth += (token.text in "([{") - (token.text in ")]}")
        if depth == 0 and token.text == ",":
            yield tokens[start:at]
            start = at + 1
    if start < len(tokens):
        yield tokens[start:]
