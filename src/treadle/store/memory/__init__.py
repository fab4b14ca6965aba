"""The store in memory: the twin of the one in PostgreSQL, for one process and no longer than it lives.

No method awaits anything, so each is atomic.
"""

from collections.abc import Awaitable, Callable

from treadle.store.base import Wake
from treadle.store.memory.audit import Audit
from treadle.store.memory.principals import Principals
from treadle.store.memory.sessions import Sessions
from treadle.store.memory.statements import Statements
from treadle.store.memory.workspaces import Workspaces


class MemoryStore(Principals, Workspaces, Sessions, Statements, Audit):
    """Everything `treadle.store.base.Store` asks for."""

    async def notify(self, wake: Wake) -> None:
        """Nobody else is there to be woken."""

    async def listen(self, callback: Callable[[Wake], None]) -> Callable[[], Awaitable[None]]:  # noqa: ARG002
        """No other process shares this store: the callback is never called."""

        async def stop() -> None:
            """Nothing was started."""

        return stop

    async def ping(self) -> None:
        """It always answers."""

    async def close(self) -> None:
        """Nothing is held."""
