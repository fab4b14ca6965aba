"""Names of the engine's listings: a relation in the catalog with such a name would hide the listing in every session.

``SHOW TABLES`` and ``information_schema`` of DuckDB 1.5.5 read them by their unqualified names.
"""

from collections.abc import Sequence
from typing import Final

import duckdb

from treadle.engines.duckdb.errors import Refusal
from treadle.engines.duckdb.lexer import NAMES, Token, lex, name_of
from treadle.engines.duckdb.planned import Planned

_NAMING: Final = frozenset(("CREATE TABLE", "CREATE VIEW", "ALTER TABLE", "ALTER VIEW"))
_LISTING: Final = """
    SELECT 1 FROM duckdb_views()
    WHERE internal AND schema_name = 'main' AND view_name = lower(?)
"""


def refuse_reserved(connection: duckdb.DuckDBPyConnection, planned: Planned) -> None:
    """Raise `EngineError` (42939) for a relation that is created or renamed with the name of a listing."""
    token = _named(list(lex(planned.text))) if planned.tag in _NAMING else None
    if token is None:
        return
    name = name_of(token)
    if connection.execute(_LISTING, [name]).fetchone() is not None:
        raise Refusal("42939", f'the name "{name}" is reserved for a listing of the engine', token.start)


def _named(tokens: Sequence[Token]) -> Token | None:
    """Find the name in a CREATE or after RENAME TO; None in other statements."""
    lowered = [token.text.lower() for token in tokens]
    if lowered[0] != "create":
        at = next((at for at in range(len(lowered) - 2) if lowered[at : at + 2] == ["rename", "to"]), None)
        return None if at is None else tokens[at + 2]
    at = 1 + next((at for at, word in enumerate(lowered[:6]) if word in ("table", "view")), len(lowered))
    at += 3 if lowered[at : at + 3] == ["if", "not", "exists"] else 0
    while at + 2 < len(lowered) and lowered[at + 1] == "." and tokens[at + 2].kind in NAMES:
        at += 2
    return tokens[at] if at < len(tokens) else None
