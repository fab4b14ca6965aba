"""Writes to temporary tables, which change only the session and not the catalog."""

import contextlib
from collections.abc import Sequence
from itertools import islice
from typing import Final

import duckdb

from treadle.engines.duckdb.errors import Insertion
from treadle.engines.duckdb.lexer import NAMES, WORD, Token, lex, name_of
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.parsing import parse
from treadle.engines.duckdb.planned import Planned
from treadle.engines.duckdb.steps import Steps

_TAGS: Final = frozenset(("INSERT 0", "UPDATE", "DELETE", "MERGE", "TRUNCATE TABLE"))
_LEADING: Final = frozenset(("insert", "or", "replace", "ignore", "into", "update", "delete", "from", "merge"))
_TRUNCATE: Final = frozenset(("truncate", "table"))
_LONGEST: Final = 10
"""Maximum number of tokens of the longest beginning: ``INSERT OR REPLACE INTO temp.main.t`` and one more."""
_SCHEMA: Final = "main."


def private(connection: duckdb.DuckDBPyConnection, planned: Planned) -> Steps | None:
    """Rewrite a write to a temporary table, whose commit changes only the session; None for other statements.

    For a two-part name such as ``temp.t`` the engine asks the catalog for a schema ``temp``, which takes longer than
    the rest of the statement; so the name gets all three parts.
    """
    if planned.tag not in _TAGS:
        return None
    name = _target(planned.text)
    parts = [name_of(token) for token in name]
    if len(parts) == 1:
        return Steps(planned.statements) if _exists(connection, parts[0]) else None
    if not parts or parts[0].lower() != "temp":
        return None
    if len(parts) > 2 or planned.steps:
        return Steps(planned.statements)
    at = name[1].start
    statements = parse(connection, f"{planned.text[:at]}{_SCHEMA}{planned.text[at:]}")
    return Steps(statements, Insertion(len(planned.text[:at].encode()), len(_SCHEMA)))


def _target(text: str) -> Sequence[Token]:
    """Find the target table of a statement, as name parts; empty if it is not near the beginning."""
    tokens = list(islice(lex(text), _LONGEST))
    leading = _TRUNCATE if tokens[0].text.lower() == "truncate" else _LEADING
    at = 0
    while at < len(tokens) and tokens[at].kind == WORD and tokens[at].text.lower() in leading:
        at += 1
    return _dotted(tokens[at:]) if at else ()


def _dotted(tokens: Sequence[Token]) -> Sequence[Token]:
    """Read the parts of the leading dotted name."""
    parts: list[Token] = []
    for index, token in enumerate(tokens):
        if index % 2 == 0 and token.kind in NAMES:
            parts.append(token)
        elif index % 2 == 0:
            return ()
        elif token.text != ".":
            break
    return parts


def _exists(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Check whether a temporary table has the name: it takes precedence over others of that name."""
    with contextlib.suppress(duckdb.Error):
        connection.sql(f"FROM temp.main.{quoted(name)}")  # binds without running
        return True
    return False
