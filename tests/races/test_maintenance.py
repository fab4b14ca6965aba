"""R21: maintenance beside writers and readers. No acknowledged change is lost, no reader loses its session."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product

import pytest

from tests.races.lanes import Lane, lanes
from tests.races.trials import Tally
from tests.support.inlining import beside
from tests.support.world import BOUND, World, until, world
from treadle.demo.client import Session, StatementFailed

WRITERS = 2
LOST_RACE = ("40001", "55P03")
"""Another transaction was first, or maintenance waited for too long for another's."""

ROWS = 5
"""Rows of one INSERT."""

CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE", "lost a race")
"""What a trial may come to."""

MOMENTS = random.Random(21)

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
        "TREADLE_MAINTENANCE_PATIENCE": "0.1",
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
        if choice < 0.4:
            keys = range(self._key + 1, self._key + ROWS + 1)
            self._key += ROWS
            values = ", ".join(f"({self._lane.number}, {key}, {key})" for key in keys)
            return f"INSERT INTO ledger (writer, k, v) VALUES {values}", {**self.rows, **{key: key for key in keys}}
        key = self._random.choice(list(self.rows))
        if choice < 0.6:
            others = {k: v for k, v in self.rows.items() if k != key}
            return f"DELETE FROM ledger WHERE {mine} AND k = {key}", others
        if choice < 0.8:
            changed = {**self.rows, key: self.rows[key] + 1000}
            return f"UPDATE ledger SET v = v + 1000 WHERE {mine} AND k = {key}", changed
        key = self._random.choice((key, self._key + 1))
        self._key = max(self._key, key)
        return self._merge(key), {**self.rows, key: -key}

    def _merge(self, key: int) -> str:
        row = f"(SELECT {self._lane.number} AS writer, {key} AS k, {-key} AS v)"
        return (
            f"MERGE INTO ledger USING {row} AS new ON ledger.writer = new.writer AND ledger.k = new.k /* k = {key}: */ "
            "WHEN MATCHED THEN UPDATE SET v = new.v "
            "WHEN NOT MATCHED THEN INSERT (writer, k, v) VALUES (new.writer, new.k, new.v)"
        )


@pytest.mark.race("R21", "maintenance beside writers and readers", small=60, cost=2)
def test_maintenance_loses_no_change_and_no_reader(eager: World, tally: Tally) -> None:
    """Each trial is a change that was answered; beside it users maintain and alter, and the service maintains."""
    over = threading.Event()
    with lanes(eager, WRITERS + 4) as made:
        writers = [Writer(lane) for lane in made[:WRITERS]]
        reader, traveller, changer, keeper = made[WRITERS:]
        others = {read: reader, travel: traveller, alter: changer, maintain: keeper}
        work = [partial(write, writer) for writer in writers] + [partial(one, lane) for one, lane in others.items()]
        with ThreadPoolExecutor(len(work)) as pool:
            for done in [pool.submit(until_over, over, one, tally) for one in work]:
                done.result()
        held = everything(reader.session, "SELECT writer, k, v FROM ledger ORDER BY ALL")
        found = {(w, k): v for w, k, v in held}
        expected = {(number, k): v for number, writer in enumerate(writers) for k, v in writer.rows.items()}
        assert len(held) == len(found), "rows are there twice"
        wrong = found.items() ^ {**expected, (-1, 1): 0}.items()
        said = [line for (n, k), _ in wrong for line in writers[n].history if f" {k}," in line or f"k = {k}:" in line]
        assert not wrong, "\n".join(said)
        assert all(lane.session.status() == "RUNNING" for lane in made)
    until(lambda: ("merge", "done") in maintained(eager), "the service merges by itself")
    for _, outcome in maintained(eager):
        tally.count(f"service {outcome}")


def everything(session: Session, sql: str) -> list[list[int]]:
    """All rows of numbers, from all pages."""
    reply = session.wait(session.submit(sql))
    pages = [session.show(reply.statement_id, page + 1).last for page in range(reply.last.page_count)]
    rows = [[int(cell or 0) for cell in row] for page in pages for row in page.rows]
    assert len(rows) == reply.last.num_rows
    return rows


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
    if sum(tally[name] for name in CHANGES) >= tally.trials:
        over.set()


def read(lane: Lane, tally: Tally, over: threading.Event) -> None:
    """Two looks in a transaction see the same, whatever is removed meanwhile."""
    first = lane.session.run("BEGIN; SELECT count(*), sum(v) FROM ledger").rows
    time.sleep(0.05)
    assert lane.session.run("SELECT count(*), sum(v) FROM ledger").rows == first
    lane.session.run("COMMIT")
    tally.count("read")


def travel(lane: Lane, tally: Tally, over: threading.Event) -> None:
    """A version looks the same later, or has expired and says so."""
    look = "SELECT count(*), sum(v), (FROM ducklake_current_snapshot('default')) FROM ledger"
    ((count, total, version),) = lane.session.run(look).rows
    for _ in range(2):
        time.sleep(0.2)
        try:
            again = lane.session.run(f"SELECT count(*), sum(v) FROM ledger AT (VERSION => {version})").rows
        except StatementFailed as error:
            if error.sql_state != "22023":
                raise
            tally.count("travelled in vain")
            return
        assert again == [[count, total]]
        tally.count("travelled")


def alter(lane: Lane, tally: Tally, over: threading.Event) -> None:
    """A column comes and goes: files of several versions of the table lie side by side."""
    for change in ("ADD COLUMN IF NOT EXISTS more INTEGER DEFAULT 7", "DROP COLUMN IF EXISTS more"):
        time.sleep(0.5)
        try:
            lane.session.run(f"ALTER TABLE ledger {change}")
        except StatementFailed as error:
            tally.count(f"ALTER {lost_race(error)}")
        else:
            tally.count("ALTER")


def maintain(lane: Lane, tally: Tally, over: threading.Event) -> None:
    """Every call in turn, the second time with a cancel; one that loses a race against a writer says so."""
    for cancelled, call in product((False, True), CALLS):
        if over.is_set():
            return
        reply = lane.session.submit(call)
        if cancelled:
            time.sleep(MOMENTS.random() * 0.1)
            verdict = lane.session.cancel(reply.statement_id)
            assert verdict.seconds < BOUND
            tally.count(f"maintenance {verdict.outcome}")
            if verdict.rung == "killed":
                lane.renew()
            continue
        last = lane.end(reply).last
        if last.status == "PGRES_FATAL_ERROR":
            tally.count(f"maintenance {lost_race(StatementFailed(last.sql_state, last.message))}")
        else:
            tally.count("maintained")


def maintained(world: World) -> list[tuple[str, str]]:
    """What the service has done by itself: each duty, and what came of it."""
    return [(line["duty"], line["outcome"]) for line in world.log() if line["event"] == "catalog_maintained"]
