"""A script cut into statements, each judged and classed: what it is, whether it writes, what it needs.

Most scripts need one look at their text and one parse. A script with anything to judge is walked
token by token before the engine parses it, because the parser itself opens files for some statements.
"""

from typing import Final

import duckdb
import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.guard import Guard
from treadle.engines.duckdb.lexer import lex, plain_spaces
from treadle.engines.duckdb.planned import PLAIN, Kind, Planned
from treadle.engines.duckdb.planner import Planner

__all__ = ["Kind", "Planned", "split"]

_SHOWING: Final = frozenset(("show", "describe", "desc"))


def split(connection: duckdb.DuckDBPyConnection, script: str, guard: Guard) -> list[Planned]:
    """The statements of a script; raises `EngineError`.

    42601 for what does not parse, 42501 for what a session may not do, 0A000 for what is not
    supported, and what `set_statements.read` raises.
    """
    text = _readable(script)
    if not guard.suspicious(text):
        plain = _plain(connection, text)
        if plain is not None:
            return plain
    segments = guard.judge(text)
    planner = Planner(connection, guard, text)
    return [
        msgspec.structs.replace(planner.plan(segment), start=segment.start, origin=segment.start)
        for segment in segments
    ]


def _readable(script: str) -> str:
    if "\0" in script:
        raise EngineError("22021", "a statement cannot contain the character NUL; chr(0) is text with it")
    if not script.isascii():
        try:
            script.encode()
        except UnicodeEncodeError:
            raise EngineError("42601", "a statement cannot contain half a character") from None
        return plain_spaces(script)
    return script


def _plain(connection: duckdb.DuckDBPyConnection, text: str) -> list[Planned] | None:
    """The statements of a script in which nothing needs judgement; None when something may."""
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error:
        # It may be a SET that only we understand; if not, the second parse says what is wrong.
        return None
    planned = []
    start = 0
    for statement in statements:
        source = statement.query.strip()
        start = text.find(source, start)
        known = PLAIN.get(statement.type.name)
        first = next(lex(source), None)
        if known is None or first is None or start < 0 or (head := first.text.lower()) in _SHOWING:
            return None
        kind, tag = known
        planned.append(
            Planned(
                kind=kind,
                text=source,
                tag="TRUNCATE TABLE" if head == "truncate" else tag,
                statements=(statement,),
                writes=kind is Kind.WRITE,
                returns_rows=kind is Kind.QUERY,
                start=start,
            )
        )
        start += len(source)
    return planned
