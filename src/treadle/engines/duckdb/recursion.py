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
from treadle.engines.duckdb.planned import Planned

_VIEWS: Final = frozenset(("CREATE VIEW", "ALTER VIEW"))
_MACROS: Final = frozenset(("CREATE MACRO", "CREATE FUNCTION"))
_REPLACING: Final = frozenset(("replace", "temp", "temporary"))
_ENDLESS: Final = "infinite recursion detected"
_KEPT: Final = """
    SELECT lower(schema_name), lower(view_name), sql FROM duckdb_views() WHERE NOT internal
    UNION ALL SELECT lower(schema_name), lower(function_name) || '(', macro_definition
    FROM duckdb_functions() WHERE function_type IN ('macro', 'table_macro') AND NOT internal
"""
_Texts = Mapping[str, Sequence[tuple[str, str]]]


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
    elif _REPLACING.isdisjoint(token.text.lower() for token in tokens[:4]) and name_of(name[0]).lower() != "temp":
        return  # the name was free: no definition that it reads can read it
    relation = ".".join(token.text for token in name)
    try:
        connection.execute(f"DESCRIBE FROM {relation}")
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        # Any other error was caused by an earlier statement.
        if _ENDLESS in str(error):
            raise _refusal("view", name[-1]) from error


def _judge_macro(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    name = _name_after(list(lex(text)), "macro", "function")
    own = name_of(name[-1]).lower()
    schema = name_of(name[-2]).lower() if len(name) > 1 else ""
    texts: dict[str, list[tuple[str, str]]] = {}
    for where, kept, definition in connection.execute(_KEPT).fetchall():
        texts.setdefault(kept, []).append((where, definition or ""))
    mine = [definition for where, definition in texts.get(f"{own}(", []) if schema in ("", "temp", where)]
    if any((schema, f"{own}(") == reached or reached == ("", f"{own}(") for reached in _reached(texts, mine)):
        raise _refusal("macro", name[-1])


def _reached(texts: _Texts, definitions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Collect the names that definitions mention, directly or indirectly, as schema (empty if absent) and name."""
    waiting, seen = list(definitions), set[tuple[str, str]]()
    while waiting:
        for mention in _mentions(waiting.pop()):
            schema, name = mention
            if name in texts and mention not in seen:
                seen.add(mention)
                yield mention
                waiting += [definition for where, definition in texts[name] if schema in ("", where)]


def _mentions(text: str) -> Iterator[tuple[str, str]]:
    """Yield the names in a text with their qualifiers; called names end with a parenthesis."""
    tokens = list(lex(text))
    for at, token in enumerate(tokens):
        if token.kind in NAMES and (following := tokens[at + 1].text if at + 1 < len(tokens) else "") != ".":
            qualified = at > 1 and tokens[at - 1].text == "." and tokens[at - 2].kind in NAMES
            schema = name_of(tokens[at - 2]).lower() if qualified else ""
            # After a parenthesis or AS comes an alias, which may have a list of columns.
            called = following == "(" and (at == 0 or tokens[at - 1].text.lower() not in (")", "as"))
            yield schema, name_of(token).lower() + ("(" if called else "")


def _name_after(tokens: Sequence[Token], *words: str) -> list[Token]:
    """Read the parts of the dotted name after one of the words, and after IF NOT EXISTS."""
    start = next(at for at, token in enumerate(tokens) if token.text.lower() in words) + 1
    while tokens[start].text.lower() in ("if", "not", "exists"):
        start += 1
    dotted = list(takewhile(lambda pair: pair[0] % 2 == 0 or pair[1].text == ".", enumerate(tokens[start:])))
    return [token for at, token in dotted if at % 2 == 0]


def _refusal(kind: str, name: Token) -> Refusal:
    return Refusal("42P17", f'{kind} "{name_of(name)}" would be defined by itself', name.start)
