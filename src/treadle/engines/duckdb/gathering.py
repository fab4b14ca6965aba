"""Writes several sets of bindings of an ``INSERT … VALUES`` at once: their rows are collected in memory first.

Each set written separately would create its own data file. The table in memory has the types and NOT NULLs of the
target's columns, so that values are converted and sets refused as by the target. A statement whose rows depend on more
than the values of one set is run set by set.
"""

import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Final

import duckdb
import msgspec

from treadle.engines.base import EngineError, Interrupted
from treadle.engines.duckdb.binding_sets import Bindings, changed_rows, run_sets
from treadle.engines.duckdb.errors import DuckDBError, translated
from treadle.engines.duckdb.lexer import LITERALS, NAMES, NUMBER, WORD, Token, lex, name_of
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.parsing import parse
from treadle.engines.duckdb.planned import Kind, Planned
from treadle.engines.duckdb.relations import columns_of
from treadle.engines.duckdb.vocabulary import words

_ROWS: Final = "__treadle_rows"
_MAKE: Final = f"CREATE OR REPLACE TEMP TABLE {_ROWS} ({{}})"
_GATHER: Final = f"INSERT INTO temp.{_ROWS}"
_TOGETHER: Final = 100
"""Sets per statement; a cancel can stop between two statements as well."""

_NUMBERED: Final = re.compile(r"\$[0-9]{1,5}")
# These may read rows of earlier sets, and DEFAULT refers to the target.
_DEPENDENT: Final = words("select from with table values default pivot unpivot show describe desc summarize")
_NO_DEFAULT: Final = (None, "NULL")
_IN_MEMORY: Final = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'temp' AND lower(table_name) = lower(?)"


class _Insert(msgspec.Struct, frozen=True):
    """An ``INSERT INTO target (names) VALUES …``, with its text split before VALUES."""

    table: str
    target: str
    names: tuple[str, ...]
    head: str
    values: str

    @property
    def gather(self) -> str:
        """The text before VALUES of the same INSERT into the table in memory, whose errors are the same."""
        names = f"({', '.join(map(quoted, self.names))}) " if self.names else ""
        return f"{_GATHER} {names}"


def run_all(
    connection: duckdb.DuckDBPyConnection,
    planned: Planned,
    statement: duckdb.Statement,
    sets: Sequence[Bindings],
    advance: Callable[[int], None],
) -> int:
    """Run a statement for each set in the open transaction; returns the number of changed rows.

    ``advance`` and errors are those of `run_sets`.
    """
    insert = None if planned.steps or planned.kind is not Kind.WRITE else _read(planned.text)
    columns = None if insert is None else _columns_of(connection, insert)
    if insert is None or columns is None:
        return run_sets(connection, statement, sets, advance)
    try:
        _gather(connection, insert, columns, sets, advance)
    except Interrupted:
        raise
    except EngineError as error:
        error.message = error.message.replace(_ROWS, insert.table)
        if isinstance(error, DuckDBError):
            error.shift = len(insert.gather.encode()) - len(insert.head.encode())
        raise
    with translated():
        connection.execute(f"{insert.head}FROM temp.{_ROWS}")
        written = changed_rows(connection)
        connection.execute(f"DROP TABLE temp.{_ROWS}")
    return written


def _gather(
    connection: duckdb.DuckDBPyConnection,
    insert: _Insert,
    columns: str,
    sets: Sequence[Bindings],
    advance: Callable[[int], None],
) -> None:
    """Fill the table in memory with the rows of all sets; raises `EngineError` with the number of the failed set."""
    connection.execute(_MAKE.format(columns))
    row = _plain_row(list(lex(insert.values))[1:])
    needed = 0 if row is None else max((one for one in row if isinstance(one, int)), default=0)
    if row is None or any(len(values) != needed for values in sets):
        run_sets(connection, parse(connection, f"{insert.gather}{insert.values}")[-1], sets, advance)
        return
    text = f"({', '.join('?' if isinstance(one, int) else one for one in row)})"
    places = [one - 1 for one in row if isinstance(one, int)]
    for start in range(0, len(sets), _TOGETHER):
        some = sets[start : start + _TOGETHER]
        try:
            with translated():
                flat = [values[place] for values in some for place in places]
                connection.execute(f"{insert.gather}VALUES {', '.join([text] * len(some))}", flat)
        except Interrupted:
            raise
        except EngineError as error:
            plain = EngineError(error.sql_state, error.message)
            raise _failed(connection, insert, columns, some, start) or plain from error
        advance(start + len(some))


def _failed(
    connection: duckdb.DuckDBPyConnection, insert: _Insert, columns: str, sets: Sequence[Bindings], before: int
) -> EngineError | None:
    """Find the error of the first refused set, where ``before`` sets precede the given ones."""
    # The transaction is aborted; another connection has its own transaction and tables in memory.
    with contextlib.closing(connection.cursor()) as aside:
        aside.execute(_MAKE.format(columns))
        try:
            run_sets(aside, parse(aside, f"{insert.gather}{insert.values}")[-1], sets, lambda _: None, before=before)
        except EngineError as error:
            return error
    return None


def _plain_row(tokens: Sequence[Token]) -> tuple[str | int, ...] | None:
    """Read a single row of parameters, as numbers, and literals; None for other rows.

    Many such rows in one statement have the same types.
    """
    inside = tokens[1:-1:2]
    signs = [token.text for token in (tokens[0], *tokens[2:-1:2], tokens[-1])]
    if signs != ["(", *[","] * (len(inside) - 1), ")"]:
        return None
    row: list[str | int] = []
    for token in inside:
        if token.text == "?":
            row.append(1 + sum(isinstance(one, int) for one in row))
        elif _NUMBERED.fullmatch(token.text):
            row.append(int(token.text[1:]))
        elif token.kind in LITERALS or token.kind == NUMBER or token.text.lower() in ("null", "true", "false"):
            row.append(token.text)
        else:
            return None
    return tuple(row)


def _read(text: str) -> _Insert | None:
    """Read a plain INSERT; None if text precedes the INSERT or follows the rows."""
    tokens = list(lex(text))
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    lowered = [token.text.lower() if token.kind == WORD else token.text for token in tokens]
    if lowered[:2] != ["insert", "into"] or "values" not in lowered:
        return None
    at = lowered.index("values")
    end = 3
    while lowered[end : end + 1] == ["."]:
        end += 2
    names = _names(tokens[end:at])
    if end > at or names is None or not _are_rows(lowered[at + 1 :]):
        return None
    start = tokens[at].start
    target = text[tokens[2].start : tokens[end - 1].end]
    return _Insert(name_of(tokens[end - 1]), target, names, text[:start], text[start : tokens[-1].end])


def _names(tokens: Sequence[Token]) -> tuple[str, ...] | None:
    """Read a list of column names, empty if absent; None for other text."""
    if not tokens:
        return ()
    inside, signs = tokens[1:-1:2], [token.text for token in (tokens[0], *tokens[2:-1:2], tokens[-1])]
    if signs != ["(", *[","] * (len(inside) - 1), ")"] or any(token.kind not in NAMES for token in inside):
        return None
    return tuple(map(name_of, inside))


def _are_rows(lowered: Sequence[str]) -> bool:
    """Check that the text has only rows in parentheses that depend on their own values alone."""
    if not lowered or not _DEPENDENT.isdisjoint(lowered):
        return False
    depth = 0
    for word in lowered:
        if depth == 0 and word not in ("(", ","):
            return False
        depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
    return lowered[-1] == ")"


def _columns_of(connection: duckdb.DuckDBPyConnection, insert: _Insert) -> str | None:
    """Build the written columns for a CREATE TABLE; None if a row may fail because of another column."""
    with contextlib.suppress(duckdb.CatalogException):
        if connection.execute(_IN_MEMORY, [insert.table]).fetchone() is not None:
            return None
        known = {column.name.lower(): column for column in columns_of(connection, insert.target)}
        named = [name.lower() for name in insert.names] or list(known)
        missing = [name for name, column in known.items() if column.required and column.default in _NO_DEFAULT]
        if not set(named) <= set(known) or not set(missing) <= set(named) or len(set(named)) < len(named):
            return None
        return ", ".join(
            f"{quoted(column.name)} {column.type}{' NOT NULL' if column.required else ''}"
            for column in (known[name] for name in named)
        )
    return None
