"""Refuses column defaults that a catalog cannot keep, with the column's name and an alternative.

DuckLake (1.5.5) keeps a default as text. It refuses a default of a nested type without naming the column, or reads it
as NULL; it accepts a default that names a column or does not fit the column's type, and then refuses every later row.
"""

import re
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import duckdb

from treadle.engines.base import EngineError
from treadle.engines.duckdb.errors import DuckDBError, Refusal, unplaced
from treadle.engines.duckdb.relations import Column
from treadle.engines.duckdb.written import Written, is_null, text_of

_NESTED: Final = ("STRUCT(", "MAP(", "UNION(")
_DEFAULTS: Final = """
    SELECT column_name, data_type FROM duckdb_columns()
    WHERE database_name = 'temp' AND table_name = ? AND column_default <> 'NULL'
"""
_COUNTING: Final = re.compile(r"\bnextval\b", re.IGNORECASE)
"""Only an INSERT may evaluate a default with this, because each evaluation takes a number."""


def defaulted(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    """List the columns with a default of a table in memory, with their types."""
    return [(str(column), str(kind)) for column, kind in connection.execute(_DEFAULTS, [table]).fetchall()]


def require_plain(columns: Sequence[tuple[str, str]]) -> None:
    """Raise `EngineError` (0A000) for a column with a default that a catalog cannot keep."""
    for column, engine_type in columns:
        if is_nested(engine_type):
            raise EngineError("0A000", refusal(column, engine_type))


def judge_set(value: Written, columns: Sequence[Column]) -> None:
    """Raise `EngineError` (0A000) for a SET DEFAULT of a column of a nested type."""
    for column in columns:
        if column.name.lower() == value.column.lower() and is_nested(column.type) and not is_null(value.value):
            raise Refusal("0A000", refusal(column.name, column.type), value.value[0].start)


def require_optional(columns: Sequence[Column], names: Container[str]) -> None:
    """Raise `EngineError` (0A000) for a NOT NULL that DuckLake (1.5.5) does not check; ``names`` are in lower case."""
    for column in columns:
        if column.required and is_nested(column.type) and column.name.lower() in names:
            raise EngineError(
                "0A000",
                f'column "{column.name}" of type {column.type} cannot be NOT NULL, because a catalog does not check '
                "that for lists, structs and maps: omit it, or store the column as JSON",
            )


def judge_kept(connection: duckdb.DuckDBPyConnection, value: Written, columns: Sequence[Column]) -> None:
    """Raise `EngineError` for a default that cannot be converted to the type of its column."""
    for engine_type, kept in _stored(value, columns):
        if _COUNTING.search(kept):
            continue
        with placed_at(value.value[0].start):
            connection.execute(f"SELECT CAST(({kept}) AS {engine_type})")


def _stored(value: Written, columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    """Find the type and the default that a column now has; a new field of a struct shows no default of its own."""
    if value.field_type:
        if (literal := text_of(value.value)) is not None:
            yield value.field_type, literal
        return
    for column in columns:
        if column.name.lower() == value.column.lower() and column.default:
            yield column.type, column.default


@contextmanager
def placed_at(at: int) -> Iterator[None]:
    """Convert the engine's error about the value of a default into a `Refusal` at the character ``at``."""
    try:
        with unplaced():
            yield
    except DuckDBError as error:
        if error.sql_state in ("42703", "42P01"):
            raise Refusal("0A000", "the DEFAULT of a column cannot name columns", at) from error
        raise Refusal(error.sql_state, error.message, at) from error


def is_nested(engine_type: str) -> bool:
    """Check whether a type is a list, a struct, a map or a union."""
    return engine_type.endswith("]") or engine_type.startswith(_NESTED)


def refusal(column: str, engine_type: str) -> str:
    """Build the message about a default of a nested type."""
    return (
        f'column "{column}" of type {engine_type} cannot have a default, because a catalog keeps none for lists, '
        "structs and maps: omit it and write the value in each INSERT, or store the column as JSON"
    )
