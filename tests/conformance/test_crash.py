"""C12: kill -9 of the gateway at any moment, and the next start tells the truth."""

import contextlib
import http.client
import os
import random
import signal
import threading
import time
from contextlib import closing

import pytest

from tests.conformance.zoo import COOPERATIVE, DEAF
from tests.support.world import World, alive, start, temp_files, until
from treadle.demo.client import ApiError, Session, StatementFailed
from treadle.demo.local import LocalService, make_token
from treadle.demo.processes import command_name, descendants

ENDLESS = COOPERATIVE[1].sql
ROUNDS = 10


def kill_gateway(service: LocalService) -> set[int]:
    """SIGKILL the gateway; returns the processes it had, once they are gone."""
    children = descendants(service.pid)
    workers = {pid for pid in children if command_name(pid) not in ("", "postgres")}
    process = service._process
    assert process is not None
    process.kill()
    process.wait()
    until(lambda: not any(alive(pid) for pid in workers), "the workers died with their gateway", timeout=5)
    return workers


def test_a_killed_gateway_takes_its_workers_and_the_next_start_tells(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Running: ERROR owner_lost; intended to stop: CANCELED; queued: CANCELED; sessions FAIL; nothing runs again."""
    folder = tmp_path_factory.mktemp("crash") / "data"
    with LocalService(folder) as service, closing(World(service, token := make_token(folder, "p", "u"))) as before:
        plain, asked = before.session(), before.session()
        running = start(before, plain, ENDLESS).statement_id
        queued = plain.submit("CREATE TABLE never AS SELECT 1 AS x").statement_id
        done = before.session().submit("SELECT 3 AS x", sync=True)
        stopping = start(before, asked, DEAF[1].sql).statement_id
        canceller = threading.Thread(target=_ignore_loss, args=(before, asked, stopping))
        canceller.start()
        until(lambda: "cancel_requested_at" in before.record(stopping), "the cancel is on record")
        assert kill_gateway(service)
        canceller.join()
    with LocalService(folder) as service, closing(World(service, token)) as after:
        lost = after.record(running)
        assert (lost["status"], lost["reason"], lost["effects"]) == ("ERROR", "owner_lost", "none")
        stopped = after.record(stopping)
        assert (stopped["status"], stopped["reason"]) == ("CANCELED", "user")
        assert after.record(queued)["status"] == "CANCELED"
        for session in (plain, asked):
            assert after.same(session).status() == "FAIL"
        shown = Session(after.api, after.workspace_id, done.session_id).show(done.statement_id)
        assert shown.last.rows == [["3"]]
        assert temp_files(after) == []
        with after.session() as fresh:
            assert fresh.submit("SELECT * FROM never", sync=True).last.sql_state == "42P01"


def _ignore_loss(world: World, session: Session, statement_id: str) -> None:
    with contextlib.suppress(ApiError, OSError, http.client.HTTPException):
        world.same(session).cancel(statement_id)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_is_lost_when_the_gateway_is_killed_in_mid_write(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Ten times kill -9 under a write load: what was acknowledged is there, and every record agrees with the rows."""
    folder = tmp_path_factory.mktemp("mid-write") / "data"
    moments = random.Random(12)
    token = ""
    submitted: dict[int, str] = {}
    acknowledged: set[int] = set()
    for round_number in range(ROUNDS):
        with LocalService(folder) as service:
            token = token or make_token(folder, "p", "u")
            running = World(service, token)
            if round_number == 0:
                with running.session() as session:
                    session.run("CREATE TABLE written (n int, i int)")
            stop = threading.Event()
            writer = threading.Thread(
                target=_write, args=(running, round_number, stop, submitted, acknowledged), daemon=True
            )
            writer.start()
            time.sleep(moments.uniform(0.5, 1.5))
            kill_gateway(service)
            stop.set()
            writer.join()
            running.close()
    with (
        LocalService(folder) as service,
        closing(World(service, token)) as after,
        after.session() as session,
    ):
        first = session.run("SELECT n, count(*) FROM written GROUP BY n")
        further = (session.show(first.statement_id, page).last for page in range(2, first.page_count + 1))
        found = {int(n or 0): int(c or 0) for part in (first, *further) for n, c in part.rows}
        assert set(found.values()) <= {100}
        assert acknowledged <= set(found)
        for n, statement_id in submitted.items():
            record = after.record(statement_id)
            assert (record["status"] == "SUCCESSFUL") == (n in found), record
        listed = after.api.get(dict[str, int | list[object]], f"{after.base}/statement-records?status=RUNNING")
        assert listed["total"] == 0


def _write(world: World, round_number: int, stop: threading.Event, submitted: dict[int, str], acked: set[int]) -> None:
    """Insert until the service is gone; remember what was submitted and what was acknowledged."""
    with contextlib.suppress(ApiError, OSError, http.client.HTTPException, StatementFailed):
        session = world.session()
        for at in range(100_000):
            if stop.is_set():
                return
            n = round_number * 100_000 + at
            reply = session.submit(f"INSERT INTO written SELECT {n}, i FROM range(100) t(i)")
            submitted[n] = reply.statement_id
            if session.wait(reply, poll=0.001).status == 2:
                acked.add(n)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_killed_in_mid_write_leaves_all_or_nothing(duck: World) -> None:
    """Ten times kill -9 of a worker while it inserts: the record and the rows agree (C7, C12)."""
    moments = random.Random(13)
    with duck.session() as reader:
        reader.run("CREATE TABLE torn (n int, i int)")
        for n in range(ROUNDS):
            session = duck.session()
            pid = duck.worker(session.id)
            reply = session.submit(f"INSERT INTO torn SELECT {n}, i FROM range(3000000) t(i)")
            time.sleep(moments.uniform(0, 0.6))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            session.wait(reply, poll=0.005)
            rows = int(reader.run(f"SELECT count(*) FROM torn WHERE n = {n}").rows[0][0] or 0)
            record = duck.record(reply.statement_id)
            expected = {"SUCCESSFUL": (3000000, "committed"), "ERROR": (0, "none")}[record["status"]]
            assert (rows, record["effects"]) == expected
            if record["status"] == "ERROR":
                assert session.status() == "FAIL", "the session's end is seen no later than its statement's"
            # A statement that was over before its worker died says nothing of its session.
            until(lambda session=session: session.status() == "FAIL", "the session has failed")  # type: ignore[misc]
