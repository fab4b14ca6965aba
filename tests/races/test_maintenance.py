"""R21: maintenance beside writers and readers. No acknowledged change is lost, no reader loses its session."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.races.lanes import Lane, lanes
from tests.races.trials import Tally
from tests.support.catalogs import catalog
from tests.support.inlining import beside
from tests.support.world import World, until, world
from treadle.demo.client import StatementFailed

WRITERS = 2
LOST_RACE = ("40001", "55P03")
"""Another transaction was first, or maintenance waited for too long for another's."""

CALLS = (
    'CALL "default".merge_adjacent_files()',
    'CALL "default".rewrite_data_files(delete_threshold => 0.1)',
    'CALL "default".flush_inlined_data()',
    'CALL "default".expire_snapshots(older_than => now())',
    'CALL "default".cleanup_old_files(cleanup_all => true)',
    'CALL "default".delete_orphaned_files(cleanup_all => true)',
    "CHECKPOINT",
)


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service that maintains all the time and keeps nothing for long.

    Its catalog has a history: rows and deletes were inlined, and flushed.
    """
    settings = {
        "TREADLE_MAINTENANCE_PAUSE": "0.05",
        "TREADLE_MAINTENANCE_SMALL_FILES": "3",
        "TREADLE_MAINTENANCE_DELETED_SHARE": "0.1",
        "TREADLE_SNAPSHOT_TTL": "0.1",
        "TREADLE_FILE_RETENTION": "1",
        "TREADLE_USER_RATE": "100000",
    }
    with world(tmp_path_factory.mktemp("eager") / "data", settings) as running:
        with running.session() as session:
            session.run("CREATE TABLE ledger (writer INTEGER, k INTEGER, v INTEGER)")
        with beside(running, 10) as lake:
            lake.execute("INSERT INTO ledger VALUES (-1, 0, 0), (-1, 1, 0)")
            lake.execute("DELETE FROM ledger WHERE k = 0")
            lake.execute("CALL ducklake_flush_inlined_data('lake')")
        yield running


def lost_race(error: StatementFailed) -> str:
    """What a change is counted as that lost a race; any other failure is one of the test."""
    if error.sql_state not in LOST_RACE:
        raise error
    return "lost a race"


class Writer:
    """Changes rows of its own and remembers what was acknowledged."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._random = random.Random(lane.number)
        self._key = 0
        self.rows: dict[int, int] = {}
        self.history: list[str] = []

    def change(self) -> str:
        """One change; what came of it."""
        sql, after = self._next()
        try:
            tag = self._lane.session.run(sql).message
        except StatementFailed as error:
            self.history.append(f"{sql}: {error}")
            return lost_race(error)
        self.history.append(f"{sql}: {tag}")
        self.rows = after
        return sql.split(maxsplit=1)[0]

    def _next(self) -> tuple[str, dict[int, int]]:
        mine = f"writer = {self._lane.number}"
        choice = self._random.random() if self.rows else 0.0
        if choice < 0.6:
            self._key += 1
            values = f"({self._lane.number}, {self._key}, {self._key})"
            return f"INSERT INTO ledger VALUES {values}", {**self.rows, self._key: self._key}
        key = self._random.choice(list(self.rows))
        if choice < 0.8:
            others = {k: v for k, v in self.rows.items() if k != key}
            return f"DELETE FROM ledger WHERE {mine} AND k = {key}", others
        return f"UPDATE ledger SET v = v + 1000 WHERE {mine} AND k = {key}", {**self.rows, key: self.rows[key] + 1000}


@pytest.mark.race("R21", "maintenance beside writers and readers", small=60, cost=2)
def test_maintenance_loses_no_change_and_no_reader(eager: World, tally: Tally) -> None:
    """Each trial is a change that was answered; beside it users maintain, and the service does."""
    over = threading.Event()
    with lanes(eager, WRITERS + 2) as made:
        writers = [Writer(lane) for lane in made[:WRITERS]]
        reader, keeper = made[WRITERS:]
        work = [*(partial(write, writer) for writer in writers), partial(read, reader), partial(maintain, keeper)]
        with ThreadPoolExecutor(len(work)) as pool:
            for done in [pool.submit(until_over, over, one, tally) for one in work]:
                done.result()
        held = reader.session.run("SELECT writer, k, v FROM ledger ORDER BY ALL")
        found = {(int(w or 0), int(k or 0)): int(v or 0) for w, k, v in held.rows}
        expected = {(number, k): v for number, writer in enumerate(writers) for k, v in writer.rows.items()}
        assert len(held.rows) == len(found), "rows are there twice"
        wrong = found.items() ^ {**expected, (-1, 1): 0}.items()
        said = [line for (n, k), _ in wrong for line in writers[n].history if f" {k}," in line or f"k = {k}:" in line]
        assert not wrong, "\n".join(said)
        assert all(lane.session.status() == "RUNNING" for lane in made)
    until(lambda: merged(eager), "the service merges by itself")


def until_over(over: threading.Event, work: Callable[[Tally, threading.Event], None], tally: Tally) -> None:
    """Work until it is over; a failure ends it for all."""
    try:
        while not over.is_set():
            work(tally, over)
    finally:
        over.set()


def write(writer: Writer, tally: Tally, over: threading.Event) -> None:
    """A change; the last one ends the race."""
    tally.count(writer.change())
    if sum(tally[name] for name in ("INSERT", "UPDATE", "DELETE", "lost a race")) >= tally.trials:
        over.set()


def read(lane: Lane, tally: Tally, over: threading.Event) -> None:
    """Two looks in a transaction see the same, whatever is removed meanwhile."""
    first = lane.session.run("BEGIN; SELECT count(*), sum(v) FROM ledger").rows
    time.sleep(0.05)
    assert lane.session.run("SELECT count(*), sum(v) FROM ledger").rows == first
    lane.session.run("COMMIT")
    tally.count("read")


def maintain(lane: Lane, tally: Tally, over: threading.Event) -> None:
    """Every call in turn; one that loses a race against a writer says so."""
    for call in CALLS:
        if over.is_set():
            return
        try:
            lane.session.run(call)
        except StatementFailed as error:
            tally.count(f"maintenance {lost_race(error)}")
        else:
            tally.count("maintained")


def merged(world: World) -> bool:
    """Whether the newest snapshot has few files."""
    with catalog(world) as connection:
        row = connection.execute("SELECT count(*) FROM ducklake_data_file WHERE end_snapshot IS NULL").fetchone()
        return row is not None and row[0] < 10
