import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from tests.api.twin import Twin
from treadle.api import v1
from treadle.api.v2 import table as v2
from treadle.config import Settings

AURA = "/v2/workspaces/{workspace_id}/aura-sessions"
DOCUMENTED = {
    "CreateSqlSession": "POST /v1/workspaces/{workspace_id}/sessions",
    "ListSqlSessions": "GET /v1/workspaces/{workspace_id}/sessions",
    "ShowSqlSession": "GET /v1/workspaces/{workspace_id}/sessions/{session_id}",
    "CloseSqlSession": "DELETE /v1/workspaces/{workspace_id}/sessions/{session_id}",
    "ExecuteSqlStatement": "POST /v1/workspaces/{workspace_id}/sessions/statements",
    "ShowSqlStatementResult": "GET /v1/workspaces/{workspace_id}/sessions/{session_id}/statements/{statement_id}",
    "CancelSqlStatement": ("POST /v1/workspaces/{workspace_id}/sessions/{session_id}/statements/{statement_id}/cancel"),
    "CancelSqlSessionStatements": "POST /v1/workspaces/{workspace_id}/sessions/{session_id}/cancel",
    "CancelSqlStatements": "POST /v1/workspaces/{workspace_id}/statements/cancel",
    "ListSessionStatementRecords": "GET /v1/workspaces/{workspace_id}/sessions/{session_id}/statements",
    "ListStatementRecords": "GET /v1/workspaces/{workspace_id}/statement-records",
    "CreateWorkspace": "POST /v1/workspaces",
    "ListWorkspaces": "GET /v1/workspaces",
    "DeleteWorkspace": "DELETE /v1/workspaces/{workspace_id}",
    "CreateEndpoint": "POST /v1/workspaces/{workspace_id}/endpoints",
    "ListEndpoints": "GET /v1/workspaces/{workspace_id}/endpoints",
    "ShowEndpoint": "GET /v1/workspaces/{workspace_id}/endpoints/{endpoint_id}",
    "DeleteEndpoint": "DELETE /v1/workspaces/{workspace_id}/endpoints/{endpoint_id}",
    "UpdateWorkspace": "PUT /v1/workspaces/{workspace_id}",
    "UpdateEndpoint": "PUT /v1/workspaces/{workspace_id}/endpoints/{endpoint_id}",
    "ListFeatures": "GET /v1/features",
    "ListSpecs": "GET /v1/specs",
    "ShowAdminHealthCheck": "GET /healthcheck",
    "CreateAuraSqlSession": f"POST {AURA}",
    "ListAuraSqlSessions": f"GET {AURA}",
    "ShowAuraSqlSession": f"GET {AURA}/{{session_id}}",
    "CloseAuraSqlSession": f"DELETE {AURA}/{{session_id}}",
    "ExecuteAuraSqlStatement": f"POST {AURA}/statements",
    "ShowAuraSqlStatementResult": f"GET {AURA}/{{session_id}}/statements/{{statement_id}}",
    "CancelAuraSqlStatement": f"POST {AURA}/{{session_id}}/statements/{{statement_id}}/cancel",
    "ListAuraSessionStatementRecords": f"GET {AURA}/{{session_id}}/statements",
    "ListAuraStatementRecords": "GET /v2/workspaces/{workspace_id}/aura-statement-records",
    "ShowAuraStatementQueryMetrics": f"GET {AURA}/{{session_id}}/statements/{{statement_id}}/query-metrics",
    "ShowAuraStatementOperatorMetrics": f"GET {AURA}/{{session_id}}/statements/{{statement_id}}/operator-metrics",
    "KeystoneCreateUserTokenByPassword": "POST /v3/auth/tokens",
    "KeystoneValidateToken": "GET /v3/auth/tokens",
    "KeystoneRevokeToken": "DELETE /v3/auth/tokens",
    "KeystoneListProjects": "GET /v3/projects",
    "KeystoneListAuthProjects": "GET /v3/auth/projects",
    "KeystoneListAuthDomains": "GET /v3/auth/domains",
    "CheckHealth": "GET /healthz",
    "CheckReady": "GET /readyz",
    "ShowMetrics": "GET /metrics",
    "ShowDescription": "GET /openapi.json",
    "ShowDocs": "GET /docs",
}


@pytest.fixture
async def described(client: httpx.AsyncClient) -> dict[str, Any]:
    """The API description."""
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    return document


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The operations by their id."""
    return {
        operation["operationId"]: {**operation, "at": f"{method.upper()} {path}"}
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


async def test_the_description_is_valid(client: httpx.AsyncClient, described: dict[str, Any]) -> None:
    """The description is valid OpenAPI 3.1, and as the page reads it valid OpenAPI 3.0."""
    OpenAPIV31SpecValidator(described).validate()
    OpenAPIV30SpecValidator((await client.get("/docs/openapi.json")).json()).validate()


async def test_every_operation_is_described(described: dict[str, Any]) -> None:
    """The description has exactly the documented operations, at their documented paths."""
    assert {name: operation["at"] for name, operation in operations(described).items()} == DOCUMENTED


async def test_every_status_has_an_example(described: dict[str, Any]) -> None:
    """Each error an operation documents is shown with the body it has."""
    for name, operation in operations(described).items():
        if "/v1/" not in operation["at"]:
            continue
        assert {"400", "401", "403", "404", "408", "500"} < set(operation["responses"]), name
        for status, response in operation["responses"].items():
            if status >= "400":
                assert "error_code" in response["content"]["application/json"]["example"]


async def test_parameters_have_their_ranges(described: dict[str, Any]) -> None:
    """The description tells ranges, defaults and values, as the requests are checked."""
    parameters = {p["name"]: p["schema"] for p in operations(described)["ListStatementRecords"]["parameters"]}
    assert parameters["limit"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}
    assert parameters["offset"] == {"type": "integer", "minimum": 0, "maximum": 1_000_000_000, "default": 0}
    assert parameters["source"] == {"type": "integer", "minimum": 0, "maximum": 1}
    assert parameters["workspace_id"] == {"type": "string", "pattern": "^[A-Za-z0-9-]{1,36}$"}
    assert parameters["statement_id"] == {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
    assert set(parameters["status"]["enum"]) == {"CANCELED", "ERROR", "FAILED", "RUNNING", "SUBMITTED", "SUCCESSFUL"}


async def test_the_examples_are_accepted(client: httpx.AsyncClient, described: dict[str, Any]) -> None:
    """Every example of a request body is one the operation reads."""
    for operation in operations(described).values():
        if content := operation.get("requestBody", {}).get("content"):
            method, path = operation["at"].split()
            path = path.format(workspace_id="w1", session_id="s1", statement_id="t1", endpoint_id="e1")
            reply = await client.request(method, path, json=content["application/json"]["example"])
            assert reply.status_code in {200, 201, 404}


async def test_every_route_by_every_caller(client: httpx.AsyncClient, twin: Twin, settings: Settings) -> None:
    """No token and a wrong token are 401 on every operation; a viewer may read and nothing else."""
    del client.headers["X-Auth-Token"]
    for route in (*v1.routes(twin, settings), *v2.routes(twin, settings)):
        path = route.path.format(workspace_id="w1", session_id="s1", statement_id="t1", endpoint_id="e1")
        body = json.dumps({**(route.example or {}), **({"session_id": "s1"} if route.example else {})})
        statuses = []
        for headers in ({}, {"X-Auth-Token": "wrong"}, {"X-Auth-Token": "viewer-token"}):
            reply = await client.request(route.method, path, content=body, headers=headers)
            statuses.append(reply.status_code)
            assert len(reply.headers.get_list("x-request-id")) == 1
        reads = route.operation.startswith(("List", "Show"))
        assert statuses == [401, 401, 200 if reads else 403], route.operation


async def test_the_description_tells_what_an_endpoint_takes_along(described: dict[str, Any]) -> None:
    """Whoever deletes an endpoint reads that its sessions go too."""
    assert "sessions are closed" in operations(described)["DeleteEndpoint"]["summary"]


@pytest.mark.parametrize("operation", ["CancelSqlStatement", "CancelSqlSessionStatements"])
async def test_the_description_tells_the_two_times_of_a_cancel(described: dict[str, Any], operation: str) -> None:
    """The header counts from the call, the record from the owner: the description says so."""
    headers = operations(described)[operation]["responses"]["200"]["headers"]
    told = headers["X-Cancel-Millis"]["description"]
    assert "from the arrival of the call to the confirmed stop" in told
    assert "`cancel_millis`" in told


V1_SQL = "/v1/workspaces/{workspace_id}"


async def test_the_page_of_the_api_has_the_sql_of_version_1(described: dict[str, Any]) -> None:
    """docs/api.md has each path of the SQL operations with all query parameters, and each field of a submit."""
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    rows = {row.split("|")[1].strip(): row for row in page.splitlines() if row.startswith("| ")}
    sql = {name: one for name, one in operations(described).items() if "Sql" in name or "Statement" in name}
    of_v1 = {name: one for name, one in sql.items() if V1_SQL in one["at"]}
    assert len(of_v1) == 11
    for name, operation in of_v1.items():
        assert f"`{operation['at'].replace(V1_SQL, '')}`" in rows[name]
        asked = [one["name"] for one in operation["parameters"] if one["in"] == "query"]
        assert [one for one in asked if f"`{one}`" not in rows[name]] == [], name
    submit = described["components"]["schemas"]["ExecuteStatement"]["properties"]
    section = page.partition("| field of ExecuteSqlStatement |")[2].partition("## Lists")[0]
    assert [one for one in submit if f"`{one}`" not in section] == []
