"""Workspaces, endpoints and catalogs."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from treadle.model.entities import Catalog, Endpoint, Workspace
from treadle.store.errors import DuplicateName, QuotaReached
from treadle.store.filters import EndpointFilter, Page, WorkspaceFilter
from treadle.store.memory.tables import Tables, among, names, newest
from treadle.store.rules import check_endpoint, check_workspace


class Workspaces(Tables):
    """What a tenant's room holds."""

    async def add_workspace(self, workspace: Workspace, quota: int = 0) -> bool:
        check_workspace(workspace)
        if quota and sum(one.project_id == workspace.project_id for one in self._workspaces.values()) >= quota:
            raise QuotaReached(workspace.project_id)
        taken = {(known.project_id, known.name) for known in self._workspaces.values()}
        if workspace.id in self._workspaces or (workspace.project_id, workspace.name) in taken:
            return False
        self._workspaces[workspace.id] = workspace
        return True

    async def change_workspace(
        self, workspace_id: str, *, name: str | None, description: str | None, metastore_id: str | None
    ) -> Workspace | None:
        workspace = self._workspaces.get(workspace_id)
        if workspace is None:
            return None
        others = {(one.project_id, one.name) for one in self._workspaces.values() if one is not workspace}
        if (workspace.project_id, name) in others:
            raise DuplicateName(name)
        given = {"name": name, "description": description, "metastore_id": metastore_id}
        changes = {field: value for field, value in given.items() if value is not None}
        self._workspaces[workspace_id] = changed = replace(workspace, **changes)
        return changed

    async def workspace(self, workspace_id: str, project_id: str | None) -> Workspace | None:
        workspace = self._workspaces.get(workspace_id)
        return workspace if workspace and among(project_id, workspace.project_id) else None

    async def workspaces(
        self, project_id: str | None, where: WorkspaceFilter, page: Page
    ) -> tuple[int, Sequence[Workspace]]:
        return newest(
            self._workspaces.values(),
            lambda one: (
                among(project_id, one.project_id)
                and among(where.workspace_id, one.id)
                and names(where.name, one.name)
                and among(where.enterprise_project_id, one.enterprise_project_id)
            ),
            page,
        )

    async def drop_workspace(self, workspace_id: str) -> bool:
        if any(endpoint.workspace_id == workspace_id for endpoint in self._endpoints.values()):
            return False
        if self._workspaces.pop(workspace_id, None) is None:
            return False
        self._catalogs = {key: one for key, one in self._catalogs.items() if one.workspace_id != workspace_id}
        return True

    async def add_endpoint(self, endpoint: Endpoint) -> bool:
        check_endpoint(endpoint)
        taken = {(known.workspace_id, known.name) for known in self._endpoints.values()}
        if endpoint.id in self._endpoints or (endpoint.workspace_id, endpoint.name) in taken:
            return False
        if endpoint.workspace_id not in self._workspaces:
            return False
        self._endpoints[endpoint.id] = endpoint
        return True

    async def endpoint(self, workspace_id: str, endpoint_id: str) -> Endpoint | None:
        endpoint = self._endpoints.get(endpoint_id)
        return endpoint if endpoint and endpoint.workspace_id == workspace_id else None

    async def endpoint_named(self, workspace_id: str, name: str) -> Endpoint | None:
        found = (one for one in self._endpoints.values() if (one.workspace_id, one.name) == (workspace_id, name))
        return next(found, None)

    async def endpoints_of(self, ids: Sequence[str]) -> Sequence[Endpoint]:
        return [self._endpoints[one] for one in ids if one in self._endpoints]

    async def change_endpoint(self, endpoint: Endpoint, since: datetime) -> bool:
        check_endpoint(endpoint)
        current = await self.endpoint(endpoint.workspace_id, endpoint.id)
        if current is None or current.updated_at != since:
            return False
        other = await self.endpoint_named(endpoint.workspace_id, endpoint.name)
        if other is not None and other.id != endpoint.id:
            raise DuplicateName(endpoint.name)
        self._endpoints[endpoint.id] = endpoint
        return True

    async def endpoints(self, workspace_id: str, where: EndpointFilter, page: Page) -> tuple[int, Sequence[Endpoint]]:
        return newest(
            self._endpoints.values(),
            lambda one: (
                one.workspace_id == workspace_id
                and among(where.endpoint_id, one.id)
                and names(where.name, one.name)
                and among(where.type, one.type)
            ),
            page,
        )

    async def drop_endpoint(self, workspace_id: str, endpoint_id: str) -> bool:
        if await self.endpoint(workspace_id, endpoint_id) is None:
            return False
        if any(one.endpoint_id == endpoint_id and not one.status.final for one in self._sessions.values()):
            return False
        name = self._endpoints.pop(endpoint_id).name
        for one in [one for one in self._sessions.values() if one.endpoint_id == endpoint_id]:
            self._sessions[one.id] = replace(one, endpoint_name=name)
        return True

    async def add_catalog(self, catalog: Catalog) -> bool:
        known = await self.catalog(catalog.workspace_id, catalog.instance_id, catalog.name)
        if known or catalog.id in self._catalogs or catalog.workspace_id not in self._workspaces:
            return False
        self._catalogs[catalog.id] = catalog
        return True

    async def catalog(self, workspace_id: str, instance_id: str, name: str) -> Catalog | None:
        wanted = (workspace_id, instance_id, name)
        found = (one for one in self._catalogs.values() if (one.workspace_id, one.instance_id, one.name) == wanted)
        return next(found, None)

    async def catalogs(self, workspace_id: str) -> Sequence[Catalog]:
        found = [one for one in self._catalogs.values() if one.workspace_id == workspace_id]
        return sorted(found, key=lambda one: (one.instance_id, one.name))

    async def drop_catalog(self, catalog_id: str) -> bool:
        return self._catalogs.pop(catalog_id, None) is not None
