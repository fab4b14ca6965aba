"""Where in the caller's script an error lies.

The engine counts bytes in the text it parsed. That text may be a view's or a macro's, which is no place in the script;
and of an error in a relation it says no place at all, so that the statement is bound once more to learn it.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

import duckdb
import msgspec

from treadle.engines.duckdb.about import literal_in, mention_of, word_of
from treadle.engines.duckdb.binding_sets import COUNTED
from treadle.engines.duckdb.definitions import table_of
from treadle.engines.duckdb.edits import original
from treadle.engines.duckdb.excerpt import character
from treadle.engines.duckdb.lexer import LITERALS, NAMES, WORD, Token, lex, literal_of, name_of
from treadle.engines.duckdb.planned import Kind, Planned
from treadle.engines.duckdb.raised import Raised, raised

_OWN_TEXT: Final = frozenset((Kind.QUERY, Kind.WRITE, Kind.UPKEEP, Kind.COMMAND, Kind.EXPLAIN, Kind.PREPARE))
"""The statements that the caller wrote for the engine: what the others make it do has no place in the script."""

_EXPLAIN: Final = "EXPLAIN "
_STORED: Final = """
    SELECT lower(view_name) FROM duckdb_views() WHERE NOT internal
    UNION ALL SELECT lower(function_name) || '(' FROM duckdb_functions() WHERE function_type IN ('macro', 'table_macro')
"""
_DEFINES: Final = frozenset(("CREATE VIEW", "CREATE MACRO", "CREATE FUNCTION"))
_TABLES: Final = frozenset(("CREATE TABLE", "ALTER TABLE"))
_ALONE: Final = _TABLES | {"ALTER VIEW", "COMMENT", "DROP TABLE", "DROP VIEW", "DROP SCHEMA", "DROP MACRO"}
"""The definitions that run no stored SQL."""
# Defaults of these forms cannot fail.
_DEFAULTS: Final = """
    SELECT DISTINCT lower(table_name) FROM duckdb_columns()
    WHERE NOT regexp_full_match(column_default, 'NULL|true|false|-?[0-9.]+')
    AND NOT (data_type = 'VARCHAR' AND starts_with(column_default, chr(39)))
"""
_SORTED: Final = """
    SELECT DISTINCT lower(table_name) FROM {0}.public.ducklake_table
    JOIN {0}.public.ducklake_sort_expression USING (table_id)
"""
_KEEPING: Final = frozenset(("default", "sorted", "check", "as"))
"""Words of a CREATE TABLE or an ALTER TABLE before expressions that every later write evaluates."""


class Locator:
    """Finds the places of errors for one session."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._con = connection
        self._metadata = ""
        self._defined: set[str] = set()
        self._side: duckdb.DuckDBPyConnection | None = None

    def attach(self, metadata: str) -> None:
        """Set the name under which the catalog's metadata is attached."""
        self._metadata = metadata

    def remember(self, planned: Planned) -> None:
        """Keep the names of the session's own definitions, which other connections may not see yet."""
        if planned.tag in _DEFINES:
            name = _defined_name(lex(planned.text))
            self._defined |= {name, f"{name}("}
        elif planned.tag in _TABLES:
            tokens = list(lex(planned.text))
            if not _KEEPING.isdisjoint(token.text.lower() for token in tokens):
                self._defined.add(f"{table_of(tokens)[-1].lower()}=")

    def interrupt(self) -> None:
        """Stop a look into the catalog."""
        if (side := self._side) is not None:
            with contextlib.suppress(duckdb.Error):
                side.interrupt()

    def find(self, script: str, planned: Planned, failure: Raised, shift: int | None) -> int | None:
        """The character of the script, counted from 1, that an error of a statement is about; None for no place."""
        if planned.kind not in _OWN_TEXT:
            return None
        if planned.kind is Kind.UPKEEP:
            # The call that runs is made of the caller's words, but its positions are others.
            failure = msgspec.structs.replace(failure, offset=None)
        if failure.offset is None and planned.kind is Kind.QUERY:
            failure, shift = self._bound_again(planned, failure), len(_EXPLAIN)
        if failure.offset is None:
            at = self._only_word(planned, failure)
            return None if at is None else planned.start + at + 1
        at = _character(script, planned, failure.offset, shift)
        if at is None or not self._is_own(script, planned, failure, at):
            # The position counts within a string, for example within a string that names a type.
            at = self._only_word(planned, failure) if failure.name is not None else None
            return None if at is None else planned.start + at + 1
        return at + 1

    def mention(self, planned: Planned, message: str) -> int | None:
        """Find the first quoted part of a message of this adapter; the character counts from 1."""
        at = mention_of(planned.text, message) if planned.kind in _OWN_TEXT else None
        return None if at is None else planned.start + at + 1

    def _bound_again(self, planned: Planned, failure: Raised) -> Raised:
        """The same error with its place, from an EXPLAIN, which binds a statement and runs nothing of it."""
        try:
            self._con.execute(_EXPLAIN + planned.ran)
        except duckdb.Error as error:
            again = raised(error)
            return again if again.message == failure.message else failure
        return failure

    def _is_own(self, script: str, planned: Planned, failure: Raised, at: int) -> bool:
        """Check whether the position is in the caller's own text, not in that of a view, a macro or a table."""
        if failure.name is not None:
            return failure.name.lower() in _chain(lex(script, at))
        found = word_of(planned.text, failure.message, None)
        word = found[1] if found is not None and planned.start + found[0] == at else ""
        return self._is_all_there(planned, word)

    def _is_all_there(self, planned: Planned, word: str = "") -> bool:
        """Check that no view, macro or default is part of the statement, ``word`` excepted."""
        stored = self._stored(planned)
        mentions = set(_mentions(lex(planned.text))) - {word.lower(), f"{word.lower()}("}
        return stored is not None and stored.isdisjoint(mentions)

    def _only_word(self, planned: Planned, failure: Raised) -> int | None:
        """Find the word that the error refers to or the string that it quotes; the position counts from 0."""
        found = word_of(planned.text, failure.message, failure.name)
        if found is not None:
            # A definition may name the object that it defines or replaces.
            there = planned.tag in _ALONE or self._is_all_there(planned, found[1])
            return found[0] if there else None
        at = literal_in(planned.text, failure.message)
        return at if at is not None and self._is_all_there(planned) else None

    def _stored(self, planned: Planned) -> frozenset[str] | None:
        """List the names of all stored SQL: views, macros with a parenthesis, tables whose defaults a write evaluates.

        None if they cannot be read.
        """
        rows = (planned.tag in COUNTED and planned.copy_to is None) or planned.kind is Kind.EXPLAIN
        kept = {name.removesuffix("=") for name in self._defined if rows or not name.endswith("=")}
        looks = [_STORED]
        if rows:
            looks.append(_DEFAULTS)
            looks += [_SORTED.format(f'"{self._metadata}"')] if self._metadata else []
        try:
            # A connection of its own: the session's transaction may be aborted.
            self._side = self._con.cursor()
            with contextlib.closing(self._side) as side:
                return frozenset(name for look in looks for (name,) in side.execute(look).fetchall()) | kept
        except duckdb.Error:
            return None
        finally:
            self._side = None


def _character(script: str, planned: Planned, offset: int, shift: int | None) -> int | None:
    """The character of the script, counted from 0, at an offset of the engine's; None outside the statement."""
    offset -= shift or 0
    # A COPY ran with the name of the staged file in the place of the caller's: only what stands before is the same.
    same = len(planned.copy_to.before.encode()) if not shift and planned.copy_to is not None else offset
    if not 0 <= offset <= same:
        return None
    if planned.steps:
        at = planned.start + original(planned.steps, character(planned.ran, offset))
    else:
        begin = planned.origin if shift is None else planned.start
        at = begin + character(script[begin:], offset)
    return at if planned.start <= at <= planned.start + len(planned.text) else None


def _chain(tokens: Iterator[Token]) -> Iterator[str]:
    """The parts, in lower case, of the dotted name that comes first, and that name as it is written."""
    parts = []
    for index, token in enumerate(tokens):
        if index % 2 and token.text != ".":
            break
        if index % 2 == 0:
            parts.append(_named(token).lower())
    yield from parts
    yield ".".join(parts)


def _named(token: Token) -> str:
    """Get the name of a token; a string may be the name of a table."""
    if token.kind in LITERALS:
        return literal_of(token) or token.text
    return name_of(token) if token.kind in NAMES else token.text


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
