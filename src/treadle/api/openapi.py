"""The OpenAPI description, generated from the table of routes."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import msgspec

from treadle import __version__
from treadle.api import errors, headers, keystone
from treadle.api.bodies import EndpointConfig, Nothing
from treadle.api.routes import ID_PATTERNS, AnyRoute
from treadle.api.schema import PREFIX, Schema, accepted, bounded, components, properties, storable

_DESCRIPTION: Final = (
    "A self-hosted SQL statement service that speaks the DataArts Fabric SQL API. "
    "Cancel answers 200 when, and only when, the statement has stopped."
)
_ID_TEXTS: Final = {
    "workspace_id": "The workspace.",
    "endpoint_id": "The endpoint.",
    "session_id": "The session.",
    "statement_id": "The statement, or one part of a script.",
}
_REQUEST_ID: Final = {"description": "The name of the request in the logs.", "schema": {"type": "string"}}


def document(routes: Iterable[AnyRoute]) -> Schema:
    """The OpenAPI 3.1 document of the documented routes."""
    table = [route for route in routes if route.documented]
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Treadle", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in table)],
        "paths": paths,
        "components": {
            "schemas": _united(_read(table), components(_replies(table), sent=True)[1]),
            "securitySchemes": {
                "AuthToken": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "Signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "SDK-HMAC-SHA256, as the official SDK signs requests.",
                },
            },
        },
    }


def _united(read: dict[str, Schema], sent: dict[str, Schema]) -> dict[str, Schema]:
    """Both; raises ValueError when one name stands for two things."""
    if twice := [name for name in read.keys() & sent.keys() if read[name] != sent[name]]:
        raise ValueError(f"described in two ways: {', '.join(sorted(twice))}")
    return read | sent


def _read(table: Iterable[AnyRoute]) -> dict[str, Schema]:
    """What is taken; `EndpointConfig` is read of a field of a body."""
    bodies = dict.fromkeys(route.body for route in table if route.body is not Nothing)
    found = accepted((*bodies, EndpointConfig))
    return {name: {**schema, **keystone.SHAPES.get(name, {})} for name, schema in found.items()}


def _replies(table: Iterable[AnyRoute]) -> list[type[msgspec.Struct]]:
    """What is sent; there a null is a null."""
    found = [route.reply for route in table if isinstance(route.reply, type)]
    return list(dict.fromkeys((errors.ErrorBody, errors.ForbiddenBody, *found)))


def _operation(route: AnyRoute) -> Schema:
    operation: Schema = {
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [route.tag],
        "security": [{"AuthToken": []}, {"Signature": []}] if route.secured else [],
        "parameters": [
            *map(_path_parameter, route.parameters),
            *_query_parameters(route),
            *_header_parameters(route),
        ],
        "responses": {
            str(int(route.status)): _success(route),
            **{str(code): _error(code, route) for code in route.errors},
        },
    }
    if route.reads_body:
        operation["requestBody"] = _request_body(route)
    return operation


def _path_parameter(name: str) -> Schema:
    pattern = ID_PATTERNS[name].pattern.removesuffix(r"\Z")
    schema = {"type": "string", "pattern": f"^{pattern}$"}
    return {"name": name, "in": "path", "required": True, "description": _ID_TEXTS[name], "schema": schema}


def _query_parameters(route: AnyRoute) -> list[Schema]:
    query: type[msgspec.Struct] = route.query
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema.get("description", "One of the values."),
            "schema": _bounded(route, name, schema),
        }
        for name, schema in properties(query).items()
    ]


def _bounded(route: AnyRoute, name: str, schema: Schema) -> Schema:
    bare: Schema = storable({key: value for key, value in schema.items() if key != "description"})
    return bounded(bare, name, route.most)


def _header_parameters(route: AnyRoute) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "header",
            "required": name in headers.REQUIRED,
            "description": text,
            "schema": headers.SCHEMAS[name],
        }
        for name, text in route.takes.items()
    ]


def _request_body(route: AnyRoute) -> Schema:
    content: Schema = {"schema": {"$ref": PREFIX + route.body.__name__}}
    if route.example is not None:
        content["example"] = route.example
    return {"required": not route.any_object, "content": {"application/json": content}}


def _success(route: AnyRoute) -> Schema:
    texts = {name: {"description": text, "schema": {"type": "string"}} for name, text in route.headers.items()}
    response: Schema = {
        "description": HTTPStatus(route.status).phrase if route.reply else "Empty.",
        "headers": {"X-Request-Id": _REQUEST_ID, **texts},
    }
    match route.reply:
        case str() as media_type:
            response["content"] = {media_type: {"schema": {"type": "string"}}}
        case type() as struct:
            schema: Schema = {"$ref": PREFIX + struct.__name__}
            response["content"] = {
                "application/json": {"schema": {"type": "array", "items": schema} if route.many else schema}
            }
    return response


def _error(code: int, route: AnyRoute) -> Schema:
    refused_login = code == HTTPStatus.UNAUTHORIZED and not route.secured
    forbidden = code == HTTPStatus.FORBIDDEN
    plain = forbidden and route.plain_forbidden
    shape = errors.ForbiddenBody if refused_login or (forbidden and not plain) else errors.ErrorBody
    sample = errors.LOGIN_SAMPLE if refused_login else errors.PLAIN_FORBIDDEN if plain else errors.SAMPLES[code]
    content = {"schema": {"$ref": PREFIX + shape.__name__}, "example": json.loads(sample)}
    return {
        "description": HTTPStatus(code).phrase,
        "headers": {"X-Request-Id": _REQUEST_ID},
        "content": {"application/json": content},
    }


def for_swagger_ui(described: Schema) -> Schema:
    """The same document as OpenAPI 3.0, which is what the bundled Swagger UI can show."""
    lowered: Schema = _nullable(described)
    return {**lowered, "openapi": "3.0.3"}


def _nullable(value: Any) -> Any:
    """What of 3.1 is in use and written in another way in 3.0: that something may be null."""
    match value:
        case {"anyOf": [dict() as inner, {"type": "null"}], **rest}:
            return {**_nullable(rest), **_nullable(inner), "nullable": True}
        case {"anyOf": [*options, {"type": "null"}], **rest}:
            return {**_nullable(rest), "anyOf": _nullable(options), "nullable": True}
        case {"type": [str() as kind, "null"], **rest}:
            return {**_nullable(rest), "type": kind, "nullable": True}
        case dict():
            return {name: _nullable(inner) for name, inner in value.items()}
        case list():
            return [_nullable(inner) for inner in value]
        case _:
            return value
