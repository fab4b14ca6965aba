"""Refuses definitions in the catalog that use a temporary object: in other sessions they fail, or read another object.

The engine looks up names among temporary objects first; if the catalog has the same name, other sessions use that.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import duckdb
import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb import naming
from treadle.engines.duckdb.lexer import NAMES, WORD, Token, lex, name_of
from treadle.engines.duckdb.planned import Planned

_MAKES: Final = re.compile(r"temp|sequence|type", re.IGNORECASE)
"""A session has temporary objects only if a statement has one of these words."""

_TEMPORARY: Final = """
    SELECT 'table' AS kind, lower(table_name) AS name FROM duckdb_tables() WHERE database_name = 'temp'
    UNION ALL SELECT 'view', lower(view_name) FROM duckdb_views() WHERE database_name = 'temp' AND NOT internal
    UNION ALL SELECT 'sequence', lower(sequence_name) FROM duckdb_sequences() WHERE database_name = 'temp'
    UNION ALL SELECT 'type', lower(type_name) FROM duckdb_types() WHERE database_name = 'temp' AND NOT internal
    UNION ALL SELECT 'macro', lower(function_name) FROM duckdb_functions()
    WHERE database_name = 'temp' AND NOT internal
"""
_KEPT: Final = {
    "view": """
        SELECT sql FROM duckdb_views() WHERE database_name <> 'temp' AND NOT internal
        AND lower(view_name) = ? AND list_contains(?, lower(schema_name))
    """,
    "macro": """
        SELECT if(function_type = 'macro', 'SELECT ', '') || macro_definition FROM duckdb_functions()
        WHERE database_name <> 'temp' AND NOT internal AND function_type IN ('macro', 'table_macro')
        AND lower(function_name) = ? AND list_contains(?, lower(schema_name))
    """,
    "table": """
        SELECT 'SELECT ' || column_default FROM duckdb_columns() WHERE database_name <> 'temp'
        AND lower(table_name) = ? AND list_contains(?, lower(schema_name)) AND column_default IS NOT NULL
    """,
}
_OWN_SCHEMAS: Final = frozenset(("", "main", "temp"))
_NUMBERED: Final = frozenset(("nextval", "currval"))
_RELATIONS: Final = frozenset(("table", "view"))


class _Mention(NamedTuple):
    """A name in a definition, and the kinds of objects that it may refer to."""

    kinds: frozenset[str]
    name: str


class Temporaries:
    """The temporary objects of a session that definitions must not use."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._con = connection
        # Whether the session may have temporary objects; a lookup costs several round trips to the catalog.
        self.possible = False

    def look(self, planned: Planned) -> None:
        """Note a statement that is about to run."""
        self.possible = self.possible or _MAKES.search(planned.text) is not None

    def refuse(self, planned: Planned) -> None:
        """Check a definition after its run, within its transaction; raises `EngineError` (0A000)."""
        defined = _defined(planned) if self.possible else None
        if defined is None:
            return
        kind, names = defined
        known = {(kind, name) for kind, name in self._con.execute(_TEMPORARY).fetchall() if name not in naming.OWN}
        for text in self._kept(kind, names) if known else ():
            for mention in self._mentions(text):
                for what in sorted(mention.kinds):
                    if (what, mention.name) in known:
                        raise _refusal(kind, names[-1], what, mention.name)

    def _kept(self, kind: str, names: Sequence[str]) -> list[str]:
        """List the stored SQL of an object as queries."""
        [(current,)] = self._con.execute("SELECT current_schema()").fetchall()
        schemas = [*names[:-1], "main"] if len(names) > 1 else [current]
        found = self._con.execute(_KEPT[kind], [names[-1], schemas]).fetchall()
        return [_query(text) if kind == "view" else text for (text,) in found]

    def _mentions(self, query: str) -> Iterator[_Mention]:
        row = self._con.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()
        tree = msgspec.json.decode(row[0]) if row else {"error": True}
        if tree["error"]:
            # The engine cannot serialize this query, for example a PIVOT; every name counts.
            yield from _every_name(query)
            return
        for mention in _walked(tree["statements"], frozenset()):
            if mention.kinds:
                yield mention
            else:
                yield from self._mentions(mention.name)


def _defined(planned: Planned) -> tuple[str, Sequence[str]] | None:
    """Get the kind and the dotted name in lower case of an object that a statement defines in the catalog, otherwise
    None.
    """
    tokens = list(lex(planned.text))
    words = [token.text.lower() for token in tokens]
    if planned.defines is not None:
        name = tuple(map(str.lower, planned.defines.name))
        return ("table", name) if "default" in words and name else None
    verb, _, kind = planned.tag.partition(" ")
    if verb != "CREATE" or kind not in ("VIEW", "MACRO", "FUNCTION"):
        return None
    at = words.index(kind.lower())
    if {"temp", "temporary"} & set(words[:at]):
        return None
    at += 1 + 3 * (words[at + 1 : at + 4] == ["if", "not", "exists"])
    names = tuple(_dotted(tokens[at:]))
    return None if names[0] == "temp" else ("view" if kind == "VIEW" else "macro", names)


def _dotted(tokens: Sequence[Token]) -> Iterator[str]:
    for index, token in enumerate(tokens):
        if index % 2 == 0:
            yield name_of(token).lower()
        elif token.text != ".":
            return


def _query(definition: str) -> str:
    """Extract the query from the text of a view."""
    depth = 0
    for token in lex(definition):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.kind == WORD and token.text.lower() == "as":
            return definition[token.end :]
    return definition


# -- names in the engine's own tree of a query ----------------------------------------------------------


def _walked(node: Any, hidden: frozenset[str]) -> Iterator[_Mention]:
    """Yield the names in a tree; ``hidden`` are the names of enclosing WITHs. A mention without kinds is a query as
    text.
    """
    if isinstance(node, list):
        for one in node:
            yield from _walked(one, hidden)
    elif isinstance(node, dict):
        yield from _named(node, hidden)
        for entry in node.get("cte_map", {}).get("map", ()):
            own = {entry["key"].lower()}
            recursive = entry["value"].get("query", {}).get("node", {}).get("type") == "RECURSIVE_CTE_NODE"
            yield from _walked(entry["value"], hidden | own if recursive else hidden)
            hidden = hidden | own
        for key, one in node.items():
            if key != "cte_map":
                yield from _walked(one, hidden)


def _named(node: dict[str, Any], hidden: frozenset[str]) -> Iterator[_Mention]:
    """Yield the names in one node of the tree."""
    if node.get("type") == "BASE_TABLE":
        name = node["table_name"].lower()
        qualifiers = _qualifiers(node, "catalog_name", "schema_name")
        if qualifiers <= _OWN_SCHEMAS and (qualifiers != {""} or name not in hidden):
            yield _Mention(_RELATIONS, name)
    elif "function_name" in node:
        name = node["function_name"].lower()
        if _qualifiers(node, "catalog", "schema") <= _OWN_SCHEMAS:
            yield _Mention(frozenset(("macro",)), name)
        yield from _given(name, node.get("children", []))
    elif node.get("id") in ("UNBOUND", "USER"):
        yield _Mention(frozenset(("type",)), str((node.get("type_info") or {}).get("name", "")).lower())


def _qualifiers(node: dict[str, Any], *keys: str) -> set[str]:
    return {str(node.get(key) or "").lower() for key in keys}


def _given(function: str, arguments: Sequence[Any]) -> Iterator[_Mention]:
    """Yield the names that a function gets as text."""
    for text in _strings(arguments):
        if function == "query":
            yield _Mention(frozenset(), text)
            return
        if function in _NUMBERED or function == "query_table":
            *_, name = _dotted(list(lex(text)))
            yield _Mention(frozenset(("sequence",)) if function in _NUMBERED else _RELATIONS, name)


def _strings(node: Any) -> Iterator[str]:
    """Yield the constant strings in a tree."""
    if isinstance(node, list):
        for one in node:
            yield from _strings(one)
    elif isinstance(node, dict):
        value = node.get("value")
        if node.get("class") == "CONSTANT" and isinstance(value, dict) and isinstance(value.get("value"), str):
            yield value["value"]
        else:
            yield from _strings(list(node.values()))


def _every_name(text: str) -> Iterator[_Mention]:
    tokens = list(lex(text))
    for index, token in enumerate(tokens):
        called = tokens[index + 1 : index + 2] != [] and tokens[index + 1].text == "("
        if token.kind in NAMES:
            yield _Mention(frozenset(("macro",)) if called else _RELATIONS | {"type"}, name_of(token).lower())


def _refusal(kind: str, name: str, what: str, used: str) -> EngineError:
    holder = f'the default of a column of table "{name}"' if kind == "table" else f'{kind} "{name}"'
    way_out = "give the value with each INSERT" if kind == "table" else f"use CREATE TEMP {kind.upper()}"
    return EngineError(
        "0A000",
        f'{holder} cannot use the temporary {what} "{used}", which no other session has: '
        f"{way_out}, or an object of the catalog, by its full name if both have the same",
    )
