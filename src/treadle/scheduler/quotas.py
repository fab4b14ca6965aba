"""Limits the disk space of a workspace: for results, for files of COPY, and for spill.

Usage is measured periodically, so that writes between two measurements can exceed a quota. In a workspace beyond a
quota, statements that may use more of it are cancelled in the same way as by users, and new ones are refused until
there is space again. Statements that only read or remove continue.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path
from typing import Final

import msgspec
import structlog

from treadle.model.growth import Beyond, Full, Space
from treadle.model.states import Reason
from treadle.results.layout import results_root
from treadle.scheduler.context import Context
from treadle.scheduler.lane import Lane
from treadle.scheduler.quantities import size

log = structlog.get_logger("treadle.quotas")

_WAYS_OUT: Final = {
    Space.RESULTS: "results are removed when their time is over (result_ttl)",
    Space.FILES: "remove files that are no longer needed, or have an operator raise workspace_files",
    Space.SPILL: "there is room again when the statements that spill have ended",
}
_NAMES: Final = {Space.RESULTS: "results", Space.FILES: "files", Space.SPILL: "spilled data"}


class Seen(msgspec.Struct, frozen=True):
    """What a look found in the results folder of a workspace, by statement."""

    sizes: dict[str, int] = {}
    """Bytes of what will not change: it was there at the look before, and no statement that runs writes it."""

    others: frozenset[str] = frozenset()
    taken: int = 0
    """Bytes of everything."""


class Quotas:
    """Measures, and knows which workspaces are full."""

    def __init__(self, context: Context, lanes: Callable[[], Sequence[Lane]]) -> None:
        self._context = context
        self._lanes = lanes
        self._full: dict[str, Full] = {}
        self._seen: dict[str, Seen] = {}

    def full(self, workspace_id: str) -> Full | None:
        """The exceeded quotas of a workspace; None when there are none."""
        return self._full.get(workspace_id)

    async def forever(self) -> None:
        """Look, again and again."""
        while True:
            await self._context.clock.sleep(self._context.settings.quota_interval)
            try:
                await self.look()
            except Exception:
                log.exception("quotas_failed")

    async def look(self) -> None:
        """Measure all workspaces, and cancel statements that may use more space where a quota is exceeded."""
        settings, lanes = self._context.settings, self._lanes()
        limits = (
            (Space.RESULTS, int(settings.workspace_results), self._results),
            (Space.FILES, int(settings.workspace_files), self._files),
            (Space.SPILL, int(settings.workspace_spill), self._spill),
        )
        beyond: defaultdict[str, dict[Space, Beyond]] = defaultdict(dict)
        for space, most, measure in limits:
            if most:
                for workspace_id, used in (await measure(lanes)).items():
                    if used > most:
                        beyond[workspace_id][space] = _beyond(space, most, used)
        full = {workspace_id: Full(quotas) for workspace_id, quotas in beyond.items()}
        for workspace_id in full.keys() - self._full.keys():
            details = "; ".join(quota.detail for quota in full[workspace_id].quotas.values())
            log.warning("workspace_full", workspace_id=workspace_id, detail=details)
        self._full = full
        for lane in lanes:
            if (found := full.get(lane.session.workspace_id)) is not None:
                await self._stop(lane, found)

    async def _stop(self, lane: Lane, full: Full) -> None:
        """Cancel the running statement of a session if it may use more space."""
        run = lane.current
        if run is None or run.intent is not None:
            return
        # Parsed in a thread: the text may be long.
        met = await self._context.filing(full.met_by, run.statement.content)
        if met is not None and run is lane.current:
            lane.limiter.passed(run, Reason.QUOTA, met.detail)

    async def _results(self, lanes: Sequence[Lane]) -> Counter[str]:
        running = frozenset(lane.running for lane in lanes if lane.running is not None)
        root = results_root(self._context.settings.data_dir)
        self._seen = await self._context.filing(look_at_results, root, self._seen, running)
        return Counter({workspace_id: seen.taken for workspace_id, seen in self._seen.items()})

    async def _files(self, lanes: Sequence[Lane]) -> Counter[str]:  # noqa: ARG002 (each measure is given them)
        root = self._context.settings.data_dir / "files"
        names = await self._context.filing(_names, root)
        return Counter(dict(zip(names, await self._context.filing(_sizes, [root / one for one in names]), strict=True)))

    async def _spill(self, lanes: Sequence[Lane]) -> Counter[str]:
        busy = [lane for lane in lanes if lane.running is not None]
        sizes = await self._context.filing(_sizes, [Path(lane.worker.temp_dir) for lane in busy])
        taken: Counter[str] = Counter()
        for lane, bytes_now in zip(busy, sizes, strict=True):
            taken[lane.session.workspace_id] += bytes_now
        return taken


def _beyond(space: Space, most: int, used: int) -> Beyond:
    detail = f"{_NAMES[space]} of the workspace exceed workspace_{space} ({size(most)})"
    return Beyond(detail, f"{detail} ({size(used)} used); reads and removals still run: {_WAYS_OUT[space]}")


def look_at_results(root: Path, before: dict[str, Seen], running: Set[str]) -> dict[str, Seen]:
    """What the folder of each workspace holds. ``running`` are the statements that ran when the look began."""
    return {one: _look(root / one, before.get(one, Seen()), running) for one in _names(root)}


def _look(folder: Path, before: Seen, running: Set[str]) -> Seen:
    sizes: dict[str, int] = {}
    others: set[str] = set()
    taken = 0
    for name in _names(folder):
        known = before.sizes.get(name)
        bytes_now = _size(folder / name) if known is None else known
        taken += bytes_now
        if known is not None or (name in before.others and name not in running):
            sizes[name] = bytes_now
        else:
            others.add(name)
    return Seen(sizes, frozenset(others), taken)


def _names(folder: Path) -> list[str]:
    """What is in a folder, nothing when there is none."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
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
