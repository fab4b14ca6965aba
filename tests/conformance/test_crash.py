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
from tests.support.tokens import make_token
from tests.support.world import World, alive, start, temp_files, until
from treadle.demo.client import ApiError, Session
from treadle.demo.local import LocalService
from treadle.demo.processes import command_name, descendants

ENDLESS = COOPERATIVE[1].sql
ROUNDS = 4


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
@pytest.mark.timeout(300)
def test_a_worker_killed_in_mid_write_leaves_all_or_nothing(duck: World) -> None:
    """Kill -9 of a worker at several moments of an insert: the record and the rows agree (C7, C12)."""
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
