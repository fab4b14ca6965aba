"""Statements with expressions that are judged by their value: evaluated once, put in their place, judged again.

The engine gets the value and not the expression, so that nothing can change between the judgement and the run.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Final

import duckdb
import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.arguments import Deferred, deferred
from treadle.engines.duckdb.defaults import placed_at
from treadle.engines.duckdb.edits import Edit, applied, string
from treadle.engines.duckdb.errors import unplaced
from treadle.engines.duckdb.lexer import LITERALS, NUMBER, WORD, Token
from treadle.engines.duckdb.literals import is_double
from treadle.engines.duckdb.planned import Planned
from treadle.engines.duckdb.relations import columns_of
from treadle.engines.duckdb.vocabulary import Vocabulary, words
from treadle.engines.duckdb.walk import Segment
from treadle.engines.duckdb.written import bare, default_target, until_constraint

# What looks like a call, and is none of a function.
_FORMS: Final = words(
    """
    cast try_cast case coalesce nullif ifnull struct map row list union decimal numeric dec varchar char character
    bpchar text json date time timestamp interval bit in and or not between like ilike when then else
    """
)
_STORED: Final = words("view macro function")


def judge_stored(segment: Segment, vocabulary: Vocabulary) -> None:
    """Refuse an expression that may change in a statement that is kept; raises `EngineError` (0A000)."""
    kept = [token.text.lower() for token in segment.head]
    stored = kept[0] == "prepare" or (kept[0] == "create" and not _STORED.isdisjoint(kept[1:6]))
    changing = frozenset().union(*(_changing(one, vocabulary) for one in segment.deferred))
    if stored and changing:
        raise EngineError(
            "0A000",
            f'"{min(changing)}" is not supported as an argument in a view, a macro or a prepared statement: '
            "it would keep the value of this moment",
        )


def _changing(expression: Deferred, vocabulary: Vocabulary) -> frozenset[str]:
    return expression.calls - vocabulary.constant - _FORMS


# -- the DEFAULT of a column of an existing table -----------------------------------------------------


def altered_default(text: str, tokens: Sequence[Token], vocabulary: Vocabulary) -> tuple[Deferred, ...]:
    """Find the DEFAULT of an ``ALTER TABLE`` if it is not a literal, the only form that DuckLake accepts there.

    A SET DEFAULT that is not constant is left to the engine, which accepts it for a table in memory. Raises
    `EngineError` (42501) for a query or a parameter in it.
    """
    lowered = [token.text.lower() if token.kind == WORD else token.text for token in tokens]
    if "default" not in lowered:
        return ()
    at = lowered.index("default")
    expression = until_constraint(tokens[at + 1 :], lowered[at + 1 :])
    if lowered[at - 1] == "drop" or not expression or _is_literal(expression):
        return ()
    target = default_target(text, tokens)
    if target is None:
        return (msgspec.structs.replace(deferred(expression), kind=_type(tokens[:at], lowered[:at])),)
    if _is_arithmetic(expression):
        return ()
    found = deferred(expression)
    relation, column = target
    return () if _changing(found, vocabulary) else (msgspec.structs.replace(found, relation=relation, column=column),)


def _is_literal(tokens: Sequence[Token]) -> bool:
    """Check for a literal in DuckLake's sense: a string, a number with or without a sign, NULL.

    A DOUBLE is no such literal: it is kept as text, which is read as another type.
    """
    tokens = bare(tokens)
    if len(tokens) == 2 and tokens[0].text in ("-", "+") and tokens[1].kind == NUMBER:
        return not is_double(tokens[1].text)
    one = tokens[0]
    is_number = one.kind == NUMBER and not is_double(one.text)
    return len(tokens) == 1 and (one.kind in LITERALS or is_number or one.text.lower() == "null")


def _is_arithmetic(tokens: Sequence[Token]) -> bool:
    """Check for an expression of exact numbers alone, which SET DEFAULT accepts."""
    return all(token.text in "+-*/%()" or (token.kind == NUMBER and not is_double(token.text)) for token in tokens)


def _type(tokens: Sequence[Token], lowered: Sequence[str]) -> str:
    """The column's type as written: behind its name, up to the first constraint; its words with blanks between."""
    at = lowered.index("add") + 1
    for word in ("column", "if", "not", "exists"):
        at += at < len(lowered) and lowered[at] == word
    at += 1
    while at + 1 < len(lowered) and lowered[at] == ".":
        at += 2
    return " ".join(token.text for token in until_constraint(tokens[at:], lowered[at:]))


# -- values -----------------------------------------------------------------------------------------


def resolved(
    connection: duckdb.DuckDBPyConnection,
    vocabulary: Vocabulary,
    planned: Planned,
    split: Callable[[str], list[Planned]],
) -> Planned:
    """The statement with values in the place of its expressions, judged by ``split``; raises `EngineError`."""
    edits = [
        Edit(one.start, one.end, _value(connection, vocabulary, one, planned.text[one.start : one.end]))
        for one in planned.deferred
    ]
    [judged] = split(applied(planned.text, edits))
    return msgspec.structs.replace(
        judged,
        text=planned.text,
        deferred=(),
        start=planned.start,
        origin=planned.origin,
        steps=(tuple(edits), *judged.steps),
    )


def _value(connection: duckdb.DuckDBPyConnection, vocabulary: Vocabulary, expression: Deferred, text: str) -> str:
    if expression.function:
        return _argument(connection, expression.function, text)
    return _default(connection, vocabulary, expression, text)


def _argument(connection: duckdb.DuckDBPyConnection, function: str, text: str) -> str:
    try:
        kind, value = _evaluated(connection, f"SELECT ({text}\n)")
    except EngineError as error:
        if error.sql_state not in ("42703", "42P01", "42883"):
            raise
        message = f"permission denied for function {function}: its first argument must be a constant: {error.message}"
        raise EngineError("42501", message) from error
    if kind == "VARCHAR" and isinstance(value, str):
        return string(value)
    if kind.startswith("VARCHAR[") and isinstance(value, list | tuple) and value:
        strings = [one for one in value if isinstance(one, str)]
        if len(strings) == len(value):
            return f"[{', '.join(map(string, strings))}]"
    if value is None:
        raise EngineError("22004", f"the first argument of {function} must not be NULL")
    raise EngineError("22023", f"the first argument of {function} must be a string or a list of strings")


def _default(connection: duckdb.DuckDBPyConnection, vocabulary: Vocabulary, expression: Deferred, text: str) -> str:
    changing = _changing(expression, vocabulary)
    if changing:
        raise EngineError(
            "0A000",
            f'"{min(changing)}" is not supported in the DEFAULT of a new column, which must be a constant: '
            "add the column without it and write the value in each INSERT",
        )
    kind = expression.kind or _kind_of(connection, expression)
    cast = f"CAST(({text}\n) AS {kind})" if kind else f"({text}\n)"
    with placed_at(expression.start):
        _, value = _evaluated(connection, f"SELECT CAST({cast} AS VARCHAR)")
    return "NULL" if value is None else string(str(value))


def _kind_of(connection: duckdb.DuckDBPyConnection, expression: Deferred) -> str:
    """Look up the type of the column; empty if it does not exist, which the engine reports itself."""
    if not expression.relation:
        return ""
    with contextlib.suppress(duckdb.CatalogException):
        known = columns_of(connection, expression.relation)
        return next((one.type for one in known if one.name.lower() == expression.column.lower()), "")
    return ""


def _evaluated(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, object]:
    """The type and value of one expression; raises `EngineError`."""
    with unplaced():
        connection.execute(sql)
        [described] = connection.description or []
        kind = str(described[1])
        row = connection.fetchone()
    return kind, row[0] if row else None
