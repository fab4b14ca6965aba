"""Conversions of values that DuckDB cannot export as Arrow.

A union is exported as a struct of its tag and its members, because Arrow's own has no NULL; a ``VARIANT``, and a value
nested too deeply for Arrow, as the engine's JSON. Both are marked by the names of their members (`model.columns`).
Values beside or around them are unchanged.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from treadle.engines.duckdb.edits import string
from treadle.engines.duckdb.types import EngineType, ListOf, Nested, Scalar, TypeTextError, parse
from treadle.model.columns import ENGINE_JSON, UNION_TAG

_MOST_HOURS: Final = 320_255_972
"""Maximum hours of an interval whose microseconds can be recovered from Arrow's nanoseconds, which wrap around."""

_TOO_LONG: Final = "error('interval field value out of range: more than 320255972 hours')"

_MOST_LEVELS: Final = 48
"""Nesting limit: Arrow allows 64 levels of types, and a map uses two of them."""


def export_projection(names: Sequence[str], engine_types: Sequence[str]) -> str | None:
    """Build the projection (for ``relation.project``) that makes every column exportable, None if all are.

    An ``INTERVAL`` too long for Arrow raises an error instead of being exported as another value.
    """
    given = [f"#{number}" for number in range(1, len(names) + 1)]
    leaving = list(map(_exported, given, engine_types))
    if leaving == given:
        return None
    return ", ".join(f"{value} AS {_quoted(name)}" for value, name in zip(leaving, names, strict=True))


def _exported(value: str, engine_type: str) -> str:
    """Build the SQL that exports ``value``; the value itself if no conversion is needed."""
    try:
        found = parse(engine_type)
    except TypeTextError:
        return value
    if _depth(found) > _MOST_LEVELS:
        return _as_json(value)
    leaving = _leaving(value, found)
    if conditions := _beyond(value, found):
        return f"CASE WHEN {' OR '.join(conditions)} THEN {_TOO_LONG} ELSE {leaving} END"
    return leaving


def _depth(found: EngineType) -> int:
    match found:
        case Scalar():
            return 0
        case ListOf(element=element):
            return 1 + _depth(element)
        case Nested(name=name, fields=fields):
            return (2 if name == "MAP" else 1) + max(_depth(inner) for _, inner in fields)


def _leaving(value: str, found: EngineType, level: int = 0) -> str:
    """Build the SQL that converts ``value`` within ``level`` lists; the value itself if no conversion is needed."""
    match found:
        case Scalar(name="VARIANT"):
            return _as_json(value)
        case ListOf(element=element):
            one = f"x{level}"
            inner = _leaving(one, element, level + 1)
            return value if inner == one else f"list_transform({value}, lambda {one}: {inner})"
        case Nested(name="UNION", fields=fields):
            tag = f"CAST(union_tag({value}) AS VARCHAR)"
            members = [_leaving(member, inner, level) for member, inner in _members(value, found)]
            named = zip((name for name, _ in fields), members, strict=True)
            return _unless_null(value, _struct([(UNION_TAG, tag), *named]))
        case Nested(name=kind, fields=fields):
            members = [_leaving(member, inner, level) for member, inner in _members(value, found)]
            if members == [member for member, _ in _members(value, found)]:
                return value
            if kind == "MAP":
                return _unless_null(value, f"map({', '.join(members)})")
            return _unless_null(value, _struct(zip((name for name, _ in fields), members, strict=True)))
    return value


def _members(value: str, found: Nested) -> list[tuple[str, EngineType]]:
    """Build the SQL for the members of a value, with their types: for a map the lists of its keys and of its values."""
    match found.name:
        case "MAP":
            (_, key), (_, item) = found.fields
            return [(f"map_keys({value})", ListOf(key)), (f"map_values({value})", ListOf(item))]
        case "UNION":
            return [(f"union_extract({value}, {string(name)})", inner) for name, inner in found.fields]
        case _:
            numbered = enumerate(found.fields, start=1)
            return [(f"struct_extract_at({value}, {place})", inner) for place, (_, inner) in numbered]


def _struct(members: Iterable[tuple[str, str]]) -> str:
    """Build a STRUCT of named or unnamed members."""
    found = list(members)
    if not all(name for name, _ in found):
        return f"row({', '.join(value for _, value in found)})"
    return f"struct_pack({', '.join(f'{_quoted(name)} := {value}' for name, value in found)})"


def _as_json(value: str) -> str:
    # A NULL stays NULL; DuckDB's own cast would write ``null``.
    return _unless_null(value, _struct([(ENGINE_JSON, f"CAST({value} AS JSON)")]))


def _unless_null(value: str, leaving: str) -> str:
    return f"CASE WHEN {value} IS NOT NULL THEN {leaving} END"


def _beyond(value: str, found: EngineType, level: int = 0) -> list[str]:
    """Build the conditions under which an interval within ``value`` (SQL) does not fit into Arrow."""
    match found:
        case Scalar(name="INTERVAL"):
            return [f"abs(hour({value})) > {_MOST_HOURS}"]
        case ListOf(element=element):
            inner = " OR ".join(_beyond(f"x{level}", element, level + 1))
            return [f"len(list_filter({value}, lambda x{level}: {inner})) > 0"] if inner else []
        case Nested():
            members = _members(value, found)
            return [condition for member, inner in members for condition in _beyond(member, inner, level)]
        case _:
            return []


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
