"""The keeper of the catalogs' data folders: what an aborted write left there is removed.

An interrupted or killed write leaves Parquet files that no snapshot refers to. Which they are can be
told for certain only in a quiet moment, when no session works on the catalog: then every file that
the metadata does not know is one. Nothing here compares clocks. A catalog that is not quiet stays
on the list, and is looked at again whenever one of its statements ends. The list is on disk as well:
what a service did not come to, because it went down or a catalog did not answer, the next one does.
"""

import asyncio
import contextlib
import os
from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from treadle.model.entities import Catalog
from treadle.pools.threads import Offload
from treadle.scheduler.marks import Marks
from treadle.scheduler.ports import Catalogs

log = structlog.get_logger("treadle.keeper")


class _Use(msgspec.Struct):
    """A session's work on a catalog: when it began, and before which moment every change is known to it."""

    began: datetime
    known: datetime


class Keeper:
    """Knows which catalogs may hold left files, and removes them.

    ``offload`` runs its blocking work; what the end of a statement waits for runs in the share of the statement's user.
    """

    def __init__(self, catalogs: Catalogs, marks: Marks, offload: Offload = asyncio.to_thread) -> None:
        self._offload = offload
        self._catalogs = catalogs
        self._marks = marks
        self._littered: dict[str, Catalog] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._working: dict[str, dict[str, _Use]] = {}
        self._starts: Counter[str] = Counter()

    def begin(self, catalog_id: str, session_id: str, now: datetime) -> None:
        """The session works on the catalog from now on: call it before its statement can start."""
        self._working.setdefault(catalog_id, {}).setdefault(session_id, _Use(now, now))
        self._starts[catalog_id] += 1

    def end(self, catalog_id: str, session_id: str) -> None:
        """The session has neither a statement nor a transaction on the catalog."""
        working = self._working.get(catalog_id, {})
        over = working.pop(session_id, None)
        if over is not None:
            for use in working.values():
                use.known = min(use.known, over.began)

    def busy_since(self, catalog_id: str) -> datetime | None:
        """The moment before which what changed in the catalog is known to every session that works there; None
        when none does.

        A snapshot, and a file that falls out of use, bear the time at which their transaction began, which may be
        long before its commit. So a session that works there may not know of what bears the time of its own
        beginning, nor that of another's which has ended since: a commit whose conflicts can no more be looked up
        would undo that of the other.
        """
        return min((use.known for use in self._working.get(catalog_id, {}).values()), default=None)

    async def recall(self) -> None:
        """Take over the list of an earlier service; whoever calls this tidies."""
        for mark in await self._offload(self._marks.all):
            catalog = await self._catalogs.of_session(mark.workspace_id, mark.instance_id, mark.name)
            if catalog is not None and catalog.id == mark.catalog_id:
                self._littered[catalog.id] = catalog
            else:
                await self._offload(self._marks.remove, mark.catalog_id)  # the catalog was deleted with its folder

    async def littered(self, catalog: Catalog, offload: Offload | None = None) -> None:
        """A write on this catalog was aborted."""
        if catalog.id in self._littered:
            return
        self._littered[catalog.id] = catalog
        try:
            await (offload or self._offload)(self._marks.put, catalog)
        except OSError as error:
            log.warning("left_files_not_marked", catalog_id=catalog.id, error=str(error))

    async def expect(self, catalog: Catalog) -> None:
        """A write that is on no record begins on this catalog: should the service die, the next one looks for files."""
        await self._offload(self._marks.put, catalog)

    async def relax(self, catalog_id: str) -> None:
        """That write has ended, and left nothing."""
        if catalog_id not in self._littered:
            await self._offload(self._marks.remove, catalog_id)

    def needs(self, catalog_id: str) -> bool:
        """Whether the catalog may hold left files."""
        return catalog_id in self._littered

    async def tidy_all(self) -> None:
        """Look again at every catalog on the list: one that did not answer may answer now."""
        for catalog_id in list(self._littered):
            await self.tidy(catalog_id)

    async def tidy(self, catalog_id: str, offload: Offload | None = None) -> None:
        """Remove the left files of a catalog if it is quiet; otherwise it stays on the list."""
        offload = offload or self._offload
        async with self._locks.setdefault(catalog_id, asyncio.Lock()):
            catalog = self._littered.get(catalog_id)
            starts = self._starts[catalog_id]
            if catalog is None or self._working.get(catalog_id):
                return
            files = await offload(_files, Path(catalog.data_path))
            known = await self._catalogs.referenced(catalog, [file.name for file in files]) if files else frozenset()
            # A statement that began meanwhile may own a file of the list.
            if known is None or self._starts[catalog_id] != starts:
                return
            left = [file for file in files if file.name not in known]
            # Off the list first: a write that is aborted meanwhile puts it on again.
            del self._littered[catalog_id]
            try:
                await offload(_remove, left)
                if catalog_id not in self._littered:
                    self._marks.remove(catalog_id)
            except OSError as error:
                log.warning("left_files_stay", catalog_id=catalog_id, error=str(error))
                self._littered[catalog_id] = catalog
                return
            if left:
                log.info("left_files_removed", catalog_id=catalog_id, files=len(left))


def _files(folder: Path) -> list[Path]:
    # A folder may go while it is walked: another session drops a table.
    found = [Path(place) / name for place, _, names in os.walk(folder) for name in names]
    return [path for path in found if path.suffix == ".parquet"]


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
    for folder in {file.parent for file in files}:
        # Empty now, or somebody else's files are in it.
        with contextlib.suppress(OSError):
            folder.rmdir()
