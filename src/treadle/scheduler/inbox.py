"""What a worker has said and its lane has not yet heard, in order."""

import asyncio
from collections import deque
from typing import TypeVar

from treadle.wire import FromWorker

T = TypeVar("T")


class Inbox:
    """Messages for one reader; None says that the worker is gone."""

    def __init__(self) -> None:
        self._messages: deque[FromWorker | None] = deque()
        self._reader: asyncio.Future[None] | None = None

    def __bool__(self) -> bool:
        return bool(self._messages)

    def put(self, message: FromWorker | None) -> None:
        """The worker has said something."""
        self._messages.append(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> FromWorker | None:
        """The next message, when there is one."""
        while not self._messages:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._messages.popleft()

    def run_of(self, kind: type[T], first: T) -> list[T]:
        """``first`` and the messages of its kind that follow at once."""
        run = [first]
        while self._messages and isinstance(message := self._messages[0], kind):
            self._messages.popleft()
            run.append(message)
        return run
