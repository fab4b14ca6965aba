"""Many at once: a queue of thousands is cancelled, and every slot is taken by a statement that does not listen."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conformance.zoo import DEAF
from tests.crashes.load import ENDLESS
from tests.support.world import BOUND, World, alive, start, until
from treadle.demo.client import Api, Named, Session
from treadle.demo.processes import proportional_bytes

pytestmark = pytest.mark.alone
"""A crowd leaves nobody else in peace, and how soon it is served is looked at."""

QUEUED = int(os.environ.get("CRASH_QUEUED", "600"))
THREADS = 32
SLOTS = 4
GROWTH = 300 * 2**20
"""Bytes the gateway may grow by while thousands of cancels wait in it."""


class Health(threading.Thread):
    """Asks for the gateway's health all the time; ``worst`` is the longest answer in seconds."""

    def __init__(self, api: Api) -> None:
        super().__init__(daemon=True)
        self.worst = 0.0
        self._api = api
        self._over = threading.Event()

    def run(self) -> None:
        """Until told to stop."""
        while not self._over.wait(0.02):
            started = time.monotonic()
            self._api.call("GET", "/healthz")
            self.worst = max(self.worst, time.monotonic() - started)

    def stop(self) -> float:
        """The longest answer."""
        self._over.set()
        self.join()
        return self.worst


def each(world: World, things: list[Any], work: Callable[[Api, Any], Any]) -> list[Any]:
    """Do it for all of them from many threads, each with a connection of its own."""
    own = threading.local()

    def run(thing: Any) -> Any:
        if not hasattr(own, "api"):
            own.api = world.connect(world.token)
        return work(own.api, thing)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, things))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_thousands_of_queued_statements_are_cancelled_at_once(
    running: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The session's cancel and one for each statement, all at once: dequeued, never started, the gateway responsive."""
    session = running.session()
    endless = start(running, session, ENDLESS)

    def submit(api: Api, n: int) -> str:
        own = Session(api, running.workspace_id, session.id)
        return own.submit(f"CREATE TABLE never_{n} AS SELECT 1 AS x").statement_id

    ids = each(running, list(range(QUEUED)), submit)
    before = proportional_bytes(running.service.pid)
    health = Health(running.connect(running.token))
    health.start()
    started = time.monotonic()
    whole = threading.Thread(
        target=lambda: running.connect(running.token).call("POST", f"{running.base}/sessions/{session.id}/cancel", {})
    )
    whole.start()
    verdicts = each(running, ids, lambda api, one: Session(api, running.workspace_id, session.id).cancel(one))
    whole.join()
    seconds = time.monotonic() - started
    worst = health.stop()
    grown = proportional_bytes(running.service.pid) - before
    with capsys.disabled():
        print(
            f"\n{QUEUED} queued cancelled in {seconds:.1f} s, slowest {max(one.seconds for one in verdicts):.2f} s, "
            f"health at worst {worst:.2f} s, the gateway grew by {grown / 2**20:.0f} MiB"
        )
    assert {one.state for one in verdicts} == {"CANCELED"}
    assert {one.outcome for one in verdicts} <= {"cancelled", "already_cancelled"}
    assert worst < 5
    assert grown < GROWTH
    records = _records(running, session.id)
    assert {one["statement_id"] for one in records} == {*ids, endless.statement_id}
    assert {one["status"] for one in records} == {"CANCELED"}
    dequeued = [one for one in records if one["statement_id"] != endless.statement_id]
    assert {(one["rung"], one["effects"]) for one in dequeued} == {("dequeued", "none")}
    assert session.run("SELECT count(*) FROM information_schema.tables WHERE table_name LIKE 'never%'").rows == [["0"]]
    session.close()


def _records(running: World, session_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        path = f"{running.base}/sessions/{session_id}/statements?limit=100&offset={len(found)}"
        answer = running.api.get(dict[str, Any], path)
        found += answer["records"]
        if len(found) >= answer["total"]:
            return found


@pytest.mark.slow
def test_every_slot_is_deaf_and_everybody_cancels(running: World) -> None:
    """All workers of an endpoint hear nothing: what waits is dequeued at once, what runs is killed within the bound."""
    body = {
        "name": "deaf",
        "type": "sql",
        "config": {"engine": "duckdb", "max_sessions": 2 * SLOTS, "max_statements": SLOTS},
    }
    endpoint = running.api.post(Named, f"{running.base}/endpoints", body).id
    sessions = [running.connect(running.token).open_session(running.workspace_id, endpoint) for _ in range(SLOTS + 2)]
    deaf, (waiting, next_one) = sessions[:SLOTS], sessions[SLOTS:]
    statements = [start(running, session, DEAF[1].sql) for session in deaf]
    pids = [running.worker(session.id) for session in deaf]
    dequeued = waiting.submit("CREATE TABLE never AS SELECT 1 AS x")
    last = next_one.submit("SELECT 42")
    quick = running.same(waiting).cancel(dequeued.statement_id)
    assert (quick.outcome, quick.rung) == ("cancelled", "dequeued")
    assert quick.seconds < BOUND / 2
    pairs = list(zip(deaf, statements, strict=True))
    verdicts = each(
        running, pairs, lambda api, one: Session(api, running.workspace_id, one[0].id).cancel(one[1].statement_id)
    )
    assert {(one.outcome, one.rung) for one in verdicts} == {("cancelled", "killed")}
    assert max(one.seconds for one in verdicts) < BOUND
    assert not any(alive(pid) for pid in pids)
    assert next_one.wait(last).last.rows == [["42"]]
    until(lambda: {session.status() for session in deaf} == {"FAIL"}, "the killed sessions say so")
    with running.session() as fresh:
        assert fresh.run("SELECT 43").rows == [["43"]]
