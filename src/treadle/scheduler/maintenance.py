"""Maintenance of the catalogs: small files are merged, deleted rows left out, old snapshots and their files removed.

It looks at a catalog soon after a commit, and at all of them now and then; what is due is decided by
`treadle.model.maintenance`. One catalog is maintained at a time. A step that loses a race against a writer, or takes
too long, is tried again later, each time after a longer pause.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog

from treadle.model.entities import Catalog
from treadle.model.errors import Unavailable
from treadle.model.maintenance import Due, Duty, Facts, Moments, Thresholds, due
from treadle.model.precedence import Work
from treadle.scheduler.attaching import Attaching
from treadle.scheduler.context import Context
from treadle.scheduler.courtesy import Courtesy
from treadle.scheduler.maintainer import Last, Maintainer, maintainer
from treadle.scheduler.ports import Workers
from treadle.store.errors import StoreUnavailable
from treadle.store.filters import Page, WorkspaceFilter
from treadle.wire import Cancelled, Failed, Finished

log = structlog.get_logger("treadle.maintenance")

ROUND_SECONDS: Final = 3600.0
"""Seconds between two looks at every catalog: what grows old is not noticed by a commit."""

BACKOFF_MOST: Final = 3600.0
"""Seconds after which a step that failed is tried again, at most."""

RESTS: Final = 10
"""How much longer than it takes to maintain a catalog it is left alone afterwards."""

T = TypeVar("T")

_EVERYTHING: Final = Page(limit=1_000_000, counted=False)


class Outlook(Protocol):
    """What maintenance asks about catalogs."""

    async def facts(self, catalog: Catalog, deleted_share: float, moments: Moments) -> Facts | None:
        """What the files and snapshots of the catalog are like; None when it does not answer."""


class Tally(Protocol):
    """What maintenance counts."""

    def maintained(self, duty: Duty, outcome: str, seconds: float, things: int, size: int) -> None:
        """A step has ended: its outcome, how long it took, and how many files or snapshots, and bytes, it settled."""


class Visit(msgspec.Struct):
    """A catalog that is to be looked at: when (monotonic), and the pause after the next failure."""

    catalog: Catalog
    at: float
    failures: int = 0


class Maintenance:
    """Looks at catalogs and maintains them, one after another."""

    def __init__(
        self,
        context: Context,
        workers: Workers,
        outlook: Outlook,
        tally: Tally,
        works: Callable[[str], Iterable[Work]],
    ) -> None:
        self._context = context
        self._courtesy = Courtesy(context, works)
        self._outlook = outlook
        self._tally = tally
        self._attaching = Attaching(context, workers)
        settings = context.settings
        self._thresholds = Thresholds(
            small_files=settings.maintenance_small_files, deleted_share=settings.maintenance_deleted_share
        )
        self._visits: dict[str, Visit] = {}
        # Catalogs that were looked at, and until when they are left alone.
        self._rest: dict[str, float] = {}
        self._settled: dict[str, dict[tuple[Duty, str, str], int]] = {}
        # Catalogs with files that are out of use and too young to go.
        self._unused: set[str] = set()
        self._next_round = 0.0
        self._current = ""
        self._stopping = asyncio.Event()
        self._left = asyncio.Event()
        self._left.set()
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._forever(), name="maintenance")

    async def stop(self) -> None:
        """Stop what runs, and look at nothing any more."""
        self._closed = True
        self._stopping.set()
        if self._task is not None:
            await self._left.wait()
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._attaching.close()

    async def leave(self, catalog_id: str) -> None:
        """Let go of a catalog that is being removed."""
        self._visits.pop(catalog_id, None)
        self._settled.pop(catalog_id, None)
        self._courtesy.keep(catalog_id, ())
        self._unused.discard(catalog_id)
        if self._current == catalog_id:
            self._stopping.set()
            await self._left.wait()

    # -- when --------------------------------------------------------------------------------

    async def _forever(self) -> None:
        pause = self._context.settings.maintenance_pause
        self._next_round = self._now() + pause
        while True:
            await self._context.changes.wait(max(self._next_moment() - self._now(), 0.0))
            try:
                await self._plan()
                await self._visit_due()
            except StoreUnavailable as error:
                log.warning("store_unavailable", error=str(error))
                await self._context.clock.sleep(pause)
            except Exception:
                log.exception("maintenance_failed")
                await self._context.clock.sleep(pause)

    def _now(self) -> float:
        return self._context.clock.monotonic()

    def _next_moment(self) -> float:
        return min((visit.at for visit in self._visits.values()), default=self._next_round)

    async def _plan(self) -> None:
        """When to look at which catalog."""
        now = self._now()
        self._rest = {one: until for one, until in self._rest.items() if until > now}
        changed, wanted = self._context.changes.take()
        for catalog in changed:
            planned, at = self._visits.get(catalog.id), self._rest.get(catalog.id, now)
            if planned is None or (not planned.failures and planned.at > at):
                self._visits[catalog.id] = Visit(catalog, at)
        if now >= self._next_round:
            self._next_round = now + ROUND_SECONDS
            for catalog in await self._all():
                self._visits.setdefault(catalog.id, Visit(catalog, now))
        for catalog in wanted:
            self._settled.pop(catalog.id, None)
            self._visits[catalog.id] = Visit(catalog, now)

    async def _all(self) -> list[Catalog]:
        store = self._context.store
        _, workspaces = await store.workspaces(None, WorkspaceFilter(), _EVERYTHING)
        return [catalog for workspace in workspaces for catalog in await store.catalogs(workspace.id)]

    async def _visit_due(self) -> None:
        """Look at the catalogs whose time has come, the one that waits for longest first."""
        for catalog_id, _ in sorted(self._visits.items(), key=lambda item: item[1].at):
            visit = self._visits.get(catalog_id)
            if self._closed or visit is None or visit.at > self._now():
                continue
            del self._visits[catalog_id]
            began = self._now()
            again = await self._visit(visit.catalog)
            pause = max(self._context.settings.maintenance_pause, RESTS * (self._now() - began))
            self._rest[catalog_id] = self._now() + pause
            if again is not None and not self._stopping.is_set():
                self._come_again(visit, pause, failed=not again)
            elif catalog_id in self._unused:
                self._visits[catalog_id] = Visit(visit.catalog, self._now() + self._context.settings.file_retention)

    def _come_again(self, visit: Visit, pause: float, *, failed: bool) -> None:
        failures = visit.failures + 1 if failed else 0
        if failed:
            pause = min(self._context.settings.maintenance_pause * 2**failures, BACKOFF_MOST)
        self._visits[visit.catalog.id] = Visit(visit.catalog, self._now() + pause, failures)

    # -- what --------------------------------------------------------------------------------

    async def _visit(self, catalog: Catalog) -> bool | None:
        """Carry out due steps: True when one was done or gave way, None when none was due, False when one failed."""
        if self._closed:
            return None
        self._current = catalog.id
        self._stopping.clear()
        self._left.clear()
        try:
            steps = await self._unless_stopped(self._due(catalog))
            self._courtesy.keep(catalog.id, steps or ())
            if not steps or self._stopping.is_set():
                return None if steps is not None else False
            free = tuple(step for step in steps if not self._courtesy.gives_way(catalog.id, step))
            if not free:
                return True
            async with maintainer(self._context, self._attaching, catalog, self._stopping) as worker:
                return await self._perform(worker, catalog, free)
        except Unavailable as error:
            log.warning("maintenance_without_worker", catalog_id=catalog.id, error=str(error))
            return False
        finally:
            self._current = ""
            self._left.set()

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What the work comes to, None when it is not wanted any more before."""
        task, unwanted = asyncio.create_task(work), asyncio.create_task(self._stopping.wait())
        await asyncio.wait({task, unwanted}, return_when=asyncio.FIRST_COMPLETED)
        unwanted.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        return None

    async def _due(self, catalog: Catalog) -> tuple[Due, ...] | None:
        """What is due; None when the catalog does not answer."""
        known = await self._context.store.catalog(catalog.workspace_id, catalog.instance_id, catalog.name)
        if known is None or known.id != catalog.id:
            return ()
        moments = Moments.of(
            self._context.clock.now(),
            self._context.keeper.busy_since(catalog.id),
            retention=self._context.settings.file_retention,
            ttl=self._context.settings.snapshot_ttl,
        )
        facts = await self._outlook.facts(catalog, self._thresholds.deleted_share, moments)
        self._unused.discard(catalog.id)
        if facts is None:
            return None
        if facts.scheduled:
            self._unused.add(catalog.id)
        if facts.inlined:
            log.warning("not_maintained", catalog_id=catalog.id, why="it holds inlined data")
        return due(facts, self._thresholds, self._settled.get(catalog.id, {}))

    async def _perform(self, worker: Maintainer, catalog: Catalog, steps: tuple[Due, ...]) -> bool:
        for step in steps:
            began = self._now()
            last = await worker.perform(
                self._sql(catalog, step),
                self._context.settings.maintenance_timeout,
                partial(self._courtesy.gives_way, catalog.id, step),
            )
            self._count(catalog, step, last, self._now() - began, gave_way=worker.gave_way)
            if self._stopping.is_set() or not (isinstance(last, Finished) or (worker.gave_way and worker.alive)):
                return False
            if not worker.gave_way:
                self._courtesy.done(catalog.id, step)
        return True

    def _sql(self, catalog: Catalog, step: Due) -> str:
        ttl = self._context.settings.snapshot_ttl
        return sql_of(step, catalog.name, self._context.clock.now() - timedelta(seconds=ttl))

    def _count(self, catalog: Catalog, step: Due, last: Last, seconds: float, *, gave_way: bool) -> None:
        outcome, error = ("gave_way", "") if gave_way else _outcome(last)
        done = isinstance(last, Finished) and last.part.rows > 0
        settled = self._settled.setdefault(catalog.id, {})
        settled.pop(step.key, None)
        if outcome == "done" and not done:
            settled[step.key] = step.count
        things, size = (step.count, step.bytes) if done else (0, 0)
        self._tally.maintained(step.duty, outcome, seconds, things, size)
        log.info(
            "catalog_maintained",
            catalog_id=catalog.id,
            duty=step.duty,
            outcome=outcome,
            seconds=round(seconds, 3),
            things=things,
            bytes=size,
            error=error,
        )


def _outcome(last: Last) -> tuple[str, str]:
    """In a word, and the error."""
    match last:
        case Finished():
            return "done", ""
        case Failed(part=part):
            return ("conflict" if part.sql_state == "40001" else "failed"), part.message
        case Cancelled():
            return "stopped", ""
        case None:
            return "killed", ""


def sql_of(step: Due, catalog: str, oldest: datetime) -> str:
    """A step as a statement; ``oldest`` is the age at which snapshots go."""
    where = f"{_literal(step.table)}, schema => {_literal(step.schema)}"
    lake = _literal(catalog)
    match step.duty:
        case Duty.MERGE:
            return f"CALL ducklake_merge_adjacent_files({lake}, {where}, max_file_size => {int(step.limit)})"
        case Duty.REWRITE:
            return f"CALL ducklake_rewrite_data_files({lake}, {where}, delete_threshold => {step.limit!r})"
        case Duty.EXPIRE:
            return f"CALL ducklake_expire_snapshots({lake}, older_than => '{oldest.isoformat()}')"
        case Duty.CLEAN:
            return f"CALL ducklake_cleanup_old_files({lake}, cleanup_all => true)"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
