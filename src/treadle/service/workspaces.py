"""Workspaces, their endpoints and their catalogs."""

import re
from collections.abc import Sequence
from typing import Final

from treadle.model.entities import Catalog, Endpoint, Principal, Workspace
from treadle.model.errors import BadRequest, NotFound
from treadle.model.states import Reason, SessionStatus
from treadle.service.closing import Closing
from treadle.service.views import NewEndpoint, NewWorkspace
from treadle.store.base import EndpointFilter, Page, SessionFilter, WorkspaceFilter
from treadle.store.catalogs import lake_name, lake_path

DEFAULT_INSTANCE: Final = "default"
DEFAULT_CATALOG: Final = "default"
ENGINES: Final = frozenset({"duckdb"})
CATALOG_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
INSTANCE_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}\Z")


class Workspaces(Closing):
    """The control plane's verbs."""

    async def create_workspace(self, p: Principal, new: NewWorkspace) -> Workspace:
        """Make a workspace and its catalog ``default``; raises `BadRequest` for a name in use."""
        self.may_write(p)
        deps = self.deps
        workspace = Workspace(
            id=deps.new_id(),
            project_id=p.project_id,
            name=new.name,
            description=new.description,
            metastore_id=new.metastore_id or DEFAULT_INSTANCE,
            enterprise_project_id=new.enterprise_project_id,
            create_user_name=p.user_name,
            created_at=deps.clock.now(),
        )
        if not await deps.store.add_workspace(workspace):
            raise BadRequest(f"a workspace named {new.name} exists already", field="name")
        await self._add_catalog(workspace.id, DEFAULT_INSTANCE, DEFAULT_CATALOG)
        return workspace

    async def list_workspaces(
        self, p: Principal, *, name: str | None, workspace_id: str | None, limit: int, offset: int
    ) -> tuple[int, Sequence[Workspace]]:
        """The caller's workspaces, newest first."""
        where = WorkspaceFilter(workspace_id=workspace_id, name=name)
        return await self.deps.store.workspaces(p.project_id, where, Page(limit=limit, offset=offset))

    async def delete_workspace(self, p: Principal, workspace_id: str) -> None:
        """Delete a workspace without endpoints, with its catalogs and files; raises `BadRequest` otherwise."""
        self.may_write(p)
        await self.own_workspace(p, workspace_id)
        catalogs = await self.deps.store.catalogs(workspace_id)
        if not await self.deps.store.drop_workspace(workspace_id):
            raise BadRequest("the workspace still has endpoints", field="workspace_id")
        for catalog in catalogs:
            await self.deps.plant.destroy(catalog)
        await self.deps.plant.remove_files(workspace_id)

    # -- endpoints --------------------------------------------------------------------------

    async def create_endpoint(self, p: Principal, workspace_id: str, new: NewEndpoint) -> Endpoint:
        """Make an endpoint; raises `BadRequest` for a name in use or an engine there is not."""
        self.may_write(p)
        await self.own_workspace(p, workspace_id)
        if new.engine not in ENGINES:
            raise BadRequest(
                f"there is no engine {new.engine}; there is {', '.join(sorted(ENGINES))}", field="config.engine"
            )
        deps = self.deps
        now = deps.clock.now()
        endpoint = Endpoint(
            id=deps.new_id(),
            workspace_id=workspace_id,
            name=new.name,
            type=new.type,
            engine=new.engine,
            description=new.description,
            created_at=now,
            updated_at=now,
            max_sessions=new.max_sessions or deps.settings.endpoint_sessions,
            max_statements=new.max_statements or deps.settings.endpoint_statements,
            config=new.config,
            reserved_resource=new.reserved_resource,
            owner_user_id=p.user_id,
            owner_user_name=p.user_name,
        )
        if not await deps.store.add_endpoint(endpoint):
            raise BadRequest(f"an endpoint named {new.name} exists already", field="name")
        return endpoint

    async def list_endpoints(
        self,
        p: Principal,
        workspace_id: str,
        *,
        name: str | None,
        endpoint_id: str | None,
        type: str | None,
        limit: int,
        offset: int,
    ) -> tuple[int, Sequence[Endpoint]]:
        """The endpoints of a workspace, newest first."""
        await self.own_workspace(p, workspace_id)
        where = EndpointFilter(endpoint_id=endpoint_id, name=name, type=type)
        return await self.deps.store.endpoints(workspace_id, where, Page(limit=limit, offset=offset))

    async def show_endpoint(self, p: Principal, workspace_id: str, endpoint_id: str) -> Endpoint:
        """One endpoint; raises `NotFound`."""
        await self.own_workspace(p, workspace_id)
        endpoint = await self.deps.store.endpoint(workspace_id, endpoint_id)
        if endpoint is None:
            raise NotFound
        return endpoint

    async def delete_endpoint(self, p: Principal, workspace_id: str, endpoint_id: str) -> None:
        """Delete an endpoint: its sessions are closed first, and what runs on it is stopped."""
        self.may_write(p)
        await self.show_endpoint(p, workspace_id, endpoint_id)
        for status in (SessionStatus.CREATING, SessionStatus.WAITING, SessionStatus.RUNNING):
            await self._close_sessions(p, workspace_id, SessionFilter(endpoint_id=endpoint_id, status=status))
        if not await self.deps.store.drop_endpoint(workspace_id, endpoint_id):
            raise BadRequest("the endpoint still has sessions", field="endpoint_id")

    async def _close_sessions(self, p: Principal, workspace_id: str, where: SessionFilter) -> None:
        while True:
            _, sessions = await self.deps.store.sessions(workspace_id, where, Page(limit=100))
            if not sessions:
                return
            for session in sessions:
                await self.end_session(session, p.user_name, Reason.USER)

    # -- catalogs ---------------------------------------------------------------------------

    async def create_catalog(self, p: Principal, workspace_id: str, instance_id: str, name: str) -> Catalog:
        """Make a catalog in a metastore instance of the workspace; raises `BadRequest`."""
        self.may_write(p)
        await self.own_workspace(p, workspace_id)
        if not INSTANCE_ID.match(instance_id):
            raise BadRequest("expected 1 to 64 letters, digits and hyphens", field="instance_id")
        if not CATALOG_NAME.match(name):
            raise BadRequest("expected 1 to 255 letters, digits, hyphens and underscores", field="name")
        return await self._add_catalog(workspace_id, instance_id, name)

    async def list_catalogs(self, p: Principal, workspace_id: str) -> Sequence[Catalog]:
        """The catalogs of a workspace."""
        await self.own_workspace(p, workspace_id)
        return await self.deps.store.catalogs(workspace_id)

    async def delete_catalog(self, p: Principal, workspace_id: str, instance_id: str, name: str) -> None:
        """Delete a catalog and everything in it; raises `NotFound`."""
        self.may_write(p)
        await self.own_workspace(p, workspace_id)
        catalog = await self.deps.store.catalog(workspace_id, instance_id, name)
        if catalog is None or not await self.deps.store.drop_catalog(catalog.id):
            raise NotFound
        await self.deps.plant.destroy(catalog)

    async def _add_catalog(self, workspace_id: str, instance_id: str, name: str) -> Catalog:
        deps = self.deps
        catalog_id = deps.new_id()
        catalog = Catalog(
            id=catalog_id,
            workspace_id=workspace_id,
            instance_id=instance_id,
            name=name,
            created_at=deps.clock.now(),
            database=lake_name(catalog_id),
            role=lake_name(catalog_id),
            password=deps.new_secret(),
            data_path=lake_path(deps.settings.data_dir, catalog_id),
        )
        await deps.plant.provision(catalog)
        if not await deps.store.add_catalog(catalog):
            await deps.plant.destroy(catalog)
            raise BadRequest(f"a catalog named {name} exists already in {instance_id}", field="name")
        return catalog
