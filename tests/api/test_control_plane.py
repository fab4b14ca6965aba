import httpx

from tests.api.twin import Twin
from treadle.service.views import NewEndpoint, NewWorkspace

WORKSPACES = "/v1/workspaces"
ENDPOINTS = "/v1/workspaces/w1/endpoints"


async def test_create_workspace(client: httpx.AsyncClient, twin: Twin) -> None:
    """A workspace is created and answered with the documented fields in their order."""
    reply = await client.post(WORKSPACES, json={"name": "analytics", "tags": []})
    assert reply.text == (
        '{"id":"w1","name":"analytics","description":"","create_time":"2026-07-13T12:00:00.125Z",'
        '"create_domain_name":"demo","create_user_name":"ada","metastore_id":"default","access_url":"",'
        '"enterprise_project_id":"0"}'
    )
    assert twin.asked == [("create_workspace", NewWorkspace(name="analytics"))]


async def test_list_workspaces(client: httpx.AsyncClient, twin: Twin) -> None:
    """The workspace list filters by part of the name and by id."""
    reply = await client.get(WORKSPACES, params={"name": "lyt", "id": "w1", "limit": 1, "offset": 3})
    assert (reply.json()["total"], len(reply.json()["workspaces"])) == (7, 1)
    assert twin.asked == [("list_workspaces", ("lyt", "w1", 1, 3))]


async def test_delete_workspace(client: httpx.AsyncClient) -> None:
    """Deleting a workspace answers an empty 200."""
    reply = await client.delete("/v1/workspaces/w1")
    assert (reply.status_code, reply.content) == (200, b"")


async def test_create_endpoint(client: httpx.AsyncClient, twin: Twin) -> None:
    """An endpoint is created with the engine and limits given."""
    config = {"max_sessions": 3, "deep": {"a": [1.5]}}
    body = {"name": "my duck", "type": "sql", "config": config}
    reply = await client.post(ENDPOINTS, json=body)
    assert reply.status_code == 200
    assert twin.asked == [("create_endpoint", NewEndpoint(name="my duck", max_sessions=3, config=config))]


async def test_show_endpoint(client: httpx.AsyncClient) -> None:
    """An endpoint shown alone has its configuration."""
    assert (await client.get(ENDPOINTS + "/e1")).json() == {
        "visibility": "PRIVATE",
        "id": "e1",
        "name": "duck",
        "type": "sql",
        "status": "RUNNING",
        "description": "",
        "create_time": "2026-07-13T12:00:00.125Z",
        "update_time": "2026-07-13T12:00:01.625Z",
        "owner": {"domain_name": "demo", "domain_id": "p1", "user_name": "ada", "user_id": ""},
        "reserved_resource": {},
        "config": {"threads": 2},
        "engine": "duckdb",
        "max_sessions": 100,
        "max_statements": 100,
    }


async def test_list_endpoints(client: httpx.AsyncClient, twin: Twin) -> None:
    """The endpoint list is brief and takes its filters."""
    reply = await client.get(ENDPOINTS, params={"name": "du", "endpoint_id": "e1", "type": "sql"})
    assert reply.json()["total"] == 1
    assert "config" not in reply.json()["endpoints"][0]
    assert twin.asked == [("list_endpoints", ("du", "e1", "sql", 10, 0))]


async def test_delete_endpoint(client: httpx.AsyncClient) -> None:
    """Deleting an endpoint answers 202 with its id."""
    reply = await client.delete(ENDPOINTS + "/e1")
    assert (reply.status_code, reply.text) == (202, '{"id":"e1"}')
