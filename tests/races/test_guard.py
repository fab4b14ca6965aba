"""R20: no SQL disarms the guard. What would lift a bound is refused, and the deadline outside the engine fires."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.races.lanes import Lane, lanes
from tests.races.trials import Tally, spread
from tests.support.world import BOUND, World, spent, world

ENDLESS = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"

LONG = 3_000_000
"""Rows that make an engine use all the threads it may."""

DISARMING = (
    "SET max_execution_time = 0",
    "SET GLOBAL statement_timeout = 0",
    "SET threads = 64",
    "SET worker_threads = 64",
    "SET external_threads = 1",
    "SET memory_limit = '1TB'",
    "SET max_memory = '1TB'",
    "RESET memory_limit",
    "SET max_temp_directory_size = '10TB'",
    "SET temp_directory = '/tmp'",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET scheduler_process_partial = false",
    "PRAGMA threads = 64",
    "PRAGMA memory_limit = '1TB'",
    "PRAGMA disable_checkpoint_on_shutdown",
    "PRAGMA enable_profiling",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_terminate_backend(1)",
    "SELECT * FROM postgres_query('lake', 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity')",
    "CALL postgres_execute('lake', 'SELECT pg_cancel_backend(1)')",
    "SELECT set_config('statement_timeout', '0', false)",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "ALTER SYSTEM SET statement_timeout = 0",
    "ALTER ROLE CURRENT_USER SET statement_timeout = 0",
    "SET statement_timeout = -1",
    "SET statement_timeout = 'never'",
)

IN_VAIN = (
    "SET statement_timeout = 0",
    "SET statement_timeout = 100000",
    "BEGIN; SET LOCAL statement_timeout = 0; COMMIT",
    "SET statement_timeout TO DEFAULT",
)


def threads(pid: int) -> int:
    """The threads of a process."""
    return len(os.listdir(f"/proc/{pid}/task"))


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service whose statements run for a second at most, whatever their session says."""
    with world(tmp_path_factory.mktemp("bounded") / "data", {"TREADLE_MAX_STATEMENT_TIMEOUT": "1"}) as running:
        yield running


@pytest.mark.race("R20", "SQL that would disarm the guard, then an endless statement", small=24, cost=10)
def test_the_deadline_fires_whatever_the_sql_says(bounded: World, tally: Tally) -> None:
    """Each attempt is refused or in vain: the endless statement behind it is stopped, and the engine is idle."""
    with lanes(bounded, 2) as made:
        workers = [bounded.worker(lane.session.id) for lane in made]
        for lane in made:
            lane.session.run(f"SELECT count(*) FROM range({LONG}) t(i) WHERE hash(i) % 7 = 3")
        before = [threads(pid) for pid in workers]

        def trial(lane: Lane, n: int) -> None:
            if n % 3:
                attempt = DISARMING[n % len(DISARMING)]
                refused = lane.session.submit(attempt, sync=True)
                assert refused.status == -1, (attempt, refused)
                tally.count("refused")
                return
            lane.session.run(IN_VAIN[n // 3 % len(IN_VAIN)])
            started = time.monotonic()
            shown = lane.end(lane.session.submit(ENDLESS))
            taken = time.monotonic() - started
            record = lane.record(shown.statement_id)
            assert (shown.status, record["reason"], record["actor"]) == (4, "statement_timeout", "system")
            assert taken < 1 + BOUND
            tally.count("stopped by the deadline", taken - 1)

        spread(tally, made, trial)
        assert all(spent(pid, 0.2) < 0.05 for pid in workers)
        assert [threads(pid) for pid in workers] == before
