"""How a session comes to life, or does not: worker, catalog, first word, status."""

import asyncio
from collections.abc import Callable

import structlog

from treadle.model.entities import Catalog, Session
from treadle.model.errors import Unavailable
from treadle.model.states import Reason, SessionStatus
from treadle.scheduler.context import Context
from treadle.scheduler.endings import Endings
from treadle.scheduler.lane import Lane
from treadle.scheduler.ports import Worker, Workers
from treadle.wire import METADATA_PREFIX, CatalogTarget, FromWorker, Limits, Open, Opened, OpenFailed

log = structlog.get_logger("treadle.owner")

UNOPENED = frozenset({SessionStatus.CREATING, SessionStatus.WAITING})


class Opening:
    """Opens sessions on fresh workers."""

    def __init__(
        self,
        context: Context,
        workers: Workers,
        on_idle: Callable[[], None],
        on_dead: Callable[[Lane], None],
    ) -> None:
        self._context = context
        self._workers = workers
        self._on_idle = on_idle
        self._on_dead = on_dead

    async def open(self, session: Session) -> Lane | None:
        """The lane of the session, or None when it could not be opened and has been failed."""
        catalog = await self._context.catalogs.of_session(session.workspace_id, session.instance_id, session.catalog)
        if catalog is None:
            await self._fail(session, "its catalog does not exist any more")
            return None
        try:
            worker = await self._workers.hire()
        except Unavailable as error:
            await self._fail(session, str(error))
            return None
        problem = await self._introduce(worker, session, catalog)
        if problem is not None:
            await self._dismiss(worker)
            await self._fail(session, problem)
            return None
        opened = await self._context.store.move_session(
            session.id, UNOPENED, SessionStatus.RUNNING, owner=self._context.owner_id
        )
        if opened is None:
            await self._dismiss(worker)
            return None
        log.info("session_opened", session_id=session.id, pid=worker.pid)
        lane = Lane(self._context, opened, catalog, worker, self._settings(), self._on_idle, self._on_dead)
        self._context.signals.ended(opened)
        return lane

    def _settings(self) -> dict[str, str]:
        settings = self._context.settings
        return {
            "statement_timeout": str(settings.statement_timeout),
            "session_timeout": str(settings.session_timeout),
        }

    async def _introduce(self, worker: Worker, session: Session, catalog: Catalog) -> str | None:
        """Tell the worker what it hosts; what went wrong, or None."""
        answer: asyncio.Future[FromWorker | None] = asyncio.get_running_loop().create_future()

        def hear(message: FromWorker | None) -> None:
            if not answer.done():
                answer.set_result(message)

        worker.attend(hear)
        worker.send(await asyncio.to_thread(self._order, worker, session, catalog))
        try:
            async with asyncio.timeout(self._context.settings.worker_start):
                said = await answer
        except TimeoutError:
            return "its worker did not become ready in time"
        match said:
            case Opened():
                return None
            case OpenFailed():
                return said.message
            case _:
                return "its worker died while it was opened"

    def _order(self, worker: Worker, session: Session, catalog: Catalog) -> Open:
        settings = self._context.settings
        folders = self._context.copy_dirs(session.workspace_id)
        for folder in (folders[0], self._context.results_dir):
            folder.mkdir(parents=True, exist_ok=True)
        return Open(
            session_id=session.id,
            catalog=CatalogTarget(
                name=catalog.name,
                metadata_name=f"{METADATA_PREFIX}_{self._context.new_id().replace('-', '')}",
                dsn=self._context.catalogs.dsn(catalog, session.id),
                password=catalog.password,
                data_path=catalog.data_path,
            ),
            limits=Limits(
                memory=int(settings.worker_memory),
                threads=settings.worker_threads,
                spill=int(settings.worker_spill),
            ),
            temp_dir=worker.temp_dir,
            results_dir=str(self._context.results_dir),
            copy_dirs=tuple(str(folder) for folder in folders),
            page_rows=settings.page_rows,
            user_name=session.user_name,
            settings=self._settings(),
        )

    async def _dismiss(self, worker: Worker) -> None:
        worker.kill()
        await worker.buried()

    async def _fail(self, session: Session, message: str) -> None:
        await self.abandon(session, SessionStatus.FAIL, Reason.WORKER_CRASHED, message)

    async def give_up(self, session: Session) -> None:
        """No slot came free in time."""
        await self.abandon(
            session, SessionStatus.FAIL, Reason.WAIT_TIMEOUT, "no slot came free within its wait_timeout"
        )

    async def abandon(self, session: Session, status: SessionStatus, reason: Reason, message: str) -> None:
        """End a session that never had a worker; what was queued in it never starts."""
        await Endings(self._context, session).end_session(status, reason, message)
