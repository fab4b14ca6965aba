"""Refuses column defaults that a catalog cannot keep, with the column's name and an alternative.

DuckLake (1.5.5) keeps a default as text. It refuses a default of a nested type without naming the column, or reads it
as NULL; it accepts a default that names a column or does not fit the column's type, and then refuses every later row.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import duckdb

from treadle.engines.base import EngineError
from treadle.engines.duckdb.errors import DuckDBError, Refusal, unplaced
from treadle.engines.duckdb.lexer import WORD, Token, name_of

_NESTED: Final = ("STRUCT(", "MAP(", "UNION(")
_DEFAULTS: Final = """
    SELECT column_name, data_type FROM duckdb_columns()
    WHERE database_name = 'temp' AND table_name = ? AND column_default <> 'NULL'
"""
_DEFAULT: Final = """
    SELECT column_default FROM duckdb_columns()
    WHERE lower(table_name) = lower(?) AND lower(column_name) = lower(?) AND database_name <> 'temp'
"""


def defaulted(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    """List the columns with a default of a table in memory, with their types."""
    return [(str(column), str(kind)) for column, kind in connection.execute(_DEFAULTS, [table]).fetchall()]


def require_plain(columns: Sequence[tuple[str, str]]) -> None:
    """Raise `EngineError` (0A000) for a column with a default that a catalog cannot keep."""
    for column, engine_type in columns:
        if is_nested(engine_type):
            raise EngineError("0A000", refusal(column, engine_type))


def set_default(tokens: Sequence[Token]) -> tuple[Token, Token] | None:
    """Find the column of an ALTER TABLE … SET DEFAULT and the first token of its value; None for other statements."""
    lowered = [token.text.lower() if token.kind == WORD else "" for token in tokens]
    for at in range(2, len(lowered) - 2):
        if lowered[at : at + 2] == ["set", "default"]:
            return tokens[at - 1], tokens[at + 2]
    return None


def judge_set(tokens: Sequence[Token], columns: Sequence[tuple[str, str]]) -> None:
    """Raise `EngineError` (0A000) for a SET DEFAULT of a column of a nested type."""
    found = set_default(tokens)
    if found is None:
        return
    column, value = found
    for name, engine_type in columns:
        if name.lower() == name_of(column).lower() and is_nested(engine_type) and value.text.lower() != "null":
            raise Refusal("0A000", refusal(name, engine_type), value.start)


def judge_kept(
    connection: duckdb.DuckDBPyConnection, tokens: Sequence[Token], table: str, columns: Sequence[tuple[str, str]]
) -> None:
    """Raise `EngineError` for a stored default that cannot be converted to the column's type."""
    found = set_default(tokens)
    if found is None:
        return
    column, value = found
    engine_type = next((kind for name, kind in columns if name.lower() == name_of(column).lower()), "")
    kept = connection.execute(_DEFAULT, [table, name_of(column)]).fetchone()
    if kept is None or not kept[0] or not engine_type:
        return
    try:
        with column_named(value.start), unplaced():
            connection.execute(f"SELECT CAST(({kept[0]}) AS {engine_type})")
    except DuckDBError as error:
        raise Refusal(error.sql_state, error.message, value.start) from error


@contextmanager
def column_named(at: int) -> Iterator[None]:
    """Convert the engine's error about a column in a default into a `Refusal` (0A000) at the character ``at``."""
    try:
        yield
    except EngineError as error:
        if error.sql_state in ("42703", "42P01"):
            raise Refusal("0A000", "the DEFAULT of a column cannot name columns", at) from error
        raise


def is_nested(engine_type: str) -> bool:
    """Check whether a type is a list, a struct, a map or a union."""
    return engine_type.endswith("]") or engine_type.startswith(_NESTED)


def refusal(column: str, engine_type: str) -> str:
    """Build the message about a default of a nested type."""
    return (
        f'column "{column}" of type {engine_type} cannot have a default, because a catalog keeps none for lists, '
        "structs and maps: omit it and write the value in each INSERT, or store the column as JSON"
    )
