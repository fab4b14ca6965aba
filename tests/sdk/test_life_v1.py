"""The control plane with the official client; the SQL of version 1, which no client has, by signed calls."""

from huaweicloudsdkdataartsfabric.v1 import (
    ListEndpointsRequest,
    ListFeaturesRequest,
    ListSpecsRequest,
    ListWorkspacesRequest,
    ShowAdminHealthCheckRequest,
    ShowEndpointRequest,
    UpdateEndpointRequest,
    UpdateEndpointRequestBody,
    UpdateWorkspaceRequest,
    UpdateWorkspaceRequestInput,
)

from tests.sdk.doors import Door
from tests.sdk.places import Place
from tests.service.caller import ENDLESS, LAKE
from tests.support.world import alive, spent, until, worker_of


def test_the_control_plane(door: Door) -> None:
    """Made, listed, shown, changed and deleted."""
    fabric = door.fabric
    with Place(door) as place:
        assert (place.workspace.name, place.workspace.create_user_name) == (place.name, "ann")
        listed = fabric.list_workspaces(
            ListWorkspacesRequest(enterprise_project_id="all_granted_eps", name=place.name, limit=10)
        )
        assert [one.id for one in listed.workspaces] == [place.workspace_id]
        changed = fabric.update_workspace(
            UpdateWorkspaceRequest(
                workspace_id=place.workspace_id, body=UpdateWorkspaceRequestInput(description="changed")
            )
        )
        assert (changed.name, changed.description) == (place.name, "changed")

        assert (place.endpoint.status, place.endpoint.visibility) == ("RUNNING", "PRIVATE")
        assert place.endpoint.owner.user_name == "ann"
        shown = fabric.show_endpoint(
            ShowEndpointRequest(workspace_id=place.workspace_id, endpoint_id=place.endpoint_id)
        )
        assert shown.urls[0].address == door.service.url
        assert (shown.reserved_resource.dpu.spec_code, shown.reserved_resource.dpu.max_num) == ("dpu.small", 5)
        brief = fabric.list_endpoints(ListEndpointsRequest(workspace_id=place.workspace_id, visibility="ALL"))
        assert [one.id for one in brief.endpoints] == [place.endpoint_id]
        renamed = fabric.update_endpoint(
            UpdateEndpointRequest(
                workspace_id=place.workspace_id,
                endpoint_id=place.endpoint_id,
                body=UpdateEndpointRequestBody(name="goose"),
            )
        )
        assert (renamed.name, renamed.reserved_resource.dpu.max_num) == ("goose", 5)


def test_what_is_offered(door: Door) -> None:
    """Features and specifications in the client's own types; the health check answers."""
    features = door.fabric.list_features(ListFeaturesRequest())
    assert {one.key: one.value for one in features.configs}["endpoint.sql"] == "true"
    specs = door.fabric.list_specs(ListSpecsRequest())
    assert "dpu.small" in [one.spec_code for one in specs.spec_codes]
    assert door.fabric.show_admin_health_check(ShowAdminHealthCheckRequest()).status_code == 200


def test_the_sql_operations(door: Door) -> None:
    """The whole life of a session, the engine looked at."""
    with Place(door) as place:
        base = f"/v1/workspaces/{place.workspace_id}"
        made = door.call("POST", f"{base}/sessions", {"endpoint_id": place.endpoint_id, "lake_formation_config": LAKE})
        assert made.status_code == 200, made.text
        session_id = made.json()["session_id"]
        session = f"{base}/sessions/{session_id}"
        pid = worker_of(door.service, session_id)

        submit = f"{base}/sessions/statements"
        done = door.call("POST", submit, {"session_id": session_id, "statement": "SELECT 42", "is_sync": True}).json()
        assert done["results"][0]["result_set"]["rows"] == [["42"]]
        begun = door.call("POST", submit, {"session_id": session_id, "statement": ENDLESS, "is_sync": False})
        running = begun.json()["statement_id"]
        until(lambda: spent(pid, 0.1) > 0.03, "the engine works")
        shown = door.call("GET", f"{session}/statements/{running}", page_num=1, is_enable_obs_path="false")
        assert shown.json()["status"] == 1
        cancelled = door.call("POST", f"{session}/statements/{running}/cancel", {})
        assert (cancelled.status_code, cancelled.content) == (200, b"")
        assert cancelled.headers["X-Cancel-Outcome"] == "cancelled"
        assert spent(pid, 0.5) < 0.1
        records = door.call("GET", f"{base}/statement-records", statement_id=running).json()
        (record,) = records["records"]
        assert (record["status"], record["actor"], record["effects"]) == ("CANCELED", "ann", "none")
        listed = door.call("GET", f"{base}/sessions", endpoint_id=place.endpoint_id, limit=100, offset=0).json()
        assert (listed["total"], listed["sessions"][0]["session_id"]) == (1, session_id)
        of_session = door.call("GET", f"{session}/statements", status="CANCELED").json()
        assert [one["statement_id"] for one in of_session["records"]] == [running]
        assert door.call("DELETE", session).status_code == 200
        assert not alive(pid)
        assert door.call("GET", session).json()["status"] == "CLOSED"
