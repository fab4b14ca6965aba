"""Clients of a soak beside its writers: some read wide results, some disconnect early, some list and count."""

import contextlib
import http.client
import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from tests.crashes.load import LOST
from tests.support.world import World
from treadle.demo.client import Session, StatementFailed

WIDE: Final = "SELECT " + ", ".join(f"random() * 1e300 AS c{n}" for n in range(200)) + " FROM range(3000)"
"""A result whose pages keep a helper busy."""

Work = Callable[[World, random.Random], None]


class Visitors:
    """Clients in threads of their own that repeat their work until the load stops."""

    def __init__(self, world: World, seed: str, count: int) -> None:
        self.failure: BaseException | None = None
        self._world = world
        self._stop = threading.Event()
        works: tuple[Work, ...] = (read_pages, leave_an_opening, leave_a_page, look_around)
        self._threads = [
            threading.Thread(target=self._repeat, args=(works[n % len(works)], random.Random(f"{seed}-v{n}")))
            for n in range(count)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait for the clients to end; raises what one of them did not expect."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _repeat(self, work: Work, chance: random.Random) -> None:
        try:
            while not self._stop.is_set():
                with contextlib.suppress(*LOST, StatementFailed):
                    work(self._world, chance)
                self._stop.wait(chance.uniform(0.05, 0.5))
        except BaseException as error:
            self.failure = error


def read_pages(world: World, chance: random.Random) -> None:
    """Read some pages of a wide result in a session of its own."""
    with world.session() as session:
        first = session.run(WIDE)
        for page in chance.sample(range(1, first.page_count + 1), min(3, first.page_count)):
            session.show(first.statement_id, page)


def leave_an_opening(world: World, chance: random.Random) -> None:
    """Ask for a session and disconnect before its answer."""
    body = {
        "endpoint_id": world.endpoint_id,
        "lake_formation_config": {"instance_id": "default", "catalog": "default"},
    }
    _leave(world, "POST", f"{world.base}/sessions", body, chance.uniform(0.0, 0.05))


def leave_a_page(world: World, chance: random.Random) -> None:
    """Ask for a page of a wide result and disconnect before its answer."""
    with world.session() as session:
        first = session.run(WIDE)
        path = f"{world.base}/sessions/{session.id}/statements/{first.statement_id}?page_num=1"
        _leave(world, "GET", path, None, chance.uniform(0.0, 0.02))


def look_around(world: World, chance: random.Random) -> None:
    """List records and sessions, and start a statement that the close of its session stops."""
    with world.api.twin() as api:
        api.get(dict[str, Any], f"{world.base}/statement-records", limit=chance.randint(1, 100))
    with world.session() as session:
        session.submit("SELECT sum(i % 1009) FROM range(1000000000000) t(i)")
        Session(session.api, world.workspace_id, session.id).status()


def _leave(world: World, method: str, path: str, body: Any, after: float) -> None:
    connection = http.client.HTTPConnection(urlsplit(world.service.url).netloc, timeout=60)
    headers = {"X-Auth-Token": world.token, "Content-Type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        time.sleep(after)
    finally:
        connection.close()
