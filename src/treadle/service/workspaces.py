"""Workspaces and their catalogs."""

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from treadle.model.access import Action
from treadle.model.entities import Catalog, Principal, Workspace
from treadle.model.errors import BadRequest, NotApplicable, NotStopped
from treadle.service.attempt import in_time, not_recorded
from treadle.service.deps import CATALOG, EVERYTHING, WORKSPACE, Verb, missing, slice_of
from treadle.service.views import NewWorkspace
from treadle.store.catalogs import lake_name, lake_path
from treadle.store.errors import DuplicateName, QuotaReached, StoreUnavailable
from treadle.store.filters import Page, WorkspaceFilter
from treadle.store.retrying import until_gone, until_stored

log = structlog.get_logger("treadle.service")

DEFAULT_INSTANCE: Final = "default"
DEFAULT_CATALOG: Final = "default"
CATALOG_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
RETRY_SECONDS: Final = 2.0
"""Seconds between two tries to remove what a deleted catalog kept."""

INSTANCE_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}\Z")


class Workspaces(Verb):
    """The verbs of workspaces and catalogs."""

    async def create_workspace(self, p: Principal, new: NewWorkspace) -> Workspace:
        """Create a workspace and its catalog ``default``, both or neither; raises `BadRequest` for a name in use."""
        self.allow(p, Action.CREATE_WORKSPACE)
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
            tags=new.tags,
        )
        quota = deps.settings.workspace_quota
        try:
            if not await deps.store.add_workspace(workspace, quota):
                raise _taken(new.name)
            await self._add_catalog(workspace.id, DEFAULT_INSTANCE, DEFAULT_CATALOG)
            await self.audited(p, Action.CREATE_WORKSPACE, workspace.id, f"workspace:{workspace.id}", workspace.name)
        except QuotaReached:
            raise NotApplicable(f"the project has {quota} workspaces, which is all it may have", field="name") from None
        except BadRequest:
            raise
        except BaseException:
            # A workspace without a catalog would take the name, and could have no sessions.
            deps.carry_on(self._unmake(workspace.id))
            raise
        return workspace

    async def _unmake(self, workspace_id: str) -> None:
        """Remove a workspace whose creation failed."""
        store, clock = self.deps.store, self.deps.clock
        catalogs = await until_stored(clock, partial(store.catalogs, workspace_id))
        if await until_gone(clock, partial(store.drop_workspace, workspace_id)):
            await self._raze_all(workspace_id, catalogs)

    async def list_workspaces(
        self,
        p: Principal,
        *,
        name: str | None,
        workspace_id: str | None,
        limit: int,
        offset: int,
        enterprise_project_id: str | None = None,
    ) -> tuple[int, Sequence[Workspace]]:
        """The caller's workspaces, newest first."""
        seen = self.allow_among(p, Action.LIST_WORKSPACES)
        where = WorkspaceFilter(workspace_id=workspace_id, name=name, enterprise_project_id=enterprise_project_id)
        page = Page(limit=limit, offset=offset)
        if seen is None:
            return await self.deps.store.workspaces(p.project_id, where, page)
        _, found = await self.deps.store.workspaces(p.project_id, where, EVERYTHING)
        return slice_of([one for one in found if seen(one.id)], page)

    async def update_workspace(
        self,
        p: Principal,
        workspace_id: str,
        *,
        name: str | None,
        description: str | None,
        metastore_id: str | None,
    ) -> Workspace:
        """Change what is given; raises `BadRequest` for a name in use."""
        self.allow(p, Action.UPDATE_WORKSPACE, workspace_id)
        await self.own_workspace(p, workspace_id)
        try:
            changed = await self.deps.store.change_workspace(
                workspace_id, name=name, description=description, metastore_id=metastore_id
            )
        except DuplicateName:
            raise _taken(name or "") from None
        if changed is None:
            raise missing(WORKSPACE)
        await self.audited(p, Action.UPDATE_WORKSPACE, workspace_id, f"workspace:{workspace_id}", changed.name)
        return changed

    async def delete_workspace(self, p: Principal, workspace_id: str) -> None:
        """Delete a workspace without endpoints, with its catalogs and files; raises `BadRequest` otherwise."""
        self.allow(p, Action.DELETE_WORKSPACE, workspace_id)
        seconds = self.deps.settings.cancel_timeout
        late = partial(not_recorded, f"the deletion of workspace {workspace_id}", seconds)
        async with in_time(seconds, late) as attempt:
            await self.own_workspace(p, workspace_id)
            catalogs = await self.deps.store.catalogs(workspace_id)
            if not await self.deps.store.drop_workspace(workspace_id):
                raise NotApplicable("the workspace still has endpoints", field="workspace_id")
            attempt.late = partial(self._not_razed, f"workspace {workspace_id}")
            razing = self.deps.carry_on(self._raze_all(workspace_id, catalogs))
            await self.audited(p, Action.DELETE_WORKSPACE, workspace_id, f"workspace:{workspace_id}")
            await asyncio.shield(razing)

    # -- catalogs ---------------------------------------------------------------------------

    async def create_catalog(self, p: Principal, workspace_id: str, instance_id: str, name: str) -> Catalog:
        """Make a catalog in a metastore instance of the workspace; raises `BadRequest`."""
        self.allow(p, Action.CREATE_CATALOG, workspace_id)
        await self.own_workspace(p, workspace_id)
        if not INSTANCE_ID.match(instance_id):
            raise BadRequest("expected 1 to 64 letters, digits and hyphens", field="instance_id")
        if not CATALOG_NAME.match(name):
            raise BadRequest("expected 1 to 255 letters, digits, hyphens and underscores", field="name")
        catalog = await self._add_catalog(workspace_id, instance_id, name)
        await self.audited(p, Action.CREATE_CATALOG, workspace_id, f"catalog:{catalog.id}", f"{instance_id}/{name}")
        return catalog

    async def list_catalogs(self, p: Principal, workspace_id: str) -> Sequence[Catalog]:
        """The catalogs of a workspace."""
        self.allow(p, Action.LIST_CATALOGS, workspace_id)
        await self.own_workspace(p, workspace_id)
        return await self.deps.store.catalogs(workspace_id)

    async def delete_catalog(self, p: Principal, workspace_id: str, instance_id: str, name: str) -> None:
        """Delete a catalog and everything in it; raises `NotFound`."""
        self.allow(p, Action.DELETE_CATALOG, workspace_id)
        seconds = self.deps.settings.cancel_timeout
        late = partial(not_recorded, f"the deletion of catalog {name}", seconds)
        async with in_time(seconds, late) as attempt:
            await self.own_workspace(p, workspace_id)
            catalog = await self.deps.store.catalog(workspace_id, instance_id, name)
            if catalog is None or not await self.deps.store.drop_catalog(catalog.id):
                raise missing(CATALOG)
            attempt.late = partial(self._not_razed, f"catalog {name}")
            razing = self.deps.carry_on(self._raze(catalog))
            await self.audited(p, Action.DELETE_CATALOG, workspace_id, f"catalog:{catalog.id}", f"{instance_id}/{name}")
            await asyncio.shield(razing)

    async def _raze_all(self, workspace_id: str, catalogs: Sequence[Catalog]) -> None:
        """Remove all that a deleted workspace kept."""
        await self.deps.plant.remove_files(workspace_id)
        for catalog in catalogs:
            await self._raze(catalog)

    async def _raze(self, catalog: Catalog) -> None:
        """Remove a catalog that nobody can ask for any more, and try until it is done."""
        while True:
            try:
                return await self.deps.plant.destroy(catalog)
            except StoreUnavailable as error:
                log.warning("catalog_stays", catalog_id=catalog.id, error=str(error))
                await self.deps.clock.sleep(RETRY_SECONDS)

    def _not_razed(self, what: str) -> NotStopped:
        seconds = self.deps.settings.cancel_timeout
        return NotStopped(
            f"{what} is deleted; its data could not be removed within {seconds:g} s, and the service goes on"
        )

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
        try:
            await deps.plant.provision(catalog)
            added = await deps.store.add_catalog(catalog)
        except BaseException:
            deps.carry_on(self._unmake_catalog(catalog))
            raise
        if not added:
            await deps.plant.destroy(catalog)
            raise NotApplicable(f"a catalog named {name} exists already in {instance_id}", field="name")
        return catalog

    async def _unmake_catalog(self, catalog: Catalog) -> None:
        """Remove a catalog whose creation failed."""
        await until_gone(self.deps.clock, partial(self.deps.store.drop_catalog, catalog.id))
        await self._raze(catalog)


def _taken(name: str) -> NotApplicable:
    return NotApplicable(f"a workspace named {name} exists already", field="name")
