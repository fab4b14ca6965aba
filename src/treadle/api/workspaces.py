"""The control plane: workspaces and endpoints."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from treadle.api import bodies, render, replies
from treadle.api.answers import answer, empty
from treadle.api.bodies import Nothing
from treadle.api.reading import read
from treadle.api.routes import WITH_BODY, WORKSPACE, AnyRoute, Ask, Route
from treadle.api.verbs import Verbs
from treadle.model.entities import Label
from treadle.model.errors import BadRequest
from treadle.service.views import Dpu, EndpointChange, NewEndpoint, NewWorkspace

_ENDPOINT: Final = WORKSPACE + "/endpoints/{endpoint_id}"


class Workspaces:
    """The operations."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    async def create(self, ask: Ask[Nothing, bodies.CreateWorkspace]) -> Response:
        """Make a workspace."""
        new = NewWorkspace(
            name=ask.body.name,
            description=ask.body.description,
            metastore_id=ask.body.metastore_id,
            enterprise_project_id=ask.body.enterprise_project_id,
            tags=tuple(Label(tag.key, tag.value) for tag in ask.body.tags),
        )
        made = await self._verbs.create_workspace(ask.caller, new)
        return answer(render.workspace(made, ask.caller, ask.base))

    async def list(self, ask: Ask[bodies.WorkspacesQuery, Nothing]) -> Response:
        """List the caller's workspaces."""
        query = ask.query
        wanted = query.enterprise_project_id
        total, found = await self._verbs.list_workspaces(
            ask.caller,
            name=query.name,
            workspace_id=query.id,
            limit=query.limit,
            offset=query.offset,
            enterprise_project_id=None if wanted == bodies.ALL_ENTERPRISE_PROJECTS else wanted,
        )
        return answer(render.workspaces(total, found, ask.caller, ask.base))

    async def update(self, ask: Ask[Nothing, bodies.UpdateWorkspace]) -> Response:
        """Change a workspace."""
        changed = await self._verbs.update_workspace(
            ask.caller,
            ask.ids["workspace_id"],
            name=ask.body.name,
            description=ask.body.description,
            metastore_id=ask.body.metastore_id,
        )
        return answer(render.workspace(changed, ask.caller, ask.base))

    async def delete(self, ask: Ask[Nothing, Nothing]) -> Response:
        """Delete an empty workspace."""
        await self._verbs.delete_workspace(ask.caller, ask.ids["workspace_id"])
        return empty()

    async def create_endpoint(self, ask: Ask[Nothing, bodies.CreateEndpoint]) -> Response:
        """Make an endpoint."""
        body = ask.body
        config = _endpoint_config(body.config)
        new = NewEndpoint(
            name=body.name,
            type=body.type,
            engine=config.engine,
            description=body.description,
            max_sessions=config.max_sessions,
            max_statements=config.max_statements,
            config=_told(body.config, config),
            dpu=_dpu(body.reserved_resource),
        )
        made = await self._verbs.create_endpoint(ask.caller, ask.ids["workspace_id"], new)
        return answer(render.endpoint(made, ask.caller, ask.base))

    async def list_endpoints(self, ask: Ask[bodies.EndpointsQuery, Nothing]) -> Response:
        """List the endpoints of a workspace."""
        query = ask.query
        total, found = await self._verbs.list_endpoints(
            ask.caller,
            ask.ids["workspace_id"],
            name=query.name,
            endpoint_id=query.endpoint_id,
            type=query.type,
            limit=query.limit,
            offset=query.offset,
            public=query.visibility is bodies.Visibility.PUBLIC,
        )
        return answer(render.endpoints(total, found, ask.caller))

    async def show_endpoint(self, ask: Ask[Nothing, Nothing]) -> Response:
        """Show an endpoint."""
        found = await self._verbs.show_endpoint(ask.caller, ask.ids["workspace_id"], ask.ids["endpoint_id"])
        return answer(render.endpoint(found, ask.caller, ask.base))

    async def update_endpoint(self, ask: Ask[Nothing, bodies.UpdateEndpoint]) -> Response:
        """Change an endpoint."""
        body = ask.body
        change = EndpointChange(
            name=body.name,
            description=body.description,
            config=None if body.config is None else _told(body.config, _endpoint_config(body.config)),
            dpu=_dpu(body.reserved_resource),
        )
        changed = await self._verbs.update_endpoint(ask.caller, ask.ids["workspace_id"], ask.ids["endpoint_id"], change)
        return answer(render.endpoint(changed, ask.caller, ask.base))

    async def delete_endpoint(self, ask: Ask[Nothing, Nothing]) -> Response:
        """Delete an endpoint; its sessions are closed and what runs on it is stopped."""
        endpoint_id = ask.ids["endpoint_id"]
        await self._verbs.delete_endpoint(ask.caller, ask.ids["workspace_id"], endpoint_id)
        return answer(replies.Deleted(id=endpoint_id), HTTPStatus.ACCEPTED)


def _endpoint_config(given: Mapping[str, object]) -> bodies.EndpointConfig:
    """What an endpoint's ``config`` asks for; raises `BadRequest` naming the field within it."""
    try:
        return read(given, bodies.EndpointConfig)
    except BadRequest as wrong:
        raise BadRequest(wrong.detail, field=f"config.{wrong.field}", cause=wrong.cause) from None


def _told(given: Mapping[str, object], understood: bodies.EndpointConfig) -> dict[str, object]:
    """The ``config`` as it was given, what is understood of it in its own type."""
    own = msgspec.structs.asdict(understood)
    return {name: own.get(name, value) for name, value in given.items()}


def _dpu(resource: bodies.ReservedResource) -> Dpu | None:
    dpu = resource.dpu
    return Dpu(spec_code=dpu.spec_code, warm_up_num=dpu.warm_up_num, max_num=dpu.max_num) if dpu else None


def routes(verbs: Verbs) -> tuple[AnyRoute, ...]:
    """The table of the control plane."""
    rooms = Workspaces(verbs)
    return (*_workspace_routes(rooms), *_endpoint_routes(rooms))


def _workspace_routes(rooms: Workspaces) -> tuple[AnyRoute, ...]:
    return (
        Route(
            operation="CreateWorkspace",
            method="POST",
            path="/v1/workspaces",
            summary="Make a workspace.",
            tag="Workspaces",
            handle=rooms.create,
            query=Nothing,
            body=bodies.CreateWorkspace,
            reply=replies.WorkspaceInfo,
            errors=WITH_BODY,
            example={"name": "analytics"},
        ),
        Route(
            operation="ListWorkspaces",
            method="GET",
            path="/v1/workspaces",
            summary="List the workspaces of the caller's project, newest first.",
            tag="Workspaces",
            handle=rooms.list,
            query=bodies.WorkspacesQuery,
            body=Nothing,
            reply=replies.Workspaces,
        ),
        Route(
            operation="UpdateWorkspace",
            method="PUT",
            path=WORKSPACE,
            summary="Change the name, the description or the metastore of a workspace.",
            tag="Workspaces",
            handle=rooms.update,
            query=Nothing,
            body=bodies.UpdateWorkspace,
            reply=replies.WorkspaceInfo,
            errors=WITH_BODY,
            example={"description": "what it is for"},
        ),
        Route(
            operation="DeleteWorkspace",
            method="DELETE",
            path=WORKSPACE,
            summary="Delete a workspace that has no endpoints.",
            tag="Workspaces",
            handle=rooms.delete,
            query=Nothing,
            body=Nothing,
        ),
    )


def _endpoint_routes(rooms: Workspaces) -> tuple[AnyRoute, ...]:
    return (
        Route(
            operation="CreateEndpoint",
            method="POST",
            path=WORKSPACE + "/endpoints",
            summary="Make a SQL endpoint.",
            tag="Endpoints",
            handle=rooms.create_endpoint,
            query=Nothing,
            body=bodies.CreateEndpoint,
            reply=replies.EndpointInfo,
            errors=WITH_BODY,
            example={"name": "duck", "type": "sql"},
        ),
        Route(
            operation="ListEndpoints",
            method="GET",
            path=WORKSPACE + "/endpoints",
            summary="List the endpoints of a workspace, newest first.",
            tag="Endpoints",
            handle=rooms.list_endpoints,
            query=bodies.EndpointsQuery,
            body=Nothing,
            reply=replies.Endpoints,
        ),
        Route(
            operation="ShowEndpoint",
            method="GET",
            path=_ENDPOINT,
            summary="Show an endpoint.",
            tag="Endpoints",
            handle=rooms.show_endpoint,
            query=Nothing,
            body=Nothing,
            reply=replies.EndpointInfo,
        ),
        Route(
            operation="UpdateEndpoint",
            method="PUT",
            path=_ENDPOINT,
            summary="Change an endpoint. New limits hold for what starts next.",
            tag="Endpoints",
            handle=rooms.update_endpoint,
            query=Nothing,
            body=bodies.UpdateEndpoint,
            reply=replies.EndpointInfo,
            errors=WITH_BODY,
            example={"config": {"paused": True}},
        ),
        Route(
            operation="DeleteEndpoint",
            method="DELETE",
            path=_ENDPOINT,
            summary="Delete an endpoint. Its sessions are closed and what runs on it is stopped.",
            tag="Endpoints",
            handle=rooms.delete_endpoint,
            query=Nothing,
            body=Nothing,
            reply=replies.Deleted,
            status=HTTPStatus.ACCEPTED,
        ),
    )
