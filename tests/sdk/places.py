"""Workspaces and endpoints for the tests, made with the official client."""

from typing import Any

from huaweicloudsdkdataartsfabric.v1 import (
    CreateEndpointRequest,
    CreateWorkspaceRequest,
    CreateWorkspaceRequestInput,
    DeleteEndpointRequest,
    DeleteWorkspaceRequest,
    EndpointInput,
    EndpointType,
    ReservedResource,
    ResourceDef,
)

from tests.sdk.doors import Door
from treadle.outside import new_id


class Place:
    """A workspace with an endpoint."""

    def __init__(self, door: Door, *, max_num: int = 5) -> None:
        self.door = door
        self.name = f"ws-{new_id()[-12:]}"
        body = CreateWorkspaceRequestInput(name=self.name, description="made by the client")
        self.workspace: Any = door.fabric.create_workspace(CreateWorkspaceRequest(body=body))
        self.workspace_id = str(self.workspace.id)
        reserved = ReservedResource(dpu=ResourceDef(spec_code="dpu.small", warm_up_num=0, max_num=max_num))
        new = EndpointInput(name="duck", type=EndpointType.SQL, reserved_resource=reserved)
        request = CreateEndpointRequest(workspace_id=self.workspace_id, body=new)
        self.endpoint: Any = door.fabric.create_endpoint(request)
        self.endpoint_id = str(self.endpoint.id)

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *exc: object) -> None:
        fabric = self.door.fabric
        gone = fabric.delete_endpoint(
            DeleteEndpointRequest(workspace_id=self.workspace_id, endpoint_id=self.endpoint_id)
        )
        assert gone.id == self.endpoint_id
        fabric.delete_workspace(DeleteWorkspaceRequest(workspace_id=self.workspace_id))
