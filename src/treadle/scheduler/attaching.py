"""Workers on their catalogs: attached for a session, or ahead of one where sessions come and go.

Nearly all the time to open a session is the catalog's attaching. So a catalog that was just used has
a worker attached to it ahead; the catalogs used last have one each, or as many as their endpoint wants,
`Settings.attached_workers` in all. What a worker may use is settled when it attaches, so that those
ahead are told apart by it as well.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import structlog

from treadle.model.entities import Catalog, Session
from treadle.model.errors import Unavailable
from treadle.scheduler.context import Context
from treadle.scheduler.deaths import log_death
from treadle.scheduler.ports import Worker, Workers
from treadle.wire import (
    METADATA_PREFIX,
    Attach,
    Attached,
    AttachFailed,
    CatalogTarget,
    FromWorker,
    Limits,
    Open,
    Opened,
    OpenFailed,
    ToWorker,
)

log = structlog.get_logger("treadle.owner")


class Hand(msgspec.Struct, frozen=True, eq=False):
    """A worker with its catalog attached; ``name`` is how it calls itself on the metadata's server."""

    worker: Worker
    name: str


class Kind(msgspec.Struct, frozen=True):
    """What makes one worker as good as another: its catalog, its bytes of memory and its threads."""

    catalog_id: str
    memory: int
    threads: int


class Attaching:
    """Gets workers, has them attach catalogs, and keeps some ahead."""

    def __init__(self, context: Context, workers: Workers) -> None:
        self._context = context
        self._workers = workers
        # The kind used last at the end.
        self._ahead: dict[Kind, list[Hand]] = {}
        self._filling: Counter[Kind] = Counter()
        self.closed = False

    async def host(self, session: Session, catalog: Catalog) -> Hand:
        """A worker that hosts the session; raises `Unavailable` with the reason."""
        kind = self._kind(session, catalog)
        if ready := self._ahead.get(kind):
            ahead = ready.pop()
            try:
                await self._open(ahead, session)
            except Unavailable as error:
                # It stood for a while, and its server may have gone meanwhile.
                log.warning("attached_worker_lost", catalog_id=catalog.id, error=str(error))
            else:
                return ahead
        hand = await self._attach(session.workspace_id, catalog, kind)
        await self._open(hand, session)
        return hand

    @asynccontextmanager
    async def unless_kept(self, hand: Hand) -> AsyncIterator[None]:
        """Dismiss the worker when the block fails with any error."""
        try:
            yield
        except BaseException:
            await self.dismiss(hand)
            raise

    async def dismiss(self, hand: Hand) -> None:
        """It is not needed."""
        hand.worker.kill()
        await hand.worker.buried()

    def keep_ahead(self, session: Session, catalog: Catalog, count: int = 1) -> None:
        """The catalog is in use: attach ``count`` workers to it, one at least, for sessions like this one to come."""
        kind = self._kind(session, catalog)
        if kind in self._ahead:
            self._ahead[kind] = self._ahead.pop(kind)
        while not self.closed and self._standing(kind) < max(count, 1) and self._room(kind):
            self._filling[kind] += 1
            self._context.spawn(self._fill(session.workspace_id, catalog, kind))

    def _standing(self, kind: Kind) -> int:
        """How many of the kind stand ahead or are about to."""
        return len(self._ahead.get(kind, ())) + self._filling[kind]

    def _room(self, kind: Kind) -> bool:
        """Whether one more may stand ahead, for which those of the kinds not used for longest go."""
        most = self._context.settings.attached_workers
        while sum(map(len, self._ahead.values())) + self._filling.total() >= most:
            oldest = next((other for other, hands in self._ahead.items() if hands and other != kind), None)
            if oldest is None:
                return False
            self._context.spawn(self.dismiss(self._ahead[oldest].pop(0)))
        return True

    async def close(self) -> None:
        """Let go of the workers that stand ahead."""
        self.closed = True
        hands, self._ahead = [hand for some in self._ahead.values() for hand in some], {}
        for hand in hands:
            await self.dismiss(hand)

    async def _fill(self, workspace_id: str, catalog: Catalog, kind: Kind) -> None:
        try:
            hand = await self._attach(workspace_id, catalog, kind)
        except Unavailable as error:
            log.warning("not_attached_ahead", catalog_id=catalog.id, error=str(error))
            return
        finally:
            self._filling -= Counter({kind: 1})
        if self.closed:
            await self.dismiss(hand)
            return
        standing = self._ahead.setdefault(kind, [])
        standing.append(hand)

        def lost(message: FromWorker | None) -> None:
            if message is None and hand in standing:
                standing.remove(hand)
                if not self.closed:
                    log_death(hand.worker, catalog_id=catalog.id)

        hand.worker.attend(lost)
        log.info("attached_ahead", catalog_id=catalog.id, pid=hand.worker.pid)

    def _kind(self, session: Session, catalog: Catalog) -> Kind:
        settings = self._context.settings
        return Kind(
            catalog.id, session.memory or int(settings.worker_memory), session.threads or settings.worker_threads
        )

    async def _attach(self, workspace_id: str, catalog: Catalog, kind: Kind) -> Hand:
        hand = Hand(await self._workers.hire(), self._context.new_id())
        async with self.unless_kept(hand):
            order = await self._context.attaching(self._order, hand, workspace_id, catalog, kind)
            answer = await self._ask(hand.worker, order, catalog_id=catalog.id)
            if not isinstance(answer, Attached):
                raise Unavailable(answer.message if isinstance(answer, AttachFailed) else answer)
        if answer.unmended:
            log.warning(
                "catalog_not_mended",
                catalog=catalog.name,
                catalog_id=catalog.id,
                workspace_id=workspace_id,
                tables=list(answer.unmended),
            )
        return hand

    async def _open(self, hand: Hand, session: Session) -> None:
        # From here on its folder holds what the session spills.
        hand.worker.bury_with(self._context.stopping(session.user_id))
        async with self.unless_kept(hand):
            order = Open(session_id=session.id, user_name=session.user_name)
            answer = await self._ask(hand.worker, order, session_id=session.id)
            if not isinstance(answer, Opened):
                raise Unavailable(answer.message if isinstance(answer, OpenFailed) else answer)

    async def _ask(
        self, worker: Worker, order: ToWorker, **of: str
    ) -> "Attached | AttachFailed | Opened | OpenFailed | str":
        """What the worker answers, or why it does not; ``of`` are the ids of what the order is for."""
        answer: asyncio.Future[FromWorker | None] = asyncio.get_running_loop().create_future()

        def hear(message: FromWorker | None) -> None:
            if not answer.done():
                answer.set_result(message)

        worker.attend(hear)
        worker.send(order)
        try:
            async with asyncio.timeout(self._context.settings.worker_start):
                said = await answer
        except TimeoutError:
            return "its worker did not become ready in time"
        if isinstance(said, Attached | AttachFailed | Opened | OpenFailed):
            return said
        if said is None and not self.closed:
            log_death(worker, **of)
        return "its worker died while it was opened"

    def _order(self, hand: Hand, workspace_id: str, catalog: Catalog, kind: Kind) -> Attach:
        settings = self._context.settings
        folders, results_dir = self._context.copy_dirs(workspace_id), self._context.results_dir(workspace_id)
        # Before the worker is confined: what is not there then stays out of its reach.
        for folder in (folders[0], results_dir):
            folder.mkdir(parents=True, exist_ok=True)
        return Attach(
            catalog=CatalogTarget(
                name=catalog.name,
                metadata_name=f"{METADATA_PREFIX}_{self._context.new_id().replace('-', '')}",
                dsn=self._context.catalogs.dsn(catalog, hand.name),
                password=catalog.password,
                data_path=catalog.data_path,
            ),
            limits=Limits(
                memory=kind.memory,
                threads=kind.threads,
                spill=int(settings.worker_spill),
                result_rows=settings.max_result_rows,
                result_bytes=int(settings.max_result_bytes),
                page_rows=settings.page_rows,
                page_bytes=settings.full_page,
                judged_names=settings.max_judged_names,
            ),
            temp_dir=hand.worker.temp_dir,
            home=hand.worker.home,
            results_dir=str(results_dir),
            copy_dirs=tuple(str(folder) for folder in folders),
            settings=self._context.session_settings(),
        )
