"""Definitions that DuckLake takes and cannot read back; they are refused before they are committed.

DuckLake 1.5.5 keeps the default of a macro's parameter as text, and reads it as one scalar: a nested one leaves
a catalog that no session can attach, a NULL the same or the word as a value, a nested type a macro whose use
ends the session. No session can attach a catalog with a struct that has lost its last field, or without its
schema main. A table whose sort or partition expression does not bind takes no row any more. Internal errors,
which end a session, follow a COMMENT on a column that is not there, and an INSERT after RESET PARTITIONED BY in
the same transaction.
"""

import contextlib
from collections.abc import Sequence
from itertools import islice, pairwise, takewhile
from typing import Final

import duckdb

from treadle.engines.base import EngineError
from treadle.engines.duckdb import defaults
from treadle.engines.duckdb.definitions import table_of
from treadle.engines.duckdb.errors import Refusal, unplaced
from treadle.engines.duckdb.lexer import LITERALS, NAMES, WORD, Token, lex, literal_of, name_of
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.parameters import Parameter, parameters_of
from treadle.engines.duckdb.partitions import refuse_keys
from treadle.engines.duckdb.planned import Planned
from treadle.engines.duckdb.recursion import refuse_endless
from treadle.engines.duckdb.relations import Column, columns_of
from treadle.engines.duckdb.reserved import refuse_reserved
from treadle.engines.duckdb.settings import MAIN
from treadle.engines.duckdb.vocabulary import words
from treadle.engines.duckdb.written import default_target, written

_MACROS: Final = frozenset(("CREATE MACRO", "CREATE FUNCTION"))
JUDGED: Final = _MACROS | {"ALTER TABLE", "COMMENT", "DROP SCHEMA"}
"""The statements that are judged here, by their tags; they must stand alone."""

_TEMPORARY: Final = frozenset(("temp", "temporary"))
_PLAIN: Final = words(
    """
    BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT FLOAT DOUBLE DECIMAL
    VARCHAR BLOB UUID JSON DATE TIME TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS INTERVAL
    """
)
_KEPT: Final = _PLAIN | {"TIME WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"}
"""The types of a macro's parameters and their defaults that come back as they were."""

_WAY_OUT: Final = "use CREATE TEMP MACRO, or a parameter and a default of a plain type"
_NO_FIELDS: Final = "STRUCT()"


def refuse_before(connection: duckdb.DuckDBPyConnection, planned: Planned, *, alone: bool) -> None:
    """Judge a definition before it runs, ``alone`` where it has a transaction of its own.

    Raises `EngineError`, and `duckdb.Error` for a relation that is not there.
    """
    with unplaced():
        refuse_reserved(connection, planned)
        match planned.tag:
            case "COMMENT":
                _judge_commented_column(connection, planned.text)
            case "DROP SCHEMA":
                _judge_dropped_schema(planned.text)
            case "CREATE TABLE" if not _is_temporary(planned.text):
                _judge_default(planned.text)
            case "ALTER TABLE":
                _judge_alter(connection, planned.text, alone=alone)
            case _:
                pass


def _is_temporary(text: str) -> bool:
    return not _TEMPORARY.isdisjoint(token.text.lower() for token in islice(lex(text), 4))


def _judge_alter(connection: duckdb.DuckDBPyConnection, text: str, *, alone: bool) -> None:
    tokens = list(lex(text))
    _judge_default(text)
    lowered = [token.text.lower() for token in tokens if token.kind == WORD]
    _judge_added_column(lowered)
    _judge_layout(connection, lowered, alone=alone)
    if default_target(text, tokens) is not None:
        columns = _columns_or_none(connection, _altered(text, tokens))
        for value in written(text, tokens):
            defaults.judge_set(value, columns)


def refuse_after(connection: duckdb.DuckDBPyConnection, planned: Planned) -> None:
    """Judge a definition that has run, in its transaction, by what the engine made of it; raises `EngineError`."""
    with unplaced():
        refuse_endless(connection, planned)
        if planned.tag in _MACROS:
            _judge_macro(connection, planned.text)
        elif planned.tag == "ALTER TABLE":
            _judge_table(connection, planned.text)
        elif planned.tag == "CREATE TABLE":
            _judge_created(connection, planned)


# -- macros -----------------------------------------------------------------------------------


def _judge_macro(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    tokens = list(lex(text))
    head = list(takewhile(lambda token: token.text != "(", tokens))
    lowered = [token.text.lower() for token in head]
    kind = next(at for at, word in enumerate(lowered) if word in ("macro", "function"))
    if _TEMPORARY & set(lowered[:kind]) or (lowered[-2:-1] == ["."] and name_of(head[kind + 1]).lower() == "temp"):
        return
    for parameter in parameters_of(text, tokens[len(head) :]):
        _judge_parameter(connection, name_of(head[-1]), parameter)


def _judge_parameter(connection: duckdb.DuckDBPyConnection, macro: str, parameter: Parameter) -> None:
    declared = _type_of(connection, f"NULL::{parameter.type}") if parameter.type else None
    if declared is not None and declared not in _KEPT:
        raise _refusal(macro, f'a parameter of type {declared} ("{parameter.name}")')
    given = _type_of(connection, parameter.default) if parameter.default else None
    if given is None:
        return
    if _is_null(connection, parameter.default):
        raise _refusal(macro, f'the default NULL of parameter "{parameter.name}"')
    if given not in _KEPT:
        raise _refusal(macro, f'a default of type {given} (parameter "{parameter.name}")')


def _refusal(macro: str, what: str) -> EngineError:
    return EngineError("0A000", f'macro "{macro}": a catalog cannot keep {what}; {_WAY_OUT}')


def _type_of(connection: duckdb.DuckDBPyConnection, expression: str) -> str | None:
    """The type of an expression without its arguments; None for what only looks like a parameter's."""
    # The engine has taken the definition: what it does not take here is no parameter.
    with contextlib.suppress(duckdb.ParserException, duckdb.CatalogException, duckdb.BinderException):
        row = connection.execute(f"SELECT typeof({expression})").fetchone()
        engine_type = str(row[0]) if row else ""
        return "DECIMAL" if engine_type.startswith("DECIMAL(") and engine_type.endswith(")") else engine_type
    return None


def _is_null(connection: duckdb.DuckDBPyConnection, expression: str) -> bool:
    row = connection.execute(f"SELECT ({expression}) IS NULL").fetchone()
    return bool(row and row[0])


# -- columns ----------------------------------------------------------------------------------


def _judge_commented_column(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    head = list(takewhile(lambda token: token.text.lower() != "is", lex(text)))
    if [token.text.lower() for token in head[:3]] != ["comment", "on", "column"] or len(head) < 6:
        return
    column, relation = name_of(head[-1]), text[head[3].start : head[-3].end]
    if column.lower() not in (known.name.lower() for known in columns_of(connection, relation)):
        message = f'column "{column}" of relation "{name_of(head[-3])}" does not exist'
        raise Refusal("42703", message, head[-1].start)


def _judge_dropped_schema(text: str) -> None:
    """Every session begins in the schema main: without it none can open."""
    names = [name_of(token).lower() for token in lex(text) if token.kind in NAMES]
    if MAIN in (names[-1], *names[-2:-1]) and names[-1] in (MAIN, "cascade", "restrict"):
        raise EngineError("0A000", 'the schema "main" cannot be dropped; drop what is in it')


def _judge_default(text: str) -> None:
    """Refuse the text 'NULL' as a default: it is stored like the keyword and read as NULL."""
    tokens = [token for token in lex(text) if token.text != "("]
    for word, value in pairwise(tokens):
        is_default = word.kind == WORD and word.text.lower() == "default"
        if is_default and value.kind in LITERALS and literal_of(value) == "NULL":
            message = "the text 'NULL' cannot be a column's default: it would be read as NULL"
            raise Refusal("0A000", message, value.start)


def _judge_added_column(lowered: Sequence[str]) -> None:
    """Existing rows have the text of a VARIANT's default in place of its value."""
    if {"add", "variant", "default"} <= set(lowered):
        raise EngineError(
            "0A000", "a column of type VARIANT cannot be added with a default; add it without one, then UPDATE"
        )


def _judge_layout(connection: duckdb.DuckDBPyConnection, lowered: Sequence[str], *, alone: bool) -> None:
    """Judge the words of a SORTED BY or a PARTITIONED BY."""
    if "partitioned" in lowered and "reset" in lowered and not alone:
        raise EngineError("25001", "ALTER TABLE … RESET PARTITIONED BY cannot run inside a transaction block")
    if "sorted" not in lowered:
        return
    if "select" in lowered:
        raise EngineError("0A000", "a sort expression cannot contain subqueries")
    macros = "SELECT lower(function_name) FROM duckdb_functions() WHERE NOT internal AND lower(function_name) IN ?"
    found = connection.execute(macros, [[*lowered]]).fetchone()
    if found is not None:
        # It is expanded at each INSERT, in sessions that may not have it, or not any more.
        raise EngineError("0A000", f'a sort expression cannot use the macro "{found[0]}"')


def _judge_table(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Whether the altered table can still be read, and takes rows."""
    tokens = list(lex(text))
    table = _altered(text, tokens)
    columns = _columns_or_none(connection, table)
    for value in written(text, tokens):
        defaults.judge_kept(connection, value, columns)
    for column in columns:
        if _NO_FIELDS in column.type:
            message = f'the last field of the struct "{column.name}" cannot be dropped; drop the column'
            raise EngineError("0A000", message)
    _judge_not_null(tokens, columns)
    refuse_keys(tokens, _typed(columns))
    if columns and {"sorted", "partitioned"} & {token.text.lower() for token in tokens if token.kind == WORD}:
        connection.execute(f"EXPLAIN INSERT INTO {table} SELECT * FROM {table} LIMIT 0")  # noqa: S608 - its own name


def _judge_created(connection: duckdb.DuckDBPyConnection, planned: Planned) -> None:
    """Check that the new table accepts rows."""
    tokens = list(lex(planned.text))
    values = list(written(planned.text, tokens))
    if planned.defines is None and not values:
        return
    columns = columns_of(connection, ".".join(map(quoted, table_of(tokens))))
    for value in values:
        defaults.judge_kept(connection, value, columns)
    if planned.defines is not None:
        _judge_not_null(tokens, columns)
        refuse_keys(tokens, _typed(columns))


def _judge_not_null(tokens: Sequence[Token], columns: Sequence[Column]) -> None:
    """Judge the columns of a statement with a NOT NULL."""
    lowered = [token.text.lower() for token in tokens if token.kind == WORD]
    if ("not", "null") in pairwise(lowered):
        defaults.require_optional(columns, {name_of(token).lower() for token in tokens if token.kind in NAMES})


def _typed(columns: Sequence[Column]) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in columns]


def _altered(text: str, tokens: Sequence[Token]) -> str:
    """The dotted name of the table that an ALTER TABLE names."""
    start = 4 if tokens[2].text.lower() == "if" else 2
    end = start
    while tokens[end + 1].text == "." and tokens[end + 2].kind in NAMES:
        end += 2
    return text[tokens[start].start : tokens[end].end]


def _columns_or_none(connection: duckdb.DuckDBPyConnection, relation: str) -> list[Column]:
    """List the columns of a relation; empty if it does not exist, for example after a RENAME."""
    try:
        return columns_of(connection, relation)
    except duckdb.CatalogException:
        return []
