"""Workspaces, endpoints and catalogs."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from treadle.model.entities import Catalog, Endpoint, Workspace
from treadle.store.errors import DuplicateName, QuotaReached
from treadle.store.filters import EndpointFilter, Page, WorkspaceFilter
from treadle.store.postgres.pool import PoolBase
from treadle.store.postgres.rows import encode, to_catalog, to_endpoint, to_workspace
from treadle.store.rules import check_endpoint, check_workspace
from treadle.store.sql import sql


class Workspaces(PoolBase):
    """What a tenant's room holds."""

    async def add_workspace(self, workspace: Workspace, quota: int = 0) -> bool:
        check_workspace(workspace)
        added = (
            workspace.id,
            workspace.project_id,
            workspace.name,
            workspace.created_at,
            workspace.description,
            workspace.metastore_id,
            workspace.enterprise_project_id,
            workspace.create_user_name,
            encode(workspace.tags),
        )
        if not quota:
            return await self._done("workspace_add", *added)
        async with self._acquired() as connection, connection.transaction():
            await connection.fetchrow(sql("workspaces_lock"), workspace.project_id)
            if await connection.fetchval(sql("workspaces_count"), workspace.project_id, None, None, None) >= quota:
                raise QuotaReached(workspace.project_id)
            return await connection.fetchrow(sql("workspace_add"), *added) is not None

    async def change_workspace(
        self, workspace_id: str, *, name: str | None, description: str | None, metastore_id: str | None
    ) -> Workspace | None:
        try:
            row = await self._row("workspace_change", workspace_id, name, description, metastore_id)
        except asyncpg.UniqueViolationError:
            raise DuplicateName(name) from None
        return to_workspace(row) if row else None

    async def workspace(self, workspace_id: str, project_id: str | None) -> Workspace | None:
        row = await self._row("workspace_get", workspace_id, project_id)
        return to_workspace(row) if row else None

    async def workspaces(
        self, project_id: str | None, where: WorkspaceFilter, page: Page
    ) -> tuple[int, Sequence[Workspace]]:
        filters = (project_id, where.workspace_id, where.name, where.enterprise_project_id)
        total, rows = await self._page("workspaces", filters, page)
        return total, [to_workspace(row) for row in rows]

    async def drop_workspace(self, workspace_id: str) -> bool:
        try:
            return await self._done("workspace_drop", workspace_id)
        except asyncpg.ForeignKeyViolationError:
            return False

    async def add_endpoint(self, endpoint: Endpoint) -> bool:
        check_endpoint(endpoint)
        try:
            return await self._done(
                "endpoint_add",
                endpoint.id,
                endpoint.workspace_id,
                endpoint.name,
                endpoint.created_at,
                endpoint.updated_at,
                endpoint.type,
                endpoint.status,
                endpoint.engine,
                endpoint.description,
                endpoint.max_sessions,
                endpoint.max_statements,
                encode(endpoint.config),
                encode(endpoint.reserved_resource),
                endpoint.owner_user_id,
                endpoint.owner_user_name,
                endpoint.threads,
                endpoint.memory,
                endpoint.warm_up,
            )
        except asyncpg.ForeignKeyViolationError:
            return False

    async def endpoint(self, workspace_id: str, endpoint_id: str) -> Endpoint | None:
        row = await self._row("endpoint_get", workspace_id, endpoint_id)
        return to_endpoint(row) if row else None

    async def endpoint_named(self, workspace_id: str, name: str) -> Endpoint | None:
        row = await self._row("endpoint_named", workspace_id, name)
        return to_endpoint(row) if row else None

    async def endpoints_of(self, ids: Sequence[str]) -> Sequence[Endpoint]:
        return [to_endpoint(row) for row in await self._rows("endpoints_get", list(ids))]

    async def change_endpoint(self, endpoint: Endpoint, since: datetime) -> bool:
        check_endpoint(endpoint)
        try:
            return await self._done(
                "endpoint_change",
                endpoint.workspace_id,
                endpoint.id,
                since,
                endpoint.name,
                endpoint.updated_at,
                endpoint.status,
                endpoint.engine,
                endpoint.description,
                endpoint.max_sessions,
                endpoint.max_statements,
                encode(endpoint.config),
                encode(endpoint.reserved_resource),
                endpoint.threads,
                endpoint.memory,
                endpoint.warm_up,
            )
        except asyncpg.UniqueViolationError:
            raise DuplicateName(endpoint.name) from None

    async def endpoints(self, workspace_id: str, where: EndpointFilter, page: Page) -> tuple[int, Sequence[Endpoint]]:
        filters = (workspace_id, where.endpoint_id, where.name, where.type)
        total, rows = await self._page("endpoints", filters, page)
        return total, [to_endpoint(row) for row in rows]

    async def drop_endpoint(self, workspace_id: str, endpoint_id: str) -> bool:
        async with self._acquired() as connection, connection.transaction():
            await connection.fetchrow(sql("endpoint_lock"), workspace_id, endpoint_id)
            dropped = await connection.fetchrow(sql("endpoint_drop"), workspace_id, endpoint_id)
        return dropped is not None

    async def add_catalog(self, catalog: Catalog) -> bool:
        try:
            return await self._done(
                "catalog_add",
                catalog.id,
                catalog.workspace_id,
                catalog.instance_id,
                catalog.name,
                catalog.created_at,
                catalog.database,
                catalog.role,
                catalog.password,
                catalog.data_path,
            )
        except asyncpg.ForeignKeyViolationError:
            return False

    async def catalog(self, workspace_id: str, instance_id: str, name: str) -> Catalog | None:
        row = await self._row("catalog_get", workspace_id, instance_id, name)
        return to_catalog(row) if row else None

    async def catalogs(self, workspace_id: str) -> Sequence[Catalog]:
        return [to_catalog(row) for row in await self._rows("catalogs_of", workspace_id)]

    async def drop_catalog(self, catalog_id: str) -> bool:
        return await self._done("catalog_drop", catalog_id)
