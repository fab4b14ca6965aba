"""The wall clock jumps an hour: what lasts is measured by the monotonic clock, what is dated stays sane."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.crashes.clock import WallClock
from tests.crashes.load import ENDLESS
from tests.support.world import BOUND, World, spent, start, until, world
from treadle.demo.client import Named, Session, SessionReply

HOUR = 3600.0
LOOKS = 3
"""How many looks of the owner a jump is left alone for."""


class Jumping(NamedTuple):
    """A service and its wall clock."""

    clock: WallClock
    world: World


@pytest.fixture(scope="module")
def jumping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jumping]:
    """One service whose wall clock can be set; a poll and a sweep a second."""
    folder = tmp_path_factory.mktemp("clock")
    clock = WallClock(folder)
    settings = clock.settings | {"TREADLE_POLL_INTERVAL": "0.3", "TREADLE_SWEEP_INTERVAL": "0.3"}
    with world(folder / "data", settings) as running:
        yield Jumping(clock, running)


@pytest.fixture(autouse=True)
def _on_time(jumping: Jumping) -> Iterator[None]:
    yield
    jumping.clock.step(0)


def looks(running: World) -> None:
    """Let the owner and the sweeper look several times: the service's own log says when."""
    time.sleep(LOOKS * 0.3)
    running.api.call("GET", "/readyz")


@pytest.mark.slow
@pytest.mark.parametrize("steps", [(HOUR, 0.0), (-HOUR, 0.0)], ids=["forth_and_back", "back_and_forth"])
def test_nothing_ends_because_the_clock_jumps(jumping: Jumping, steps: tuple[float, ...]) -> None:
    """Sessions stay open, statements run on and wait on, results stay, and a cancel is as quick as ever."""
    clock, running = jumping
    busy, idle = running.session(), running.session()
    busy.run("SET statement_timeout = 1800")
    kept = idle.run("SELECT i FROM range(2000) t(i)")
    statement = start(running, busy, ENDLESS)
    queued = running.same(busy).submit("SELECT 42")
    pid = running.worker(busy.id)
    for step in steps:
        clock.step(step)
        assert running.same(idle).run("SELECT 1").rows == [["1"]]
        looks(running)
        assert spent(pid, 0.5) > 0
        assert (running.same(busy).status(), idle.status()) == ("RUNNING", "RUNNING")
        assert running.record(statement.statement_id)["status"] == "RUNNING"
        assert running.record(queued.statement_id)["status"] == "SUBMITTED"
        assert idle.show(kept.statement_id, 2).last.rows[-1] == ["1999"]
    verdict = running.same(busy).cancel(statement.statement_id)
    assert (verdict.outcome, verdict.rung) == ("cancelled", "interrupted")
    assert verdict.seconds < BOUND
    assert running.record(statement.statement_id)["cancel_millis"] < BOUND * 1000
    assert busy.wait(queued).last.rows == [["42"]]
    busy.close()
    idle.close()


@pytest.mark.slow
@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forth", "back"])
def test_a_timeout_takes_its_own_time(jumping: Jumping, step: float) -> None:
    """Two seconds of statement_timeout are two seconds, whatever the wall clock says meanwhile."""
    clock, running = jumping
    with running.session() as session:
        session.run("SET statement_timeout = 2")
        began = time.monotonic()
        reply = session.submit(ENDLESS)
        clock.step(step)
        session.wait(reply, poll=0.02)
        seconds = time.monotonic() - began
        record = running.record(reply.statement_id)
        assert (record["status"], record["reason"]) == ("CANCELED", "statement_timeout")
        assert 1.9 < seconds < 2 + BOUND


@pytest.mark.slow
def test_statements_run_in_the_order_of_their_submits(jumping: Jumping) -> None:
    """Submitted at 12, 13 and 11 o'clock, they run as they came."""
    clock, running = jumping
    with running.session() as session:
        session.run("CREATE TABLE came (n int)")
        session.run("CREATE TABLE saw (n int, before bigint)")
        endless = start(running, session, ENDLESS)
        other = running.same(session)
        replies = []
        for n, step in enumerate((0.0, HOUR, -HOUR, 0.0)):
            clock.step(step)
            replies.append(
                other.submit(f"INSERT INTO saw SELECT {n}, count(*) FROM came; INSERT INTO came VALUES ({n})")
            )
        other.cancel(endless.statement_id)
        for reply in replies:
            session.wait(reply)
        assert session.run("SELECT n, before FROM saw ORDER BY n").rows == [[str(n), str(n)] for n in range(4)]
        ids = {reply.statement_id for reply in replies}
        assert {one["id"] for one in _records(running) if one["session_id"] == session.id} >= ids


@pytest.mark.slow
def test_a_session_that_waits_for_a_slot_waits_its_whole_time(jumping: Jumping) -> None:
    """A wait_timeout of 300 s does not run out because the wall clock jumps an hour."""
    clock, running = jumping
    body = {"name": "narrow", "type": "sql", "config": {"engine": "duckdb", "max_sessions": 1}}
    endpoint = running.api.post(Named, f"{running.base}/endpoints", body).id
    holder = running.api.open_session(running.workspace_id, endpoint)
    lake = {"instance_id": "default", "catalog": "default"}
    asked = {"endpoint_id": endpoint, "lake_formation_config": lake, "wait_timeout": 300}
    waiting = Session(
        running.api,
        running.workspace_id,
        running.api.post(SessionReply, f"{running.base}/sessions", asked).session_id,
    )
    until(lambda: waiting.status() == "WAITING", "it waits")
    clock.step(HOUR)
    looks(running)
    assert waiting.status() == "WAITING"
    holder.close()
    until(lambda: waiting.status() == "RUNNING", "its turn comes")
    waiting.close()


@pytest.mark.slow
@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forth", "back"])
def test_durations_are_not_an_hour_off(jumping: Jumping, step: float) -> None:
    """The duration on a record is how long the statement ran, and it does not end before it started."""
    clock, running = jumping
    with running.session() as session:
        began = time.monotonic()
        reply = start(running, session, ENDLESS)
        since = time.monotonic()
        clock.step(step)
        until(lambda: time.monotonic() - since >= 0.1, "it has run for a while")
        running.same(session).cancel(reply.statement_id)
        seconds = time.monotonic() - began
        record = running.record(reply.statement_id)
        assert 100 <= int(record["duration"]) <= (seconds + 1) * 1000
        assert record["create_time"] <= record["start_time"] <= record["finish_time"]


def _records(running: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = running.api.get(dict[str, Any], f"{running.base}/statement-records?limit=100")[
        "records"
    ]
    return found
