"""Who gets what answer where: every operation, for people of all kinds.

A line is an operation, how it is asked for, and the answers to: viewer, developer, operator, admin, the
operator who is denied on the endpoint asked for, the user who may do everything on that endpoint only,
the same user asking for another endpoint, the other tenant's admin, somebody without any right, and a
caller without a token. Who the people are: `tests.access.rig.people_of`.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tests.access.rig import Place, Tenant

COLUMNS: Final = (
    "viewer",
    "developer",
    "operator",
    "admin",
    "denied",
    "one",
    "one elsewhere",
    "stranger",
    "nobody",
    "without a token",
)


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    body: Any = None


Ask = Callable[[Tenant, Place], Asked]


class Line(NamedTuple):
    """How an operation is asked for, and the answers in the order of `COLUMNS`."""

    ask: Ask
    answers: tuple[int, ...]


def _answers(text: str) -> tuple[int, ...]:
    found = tuple(map(int, text.split()))
    assert len(found) == len(COLUMNS), text
    return found


def _get(tail: str) -> Ask:
    return lambda tenant, place: Asked("GET", _path(tail, tenant, place))


def _post(tail: str, body: Any = None) -> Ask:
    return lambda tenant, place: Asked("POST", _path(tail, tenant, place), _filled(body, tenant, place))


def _put(tail: str, body: Any = None) -> Ask:
    return lambda tenant, place: Asked("PUT", _path(tail, tenant, place), _filled(body, tenant, place))


def _delete(tail: str) -> Ask:
    return lambda tenant, place: Asked("DELETE", _path(tail, tenant, place))


def _names(tenant: Tenant, place: Place) -> dict[str, str]:
    return {
        "w": tenant.workspace.id,
        "e": place.endpoint.id,
        "en": place.endpoint.name,
        "s": place.session.id,
        "t": place.waiting.public_id,
        "d": place.ended.public_id,
    }


def _path(text: str, tenant: Tenant, place: Place) -> str:
    return text.format(**_names(tenant, place))


def _filled(body: Any, tenant: Tenant, place: Place) -> Any:
    match body:
        case str():
            return body.format(**_names(tenant, place))
        case dict():
            return {name: _filled(value, tenant, place) for name, value in body.items()}
        case list():
            return [_filled(value, tenant, place) for value in body]
        case _:
            return body


_W: Final = "/v1/workspaces/{w}"
_S: Final = _W + "/sessions/{s}"
_LAKE: Final = {"instance_id": "default", "catalog": "default"}

_W2: Final = "/v2/workspaces/{w}"
_S2: Final = _W2 + "/aura-sessions/{s}"
_AURA: Final = {"catalog_name": "default"}
_WHO: Final = {"name": "nobody-of-that-name", "password": "wrong", "domain": {"name": "default"}}
_LOGIN: Final = {"auth": {"identity": {"methods": ["password"], "password": {"user": _WHO}}}}

MATRIX: Final[dict[str, Line]] = {
    # sessions                        viewer dev  oper admin deny one  else strg nobody none
    "CreateSqlSession": Line(
        _post(_W + "/sessions", {"endpoint_id": "{e}", "lake_formation_config": _LAKE, "wait_timeout": 300}),
        _answers("                    403    200  200  200   200  200  404  404  404    401"),
    ),
    "ListSqlSessions": Line(
        _get(_W + "/sessions"),
        _answers("                    200    200  200  200   200  200  200  404  404    401"),
    ),
    "ShowSqlSession": Line(
        _get(_S),
        _answers("                    200    200  200  200   200  200  404  404  404    401"),
    ),
    "CloseSqlSession": Line(
        _delete(_S),
        _answers("                    403    200  200  200   200  200  404  404  404    401"),
    ),
    # statements
    "ExecuteSqlStatement": Line(
        _post(_W + "/sessions/statements", {"session_id": "{s}", "statement": "SELECT 1", "is_sync": False}),
        _answers("                    403    403  200  200   403  200  404  404  404    401"),
    ),
    "ShowSqlStatementResult": Line(
        _get(_S + "/statements/{t}"),
        _answers("                    200    200  200  200   200  200  404  404  404    401"),
    ),
    "CancelSqlStatement": Line(
        _post(_S + "/statements/{t}/cancel", {}),
        _answers("                    403    200  200  200   403  200  404  404  404    401"),
    ),
    "CancelSqlSessionStatements": Line(
        _post(_S + "/cancel", {}),
        _answers("                    403    200  200  200   403  200  404  404  404    401"),
    ),
    "CancelSqlStatements": Line(
        _post(_W + "/statements/cancel", {"session_id": "{s}"}),
        _answers("                    403    200  200  200   200  200  200  404  404    401"),
    ),
    # records
    "ListSessionStatementRecords": Line(
        _get(_S + "/statements"),
        _answers("                    200    200  200  200   200  200  404  404  404    401"),
    ),
    "ListStatementRecords": Line(
        _get(_W + "/statement-records"),
        _answers("                    200    200  200  200   200  200  200  404  404    401"),
    ),
    # workspaces
    "CreateWorkspace": Line(
        _post("/v1/workspaces", {"name": "another"}),
        _answers("                    403    403  200  200   200  403  403  200  403    401"),
    ),
    "ListWorkspaces": Line(
        _get("/v1/workspaces"),
        _answers("                    200    200  200  200   200  200  200  200  403    401"),
    ),
    "UpdateWorkspace": Line(
        _put(_W, {"description": "new"}),
        _answers("                    403    403  200  200   200  403  403  404  404    401"),
    ),
    "DeleteWorkspace": Line(
        _delete(_W),
        # It still has endpoints, which those who may delete it are told.
        _answers("                    403    403  400  400   400  403  403  404  404    401"),
    ),
    # endpoints
    "CreateEndpoint": Line(
        _post(_W + "/endpoints", {"name": "another", "type": "sql"}),
        _answers("                    403    403  200  200   200  403  403  404  404    401"),
    ),
    "ListEndpoints": Line(
        _get(_W + "/endpoints"),
        _answers("                    200    200  200  200   200  200  200  404  404    401"),
    ),
    "ShowEndpoint": Line(
        _get(_W + "/endpoints/{e}"),
        _answers("                    200    200  200  200   200  200  404  404  404    401"),
    ),
    "UpdateEndpoint": Line(
        _put(_W + "/endpoints/{e}", {"description": "new"}),
        _answers("                    403    403  200  200   200  200  404  404  404    401"),
    ),
    "DeleteEndpoint": Line(
        _delete(_W + "/endpoints/{e}"),
        _answers("                    403    403  202  202   202  202  404  404  404    401"),
    ),
    # version 2                       viewer dev  oper admin deny one  else strg nobody none
    "CreateAuraSqlSession": Line(
        _post(_W2 + "/aura-sessions", {"endpoint_name": "{en}", "catalog_context": _AURA, "wait_timeout": 300}),
        _answers("                    403    200  200  200   200  200  404  404  404    401"),
    ),
    "ListAuraSqlSessions": Line(
        _get(_W2 + "/aura-sessions?endpoint_name={en}"),
        _answers("                    200    200  200  200   200  200  200  404  404    401"),
    ),
    "ShowAuraSqlSession": Line(
        _get(_S2),
        _answers("                    200    200  200  200   200  200  404  404  404    401"),
    ),
    "CloseAuraSqlSession": Line(
        _delete(_S2),
        _answers("                    403    200  200  200   200  200  404  404  404    401"),
    ),
    "ExecuteAuraSqlStatement": Line(
        _post(_W2 + "/aura-sessions/statements", {"session_id": "{s}", "statement": "SELECT 1", "is_sync": False}),
        _answers("                    403    403  200  200   403  200  404  404  404    401"),
    ),
    "ShowAuraSqlStatementResult": Line(
        _get(_S2 + "/statements/{t}"),
        _answers("                    200    200  200  200   200  200  404  404  404    401"),
    ),
    "CancelAuraSqlStatement": Line(
        _post(_S2 + "/statements/{t}/cancel", {}),
        _answers("                    403    200  200  200   403  200  404  404  404    401"),
    ),
    "ListAuraSessionStatementRecords": Line(
        _get(_S2 + "/statements"),
        _answers("                    200    200  200  200   200  200  404  404  404    401"),
    ),
    "ListAuraStatementRecords": Line(
        _get(_W2 + "/aura-statement-records?endpoint_name={en}"),
        _answers("                    200    200  200  200   200  200  200  404  404    401"),
    ),
    "ShowAuraStatementQueryMetrics": Line(
        _get(_S2 + "/statements/{d}/query-metrics"),
        _answers("                    200    200  200  200   200  200  404  404  404    401"),
    ),
    "ShowAuraStatementOperatorMetrics": Line(
        _get(_S2 + "/statements/{d}/operator-metrics"),
        _answers("                    200    200  200  200   200  200  404  404  404    401"),
    ),
    # what is offered, to everybody with a token
    "ListFeatures": Line(
        _get("/v1/features"),
        _answers("                    200    200  200  200   200  200  200  200  200    401"),
    ),
    "ListSpecs": Line(
        _get("/v1/specs"),
        _answers("                    200    200  200  200   200  200  200  200  200    401"),
    ),
    # oneself: everybody asks about himself only, and about tokens he holds
    "KeystoneCreateUserTokenByPassword": Line(
        _post("/v3/auth/tokens", _LOGIN),
        _answers("                    401    401  401  401   401  401  401  401  401    401"),
    ),
    "KeystoneValidateToken": Line(
        _get("/v3/auth/tokens"),
        _answers("                    400    400  400  400   400  400  400  400  400    401"),
    ),
    "KeystoneRevokeToken": Line(
        _delete("/v3/auth/tokens"),
        _answers("                    400    400  400  400   400  400  400  400  400    401"),
    ),
    "KeystoneListProjects": Line(
        _get("/v3/projects"),
        _answers("                    200    200  200  200   200  200  200  200  200    401"),
    ),
    "KeystoneListAuthProjects": Line(
        _get("/v3/auth/projects"),
        _answers("                    200    200  200  200   200  200  200  200  200    401"),
    ),
    "KeystoneListAuthDomains": Line(
        _get("/v3/auth/domains"),
        _answers("                    200    200  200  200   200  200  200  200  200    401"),
    ),
    # the service itself
    "CheckHealth": Line(
        _get("/healthz"),
        _answers("                    200    200  200  200   200  200  200  200  200    200"),
    ),
    "ShowAdminHealthCheck": Line(
        _get("/healthcheck"),
        _answers("                    200    200  200  200   200  200  200  200  200    200"),
    ),
    "CheckReady": Line(
        _get("/readyz"),
        _answers("                    200    200  200  200   200  200  200  200  200    200"),
    ),
    "ShowMetrics": Line(
        _get("/metrics"),
        _answers("                    200    200  200  200   200  200  200  200  200    200"),
    ),
    "ShowDescription": Line(
        _get("/openapi.json"),
        _answers("                    200    200  200  200   200  200  200  200  200    200"),
    ),
    "ShowDocs": Line(
        _get("/docs"),
        _answers("                    200    200  200  200   200  200  200  200  200    200"),
    ),
}
