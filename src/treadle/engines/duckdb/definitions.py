"""How CREATE TABLE and ALTER TABLE are read: the table they define, the query that fills it, the types they name."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from treadle.engines.duckdb.edits import Edit
from treadle.engines.duckdb.lexer import END, NAMES, WORD, Token, name_of
from treadle.engines.duckdb.storable import INSTEAD, WIDE, sql_of
from treadle.engines.duckdb.vocabulary import words

_TRANSFORMS: Final = frozenset(("year", "month", "day", "hour"))
_TEMPORARY: Final = frozenset(("temp", "temporary"))
# What follows a type in a column definition; before any other name stands the name of a column or a member.
_AFTER_TYPE: Final = words("default not null check primary unique collate generated using references constraint as")


class Definition(msgspec.Struct, frozen=True):
    """A statement that makes a table of the catalog or changes its columns.

    ``name`` is the table's dotted name, ``columns`` the definitions of the columns it makes or changes, ``parts`` the
    calls of functions that it is partitioned by;
    ``before``, ``query`` and ``after`` are the text of a CREATE TABLE … AS.
    """

    name: tuple[str, ...]
    creates: bool = False
    columns: str = ""
    parts: str = ""
    before: str = ""
    query: str = ""
    after: str = ""


def read_definition(text: str, tokens: Sequence[Token]) -> Definition | None:
    """The table that a CREATE TABLE or ALTER TABLE defines; None for one in memory, and where no column gets a type."""
    start = _name_at(tokens)
    name = table_of(tokens)
    if any(token.text.lower() in _TEMPORARY for token in tokens[: start - 1]) or _is_temporary(name):
        return None
    if tokens[0].text.lower() == "alter":
        return _read_alter(text, tokens, name)
    at = _query_at(tokens, start)
    if at is None:
        return Definition(name, creates=True, columns=_columns(text, tokens), parts=_parts(text, tokens))
    end = _query_end(tokens)
    return Definition(
        name,
        creates=True,
        before=text[tokens[0].start : tokens[at].start],
        query=text[tokens[at].start : tokens[end - 1].end],
        after=text[tokens[end - 1].end : tokens[-1].end],
    )


def _read_alter(text: str, tokens: Sequence[Token], name: tuple[str, ...]) -> Definition | None:
    at = _after_name(tokens, _name_at(tokens))
    if at < len(tokens) and tokens[at].text.lower() in ("rename", "drop"):
        return None
    return Definition(name, columns=_columns(text, tokens), parts=_parts(text, tokens))


def _parts(text: str, tokens: Sequence[Token]) -> str:
    """The calls of the engine's functions in PARTITIONED BY, which DuckLake binds only when rows come."""
    at = next((index for index, word in _outer_words(tokens, 0) if word == "partitioned"), len(tokens))
    calls = (
        text[tokens[index].start : tokens[_closing(tokens, index + 1)].end]
        for index in range(at + 3, len(tokens) - 1)
        if tokens[index].text.lower() in _TRANSFORMS and tokens[index + 1].text == "("
    )
    return ", ".join(calls)


def _columns(text: str, tokens: Sequence[Token]) -> str:
    """The definitions of the columns that a statement makes or changes, as a CREATE TABLE writes them."""
    first, end = types_between(tokens)
    if first >= end:
        return ""
    named = tokens[0].text.lower() != "alter"
    at = next((index for index, word in _outer_words(tokens, first) if word == "using" and index < end), end)
    types = text[tokens[first].start : tokens[at - 1].end]
    return types if named else f"{_name_before(text, tokens, first)} {types}"


def _name_before(text: str, tokens: Sequence[Token], first: int) -> str:
    """The column or the member whose type begins there."""
    at = first - 1
    while tokens[at].kind == WORD and tokens[at].text.lower() in ("type", "data", "set") and at > 1:
        at -= 1
    return text[tokens[at].start : tokens[at].end]


def _is_temporary(name: tuple[str, ...]) -> bool:
    return len(name) > 1 and name[0].lower() == "temp"


def table_of(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Find the dotted name of the table that a CREATE TABLE or ALTER TABLE defines."""
    return tuple(_dotted(tokens[_name_at(tokens) :]))


def target_of(tokens: Sequence[Token]) -> tuple[str, ...]:
    """The table that an INSERT, UPDATE, MERGE or COPY … FROM writes rows of, or one within PREPARE or EXPLAIN."""
    for index, word in _outer_words(tokens, 0):
        if word in ("into", "update") or (word == "copy" and tokens[index + 1].text != "("):
            return tuple(_dotted(tokens[index + 1 :]))
    return ()


def exact_types(tokens: Sequence[Token]) -> tuple[Edit, ...]:
    """Build the edits that replace each 128-bit integer type by a type that is stored exactly.

    The replacement is a convenience; the check uses the types that the engine then gives the columns.
    """
    return tuple(
        Edit(token.start, token.end, sql_of(INSTEAD)) for token in _types(tokens) if name_of(token).upper() in WIDE
    )


def _name_at(tokens: Sequence[Token]) -> int:
    """Where the table's name stands."""
    at = next((index for index, token in enumerate(tokens) if token.text.lower() == "table"), 0) + 1
    for phrase in (["if", "not", "exists"], ["if", "exists"]):
        if [token.text.lower() for token in tokens[at : at + len(phrase)]] == phrase:
            return at + len(phrase)
    return at


def _dotted(tokens: Sequence[Token]) -> Iterator[str]:
    for index, token in enumerate(tokens):
        if index % 2 == 0:
            yield name_of(token)
        elif token.text != ".":
            return


def _query_at(tokens: Sequence[Token], start: int) -> int | None:
    """Where the query of a CREATE TABLE … AS begins."""
    for index, word in _outer_words(tokens, start):
        if word == "as" and index + 1 < len(tokens):
            return index + 1
    return None


def _query_end(tokens: Sequence[Token]) -> int:
    """Where it is over: a CREATE TABLE … AS may end in WITH DATA or WITH NO DATA."""
    ending = [token.text.lower() for token in tokens[-3:]]
    if ending[-2:] == ["with", "data"]:
        return len(tokens) - 2
    return len(tokens) - 3 if ending == ["with", "no", "data"] else len(tokens)


def _outer_words(tokens: Sequence[Token], start: int) -> Iterator[tuple[int, str]]:
    """The words outside of parentheses, in lower case, with their places."""
    depth = 0
    for index in range(start, len(tokens)):
        token = tokens[index]
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth == 0 and token.kind == WORD:
            yield index, token.text.lower()


def _types(tokens: Sequence[Token]) -> Iterator[Token]:
    """The names in a statement that stand where a type does."""
    first, end = types_between(tokens)
    for index in range(first, end):
        token, before = tokens[index], tokens[index - 1]
        after = tokens[index + 1] if index + 1 < len(tokens) else END
        if token.kind not in NAMES or before.text == "." or after.text in (".", "("):
            continue
        named = after.kind in NAMES and after.text.lower() not in _AFTER_TYPE
        if not (before.text in ("(", ",") and named):
            yield token


def types_between(tokens: Sequence[Token]) -> tuple[int, int]:
    """Find where a statement writes its types: in the column list of a CREATE, or after the name in an ALTER."""
    start = _after_name(tokens, _name_at(tokens))
    verb = tokens[start].text.lower() if start < len(tokens) else ""
    if tokens[0].text.lower() != "alter":
        return (start + 1, _closing(tokens, start)) if verb == "(" else (0, 0)
    if verb == "add":
        start += 1 + (tokens[start + 1 : start + 2] != [] and tokens[start + 1].text.lower() == "column")
        if [token.text.lower() for token in tokens[start : start + 3]] == ["if", "not", "exists"]:
            start += 3
        return _after_name(tokens, start), len(tokens)
    at = next((index for index, word in _outer_words(tokens, start) if word == "type"), len(tokens))
    return (at + 1, len(tokens)) if verb == "alter" else (0, 0)


def _after_name(tokens: Sequence[Token], start: int) -> int:
    """What follows the dotted name that starts there."""
    return start + 2 * len(list(_dotted(tokens[start:]))) - 1


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for index in range(opening, len(tokens)):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        if depth == 0:
            return index
    return len(tokens)
