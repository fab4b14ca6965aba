"""R18: after interrupts and kills nothing is left: files, processes, descriptors, connections, memory (C11)."""

import os
import random
import time
from pathlib import Path

import pytest

from tests.races.lanes import Lane, lanes
from tests.races.trials import Tally, spread
from tests.support.catalogs import catalog
from tests.support.world import World, temp_files, until
from treadle.config import Settings
from treadle.demo.processes import descendants

INTERRUPTED = (
    "SELECT sum(n) FROM (SELECT row_number() OVER (ORDER BY hash(i)) n FROM range(60000000) t(i))",
    "CREATE TABLE left_over AS SELECT i, hash(i) h FROM range(4000000000) t(i)",
    "COPY (SELECT i, hash(i) h FROM range(4000000000) t(i)) TO 'left_over.parquet'",
    "COPY (SELECT i, hash(i) h FROM range(4000000000) t(i)) TO 'left_over.csv'",
    "SELECT i, hash(i) FROM range(4000000000) t(i)",
    "SELECT 1; CREATE TEMP TABLE left_over AS SELECT i, hash(i) h FROM range(4000000000) t(i)",
)
KILLED = "SELECT levenshtein(repeat('ab', 400000), repeat('ba', 400000))"


def descriptors(pid: int) -> int:
    """How many files the process holds open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid: int) -> int:
    """Bytes of memory the process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def scratch(world: World) -> list[str]:
    """The scratch folders of the workers."""
    return os.listdir(world.service.data_dir / "tmp")


def workers_ready(world: World, open_sessions: int) -> bool:
    """Whether, beside the workers of so many sessions, the pool of warm ones has been filled up."""
    expected = open_sessions + int(Settings.model_fields["warm_workers"].default)
    before = descendants(world.service.pid)
    time.sleep(0.5)
    return len(scratch(world)) >= expected and descendants(world.service.pid) == before


def backends(world: World) -> int:
    """The connections of sessions to the catalog."""
    with catalog(world) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'treadle-%' AND pid <> pg_backend_pid() "
            "AND datname = current_database()"
        ).fetchone()
    return int(found[0]) if found else -1


def referenced(world: World) -> int:
    """The data files that the catalog knows."""
    with catalog(world) as connection:
        found = connection.execute("SELECT count(*) FROM ducklake_data_file").fetchone()
    return int(found[0]) if found else -1


@pytest.mark.race("R18", "leftovers of interrupts and kills", small=30)
def test_interrupts_and_kills_leave_nothing(brisk: World, tally: Tally) -> None:
    """Spilling sorts, tables, files, results and deaf statements are stopped; then everything is counted again."""
    gateway = brisk.service.pid
    with brisk.session() as first:
        first.run("SELECT 1")
    # The worker that is attached for the next session has connections of its own.
    until(lambda: any(line["event"] == "attached_ahead" for line in brisk.log()), "a worker is attached ahead")
    idle = backends(brisk)
    with lanes(brisk, 3) as made:
        moments = [random.Random(lane.number) for lane in made]
        until(lambda: workers_ready(brisk, len(made)), "the pool is full")
        folders, processes, open_files = len(scratch(brisk)), len(descendants(gateway)), descriptors(gateway)
        known = referenced(brisk)
        ids: list[str] = []

        def trial(lane: Lane, n: int) -> None:
            deaf = n % 20 == 19
            reply = lane.session.submit(KILLED if deaf else INTERRUPTED[n % len(INTERRUPTED)])
            if spills := n % (4 * len(INTERRUPTED)) == 0:
                until(lambda: temp_files(brisk), "the sort spills")
            else:
                time.sleep(moments[lane.number].uniform(0, 0.25))
            said = lane.session.cancel(reply.statement_id)
            assert (said.outcome, said.state) == ("cancelled", "CANCELED")
            ids.append(reply.statement_id)
            if said.rung == "killed":
                lane.renew()
            tally.count(f"{said.rung} while it spilled" if spills else said.rung, said.seconds)

        spread(tally, made, trial)

        assert temp_files(brisk) == []
        assert brisk.stray_files() == []
        assert all(resident(brisk.worker(lane.session.id)) < 300 * 2**20 for lane in made)
        kept = [name for one in ids for name in brisk.result_files(one)]
        assert not [name for name in kept if not name.startswith("1")], "only the finished part of a script is kept"
        until(lambda: len(descendants(gateway)) <= processes, "no process is left", timeout=10)
        until(lambda: len(scratch(brisk)) <= folders, "no folder of a dead worker is left", timeout=10)
        until(lambda: descriptors(gateway) <= open_files + 8, "no descriptor is left", timeout=10)
    until(lambda: backends(brisk) <= idle, "no connection is left", timeout=10)
    assert referenced(brisk) == known
    until(lambda: len(brisk.data_files()) <= known, "no data file is left that no snapshot knows", timeout=20)
