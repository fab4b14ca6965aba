import httpx
import pytest

from tests.api.twin import Twin
from treadle.model.entities import Label
from treadle.service.views import Dpu, EndpointChange, NewEndpoint, NewWorkspace

WORKSPACES = "/v1/workspaces"
ENDPOINTS = "/v1/workspaces/w1/endpoints"


async def test_create_workspace(client: httpx.AsyncClient, twin: Twin) -> None:
    """A workspace is created and answered with the documented fields in their order."""
    reply = await client.post(WORKSPACES, json={"name": "analytics", "tags": [{"key": "team", "value": "a"}]})
    assert reply.text == (
        '{"id":"w1","name":"analytics","description":"","create_time":"2026-07-13T12:00:00.125Z",'
        '"create_domain_name":"default","create_user_name":"ada","metastore_id":"default",'
        '"access_url":"http://test/v1/workspaces/w1","enterprise_project_id":"0","tags":[]}'
    )
    assert twin.asked == [("create_workspace", NewWorkspace(name="analytics", tags=(Label("team", "a"),)))]


async def test_update_workspace(client: httpx.AsyncClient, twin: Twin) -> None:
    """What is not given stays."""
    reply = await client.put("/v1/workspaces/w1", json={"name": "sales", "metastore_id": "m-1"})
    assert (reply.status_code, reply.json()["name"]) == (200, "sales")
    assert twin.asked == [("update_workspace", ("sales", None, "m-1"))]


async def test_list_workspaces(client: httpx.AsyncClient, twin: Twin) -> None:
    """The workspace list filters by part of the name and by id."""
    reply = await client.get(WORKSPACES, params={"name": "lyt", "id": "w1", "limit": 1, "offset": 3})
    assert (reply.json()["total"], len(reply.json()["workspaces"])) == (7, 1)
    await client.get(WORKSPACES, params={"enterprise_project_id": "all_granted_eps"})
    await client.get(WORKSPACES, params={"enterprise_project_id": "e1"})
    assert twin.asked == [
        ("list_workspaces", ("lyt", "w1", 1, 3, None)),
        ("list_workspaces", (None, None, 10, 0, None)),
        ("list_workspaces", (None, None, 10, 0, "e1")),
    ]


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


async def test_an_endpoint_reserves(client: httpx.AsyncClient, twin: Twin) -> None:
    """Its dpu block comes typed; what is wrong in it is refused by name."""
    dpu = {"spec_code": "dpu.small", "warm_up_num": "1", "max_num": 3}
    reply = await client.post(ENDPOINTS, json={"name": "d", "type": "sql", "reserved_resource": {"dpu": dpu}})
    assert reply.status_code == 200
    reserved = Dpu(spec_code="dpu.small", warm_up_num=1, max_num=3)
    assert twin.asked == [("create_endpoint", NewEndpoint(name="d", dpu=reserved))]
    wrong = {"reserved_resource": {"dpu": {"spec_code": "dpu.small", "max_num": 0}}}
    reply = await client.post(ENDPOINTS, json={"name": "d", "type": "sql", **wrong})
    assert (reply.status_code, "reserved_resource.dpu.max_num" in reply.json()["error_msg"]) == (400, True)


@pytest.mark.parametrize("kind", ["ray", "inference", "job", "nonsense"])
async def test_an_endpoint_is_for_sql(client: httpx.AsyncClient, kind: str) -> None:
    """Every other type is refused by name."""
    reply = await client.post(ENDPOINTS, json={"name": "d", "type": kind})
    assert reply.status_code == 400
    assert "type: must be sql" in reply.json()["error_msg"]


async def test_update_endpoint(client: httpx.AsyncClient, twin: Twin) -> None:
    """What is not given stays; numbers in ``config`` may come as strings."""
    reply = await client.put(ENDPOINTS + "/e1", json={"config": {"paused": "true", "max_sessions": "3", "x": "1"}})
    assert reply.status_code == 200
    config = {"paused": True, "max_sessions": 3, "x": "1"}
    assert twin.asked == [("update_endpoint", EndpointChange(config=config))]
    reply = await client.put(ENDPOINTS + "/e1", json={"name": "swan", "description": "white"})
    assert reply.json()["name"] == "swan"
    assert twin.asked[1:] == [("update_endpoint", EndpointChange(name="swan", description="white"))]


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
        "owner": {"domain_name": "default", "domain_id": "default", "user_name": "ada", "user_id": ""},
        "reserved_resource": {},
        "config": {"threads": 2},
        "urls": [{"name": "ApiInvoke", "address": "http://test", "type": "PRIVATE"}],
        "engine": "duckdb",
        "max_sessions": 100,
        "max_statements": 100,
    }


async def test_list_endpoints(client: httpx.AsyncClient, twin: Twin) -> None:
    """The endpoint list is brief and takes its filters."""
    reply = await client.get(ENDPOINTS, params={"name": "du", "endpoint_id": "e1", "type": "sql"})
    assert reply.json()["total"] == 1
    assert not {"config", "urls"} & set(reply.json()["endpoints"][0])
    await client.get(ENDPOINTS, params={"visibility": "PUBLIC", "model_id": "any"})
    assert twin.asked == [
        ("list_endpoints", ("du", "e1", "sql", 10, 0, False)),
        ("list_endpoints", (None, None, None, 10, 0, True)),
    ]


async def test_delete_endpoint(client: httpx.AsyncClient) -> None:
    """Deleting an endpoint answers 202 with its id."""
    reply = await client.delete(ENDPOINTS + "/e1")
    assert (reply.status_code, reply.text) == (202, '{"id":"e1"}')


async def test_what_is_offered(client: httpx.AsyncClient) -> None:
    """Features say which kinds of endpoints there are, specifications what a worker gets."""
    features = (await client.get("/v1/features")).json()
    assert (features["total"], {one["key"]: one["value"] for one in features["configs"]}["endpoint.sql"]) == (8, "true")
    specs = (await client.get("/v1/specs")).json()
    assert {"spec_code": "dpu.small", "resource_type": "DPU", "memory": 2**30, "threads": 1} in specs["spec_codes"]


async def test_the_health_check_asks_for_no_token(client: httpx.AsyncClient) -> None:
    """As its documented name has it."""
    del client.headers["X-Auth-Token"]
    assert (await client.get("/healthcheck")).json() == {"status": "ok"}
    assert (await client.get("/v1/features")).status_code == 401
