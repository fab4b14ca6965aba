"""Refuses views and macros that would reach themselves: the engine accepts them and then fails every use.

A view is bound again once it has replaced the old one. A macro is not called, because its text grows with every
expansion; the names in it are followed instead.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final

import duckdb

from treadle.engines.duckdb.errors import Refusal
from treadle.engines.duckdb.lexer import NAMES, Token, lex, name_of
from treadle.engines.duckdb.opening import quoted
from treadle.engines.duckdb.planned import Planned

_VIEWS: Final = frozenset(("CREATE VIEW", "ALTER VIEW"))
_MACROS: Final = frozenset(("CREATE MACRO", "CREATE FUNCTION"))
_ENDLESS: Final = "infinite recursion detected"
_KEPT: Final = """
    SELECT if(database_name = 'temp', 'temp', lower(schema_name)), lower(view_name), sql
    FROM duckdb_views() WHERE NOT internal
    UNION ALL
    SELECT if(database_name = 'temp', 'temp', lower(schema_name)), lower(function_name) || '(', macro_definition
    FROM duckdb_functions() WHERE function_type IN ('macro', 'table_macro') AND NOT internal
"""
_Texts = Mapping[str, Sequence[tuple[str, str]]]
_Mention = tuple[frozenset[str], str]
"""The schemas that a name may be in, none of them if it stands alone, and the name; `temp` is one of the schemas."""

_TEMPORARY: Final = frozenset(("temp", "temporary"))


def refuse_endless(connection: duckdb.DuckDBPyConnection, planned: Planned) -> None:
    """Raise `EngineError` (42P17) for a new view or macro that reaches itself."""
    if planned.tag in _VIEWS:
        _judge_view(connection, planned.text)
    elif planned.tag in _MACROS:
        _judge_macro(connection, planned.text)


def _judge_view(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    tokens = list(lex(text))
    name = _name_after(tokens, "view")
    if tokens[0].text.lower() == "alter":
        if tokens[-2].text.lower() != "to":
            return
        name = [*name[:-1], tokens[-1]]
    elif "replace" not in (token.text.lower() for token in tokens[:4]) and not _is_temporary(tokens, name):
        return  # the name was free: no definition that it reads can read it
    relation = ".".join(token.text for token in name)
    try:
        connection.execute(f"DESCRIBE FROM {relation}")
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        # Any other error was caused by an earlier statement.
        if _ENDLESS in str(error):
            raise _refusal("view", name[-1], _way_out(connection, tokens, name)) from error


def _way_out(connection: duckdb.DuckDBPyConnection, tokens: Sequence[Token], name: Sequence[Token]) -> str:
    """Name the view of the catalog that a temporary view hides, also behind the schema "main"."""
    if not _is_temporary(tokens, name):
        return ""
    catalog, schema = (quoted(part) for part in _place(connection))
    return f"; to read the view of the catalog, name it in full: {catalog}.{schema}.{name[-1].text}"


def _judge_macro(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    tokens = list(lex(text))
    name = _name_after(tokens, "macro", "function")
    catalog, current = _place(connection)
    own, schema = f"{name_of(name[-1]).lower()}(", name_of(name[-2]).lower() if len(name) > 1 else current
    if _is_temporary(tokens, name):
        schema = "temp"
    texts: dict[str, list[tuple[str, str]]] = {}
    for where, kept, definition in connection.execute(_KEPT).fetchall():
        texts.setdefault(kept, []).append((where, definition or ""))
    mine = [definition for where, definition in texts.get(own, []) if where == schema]
    reached = _reached(texts, mine, catalog)
    if any(found == own and (not schemas or schema in schemas) for schemas, found in reached):
        raise _refusal("macro", name[-1])


def _is_temporary(tokens: Sequence[Token], name: Sequence[Token]) -> bool:
    modifiers = (token.text.lower() for token in tokens[:4])
    return name_of(name[0]).lower() == "temp" or not _TEMPORARY.isdisjoint(modifiers)


def _place(connection: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    """Find the catalog and the schema of the session, in lower case."""
    [(catalog, schema)] = connection.execute("SELECT current_catalog(), current_schema()").fetchall()
    return str(catalog).lower(), str(schema).lower()


def _reached(texts: _Texts, definitions: Sequence[str], catalog: str) -> Iterator[_Mention]:
    """Collect the names that definitions mention, directly or indirectly."""
    waiting, seen = list(definitions), set[_Mention]()
    while waiting:
        for mention in _mentions(waiting.pop(), catalog):
            schemas, name = mention
            if name in texts and mention not in seen:
                seen.add(mention)
                yield mention
                waiting += [definition for where, definition in texts[name] if not schemas or where in schemas]


def _mentions(text: str, catalog: str) -> Iterator[_Mention]:
    """Yield the names in a text; called names end with a parenthesis."""
    tokens = list(lex(text))
    for at, token in enumerate(tokens):
        if token.kind in NAMES and (following := tokens[at + 1].text if at + 1 < len(tokens) else "") != ".":
            # After a parenthesis or AS comes an alias, which may have a list of columns.
            called = following == "(" and (at == 0 or tokens[at - 1].text.lower() not in (")", "as"))
            yield _schemas(_qualifiers(tokens, at), catalog), name_of(token).lower() + ("(" if called else "")


def _qualifiers(tokens: Sequence[Token], at: int) -> list[str]:
    """List what qualifies the name there, the nearest first."""
    found = []
    while at > 1 and tokens[at - 1].text == "." and tokens[at - 2].kind in NAMES:
        at -= 2
        found.append(name_of(tokens[at]).lower())
    return found


def _schemas(qualifiers: Sequence[str], catalog: str) -> frozenset[str]:
    if "temp" in qualifiers:
        return frozenset(("temp",))
    if qualifiers == ["main"]:
        # Temporary objects are in a schema of this name as well.
        return frozenset(("main", "temp"))
    return frozenset(("main",)) if qualifiers == [catalog] else frozenset(qualifiers[:1])


def _name_after(tokens: Sequence[Token], *words: str) -> list[Token]:
    """Read the parts of the dotted name after one of the words, and after IF NOT EXISTS."""
    start = next(at for at, token in enumerate(tokens) if token.text.lower() in words) + 1
    while tokens[start].text.lower() in ("if", "not", "exists"):
        start += 1
    dotted = list(takewhile(lambda pair: pair[0] % 2 == 0 or pair[1].text == ".", enumerate(tokens[start:])))
    return [token for at, token in dotted if at % 2 == 0]


def _refusal(kind: str, name: Token, way_out: str = "") -> Refusal:
    return Refusal("42P17", f'{kind} "{name_of(name)}" would be defined by itself{way_out}', name.start)
