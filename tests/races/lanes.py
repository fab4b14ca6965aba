"""Sessions that race: each with a second connection, from which its statements are cancelled at chosen moments."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.races.trials import Aim
from tests.support.world import World
from treadle.demo.client import CancelReply, Session, StatementReply

LANES = 4
"""Sessions that race at once, two for each processor of a small machine."""


class Lane:
    """A session and its canceller."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.session = world.session()
        self.other = world.same(self.session)
        self._pool = ThreadPoolExecutor(1)

    def cancel_after(self, seconds: float, statement_id: str) -> Future[CancelReply]:
        """Cancel beside whatever the lane's own thread does, so many seconds from now."""
        due = time.monotonic() + seconds

        def late() -> CancelReply:
            time.sleep(max(0.0, due - time.monotonic()))
            return self.other.cancel(statement_id)

        return self._pool.submit(late)

    def end(self, reply: StatementReply) -> StatementReply:
        """The reply of the statement once it has ended, asked for often."""
        return self.session.wait(reply, poll=0.002)

    def timed(self, reply: StatementReply) -> tuple[StatementReply, float]:
        """The reply of a statement that nobody cancels, once it has ended, and the seconds until then."""
        started = time.monotonic()
        return self.end(reply), time.monotonic() - started

    def stoppable(self, sql: Callable[[int], str], size: int) -> int:
        """The size, from ``size`` on, of a statement that goes on for long enough to be cancelled, here and now.

        On a machine that has no time a short one ends before any request that follows its submit is heard.
        """
        while not all(self._stopped(sql(size)) for _ in range(3)):
            size *= 2
        return size

    def _stopped(self, sql: str) -> bool:
        return self.session.cancel(self.session.submit(sql).statement_id).outcome == "cancelled"

    def aim(self, sql: str) -> Aim:
        """Moments around the end of a statement: it is run once, unhurried, to know where that lies."""
        self.end(self.session.submit(sql))
        _, seconds = self.timed(self.session.submit(sql))
        return Aim(self.number, 0.9 * seconds, 0.6 * seconds)

    def record(self, statement_id: str) -> dict[str, Any]:
        """The statement's record, asked for over the lane's own connection."""
        path = f"{self.world.base}/statement-records"
        found = self.session.api.get(dict[str, Any], path, statement_id=statement_id)
        assert found["total"] == 1
        record: dict[str, Any] = found["records"][0]
        return record

    def renew(self) -> None:
        """Go on in a fresh session: the old one's worker was killed."""
        self.session = self.session.api.open_session(self.world.workspace_id, self.world.endpoint_id)
        self.other = Session(self.other.api, self.world.workspace_id, self.session.id)

    def close(self) -> None:
        """End the session."""
        self._pool.shutdown()
        # Over a fresh connection: the service closes those that were idle for long.
        self.world.same(self.session).close()


@contextmanager
def lanes(world: World, count: int = LANES) -> Iterator[Sequence[Lane]]:
    """So many lanes, closed at the end."""
    with ExitStack() as undo:
        made = [Lane(world, number) for number in range(count)]
        for lane in made:
            undo.callback(lane.close)
        yield made
