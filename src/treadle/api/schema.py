"""JSON schemas of the structs, generated: the API description and the error texts both come from here."""

from collections.abc import Hashable, Iterable, Iterator
from functools import cache, partial
from typing import Any

import msgspec

from treadle.api.fields import END

Schema = dict[str, Any]

PREFIX = "#/components/schemas/"


def components(structs: Iterable[Any], *, sent: bool = False) -> tuple[list[Schema], dict[str, Schema]]:
    """The schema of each type, and the named schemas they refer to; ``sent`` ones are those of responses."""
    schemas, named = msgspec.json.schema_components(structs, ref_template=PREFIX + "{name}")
    tidy = partial(_tidy, sent=sent)
    return [tidy(schema) for schema in schemas], {name: tidy(schema) for name, schema in sorted(named.items())}


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
