"""A script cut into statements, each judged and classed: what it is, whether it writes, what it needs.

Most scripts need one look at their text and one parse. A script with anything to judge is walked
token by token before the engine parses it, because the parser itself opens files for some statements.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import duckdb
import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb.bounds import MANY_STATEMENTS, Bounds, require_parsable
from treadle.engines.duckdb.engine_settings import PARSING
from treadle.engines.duckdb.guard import Guard
from treadle.engines.duckdb.lexer import lex, plain_spaces
from treadle.engines.duckdb.planned import PLAIN, Kind, Planned
from treadle.engines.duckdb.planner import Planner
from treadle.engines.duckdb.settings import ALL, Change
from treadle.engines.duckdb.walk import Segment

__all__ = ["Kind", "Planned", "split"]

_OF_PARSING: Final = frozenset(("42601", "54001"))
_SHOWING: Final = frozenset(("show", "describe", "desc"))


def split(connection: duckdb.DuckDBPyConnection, script: str, guard: Guard) -> list[Planned]:
    """The statements of a script; raises `EngineError`.

    42601 for what does not parse, 42501 for what a session may not do, 0A000 for what is not
    supported, and what `set_statements.read` raises.
    """
    text = _readable(script)
    require_parsable(text)
    if text.count(";") < MANY_STATEMENTS and not guard.suspicious(text):
        plain = _plain(connection, text)
        if plain is not None:
            return plain
    bounds = guard.bounds()
    segments = guard.judge(text, bounds)
    return list(_planned(Planner(connection, guard, text), segments, text, bounds))


def _planned(planner: Planner, segments: Iterable[Segment], text: str, bounds: Bounds) -> Iterator[Planned]:
    """Plan the statements in order; a statement that does not parse is deferred if an earlier one may change that."""
    moving = False
    for segment in segments:
        bounds.check()
        try:
            planned = planner.plan(segment)
        except EngineError as error:
            if not moving or error.sql_state not in _OF_PARSING:
                raise
            planned = Planned(kind=Kind.UNPARSED, text=text[segment.start : segment.end], tag="", writes=True)
        moving = moving or _moves_parsing(planned)
        yield msgspec.structs.replace(planned, start=segment.start, origin=segment.start)


def _moves_parsing(planned: Planned) -> bool:
    """Check whether a statement may change the settings under which later ones are parsed."""
    match planned.setting:
        case Change(name=name):
            return name == ALL or name.lower() in PARSING
        case _:
            return planned.kind in (Kind.COMMIT, Kind.ROLLBACK)


def parsed_again(connection: duckdb.DuckDBPyConnection, planned: Planned, guard: Guard) -> Planned:
    """Parse and check a statement of a script again under the current settings; raises `EngineError`."""
    try:
        [again] = split(connection, planned.text, guard)
    except EngineError as error:
        if error.position is not None:
            error.position += planned.start
        raise
    return msgspec.structs.replace(again, start=planned.start, origin=planned.start)


def _readable(script: str) -> str:
    if "\0" in script:
        raise EngineError("22021", "a statement cannot contain the character NUL; use chr(0)")
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
