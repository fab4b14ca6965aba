"""What a dead worker leaves behind: it is ended, removed, and asked for the truth."""

from pathlib import Path

import structlog

from treadle.model.entities import Catalog, CommitPoint, Evidence, Session
from treadle.model.ids import part_id
from treadle.results.layout import discard_part
from treadle.scheduler.context import Context
from treadle.staging import STAGING, clear
from treadle.store.retrying import FIRST_PAUSE, LONGEST_PAUSE

log = structlog.get_logger("treadle.owner")


class Aftermath:
    """The leftovers of one session's worker."""

    def __init__(self, context: Context, session: Session, catalog: Catalog | None) -> None:
        self._context = context
        self._session = session
        self._catalog = catalog
        self._stopping = context.stopping(session.user_id)

    async def cut_off(self) -> None:
        """Return only when the metadata's server holds nothing of the session any more (C2, C11)."""
        if self._session.worker is None:
            return  # it never had one
        pause = FIRST_PAUSE
        while not await self._context.catalogs.cut_off(self._session.worker):
            log.warning("backends_left", session_id=self._session.id)
            await self._context.clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def clear_files(self, statement_id: str, part: int) -> None:
        """Remove staged output and half a result; what a broken disk keeps does not keep the verdict."""
        try:
            await self._stopping(self._clear_files, statement_id, part)
        except OSError as error:
            log.warning("files_stay", statement_id=statement_id, error=str(error))

    def _clear_files(self, statement_id: str, part: int) -> None:
        workspace_id = self._session.workspace_id
        discard_part(self._context.results_dir(workspace_id), statement_id, part)
        for folder in self._context.copy_dirs(workspace_id):
            for staged in (folder / STAGING).glob(f"{statement_id}_*"):
                clear(staged)

    async def durable(self, statement_id: str, commit: CommitPoint) -> bool | None:
        """Whether the commit whose reply was lost took place; None when nobody can tell."""
        match commit.evidence:
            case Evidence.NOBODY:
                return None
            case Evidence.FILE:
                return not await self._stopping(Path(commit.staged).exists)
            case Evidence.CATALOG:
                return await self._ask_catalog(part_id(statement_id, commit.part))

    async def _ask_catalog(self, marker: str) -> bool | None:
        """Ask, and when the catalog cannot be reached ask again for ``cancel_timeout``."""
        if self._catalog is None:
            return None
        clock = self._context.clock
        deadline = clock.monotonic() + self._context.settings.cancel_timeout
        pause = FIRST_PAUSE
        while True:
            answer = await self._context.catalogs.committed(self._catalog, marker)
            if answer is not None or clock.monotonic() >= deadline:
                return answer
            await clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
