"""Data files that aborted writes left are removed in the end, whatever kept the keeper from it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.support.tokens import make_token
from tests.support.world import ALICE, BOUND, World, until
from treadle.demo.client import Session
from treadle.demo.local import LocalService
from treadle.store.embedded import EmbeddedPostgres

SETTINGS = {"TREADLE_SWEEP_INTERVAL": "1"}
LARGE_INSERT = "INSERT INTO kept SELECT i FROM range(4000000000) t(i)"


def lake(data_dir: Path) -> str:
    """The database of the only catalog."""
    with psycopg.connect(EmbeddedPostgres.start(data_dir).service_dsn) as connection:
        row = connection.execute("SELECT database FROM catalogs").fetchone()
    assert row is not None
    return str(row[0])


def open_to_all(data_dir: Path, *, allowed: bool) -> None:
    """Whether the catalog's database takes new connections; those that are there stay."""
    name = sql.Identifier(lake(data_dir))
    value = sql.Literal(allowed)
    with psycopg.connect(EmbeddedPostgres.start(data_dir).admin_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}").format(name, value))


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """While this holds, nobody is told which data files the catalog knows: the question waits."""
    admin = EmbeddedPostgres.start(data_dir).admin_dsn
    with psycopg.connect(admin, dbname=lake(data_dir)) as connection:
        connection.execute("LOCK TABLE ducklake_data_file IN ACCESS EXCLUSIVE MODE")
        yield


def abort_a_write(running: World, session: Session) -> None:
    """Cancel an insert that has begun to write."""
    before = running.data_files()
    reply = session.submit(LARGE_INSERT)
    until(lambda: len(running.data_files()) > len(before), "the insert writes a file")
    assert session.cancel(reply.statement_id).outcome == "cancelled"


@pytest.mark.slow
def test_a_restart_remembers_which_catalogs_have_left_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Stopped in good order while the catalog's database was out of reach: the next service knows what it has to do."""
    folder = tmp_path_factory.mktemp("left") / "data"
    with (
        LocalService(folder, SETTINGS) as service,
        closing(World(service, token := make_token(folder, *ALICE))) as one,
        one.session() as session,
    ):
        session.run("CREATE TABLE kept AS SELECT i FROM range(100000) t(i)")
        whole = one.data_files()
        open_to_all(folder, allowed=False)
        abort_a_write(one, session)
        assert len(one.data_files()) > len(whole)
    with LocalService(folder, SETTINGS) as service, closing(World(service, token)) as other:
        assert len(other.data_files()) > len(whole)
        open_to_all(folder, allowed=True)
        until(lambda: other.data_files() == whole, "the left files are removed")
        with other.session() as session:
            assert session.run("SELECT count(*) FROM kept").rows == [["100000"]]
    assert not list((folder / "littered").iterdir())


@pytest.mark.slow
def test_a_catalog_that_does_not_answer_holds_no_cancel_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The cancel is answered within its bound (C3); the files go when the catalog answers."""
    folder = tmp_path_factory.mktemp("locked") / "data"
    with (
        LocalService(folder, SETTINGS) as service,
        closing(World(service, make_token(folder, *ALICE))) as running,
        running.session() as session,
    ):
        session.run("CREATE TABLE kept AS SELECT i FROM range(100000) t(i)")
        whole = running.data_files()
        reply = session.submit(LARGE_INSERT)
        until(lambda: len(running.data_files()) > len(whole), "the insert writes a file")
        with locked(folder):
            began = time.monotonic()
            assert session.cancel(reply.statement_id).outcome == "cancelled"
            assert time.monotonic() - began < BOUND
            assert len(running.data_files()) > len(whole)
        until(lambda: running.data_files() == whole, "the left files are removed")
        assert session.run("SELECT count(*) FROM kept").rows == [["100000"]]


@pytest.mark.slow
def test_what_a_lost_transaction_wrote_is_removed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A worker that dies between two statements of a transaction leaves its files to the keeper."""
    folder = tmp_path_factory.mktemp("lost") / "data"
    with LocalService(folder) as service, closing(World(service, make_token(folder, *ALICE))) as running:
        with running.session() as session:
            session.run("CREATE TABLE kept AS SELECT i FROM range(100000) t(i)")
        whole = running.data_files()
        careless = running.session()
        careless.run("BEGIN; INSERT INTO kept SELECT i FROM range(200000) t(i)")
        assert len(running.data_files()) > len(whole)
        os.kill(running.worker(careless.id), signal.SIGKILL)
        until(lambda: running.data_files() == whole, "the files of the transaction are removed")
        until(lambda: careless.status() == "FAIL", "the session is lost")
