"""Wakes inside one process: the service says what it wrote, the owner says what has ended.

Signals are for speed; whoever waits looks at the store as well, from time to time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from treadle.model.entities import CancelIntent, Session, Statement
from treadle.store.base import Wake


class Seat(Protocol):
    """An idle session, held for one statement that is being submitted: `take`, `start` or `release` it, once."""

    @property
    def owner(self) -> str:
        """Under whom the statement is to be stored."""

    def take(self, statement: Statement) -> None:
        """It is stored, and running."""

    def start(self, statement: Statement) -> bool:
        """Start it now, to be recorded soon; False where the store must be asked first whose session it is.

        Only for a statement whose caller waits for it and has no name for it.
        """

    def release(self) -> None:
        """Nothing was stored that starts here."""


class Signals:
    """The meeting point of service and owner beside the store."""

    def __init__(self) -> None:
        self._seats: Callable[[str, str], Seat | None] = lambda _session, _project: None
        self._serves: Callable[[str, str, str], bool] = lambda _session, _workspace, _project: False
        self._stop: Callable[[str, str, CancelIntent], str | None] = lambda _session, _statement, _intent: None
        self._recorder: Callable[[], Awaitable[None]] | None = None
        self._touched: Callable[[str], None] = lambda _: None
        self._progress: Callable[[str, str], float | None] = lambda _session, _statement: None
        self._over: Callable[[str], None] = lambda _: None
        self._listeners: list[Callable[[Wake], None]] = []
        self._watched: dict[str, list[asyncio.Future[Statement | Session]]] = {}
        self._opening: set[str] = set()

    def on_wake(self, listener: Callable[[Wake], None]) -> None:
        """Call ``listener`` for every wake from now on."""
        self._listeners.append(listener)

    def on_seat(self, give: Callable[[str, str], Seat | None]) -> None:
        """Ask ``give`` for the seats of sessions from now on."""
        self._seats = give

    def seat(self, session_id: str, project_id: str) -> Seat | None:
        """The session, held for the project's next statement, if it is idle in this process and may start one now."""
        return self._seats(session_id, project_id)

    def on_serves(self, tell: Callable[[str, str, str], bool]) -> None:
        """Ask ``tell`` whose sessions run in this process from now on."""
        self._serves = tell

    def serves(self, session_id: str, workspace_id: str, project_id: str) -> bool:
        """Whether the session runs in this process and is known to be that workspace's and project's."""
        return self._serves(session_id, workspace_id, project_id)

    def on_stop(self, stop: Callable[[str, str, CancelIntent], str | None]) -> None:
        """Bring intents to ``stop`` from now on."""
        self._stop = stop

    def stop(self, session_id: str, statement_id: str, intent: CancelIntent) -> str | None:
        """Stop what runs in the session under the id the API shows; our id of it, None when it does not run here.

        The owner sees to it that the intent is on record, with the end at the latest.
        """
        return self._stop(session_id, statement_id, intent)

    def on_record(self, recorder: Callable[[], Awaitable[None]]) -> None:
        """Ask ``recorder`` to put what runs on record from now on."""
        self._recorder = recorder

    async def put_on_record(self) -> None:
        """Have everything that has started in this process on record: what is submitted is found from here on."""
        if self._recorder is not None:
            await self._recorder()

    def on_touch(self, touched: Callable[[str], None]) -> None:
        """Call ``touched`` for every session whose results are read from now on."""
        self._touched = touched

    def touch(self, session_id: str) -> None:
        """Results of the session are being read: it is not idle."""
        self._touched(session_id)

    def on_progress(self, tell: Callable[[str, str], float | None]) -> None:
        """Ask ``tell`` how far statements are from now on."""
        self._progress = tell

    def progress(self, session_id: str, statement_id: str) -> float | None:
        """Percent done of a running statement, None when nobody here knows."""
        return self._progress(session_id, statement_id)

    def opening(self, session_id: str) -> None:
        """Register a session that a request of this process opens, before it is stored."""
        self._opening.add(session_id)

    def opening_over(self, session_id: str) -> None:
        """Unregister it: the request has its answer, or will never have one."""
        self._opening.discard(session_id)

    def is_opening(self, session_id: str) -> bool:
        """Check whether a request of this process opens the session and has no answer yet."""
        return session_id in self._opening

    def wake(self, wake: Wake) -> None:
        """Something was written that an owner should look at."""
        for listener in self._listeners:
            listener(wake)

    def ended(self, thing: Statement | Session) -> None:
        """A statement, or the opening or closing of a session, has come to its end."""
        self._over(thing.id)
        for future in self._watched.pop(thing.id, ()):
            if not future.done():
                future.set_result(thing)

    def on_over(self, tell: Callable[[str], None]) -> None:
        """Call ``tell`` with the id of every statement that has ended, and of every session that was opened or has
        ended, from now on.
        """
        self._over = tell

    def is_watched(self, thing_id: str) -> bool:
        """Whether somebody waits for its end."""
        return thing_id in self._watched

    @contextmanager
    def watch(self, thing_id: str) -> Iterator["asyncio.Future[Statement | Session]"]:
        """A future that `ended` fulfils; start to watch before you write what will end."""
        future: asyncio.Future[Statement | Session] = asyncio.get_running_loop().create_future()
        self._watched.setdefault(thing_id, []).append(future)
        try:
            yield future
        finally:
            watchers = self._watched.get(thing_id, [])
            if future in watchers:
                watchers.remove(future)
                if not watchers:
                    del self._watched[thing_id]
