"""JSON schemas of the structs, generated: the API description and the error texts both come from here."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import msgspec

from treadle.api.fields import END

Schema = dict[str, Any]

PREFIX = "#/components/schemas/"
DIGITS = 19
"""Digits a number may have that is written as a string."""
NO_NUL = r"^[^\u0000]*$"
"""Any text: a database keeps no NUL."""


def components(structs: Iterable[Any], *, sent: bool = False) -> tuple[list[Schema], dict[str, Schema]]:
    """The schema of each type, and the named schemas they refer to; ``sent`` ones are those of responses."""
    schemas, named = msgspec.json.schema_components(structs, ref_template=PREFIX + "{name}")
    tidy = partial(_tidy, sent=sent)
    return [tidy(schema) for schema in schemas], {name: tidy(schema) for name, schema in sorted(named.items())}


def accepted(structs: Iterable[type[msgspec.Struct]]) -> dict[str, Schema]:
    """The named schemas of request bodies, as `treadle.api.reading` takes them.

    A number or a boolean may come as a string, except within an array. A null is as if the field were not there:
    of a body itself in any field that is not required, deeper down where the field may be null.
    """
    bodies = list(structs)
    tops = {body.__name__ for body in bodies}
    return {name: _as_read(schema, top=name in tops) for name, schema in components(bodies, sent=True)[1].items()}


def storable(schema: Any) -> Any:
    """The schema with what its texts may never hold."""
    match schema:
        case list():
            return [storable(item) for item in schema]
        case {"type": "string"} if not {"pattern", "enum"} & schema.keys():
            return {**schema, "pattern": NO_NUL}
        case {"enum": _}:
            return schema
        case dict():
            return {key: inner if key in _VALUES else storable(inner) for key, inner in schema.items()}
        case _:
            return schema


def _as_read(schema: Schema, *, top: bool) -> Schema:
    required = schema.get("required", ())
    fields = schema.get("properties")
    if fields is None:
        return schema
    read = {name: _wide(inner, nullable=top and name not in required) for name, inner in fields.items()}
    return {**schema, "properties": storable(read)}


def _wide(field: Schema, *, nullable: bool) -> Schema:
    """The schema of a field with the strings that stand for its numbers and booleans."""
    told = {key: value for key, value in field.items() if key in _TOLD and (key, value) != ("default", None)}
    bare = {key: value for key, value in field.items() if key not in _TOLD}
    options: list[Schema] = []
    for option in bare.pop("anyOf", None) or [bare]:
        options += [option, *_written(option)]
    if nullable and _NULL not in options:
        options.append(_NULL)
    return {**told, **options[0]} if len(options) == 1 else {**told, "anyOf": options}


_NULL: Schema = {"type": "null"}
_TOLD = frozenset(("description", "default"))
_VALUES = frozenset(("description", "default", "required", "const"))


def _written(option: Schema) -> tuple[Schema, ...]:
    """The strings that stand for the values of a schema."""
    match option:
        case {"type": "boolean"}:
            return ({"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"},)
        case {"type": "integer", "minimum": int() as least, "maximum": int() as most}:
            text = "The number as a string."
            positive = {"pattern": f"^0*({'|'.join(_between(max(least, 1), most))})$", "maxLength": DIGITS}
            zero = {"pattern": f"^-?0{{1,{DIGITS}}}$"}
            found = (positive, zero) if least == 0 else (positive,)
            return tuple({"type": "string", "description": text, **one} for one in found)
        case _:
            return ()


def _between(least: int, most: int) -> Iterator[str]:
    """Patterns that together match the decimal digits of the numbers from ``least`` to ``most``."""
    low = str(least)
    while len(low) < len(str(most)):
        yield from _alike(low, "9" * len(low))
        low = "1" + "0" * len(low)
    yield from _alike(low, str(most))


def _alike(low: str, high: str) -> Iterator[str]:
    """The same for two numbers of as many digits."""
    if not low:
        yield ""
        return
    rest = len(low) - 1
    if low[1:] == "0" * rest and high[1:] == "9" * rest:
        yield _digit(low[0], high[0]) + (f"[0-9]{{{rest}}}" if rest else "")
    elif low[0] == high[0]:
        yield from (low[0] + tail for tail in _alike(low[1:], high[1:]))
    else:
        yield from (low[0] + tail for tail in _alike(low[1:], "9" * rest))
        if (after := int(low[0]) + 1) < int(high[0]):
            yield _digit(str(after), str(int(high[0]) - 1)) + (f"[0-9]{{{rest}}}" if rest else "")
        yield from (high[0] + tail for tail in _alike("0" * rest, high[1:]))


def _digit(low: str, high: str) -> str:
    return low if low == high else f"[{low}-{high}]"


def bounded(schema: Schema, name: str, most: Mapping[str, int]) -> Schema:
    """The schema of a field, whose largest value may be a setting."""
    return {**schema, "maximum": min(schema["maximum"], most[name])} if name in most else schema


@cache
def properties(struct: Hashable) -> dict[str, Schema]:
    """The schema of each field of a struct, references resolved, inner fields by dotted name."""
    schemas, named = components([struct])
    return dict(_fields(_resolved(schemas[0], named), named))


def _fields(schema: Schema, named: dict[str, Schema], prefix: str = "") -> Iterator[tuple[str, Schema]]:
    for name, inner in schema.get("properties", {}).items():
        resolved = _resolved(inner, named)
        yield prefix + name, resolved
        yield from _fields(resolved, named, f"{prefix}{name}.")


def _resolved(schema: Schema, named: dict[str, Schema]) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found = named[reference.removeprefix(PREFIX)]
    return {**found, **{key: value for key, value in schema.items() if key != "$ref"}}


def _tidy(value: Any, *, sent: bool) -> Any:
    """The schema without what only our own reader needs: in a schema ``$`` is the very end of the text."""
    if isinstance(value, list):
        return [_tidy(item, sent=sent) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {key: _tidy(item, sent=sent) for key, item in value.items() if (key, item) != ("required", [])}
    if isinstance(rest.get("pattern"), str):
        rest["pattern"] = rest["pattern"].replace(END, "$")
    if isinstance(rest.get("properties"), dict) and not sent:
        rest["properties"] = {name: _field(schema) for name, schema in rest["properties"].items()}
    if "enum" in rest:
        rest = {"type": "string" if isinstance(rest["enum"][0], str) else "integer", "enum": rest["enum"]}
    return rest


def _field(schema: Schema) -> Schema:
    """An optional field is simply not required: a null is read as absent, so neither is worth telling."""
    rest = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    options = [option for option in rest.get("anyOf", []) if option != {"type": "null"}]
    if len(options) != 1:
        return rest
    del rest["anyOf"]
    return {**rest, **options[0]}
