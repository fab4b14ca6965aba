"""Results of earlier versions, which lay side by side: each is moved into the folder of its workspace.

Whose a result is, its record tells. Without one, or when its time is over, it is removed, as the
sweeper would have done.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from treadle.model.entities import Statement
from treadle.model.ids import PLAIN_ID
from treadle.results.layout import discard, folder, results_root
from treadle.scheduler.context import Context

log = structlog.get_logger("treadle.recovery")

BATCH: Final = 500


async def regroup(context: Context) -> None:
    """Leave no result where it lay before; call it when no worker lives, and before `recover`."""
    root = results_root(context.settings.data_dir)
    found = await context.filing(_ungrouped, root)
    for start in range(0, len(found), BATCH):
        batch = found[start : start + BATCH]
        rows = {row.id: row for row in await context.store.statements(batch)}
        await context.filing(_settle, context, root, batch, rows)
    if found:
        log.info("results_regrouped", count=len(found))


def _ungrouped(root: Path) -> list[str]:
    """The statements whose files lie directly in a folder of the root, where folders of workspaces are today."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return []
    return [name for name in names if PLAIN_ID.match(name) and _is_result(root / name)]


def _is_result(place: Path) -> bool:
    """Whether there are files in a folder, and nothing else: a workspace's is known by the first folder in it."""
    try:
        with os.scandir(place) as entries:
            first = next(entries, None)
            if first is None or not first.is_file(follow_symlinks=False):
                return False
            return all(entry.is_file(follow_symlinks=False) for entry in entries)
    except NotADirectoryError:
        return False


def _settle(context: Context, root: Path, names: Sequence[str], rows: Mapping[str, Statement]) -> None:
    now = context.clock.now()
    for name in names:
        row = rows.get(name)
        expires = row and row.results_expire_at
        try:
            if row is None or (expires and expires <= now):
                discard(root, name)
            else:
                place = folder(context.results_dir(row.workspace_id), name)
                place.parent.mkdir(parents=True, exist_ok=True)
                (root / name).replace(place)
        except OSError as error:
            log.warning("result_stays", statement_id=name, error=str(error))
