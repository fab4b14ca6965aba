"""C7 at its hardest: a commit that hangs, a commit whose reply is lost, and what is looked up then."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.support.world import World, alive, until
from treadle.demo.client import Session
from treadle.store.catalogs import catalog_address
from treadle.store.embedded import EmbeddedPostgres
from treadle.store.lakes import all_catalogs


@contextmanager
def catalog(world: World) -> Iterator[psycopg.Connection]:
    """The metadata of the world's catalog, as its own role."""
    server = EmbeddedPostgres.start(world.service.data_dir)
    (found,) = (one for one in all_catalogs(server.service_dsn) if one.workspace_id == world.workspace_id)
    with psycopg.connect(catalog_address(server.service_dsn, found).dsn) as connection:
        yield connection


@contextmanager
def no_snapshots(world: World) -> Iterator[None]:
    """While this holds, every commit on the catalog hangs; reading goes on."""
    with catalog(world) as connection:
        connection.execute("LOCK TABLE ducklake_snapshot IN SHARE MODE")
        yield
        connection.rollback()


def in_commit(world: World, session: Session, table: str) -> str:
    """A statement that hangs in its commit; returns its id. Call it while there are `no_snapshots`."""
    reply = session.submit(f"INSERT INTO {table} SELECT i FROM range(1000) t(i)")

    def waits() -> bool:
        with catalog(world) as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = %s",
                (f"treadle-{session.id}",),
            )
            return found.fetchone() is not None

    until(waits, "the commit waits for the lock")
    return reply.statement_id


def rows(world: World, table: str) -> int:
    """The rows that a fresh session sees."""
    with world.session() as session:
        return int(session.run(f"SELECT count(*) FROM {table}").rows[0][0] or 0)


def test_a_hanging_commit_is_killed_looked_up_and_told(duck: World) -> None:
    """Past the grace the worker is killed, its backend ended; nothing was committed, so it is CANCELED."""
    with duck.session() as session:
        session.run("CREATE TABLE hanging (i bigint)")
        pid = duck.worker(session.id)
        with no_snapshots(duck):
            statement_id = in_commit(duck, session, "hanging")
            verdict = duck.same(session).cancel(statement_id)
            assert (verdict.outcome, verdict.rung) == ("cancelled", "killed")
            assert verdict.seconds < 5
            assert not alive(pid)
            with catalog(duck) as connection:
                left = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (f"treadle-{session.id}",)
                ).fetchone()
            assert left == (0,)
        record = duck.record(statement_id)
        assert (record["status"], record["effects"], record["rung"]) == ("CANCELED", "none", "killed")
        assert session.status() == "FAIL"
    assert rows(duck, "hanging") == 0


@pytest.mark.parametrize("death", ["cancel", "kill"])
@pytest.mark.parametrize("state", ["idle", "idle in transaction"])
def test_a_commit_whose_reply_is_lost_is_looked_up(duck: World, death: str, state: str) -> None:
    """The worker is stopped (SIGSTOP) while it commits and dies unheard: the record says what the catalog says.

    Whether the server got the last word before the worker was stopped decides what is true; the
    record and the rows agree either way.
    """
    table = f"unheard_{death}_{state.count(' ')}"
    with duck.session() as session:
        session.run(f"CREATE TABLE {table} (i bigint)")
        pid = duck.worker(session.id)
        with no_snapshots(duck):
            statement_id = in_commit(duck, session, table)
            if state != "idle":
                os.kill(pid, signal.SIGSTOP)
        until(lambda: backend_is_idle(duck, session), "the backend has done what it was sent")
        if state == "idle":
            os.kill(pid, signal.SIGSTOP)
        if death == "cancel":
            duck.same(session).cancel(statement_id)
        else:
            os.kill(pid, signal.SIGKILL)
        until(lambda: duck.record(statement_id)["status"] != "RUNNING", "the verdict is on record")
        record = duck.record(statement_id)
    told = (record["status"], record["effects"], rows(duck, table))
    lost = "CANCELED" if death == "cancel" else "ERROR"
    assert told in (("SUCCESSFUL", "committed", 1000), (lost, "none", 0))


def backend_is_idle(world: World, session: Session) -> bool:
    """Whether the session's backend waits for its client, in a transaction or not; or is gone."""
    with catalog(world) as connection:
        busy = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND state = 'active'",
            (f"treadle-{session.id}",),
        )
        return busy.fetchone() is None
