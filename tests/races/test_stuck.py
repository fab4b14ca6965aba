"""R5, R9, R12: engines that do not listen, queues behind them, and workers that are frozen (C3, C4, C6, C10)."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conformance.zoo import DEAF
from tests.races.lanes import Lane, lanes
from tests.races.trials import Aim, Tally, spread
from tests.support.world import BOUND, World, alive, start, until
from treadle.demo.client import Named, Session

LIGHT = tuple(kind.sql for kind in DEAF if kind.name in ("levenshtein", "levenshtein_rows", "in_list"))
"""Deaf statements that need little memory, so that many can run at once."""

ENDLESS = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"
FOR_EVER = "SELECT levenshtein(repeat('ab', 900000), repeat('ba', 900000))"
WAITING = 10
"""Statements that wait in each session."""


@contextmanager
def innocents(world: World, count: int = 2) -> Iterator[Callable[[], int]]:
    """Sessions that work beside a race, and how many of their statements have run; a disturbed one is an error."""
    over = threading.Event()
    errors: list[BaseException] = []
    done: list[int] = []

    def work(session: Session) -> None:
        try:
            session.run("CREATE TEMP TABLE own (n int)")
            n = 0
            while not over.is_set():
                n += 1
                session.run(f"INSERT INTO own VALUES ({n})")
                assert session.run("SELECT count(*), sum(i) FROM own, range(10000) t(i)").rows[0][0] == str(n * 10000)
                done.append(n)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(world.session(),)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: len(done)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not errors, errors
    assert done


@pytest.mark.race("R5", "a statement that ignores interrupts", small=6, cost=10)
def test_a_deaf_statement_is_killed_and_costs_its_session_only(brisk: World, tally: Tally) -> None:
    """Killed at the grace; the worker is gone, the session says why, its catalog opens again, others go on."""
    with brisk.session() as setup:
        setup.run("CREATE TABLE reopened (n int)")
    with innocents(brisk), lanes(brisk, 2) as made:

        def trial(lane: Lane, n: int) -> None:
            pid = brisk.worker(lane.session.id)
            reply = start(brisk, lane.session, LIGHT[n % len(LIGHT)], busy=0.05)
            said = lane.session.cancel(reply.statement_id)
            assert (said.outcome, said.state) == ("cancelled", "CANCELED")
            assert float(said.millis) < BOUND * 1000
            assert lane.record(reply.statement_id)["effects"] == "none"
            if said.rung == "killed":
                assert not alive(pid)
                assert lane.session.status() == "FAIL"
                lane.renew()
            lane.session.run(f"INSERT INTO reopened VALUES ({n})")
            tally.count(said.rung, said.seconds)

        spread(tally, made, trial)
        with brisk.session() as reader:
            assert reader.run("SELECT count(DISTINCT n) FROM reopened").rows == [[str(tally.trials)]]
    assert tally["killed"]


def wakes(pid: int) -> int:
    """How often the threads of a process have waited and been woken."""
    lines = [
        line
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    ]
    return sum(int(line.split()[1]) for line in lines)


def settled(pids: list[int]) -> list[int]:
    """The wakes of processes that have come to rest."""
    seen: list[list[int]] = [[]]

    def still() -> bool:
        time.sleep(0.3)
        seen.append([wakes(pid) for pid in pids])
        return seen[-1] == seen[-2]

    until(still, "the idle workers rest")
    return seen[-1]


@pytest.mark.race("R9", "cancel while queued, every slot taken by a deaf statement", small=100)
def test_what_is_cancelled_in_the_queue_is_never_heard_of(brisk: World, tally: Tally) -> None:
    """Both slots of an endpoint are deaf; a hundred statements wait: each cancel is quick, no worker even wakes.

    The grace does not matter here but to the closing of the deaf sessions.
    """
    config = {"engine": "duckdb", "max_statements": 2}
    body = {"name": "saturated", "type": "sql", "config": config}
    endpoint = brisk.connect(brisk.token).post(Named, f"{brisk.base}/endpoints", body).id

    def session() -> Session:
        return brisk.connect(brisk.token).open_session(brisk.workspace_id, endpoint)

    deaf, idle = [session() for _ in range(2)], [session() for _ in range(10)]
    blockers = [start(brisk, one, FOR_EVER) for one in deaf]
    workers = [brisk.worker(one.id) for one in idle]
    before = settled(workers)
    remaining = tally.trials
    while remaining > 0:
        # Two of each hundred wait behind a deaf statement in its own session.
        queued = [(one, one.submit("SELECT 1").statement_id) for one in idle for _ in range(WAITING)]
        queued += [(one, one.submit("CREATE TABLE never_made (x int)").statement_id) for one in deaf]
        for one, statement_id in queued:
            said = one.cancel(statement_id)
            assert (said.outcome, said.state, said.rung) == ("cancelled", "CANCELED", "dequeued")
            tally.count(said.rung, said.seconds)
        for _, statement_id in random.Random(9).sample(queued, 10):
            record = brisk.record(statement_id)
            assert (record["effects"], record.get("start_time")) in (("none", None), ("none", ""))
        remaining -= len(queued)
    woken = [wakes(pid) - earlier for pid, earlier in zip(workers, before, strict=True)]
    # A worker that hears of a statement wakes for each; a stray wake has other reasons.
    assert max(woken) < WAITING / 2, woken
    assert [one.show(blocker.statement_id).status for one, blocker in zip(deaf, blockers, strict=True)] == [1, 1]
    assert max(tally.seconds) < 1.0
    for one in (*deaf, *idle):
        brisk.same(one).close()
    with brisk.session() as other:
        assert other.submit("SELECT * FROM never_made", sync=True).last.sql_state == "42P01"


@pytest.mark.race("R12a", "cancel of a frozen worker (SIGSTOP)", small=10, cost=4)
def test_a_frozen_worker_is_killed_and_one_that_thaws_is_not_believed_twice(brisk: World, tally: Tally) -> None:
    """Frozen in a write and cancelled: killed, no rows. Thawed within the grace: interrupted, and the session lives."""
    with brisk.session() as setup:
        setup.run("CREATE TABLE frozen (n int, i int)")
    chance = random.Random(12)
    with innocents(brisk, 1), lanes(brisk, 2) as made:
        expected: set[int] = set()

        def trial(lane: Lane, n: int) -> None:
            pid = brisk.worker(lane.session.id)
            reply = lane.session.submit(f"INSERT INTO frozen SELECT {n}, i FROM range(3000000) t(i)")
            time.sleep(chance.uniform(0, 0.15))
            os.kill(pid, signal.SIGSTOP)
            verdict = lane.cancel_after(0, reply.statement_id)
            if thawed := n % 2 == 1:
                time.sleep(chance.uniform(0, 0.1))
                os.kill(pid, signal.SIGCONT)
            said = verdict.result()
            record = lane.record(reply.statement_id)
            assert float(said.millis) < BOUND * 1000
            assert (said.state, record["effects"]) in (("CANCELED", "none"), ("SUCCESSFUL", "committed"))
            if said.state == "SUCCESSFUL":
                expected.add(n)
            assert said.rung != "killed" or not alive(pid)
            if not alive(pid):
                # Killed, perhaps in a commit that is there all the same.
                assert lane.session.status() == "FAIL"
                lane.renew()
            elif not thawed:
                os.kill(pid, signal.SIGCONT)
            assert lane.session.run("SELECT 1").rows == [["1"]]
            tally.count(f"{'thawed' if thawed else 'frozen'}: {said.outcome} {said.rung}", said.seconds)

        spread(tally, made, trial)
        with brisk.session() as reader:
            found = reader.run("SELECT n, count(*) FROM frozen GROUP BY n").rows
    assert {int(n or 0): int(rows or 0) for n, rows in found} == dict.fromkeys(expected, 3_000_000)
    assert tally["frozen: cancelled killed"]
    until(lambda: not any("frozen" in name for name in brisk.stray_files()), "no file is left")


@pytest.mark.race("R12b", "a worker that answers in the moment it is to be killed", small=18, cost=4)
def test_a_last_word_at_the_grace_has_one_meaning(brisk: World, tally: Tally) -> None:
    """Thawed around the grace: either it is killed and the session says so, or the session works on.

    The first ones are far from it, on either side: where the edge lies on a machine that has no time is found out only
    by the others.
    """
    with lanes(brisk) as made:
        aims = [Aim(lane.number, 0.28, 0.02) for lane in made]
        far = (0.0, 1.5)

        def trial(lane: Lane, n: int) -> None:
            pid = brisk.worker(lane.session.id)
            reply = start(brisk, lane.session, ENDLESS, busy=0.01)
            os.kill(pid, signal.SIGSTOP)
            verdict = lane.cancel_after(0, reply.statement_id)
            time.sleep(far[n] if n < len(far) else aims[lane.number].next())
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            said = verdict.result()
            assert (said.outcome, said.state) == ("cancelled", "CANCELED")
            if n >= len(far):
                aims[lane.number].was(early=said.rung == "interrupted")
            if said.rung == "killed":
                assert lane.session.status() == "FAIL"
                assert not alive(pid)
                lane.renew()
            else:
                # Whoever heard "interrupted" goes on at once, in the same session with the same worker.
                assert lane.session.run("SELECT 41 + 1").rows == [["42"]]
                assert lane.session.run("SELECT 41 + 1").rows == [["42"]]
                assert alive(pid)
            tally.count(said.rung, said.seconds)

        spread(tally, made, trial)
    assert {"interrupted", "killed"} == tally.seen
