"""The default that an ALTER TABLE sets is judged as the one of a CREATE TABLE.

DuckLake (1.5.5) takes any literal there: with one that does not fit the column's type every later INSERT fails, and a
list or a struct becomes no default at all.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import duckdb
import msgspec

from treadle.engines.duckdb.errors import translated
from treadle.engines.duckdb.lexer import WORD, Token, lex, name_of

_PROBE: Final = "__treadle_default"
_COLUMNS: Final = "SELECT name, type FROM pragma_table_info(?)"


class _Setting(msgspec.Struct, frozen=True):
    """A SET DEFAULT: its table as written, the schema before the table's name, the column, and where the value is."""

    table: str
    schema: str
    column: Token
    start: int
    end: int


def refuse_default(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Raise what a CREATE TABLE would raise for the default that an ALTER TABLE sets.

    The table of the trial is dropped in the same transaction, which leaves nothing in the catalog.
    """
    setting = _setting(text, list(lex(text)))
    if setting is None:
        return
    name = name_of(setting.column).lower()
    kind = next((kind for known, kind in _columns(connection, setting) if known.lower() == name), None)
    if kind is None:
        return
    table = f"{setting.schema}{_PROBE}"
    before = f"CREATE TABLE {table} ({setting.column.text} {kind} DEFAULT "
    with translated(len(before.encode()) - len(text[: setting.start].encode())):
        connection.execute(f"{before}{text[setting.start : setting.end]}\n)")
        connection.execute(f"DROP TABLE {table}")


def _setting(text: str, tokens: Sequence[Token]) -> _Setting | None:
    words = [token.text.lower() if token.kind == WORD else "" for token in tokens]
    at = next((at for at, pair in enumerate(pairwise(words)) if pair == ("set", "default")), None)
    first = 4 if words[2:4] == ["if", "exists"] else 2
    if at is None or "alter" not in words[first:at] or words[at + 2 :] in ([], ["null"]):
        return None
    last = words.index("alter", first) - 1
    return _Setting(
        table=text[tokens[first].start : tokens[last].end],
        schema=text[tokens[first].start : tokens[last].start],
        column=tokens[at - 1],
        start=tokens[at + 2].start,
        end=tokens[-1].end,
    )


def _columns(connection: duckdb.DuckDBPyConnection, setting: _Setting) -> list[tuple[str, str]]:
    """The table's columns with their types; none of a temporary table, which the engine judges alone."""
    try:
        connection.execute(_COLUMNS, [f"temp.{setting.table[len(setting.schema) :]}"]).fetchall()
    except duckdb.CatalogException:
        pass
    else:
        return []
    try:
        return connection.execute(_COLUMNS, [setting.table]).fetchall()
    except duckdb.CatalogException:
        return []  # it is not there, which the engine says best
