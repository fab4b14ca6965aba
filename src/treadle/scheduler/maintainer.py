"""A worker that maintains one catalog: no session's, giving way to all of them, and stopped as a statement is."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from msgspec.structs import replace

from treadle.model.entities import Catalog, Evidence, Session
from treadle.model.states import SessionStatus
from treadle.scheduler.aftermath import Aftermath
from treadle.scheduler.attaching import Attaching
from treadle.scheduler.context import Context
from treadle.scheduler.deaths import log_death
from treadle.scheduler.ports import Worker
from treadle.scheduler.stay import Stay
from treadle.wire import AtCommit, Cancel, Cancelled, Commit, Execute, Failed, Finished, FromWorker

log = structlog.get_logger("treadle.maintenance")

NICE: Final = 15
"""How far back maintenance stands: behind the work of statements."""

USER: Final = "treadle"
"""Who maintains, in the snapshots of a catalog."""

Last = Finished | Failed | Cancelled | None


class Maintainer:
    """One worker on one catalog; ``stopping`` ends its work.

    ``gave_way``: the last statement was ended at its commit in favour of other work.
    """

    def __init__(
        self, context: Context, session: Session, catalog: Catalog, worker: Worker, stopping: asyncio.Event
    ) -> None:
        self.gave_way = False
        self._context = context
        self._catalog = catalog
        self._worker = worker
        self._stopping = stopping
        self._stay = Stay(context, session, catalog)
        self._aftermath = Aftermath(context, session, catalog)
        self._inbox: asyncio.Queue[FromWorker | None] = asyncio.Queue()
        self.alive = True
        worker.attend(self._inbox.put_nowait)

    async def perform(self, sql: str, seconds: float, gives_way: Callable[[], bool]) -> Last:
        """Run one statement within ``seconds``; returns its last message, None when its worker was killed or has died.

        With ``gives_way`` true at its commit, the statement does not commit.
        """
        self.gave_way = False
        keeper = self._context.keeper
        await keeper.expect(self._catalog)
        self._stay.begin()
        last = await self._run(sql, seconds, gives_way)
        if last is None:
            self.alive = False
            await self._aftermath.cut_off()
        if isinstance(last, Finished):
            self._stay.end({}, lost=True)
            await keeper.relax(self._catalog.id)
        else:
            await self._stay.tidy({}, lost=True)
        return last

    async def _run(self, sql: str, seconds: float, gives_way: Callable[[], bool]) -> Last:
        """Climb the ladder when the time is over, or it is not wanted any more."""
        statement_id = self._context.new_id()
        order = Execute(statement_id=statement_id, content=sql, user_name=USER, row_limit=1, upkeep=self._stay.upkeep())
        self._worker.send(order)
        work = asyncio.create_task(self._follow(statement_id, gives_way))
        unwanted = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({work, unwanted}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        unwanted.cancel()
        if not work.done():
            self._worker.send(Cancel(statement_id=statement_id))
            await asyncio.wait({work}, timeout=self._context.settings.cancel_grace)
        if not work.done():
            log.warning("maintenance_killed", catalog_id=self._catalog.id, pid=self._worker.pid)
            self._worker.kill()
            return await work
        if (last := await work) is None:
            log_death(self._worker, catalog_id=self._catalog.id)
        return last

    async def _follow(self, statement_id: str, gives_way: Callable[[], bool]) -> Last:
        """Everything the worker says, up to its last word."""
        turn = False
        try:
            while True:
                match await self._inbox.get():
                    case AtCommit() as question:
                        if question.point.evidence is Evidence.CATALOG and not turn:
                            turn = await self._context.turns.take(self._catalog.id, self._stopping)
                        self.gave_way = gives_way()
                        if self.gave_way:
                            self._worker.send(Cancel(statement_id=statement_id))
                            continue
                        self._worker.send(Commit(statement_id=statement_id, part=question.point.part))
                    case Finished() | Failed() | Cancelled() | None as last:
                        return last
                    case _:
                        continue
        finally:
            if turn:
                self._context.turns.give(self._catalog.id)


@asynccontextmanager
async def maintainer(
    context: Context, attaching: Attaching, catalog: Catalog, stopping: asyncio.Event
) -> AsyncIterator[Maintainer]:
    """A worker for the catalog, gone in the end; raises `Unavailable`."""
    session = Session(
        id=context.new_id(),
        workspace_id=catalog.workspace_id,
        endpoint_id="",
        instance_id=catalog.instance_id,
        catalog=catalog.name,
        status=SessionStatus.RUNNING,
        created_at=context.clock.now(),
        user_name=USER,
        threads=1,
    )
    hand = await attaching.host(session, catalog)
    try:
        _stand_back(hand.worker.pid)
        yield Maintainer(context, replace(session, worker=hand.name), catalog, hand.worker, stopping)
    finally:
        await attaching.dismiss(hand)


def _stand_back(pid: int) -> None:
    """Let every thread of the process give way; those that are gone already do."""
    for thread in _threads(pid):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, NICE)


def _threads(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from map(int, os.listdir(f"/proc/{pid}/task"))
