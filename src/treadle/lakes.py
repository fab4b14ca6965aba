"""The catalogs and folders outside the store: made for the service, asked by the scheduler."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from treadle.model.entities import Catalog
from treadle.model.maintenance import Facts, Moments, Snapshot
from treadle.pools.threads import Offload
from treadle.results.layout import workspace_folder
from treadle.store import catalogs
from treadle.store.base import Store
from treadle.store.errors import StoreUnavailable
from treadle.store.mending import Harm, mend

CUT_OFF_SECONDS: Final = 5.0


class Lakes:
    """Implements `treadle.service.deps.Plant` and `treadle.scheduler.ports.Catalogs`."""

    def __init__(self, dsn: str, store: Store, data_dir: Path, offload: Offload = asyncio.to_thread) -> None:
        self._offload = offload
        self._dsn = dsn
        self._store = store
        self._data_dir = data_dir
        self._leave: Callable[[str], Awaitable[None]] | None = None

    async def provision(self, catalog: Catalog) -> None:
        """Make the catalog's database, role and folder."""
        await self._offload(os.makedirs, catalog.data_path, mode=0o700, exist_ok=True)
        await self._offload(os.makedirs, self._files(catalog.workspace_id), mode=0o700, exist_ok=True)
        await catalogs.provision(self._dsn, catalog)

    async def destroy(self, catalog: Catalog) -> None:
        """Remove the catalog's database, role and folder."""
        if self._leave is not None:
            await self._leave(catalog.id)
        await catalogs.destroy(self._dsn, catalog)
        await self._offload(shutil.rmtree, catalog.data_path, ignore_errors=True)

    async def remove_files(self, workspace_id: str) -> None:
        """Remove the files and the results of a workspace that was deleted."""
        for folder in (self._files(workspace_id), workspace_folder(self._data_dir, workspace_id)):
            await self._offload(shutil.rmtree, folder, ignore_errors=True)

    def _files(self, workspace_id: str) -> Path:
        return self._data_dir / "files" / workspace_id

    async def of_session(self, workspace_id: str, instance_id: str, name: str) -> Catalog | None:
        """The catalog a session names."""
        return await self._store.catalog(workspace_id, instance_id, name)

    def dsn(self, catalog: Catalog, worker: str) -> str:
        """A libpq string without the password; the backends are found by their application_name."""
        libpq = catalogs.catalog_address(self._dsn, catalog).naming_files(Path.home()).libpq
        return f"{libpq} application_name={catalogs.worker_application(worker)}"

    async def cut_off(self, worker: str) -> bool:
        """End the worker's backends; False when that could not be done or seen now."""
        try:
            return await catalogs.terminate_backends(self._dsn, catalogs.worker_application(worker), CUT_OFF_SECONDS)
        except StoreUnavailable:
            return False

    async def referenced(self, catalog: Catalog, names: Sequence[str]) -> frozenset[str] | None:
        """Which of these data files the catalog knows of; None when it does not answer."""
        try:
            return await catalogs.referenced(self._dsn, catalog, names)
        except StoreUnavailable:
            return None

    async def facts(self, catalog: Catalog, deleted_share: float, moments: Moments) -> Facts | None:
        """What the files and snapshots of the catalog are like; None when it does not answer."""
        try:
            return await catalogs.facts(self._dsn, catalog, deleted_share, moments)
        except StoreUnavailable:
            return None

    async def snapshots(self, catalog: Catalog, limit: int) -> Sequence[Snapshot]:
        """The snapshots of the catalog, newest first; raises `StoreUnavailable`."""
        return await catalogs.snapshots(self._dsn, catalog, limit)

    def on_destroy(self, leave: Callable[[str], Awaitable[None]]) -> None:
        """Have ``leave`` let go of a catalog, by its id, before it is removed."""
        self._leave = leave

    async def mend(self, catalog: Catalog, functions: Collection[str], *, apply: bool) -> tuple[Harm, ...]:
        """Find faults that harm sessions of a catalog, and repair them with ``apply``; raises `StoreUnavailable`."""
        return await mend(self._dsn, catalog, functions, apply=apply)

    async def committed(self, catalog: Catalog, marker: str) -> bool | None:
        """Whether a commit with this marker is durable; None when the catalog does not answer."""
        try:
            return await catalogs.committed(self._dsn, catalog, marker)
        except StoreUnavailable:
            return None
