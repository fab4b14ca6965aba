"""The column ``filename`` that DuckLake adds to every table: a path within the service, which is not shown.

A table, a file or a query may have a column of that name of its own. So the statement is bound once more with another
name in its place: only DuckLake's own column is missed then.
"""

import re
from typing import Final

import duckdb

from treadle.engines.base import EngineError
from treadle.engines.duckdb.errors import Refusal
from treadle.engines.duckdb.lexer import NAMES, lex, name_of
from treadle.engines.duckdb.planned import Kind, Planned
from treadle.engines.duckdb.raised import raised
from treadle.engines.duckdb.vocabulary import READERS
from treadle.engines.duckdb.walk import FILE_ENDINGS

_HIDDEN: Final = "filename"
_OTHER: Final = "__treadle_filename"
_WORD: Final = re.compile(rf"(?<![\w$]){_HIDDEN}(?![\w$])", re.IGNORECASE)
_FILES: Final = re.compile(rf"\.(?:{'|'.join(FILE_ENDINGS)})\b", re.IGNORECASE)
_PIVOT: Final = re.compile(r"\b(?:un)?pivot(?:_wider|_longer)?\b", re.IGNORECASE)
_AFTER_AS: Final = re.compile(r"\bas\b", re.IGNORECASE)
_REAL: Final = "SELECT DISTINCT lower(table_name) FROM duckdb_columns() WHERE lower(column_name) = ?"
_KINDS: Final = frozenset((Kind.QUERY, Kind.WRITE, Kind.PREPARE))
_MESSAGE: Final = (
    'the column "filename" of a table is a place within the service and is not shown: '
    "CALL list_files of the catalog names the files of a table"
)


def refuse_hidden(connection: duckdb.DuckDBPyConnection, planned: Planned, parameters: list[str | None] | None) -> None:
    """Raise `EngineError` (42501) for a statement that reads DuckLake's own column ``filename``."""
    if planned.kind not in _KINDS or _WORD.search(planned.ran) is None:
        return
    query = _query_of(planned)
    if _reads_files(query):
        return
    names = {name_of(token).lower() for token in lex(query) if token.kind in NAMES}
    real = {str(table) for (table,) in connection.execute(_REAL, [_HIDDEN]).fetchall()}
    if not real.isdisjoint(names):
        return
    if _PIVOT.search(query) is not None:
        # The engine runs it in several steps, and one that fails leaves a transaction behind: it is not tried.
        raise _refusal(planned.text)
    if _binds(connection, query, parameters) and _misses(connection, _WORD.sub(_OTHER, query), parameters):
        raise _refusal(planned.text)


def _refusal(text: str) -> EngineError:
    for token in lex(text):
        if token.kind in NAMES and name_of(token).lower() == _HIDDEN:
            return Refusal("42501", _MESSAGE, token.start)
    return EngineError("42501", _MESSAGE)


def _reads_files(text: str) -> bool:
    names = (name_of(token).lower() for token in lex(text) if token.kind in NAMES)
    return _FILES.search(text) is not None or not READERS.isdisjoint(names)


def _query_of(planned: Planned) -> str:
    """Find the query that EXPLAIN accepts: for a COPY or a PREPARE the statement within."""
    query = planned.ran
    if planned.copy_to is not None:
        query = planned.copy_to.query
    elif planned.kind is Kind.PREPARE and (found := _AFTER_AS.search(query)) is not None:
        query = query[found.end() :]
    # After EXPLAIN a parenthesis would open a list of options.
    return f"FROM {query}" if query.lstrip().startswith("(") else query


def _binds(connection: duckdb.DuckDBPyConnection, query: str, parameters: list[str | None] | None) -> bool:
    try:
        connection.execute(f"EXPLAIN {query}", parameters)
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return False
    return True


def _misses(connection: duckdb.DuckDBPyConnection, query: str, parameters: list[str | None] | None) -> bool:
    try:
        connection.execute(f"EXPLAIN {query}", parameters)
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        return _OTHER in raised(error).message
    return False
