"""Time passes: results expire, records grow old, and both are removed a few at a time.

Left data files that could not be removed when they were left are tried again.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from treadle.results.layout import discard
from treadle.scheduler.context import Context
from treadle.store.base import DueResult
from treadle.store.errors import StoreUnavailable

log = structlog.get_logger("treadle.sweeper")

BATCH: Final = 500


async def sweep(context: Context) -> None:
    """One sweep: every result whose time is over, every record older than ``record_ttl``."""
    store, now = context.store, context.clock.now()
    await _expire(context, now)
    if passed := await store.purge_tombstones(now):
        log.info("early_cancels_forgotten", count=passed)
    before = now - timedelta(seconds=context.settings.record_ttl)
    while purged := await store.purge_records(before, BATCH):
        log.info("records_purged", count=purged)
    before = now - timedelta(seconds=context.settings.audit_ttl)
    while purged := await store.purge_audit(before, BATCH):
        log.info("audit_purged", count=purged)


async def _expire(context: Context, now: datetime) -> None:
    """Remove the results whose time is over. Only what is gone is marked, so that a crash leaves none behind."""
    store = context.store
    while due := await store.due_results(now, BATCH):
        gone = await context.filing(_discard, context, due)
        await store.expire_results([one.statement_id for one in gone])
        log.info("results_expired", count=len(gone))
        for workspace_id in await context.filing(_emptied, context, gone):
            if await store.workspace(workspace_id, None) is None:
                await context.filing(_clear_away, context, workspace_id)
        if len(gone) < len(due):
            return  # the disk is in trouble: the rest is for the next sweep


def _discard(context: Context, due: Sequence[DueResult]) -> list[DueResult]:
    """Remove their files; those that have gone."""
    gone = []
    for one in due:
        try:
            discard(context.results_dir(one.workspace_id), one.statement_id)
        except OSError as error:
            log.warning("result_stays", statement_id=one.statement_id, error=str(error))
        else:
            gone.append(one)
    return gone


def _emptied(context: Context, gone: Sequence[DueResult]) -> list[str]:
    """The workspaces of these results that have a folder and no result left in it."""
    found = []
    for workspace_id in {one.workspace_id for one in gone}:
        with suppress(FileNotFoundError), os.scandir(context.results_dir(workspace_id)) as entries:
            if next(entries, None) is None:
                found.append(workspace_id)
    return found


def _clear_away(context: Context, workspace_id: str) -> None:
    """Remove the folder of a workspace that was deleted: nobody attaches to it any more."""
    with suppress(OSError):
        context.results_dir(workspace_id).rmdir()


async def sweep_forever(context: Context) -> None:
    """Sweep every ``sweep_interval`` seconds."""
    while True:
        await context.clock.sleep(context.settings.sweep_interval)
        try:
            await sweep(context)
            await context.keeper.tidy_all()
        except StoreUnavailable as error:
            log.warning("store_unavailable", error=str(error))
        except Exception:
            log.exception("sweep_failed")
