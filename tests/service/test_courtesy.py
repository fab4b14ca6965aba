"""Maintenance beside writers: it gives way to what would lose by it, and not for ever."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.service.test_maintenance import code, live
from tests.support.world import World, until, world
from treadle.demo.client import Session, StatementReply

PAUSE = 0.3
SETTINGS = {"TREADLE_MAINTENANCE_PAUSE": str(PAUSE), "TREADLE_MAINTENANCE_SMALL_FILES": "4"}

HELD = """
    DELETE FROM {table} WHERE i IN (
        FROM read_csv('{table}.pipe', auto_detect => false, header => false, columns => {{'x': 'BIGINT'}})
    )
"""
"""A DELETE of the row whose number comes out of a pipe: it has its snapshot, and works until somebody writes there."""


@contextmanager
def beside(tmp_path: Path, patience: float) -> Iterator[World]:
    """A service whose maintenance is as patient as that."""
    with world(tmp_path / "data", SETTINGS | {"TREADLE_MAINTENANCE_PATIENCE": str(patience)}) as running:
        yield running


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[World]:
    """A service whose maintenance waits for as long as it takes."""
    with beside(tmp_path, 3600) as running:
        yield running


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[World]:
    """A service whose maintenance waits for nobody but what has lost a race."""
    with beside(tmp_path, 0.001) as running:
        yield running


def events(world: World, name: str, table: str = "") -> list[dict[str, object]]:
    """What the service has logged under a name, of a table or of all."""
    return [line for line in world.log() if line["event"] == name and table in ("", line.get("table"))]


def begin(world: World, table: str) -> None:
    """A table with two files: rows 0 and 1, and rows 100 to 199."""
    with world.session() as session:
        session.run(f"CREATE TABLE {table} (i BIGINT, v BIGINT); INSERT INTO {table} VALUES (0, 0), (1, 0)")
        session.run(f"INSERT INTO {table} SELECT i, 0 FROM range(100, 200) r(i)")


def hold(world: World, session: Session, table: str) -> tuple[StatementReply, int]:
    """Have the DELETE run, and hold the end of its pipe."""
    os.mkfifo(world.files / f"{table}.pipe")
    return session.submit(HELD.format(table=table)), writing(world, table)


def writing(world: World, table: str) -> int:
    """The end of the pipe as soon as the DELETE reads from it."""

    def end() -> int | None:
        with suppress(OSError):
            return os.open(world.files / f"{table}.pipe", os.O_WRONLY | os.O_NONBLOCK)
        return None

    found: int = until(end, "the statement reads from its pipe")
    return found


def release(pipe: int) -> None:
    """Let the DELETE have its row."""
    os.write(pipe, b"0\n")
    os.close(pipe)


def thin(world: World, table: str, first: int = 100) -> None:
    """Delete half of the second file, so that it is due to be rewritten; which no writer of the first one minds."""
    with world.session() as other:
        done = other.run(f"DELETE FROM {table} WHERE i BETWEEN {first} AND {first + (199 - first) // 2}")
        assert done.message.startswith("DELETE")


def rewritten(world: World, table: str) -> bool:
    """Whether no file of the table has deleted rows."""
    return not live(world, table, "delete")


def test_open_transaction_commits_although_its_table_is_to_be_rewritten(patient: World) -> None:
    """Maintenance waits for its end."""
    begin(patient, "held")
    with patient.session() as session:
        session.run("BEGIN; DELETE FROM held WHERE i = 0")
        thin(patient, "held")
        until(lambda: events(patient, "maintenance_gives_way", "held"), "maintenance gives way")
        assert not rewritten(patient, "held")
        session.run("COMMIT")
        until(lambda: rewritten(patient, "held"), "it is rewritten in the end")
        assert session.run("SELECT count(*), min(i) FROM held").rows == [["51", "1"]]


def test_long_statement_is_not_run_again_for_maintenance(patient: World) -> None:
    """It commits at its first try, and the files are rewritten then."""
    begin(patient, "long")
    with patient.session() as session:
        reply, pipe = hold(patient, session, "long")
        thin(patient, "long")
        until(lambda: events(patient, "maintenance_gives_way", "long"), "maintenance gives way")
        assert not rewritten(patient, "long")
        release(pipe)
        assert session.wait(reply).last.message == "DELETE 1"
        assert not events(patient, "commit_lost")
        until(lambda: rewritten(patient, "long"), "it is rewritten in the end")


def test_statement_that_maintenance_beat_is_not_beaten_again(impatient: World) -> None:
    """Its first commit is lost, its second one is not, although there is as much to do as ever."""
    begin(impatient, "beaten")
    with impatient.session() as session:
        reply, pipe = hold(impatient, session, "beaten")
        thin(impatient, "beaten")
        until(lambda: rewritten(impatient, "beaten"), "it is rewritten beside the statement")
        release(pipe)
        until(lambda: events(impatient, "commit_lost"), "the statement has lost")
        pipe = writing(impatient, "beaten")
        thin(impatient, "beaten", 150)
        until(lambda: events(impatient, "maintenance_gives_way", "beaten"), "maintenance gives way")
        assert not rewritten(impatient, "beaten")
        release(pipe)
        assert session.wait(reply).last.message == "DELETE 1"
        (lost,) = events(impatient, "commit_lost")
        assert (lost["statement_id"], lost["again"]) == (reply.statement_id, True)
        until(lambda: rewritten(impatient, "beaten"), "it is rewritten in the end")


def test_patience_ends(tmp_path: Path) -> None:
    """A transaction that is left open for longer loses, and says so; the catalog stays fast."""
    with beside(tmp_path, 1) as running, running.session() as session:
        begin(running, "waited")
        session.run("BEGIN; DELETE FROM waited WHERE i = 0")
        thin(running, "waited")
        until(lambda: events(running, "maintenance_gives_way", "waited"), "maintenance gives way")
        until(lambda: rewritten(running, "waited"), "it is rewritten all the same")
        assert code(session, "COMMIT") == "40001"
        assert session.run("SELECT count(*) FROM waited").rows == [["52"]]
