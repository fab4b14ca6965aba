"""How much disk a workspace may have: for kept results, for the files of COPY, and for spill.

They are measured now and then, so a quota can be passed by what is written between two looks. A
workspace beyond one has what runs in it cancelled, on the same path as every other cancel, and takes
nothing new until there is room again: results go when their time is over, spill with its statement.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog

from treadle.model.states import Reason
from treadle.scheduler.context import Context
from treadle.scheduler.lane import Lane
from treadle.scheduler.quantities import size
from treadle.store.errors import StoreUnavailable

log = structlog.get_logger("treadle.quotas")

BATCH: Final = 500
"""Statements whose workspace is asked for at once."""


class Quotas:
    """Measures, and knows which workspaces are full."""

    def __init__(self, context: Context, lanes: Callable[[], Sequence[Lane]]) -> None:
        self._context = context
        self._lanes = lanes
        self._full: dict[str, str] = {}
        # Of each result the workspace and the bytes: those of a statement that has ended do not change.
        self._known: dict[str, tuple[str, int]] = {}

    def full(self, workspace_id: str) -> str | None:
        """The quota a workspace is beyond, in words; None when it is beyond none."""
        return self._full.get(workspace_id)

    async def forever(self) -> None:
        """Look, again and again."""
        while True:
            await self._context.clock.sleep(self._context.settings.quota_interval)
            try:
                await self.look()
            except StoreUnavailable as error:
                log.warning("store_unavailable", error=str(error))
            except Exception:
                log.exception("quotas_failed")

    async def look(self) -> None:
        """Measure everything, and cancel what runs in workspaces that are full."""
        settings, lanes = self._context.settings, self._lanes()
        limits = (
            ("results", int(settings.workspace_results), self._results),
            ("files", int(settings.workspace_files), self._files),
            ("spill", int(settings.workspace_spill), self._spill),
        )
        full: dict[str, str] = {}
        for what, most, measure in limits:
            if most:
                used = await measure(lanes)
                full.update({one: f"more than {size(most)} of {what}" for one, taken in used.items() if taken > most})
        for workspace_id in full.keys() - self._full.keys():
            log.warning("workspace_full", workspace_id=workspace_id, detail=full[workspace_id])
        self._full = full
        for lane in lanes:
            run, detail = lane.current, full.get(lane.session.workspace_id)
            if run is not None and run.intent is None and detail is not None:
                lane.limiter.passed(run, Reason.QUOTA, detail)

    async def _results(self, lanes: Sequence[Lane]) -> Counter[str]:
        root = self._context.results_dir
        present = await asyncio.to_thread(_names, root)
        running = {lane.running: lane.session.workspace_id for lane in lanes if lane.running is not None}
        self._known = {one: known for one, known in self._known.items() if one in present}
        new = [one for one in present if one not in self._known]
        sizes = await asyncio.to_thread(_sizes, [root / one for one in new])
        taken: Counter[str] = Counter()
        ended = [(one, size) for one, size in zip(new, sizes, strict=True) if one not in running]
        for one, size_now in zip(new, sizes, strict=True):
            if one in running:
                taken[running[one]] += size_now
        await self._learn(ended)
        for workspace_id, size_then in self._known.values():
            taken[workspace_id] += size_then
        return taken

    async def _learn(self, ended: Sequence[tuple[str, int]]) -> None:
        """Remember whose the results of ended statements are; those without a record are nobody's, and swept."""
        for start in range(0, len(ended), BATCH):
            batch = dict(ended[start : start + BATCH])
            for row in await self._context.store.statements(list(batch)):
                if row.state.final:
                    self._known[row.id] = row.workspace_id, batch[row.id]

    async def _files(self, lanes: Sequence[Lane]) -> Counter[str]:  # noqa: ARG002 (each measure is given them)
        root = self._context.settings.data_dir / "files"
        names = await asyncio.to_thread(_names, root)
        return Counter(dict(zip(names, await asyncio.to_thread(_sizes, [root / one for one in names]), strict=True)))

    async def _spill(self, lanes: Sequence[Lane]) -> Counter[str]:
        busy = [lane for lane in lanes if lane.running is not None]
        sizes = await asyncio.to_thread(_sizes, [Path(lane.worker.temp_dir) for lane in busy])
        taken: Counter[str] = Counter()
        for lane, bytes_now in zip(busy, sizes, strict=True):
            taken[lane.session.workspace_id] += bytes_now
        return taken


def _names(folder: Path) -> list[str]:
    """What is in a folder, nothing when there is none."""
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _sizes(folders: Iterable[Path]) -> list[int]:
    """Bytes on disk of each folder, all it holds included; what goes while one looks counts for nothing."""
    return [_size(folder) for folder in folders]


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except OSError:
                continue
    return total
