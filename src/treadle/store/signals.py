"""Wakes inside one process: the service says what it wrote, the owner says what has ended.

Signals are for speed; whoever waits looks at the store as well, from time to time.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from treadle.model.entities import Session, Statement
from treadle.store.base import Wake


class Signals:
    """The meeting point of service and owner beside the store."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Wake], None]] = []
        self._watched: dict[str, list[asyncio.Future[Statement | Session]]] = {}

    def on_wake(self, listener: Callable[[Wake], None]) -> None:
        """Call ``listener`` for every wake from now on."""
        self._listeners.append(listener)

    def wake(self, wake: Wake) -> None:
        """Something was written that an owner should look at."""
        for listener in self._listeners:
            listener(wake)

    def ended(self, thing: Statement | Session) -> None:
        """A statement, or the opening or closing of a session, has come to its end."""
        for future in self._watched.pop(thing.id, ()):
            if not future.done():
                future.set_result(thing)

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
