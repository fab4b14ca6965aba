"""Audit: what happened is noted in passing and written a moment later, many events at once.

A change of workspaces, catalogs, users and the like is written before its verb answers (`record`); the
rest (`note`) within `FLUSH_SECONDS`, which is what a ``kill -9`` may lose of it. A stop that is asked of
the store is written by the very step that asks (`treadle.store.base.Store.request_cancels`); one that is
asked of the owner first is noted, and nothing waits for it.
"""

import asyncio
from contextvars import ContextVar
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from treadle.model.audit import By, Event, Outcome
from treadle.model.entities import Principal
from treadle.model.ports import Clock
from treadle.store.base import Store
from treadle.store.errors import StoreUnavailable

log = structlog.get_logger("treadle.audit")

FLUSH_SECONDS: Final = 0.2
"""Seconds an event that was noted waits for others."""

KEPT_MOST: Final = 10_000
"""Events kept for a store that does not answer; of more, the newest are lost, and the log says so."""

PROMPT_SECONDS: Final = 5.0
"""Seconds an event that is written now may take; then it is written later, and twice rather than not at all."""

RETRY_SECONDS: Final = 2.0
"""Seconds until events are tried again that the store did not take."""


TOLD_MOST: Final = 400
"""Characters of what was asked for that an event tells."""


class Origin(msgspec.Struct, frozen=True):
    """Where a request comes from: the client's address, the request's name, its method and path."""

    address: str = ""
    request_id: str = ""
    method: str = ""
    path: bytes = b""

    @property
    def asked(self) -> str:
        """What was asked for, in printable characters."""
        return f"{self.method} {self.path[:TOLD_MOST].decode('ascii', 'backslashreplace')}"[:TOLD_MOST].strip()


ORIGIN: Final[ContextVar[Origin]] = ContextVar("origin", default=Origin())  # noqa: B039 (it is frozen)
"""The origin of the request that is served; set by whoever carries it here."""


def asker(p: Principal) -> By:
    """Who asks, as events have it."""
    origin = ORIGIN.get()
    return By(
        project_id=p.project_id,
        user_id=p.user_id,
        user_name=p.user_name,
        address=origin.address,
        request_id=origin.request_id,
    )


class Audit:
    """Where the verbs note what was done."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: dict[object, Event] = {}
        self._writer: asyncio.Task[None] | None = None
        self._lost = 0

    def event(
        self,
        p: Principal,
        action: str,
        outcome: str = Outcome.DONE,
        *,
        workspace_id: str = "",
        resource: str = "",
        detail: str = "",
    ) -> Event:
        """An event of now. A refusal says what was asked for, since nothing came of it that has a name."""
        if outcome == Outcome.REFUSED:
            detail = detail or ORIGIN.get().asked
        return Event(
            at=self._clock.now(),
            by=asker(p),
            action=action,
            outcome=outcome,
            workspace_id=workspace_id,
            resource=resource,
            detail=detail,
        )

    def note(self, event: Event) -> None:
        """Have it written soon. What is refused again and again within a moment is one event, with a number."""
        same: object = event
        if event.key:
            # A statement that is asked to stop again and again is one row a moment.
            same = (event.by.user_id, event.by.address, event.key, event.outcome, event.closes)
        elif event.outcome != Outcome.DONE:
            # Whoever guesses ids, or hammers on a door, fills no table.
            by = event.by
            same = (by.project_id, by.user_id, by.address, event.action, event.outcome)
        self._add(same, event)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_soon())

    def _add(self, same: object, event: Event) -> None:
        if (known := self._waiting.get(same)) is not None:
            self._waiting[same] = replace(known, times=known.times + event.times)
        elif len(self._waiting) < KEPT_MOST:
            self._waiting[same] = event
        else:
            self._lost += 1

    async def record(self, event: Event) -> None:
        """Have it written now; later when the store does not answer now."""
        try:
            async with asyncio.timeout(PROMPT_SECONDS):
                await self._store.add_audit([event])
        except (StoreUnavailable, TimeoutError):
            self.note(event)

    async def flush(self) -> None:
        """Write what waits; raises `StoreUnavailable`, and then it waits on."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            await self._store.add_audit(list(waiting.values()))
        except BaseException:
            newer, self._waiting = self._waiting, waiting
            for same, event in newer.items():
                self._add(same, event)
            raise
        if self._lost:
            log.error("audit_lost", count=self._lost)
            self._lost = 0

    async def _write_soon(self) -> None:
        wait = FLUSH_SECONDS
        while self._waiting:
            await self._clock.sleep(wait)
            try:
                await self.flush()
                wait = FLUSH_SECONDS
            except StoreUnavailable as error:
                log.warning("store_unavailable", error=str(error))
                wait = RETRY_SECONDS
            except Exception:
                log.exception("audit_failed")
                wait = RETRY_SECONDS
        self._writer = None

    async def close(self) -> None:
        """Write what waits, for the last time."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])
            self._writer = None
        try:
            async with asyncio.timeout(PROMPT_SECONDS):
                await self.flush()
        except (StoreUnavailable, TimeoutError) as error:
            log.error("audit_lost", count=len(self._waiting), error=str(error))
