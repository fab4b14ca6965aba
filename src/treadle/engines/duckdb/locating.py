"""Where in the caller's script an error lies.

The engine counts bytes in the text it parsed. That text may be a view's or a macro's, which is no place in the script;
and of an error in a relation it says no place at all, so that the statement is bound once more to learn it.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Final

import duckdb

from treadle.engines.duckdb.excerpt import character
from treadle.engines.duckdb.lexer import LITERALS, NAMES, WORD, Token, lex, literal_of, name_of
from treadle.engines.duckdb.planned import Kind, Planned
from treadle.engines.duckdb.raised import Raised, raised

_OWN_TEXT: Final = frozenset((Kind.QUERY, Kind.WRITE, Kind.COMMAND, Kind.EXPLAIN, Kind.PREPARE))
"""The statements that run as they were written: what the others make the engine do has no place in the script."""

_EXPLAIN: Final = "EXPLAIN "
_STORED: Final = """
    SELECT lower(view_name) FROM duckdb_views() WHERE NOT internal
    UNION ALL SELECT lower(function_name) || '(' FROM duckdb_functions() WHERE function_type IN ('macro', 'table_macro')
"""
_DEFINES: Final = frozenset(("CREATE VIEW", "CREATE MACRO", "CREATE FUNCTION"))
_QUOTED: Final = re.compile(r"\"([^\"\n]+)\"|'([^'\n]+)'")
# The object an error without a place is about, where its name is a word of the statement.
_ABOUT: Final = re.compile(
    r"(?:Referenced (?:update )?column|Referenced table|Column|column|Table|View|Schema|Function|Type)"
    r"(?: Function)?(?: with name| named)? \"?(?P<name>[^\"\s]+)\"? "
    r"(?:not found|does not exist|is not in the catalog|already exists|in (?:EXCLUDE|REPLACE|RENAME) list)"
    r"|does not have a column (?:named|with name) \"(?P<column>[^\"]+)\""
)


class Locator:
    """Finds the places of errors for one session."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._con = connection
        self._defined: set[str] = set()
        self._side: duckdb.DuckDBPyConnection | None = None

    def remember(self, planned: Planned) -> None:
        """Keep the name of a view or macro that the session itself defines: other connections may not see it yet."""
        if planned.tag in _DEFINES:
            name = _defined_name(lex(planned.text))
            self._defined |= {name, f"{name}("}

    def interrupt(self) -> None:
        """Stop a look into the catalog."""
        if (side := self._side) is not None:
            with contextlib.suppress(duckdb.Error):
                side.interrupt()

    def find(self, script: str, planned: Planned, told: Raised, shift: int | None) -> int | None:
        """The character of the script, counted from 1, that an error of a statement is about; None for no place."""
        if planned.kind not in _OWN_TEXT:
            return None
        if planned.edited:  # places, and a further look, would be those of another text
            return _only_name(planned, told)
        if told.offset is None and planned.kind is Kind.QUERY:
            told, shift = self._bound_again(planned, told), len(_EXPLAIN)
        if told.offset is None:
            return _only_name(planned, told) or self._only_literal(planned, told)
        at = _character(script, planned, told.offset, shift)
        if at is None or not self._is_own(script, planned, told, at):
            return None
        return at + 1

    def _bound_again(self, planned: Planned, told: Raised) -> Raised:
        """The same error with its place, from an EXPLAIN, which binds a statement and runs nothing of it."""
        try:
            self._con.execute(_EXPLAIN + planned.text)
        except duckdb.Error as error:
            again = raised(error)
            return again if again.message == told.message else told
        return told

    def _is_own(self, script: str, planned: Planned, told: Raised, at: int) -> bool:
        """Whether the place is one of the caller's text, not of a view's or a macro's."""
        if told.name is not None:
            return told.name.lower() in _chain(lex(script, at))
        return self._is_all_there(planned)

    def _is_all_there(self, planned: Planned) -> bool:
        """Whether the statement stands for itself: no view and no macro is part of it."""
        stored = self._stored()
        return stored is not None and stored.isdisjoint(_mentions(lex(planned.text)))

    def _only_literal(self, planned: Planned, told: Raised) -> int | None:
        """The place of the string an error repeats, if the statement has it once: the file of a FROM, say."""
        quoted = {found[1] or found[2] for found in _QUOTED.finditer(told.message)}
        places = [token.start for token in lex(planned.text) if token.kind in LITERALS and literal_of(token) in quoted]
        if len(places) != 1 or not self._is_all_there(planned):
            return None
        return planned.start + places[0] + 1

    def _stored(self) -> frozenset[str] | None:
        """The names of all SQL that is kept: views, and macros with a parenthesis; None when they cannot be had."""
        try:
            # A connection of its own: the session's transaction may be aborted.
            self._side = self._con.cursor()
            with contextlib.closing(self._side) as side:
                return frozenset(name for (name,) in side.execute(_STORED).fetchall()) | self._defined
        except duckdb.Error:
            return None
        finally:
            self._side = None


def _character(script: str, planned: Planned, offset: int, shift: int | None) -> int | None:
    """The character of the script, counted from 0, at an offset of the engine's; None outside the statement."""
    begin = planned.origin if shift is None else planned.start
    offset -= shift or 0
    # A COPY ran with the name of the staged file in the place of the caller's: only what stands before is the same.
    same = len(planned.copy_to.before.encode()) if not shift and planned.copy_to is not None else offset
    if not 0 <= offset <= same:
        return None
    at = begin + character(script[begin:], offset)
    return at if planned.start <= at <= planned.start + len(planned.text) else None


def _only_name(planned: Planned, told: Raised) -> int | None:
    """The place of the name an error is about, if the statement has it once."""
    found = _ABOUT.search(told.message)
    name = told.name or (found and (found["name"] or found["column"]))
    if not name:
        return None
    places = [token.start for token in lex(planned.text) if token.kind in NAMES and _is(token, name)]
    return planned.start + places[0] + 1 if len(places) == 1 else None


def _is(token: Token, name: str) -> bool:
    return name_of(token).lower() == name.lower()


def _chain(tokens: Iterator[Token]) -> Iterator[str]:
    """The parts, in lower case, of the dotted name that comes first, and that name as it is written."""
    parts = []
    for index, token in enumerate(tokens):
        if index % 2 and token.text != ".":
            break
        if index % 2 == 0:
            parts.append((name_of(token) if token.kind in NAMES else token.text).lower())
    yield from parts
    yield ".".join(parts)


def _mentions(tokens: Iterator[Token]) -> Iterator[str]:
    """The names in a text, in lower case; those that are called also with a parenthesis behind them."""
    name = ""
    for token in tokens:
        if name and token.text == "(":
            yield f"{name}("
        name = name_of(token).lower() if token.kind in NAMES else ""
        if name:
            yield name


def _defined_name(tokens: Iterator[Token]) -> str:
    """The name, in lower case, that a CREATE defines: the last before its parameters or its AS."""
    last = ""
    for token in tokens:
        if token.text == "(" or (token.kind == WORD and token.text.lower() == "as"):
            break
        last = name_of(token).lower() if token.kind in NAMES else last
    return last
