"""Time passes: results expire, records grow old, and both are removed a few at a time.

Left data files that could not be removed when they were left are tried again.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from treadle.results.layout import discard
from treadle.scheduler.context import Context
from treadle.store.errors import StoreUnavailable

log = structlog.get_logger("treadle.sweeper")

BATCH: Final = 500


async def sweep(context: Context) -> None:
    """One sweep: every result whose time is over, every record older than ``record_ttl``."""
    store, now = context.store, context.clock.now()
    while expired := await store.expire_results(now, BATCH):
        for statement_id in expired:
            await asyncio.to_thread(discard, context.results_dir, statement_id)
        log.info("results_expired", count=len(expired))
    if passed := await store.purge_tombstones(now):
        log.info("early_cancels_forgotten", count=passed)
    before = now - timedelta(seconds=context.settings.record_ttl)
    while purged := await store.purge_records(before, BATCH):
        log.info("records_purged", count=purged)
    before = now - timedelta(seconds=context.settings.audit_ttl)
    while purged := await store.purge_audit(before, BATCH):
        log.info("audit_purged", count=purged)


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
