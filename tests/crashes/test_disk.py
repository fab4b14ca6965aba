"""A disk that is full or read-only, for each thing the service writes: clear errors, nothing by halves."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.crashes.filesystems import Disk, small
from tests.crashes.leftovers import orphans, staged
from tests.crashes.rounds import serves
from tests.support.world import World, start, until, world
from treadle.demo.client import ApiError, Session, StatementFailed, StatementReply

ENDLESS = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"
TOO_MUCH = 64
"""Mebibytes that no small disk here holds."""

SETTINGS = {"TREADLE_WORKER_MEMORY": "100MiB", "TREADLE_WORKER_THREADS": "1", "TREADLE_CANCEL_TIMEOUT": "5"}
FULL = "53100"
READ_ONLY = "58030"
"""No space left, and an input/output error: what a statement says when the disk takes no more, whatever says it."""


class Place(NamedTuple):
    """A folder of the data folder, a statement whose output there never fits, and one that writes there at all."""

    folder: str
    large: str
    little: str


ROWS = TOO_MUCH * 2**20 // 8
PLACES = (
    Place("results", f"SELECT i FROM range({ROWS}) t(i)", "SELECT i FROM range(100000) t(i)"),
    Place(
        "files",
        f"COPY (SELECT hash(i) h FROM range({ROWS}) t(i)) TO 'large.parquet'",
        "COPY (SELECT i FROM range(100000) t(i)) TO 'little.parquet' (FORMAT parquet)",
    ),
    Place(
        "lake",
        f"CREATE TABLE large AS SELECT hash(i) h FROM range({ROWS}) t(i)",
        "INSERT INTO kept SELECT i FROM range(100000) t(i)",
    ),
    Place(
        "tmp",
        "SELECT count(*) FROM (SELECT hash(i) h, count(*) FROM range(8000000) t(i) GROUP BY 1)",
        "SELECT count(*) FROM (SELECT hash(i) h, count(*) FROM range(8000000) t(i) GROUP BY 1)",
    ),
)


class Cramped(NamedTuple):
    """A service whose folders lie on small disks, one each."""

    disks: dict[str, Disk]
    world: World


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cramped]:
    """One service for every disk that is not PostgreSQL's."""
    data = tmp_path_factory.mktemp("cramped") / "data"
    with ExitStack() as undo:
        disks = {place.folder: undo.enter_context(small(data / place.folder, 16)) for place in PLACES}
        yield Cramped(disks, undo.enter_context(world(data, SETTINGS)))


def refused(session: Session, sql: str, state: str = FULL) -> StatementReply:
    """Run a statement that the disk must refuse: a failure in the documented shape, and a true record of it."""
    reply = session.wait(session.submit(sql, sync=True))
    last = reply.last
    assert (reply.status, last.status) == (-1, "PGRES_FATAL_ERROR"), reply
    assert last.sql_state == state, last.message
    assert last.rows == []
    return reply


def nothing_left(running: World, reply: StatementReply) -> None:
    """The failed statement left no effect, no result and no file."""
    record = running.record(reply.statement_id)
    assert (record["status"], record["effects"]) == ("FAILED", "none")
    assert running.result_files(reply.statement_id) == []
    assert staged(running.service.data_dir) == []
    assert not (running.files / "large.parquet").exists()


def nowhere_told(running: World, reply: StatementReply) -> None:
    """The error says what went wrong and not where the service keeps its data."""
    assert str(running.service.data_dir) not in reply.last.message


CASES = [pytest.param(one, id=one.folder) for one in PLACES]


@pytest.mark.slow
@pytest.mark.parametrize("place", CASES)
def test_a_full_disk_is_an_error_and_not_a_loss(cramped: Cramped, place: Place) -> None:
    """What does not fit fails alone; with no block free a cancel works; with space again the same session goes on."""
    disk, running = cramped.disks[place.folder], cramped.world
    with running.session() as session, running.session() as other:
        session.run("CREATE OR REPLACE TABLE kept AS SELECT 1 AS x")
        nothing_left(running, reply := refused(session, place.large))
        nowhere_told(running, reply)
        endless = start(running, other, ENDLESS)
        with disk.full():
            nothing_left(running, refused(session, place.little))
            assert running.same(other).cancel(endless.statement_id).outcome == "cancelled"
        assert (session.status(), other.status()) == ("RUNNING", "RUNNING")
        assert session.run("SELECT sum(x) FROM kept").rows == [["1"]]
        if place.folder != "tmp":
            session.run(place.little)
        assert other.run("SELECT 42").rows == [["42"]]
    until(lambda: not orphans(running), "no file of a refused write is left")


@pytest.mark.slow
@pytest.mark.parametrize("place", CASES[:3])
def test_a_read_only_disk_is_an_error_and_not_a_loss(cramped: Cramped, place: Place) -> None:
    """Writing fails, reading goes on, a cancel works; writable again, the same session writes."""
    disk, running = cramped.disks[place.folder], cramped.world
    with running.session() as session, running.session() as other:
        session.run("CREATE OR REPLACE TABLE kept AS SELECT 1 AS x FROM range(50000)")
        old = session.run("SELECT i FROM range(50000) t(i)")
        endless = start(running, other, ENDLESS)
        with disk.read_only():
            nothing_left(running, reply := refused(session, place.little, READ_ONLY))
            nowhere_told(running, reply)
            if place.folder != "results":
                assert session.run("SELECT sum(x) FROM kept").rows == [["50000"]]
            assert session.show(old.statement_id, old.page_count).last.rows[-1] == ["49999"]
            assert running.same(other).cancel(endless.statement_id).outcome == "cancelled"
        session.run(place.little)
        assert (session.status(), other.status()) == ("RUNNING", "RUNNING")


@pytest.mark.slow
def test_a_disk_full_for_the_whole_service(tmp_path_factory: pytest.TempPathFactory) -> None:
    """PostgreSQL has no room either: honest 503s, what was asked to stop stops, and all is there afterwards."""
    data = tmp_path_factory.mktemp("full") / "data"
    with small(data, 320) as disk, world(data, SETTINGS) as running:
        session, other = running.session(), running.session()
        session.run("CREATE TABLE kept AS SELECT 1 AS x")
        endless = start(running, other, ENDLESS)
        with disk.full():
            answers = _until_refused(running.same(session))
            assert answers[-1] == 503, answers
            verdict = _cancel(running.same(other), endless.statement_id)
            assert verdict in {200, 408, 503}
        until(lambda: serves(running), "the service writes again", timeout=60)
        if verdict == 503:
            # Whether it was heard is not known: an accepted one takes effect without being asked for again.
            running.same(other).cancel(endless.statement_id)
        until(lambda: running.record(endless.statement_id)["status"] == "CANCELED", "the cancel takes effect")
        with running.session() as fresh:
            assert fresh.run("SELECT sum(x) FROM kept").rows == [["1"]]
            assert fresh.run("INSERT INTO kept VALUES (2)").message == "INSERT 0 1"


def _until_refused(session: Session) -> list[int]:
    """Submit long statements until PostgreSQL cannot keep another; the HTTP statuses."""
    answers: list[int] = []
    while len(answers) < 100 and 503 not in answers:
        try:
            session.wait(session.submit(f"SELECT 1 /* {'x' * 2_000_000} {len(answers)} */"))
            answers.append(200)
        except ApiError as error:
            answers.append(_documented(error))
        except StatementFailed:
            answers.append(200)
    return answers


def _cancel(session: Session, statement_id: str) -> int:
    try:
        session.cancel(statement_id)
    except ApiError as error:
        return _documented(error)
    return 200


def _documented(error: ApiError) -> int:
    """The status of an error whose body has the documented shape."""
    if '"error_code":"common.' not in str(error):
        raise error
    return error.status
