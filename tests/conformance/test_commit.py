"""C7 at its hardest: a commit that hangs, a commit whose reply is lost, and what is looked up then."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.support.catalogs import catalog
from tests.support.world import World, alive, has_stopped, until
from treadle.demo.client import Session


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
                (world.application(session.id),),
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
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (duck.application(session.id),)
                ).fetchone()
            assert left == (0,)
        record = duck.record(statement_id)
        assert (record["status"], record["effects"], record["rung"]) == ("CANCELED", "none", "killed")
        assert session.status() == "FAIL"
    assert rows(duck, "hanging") == 0


@contextmanager
def no_commits(world: World) -> Iterator[None]:
    """While this holds, the server hangs in the very last step of a commit: past it the commit is durable."""
    with catalog(world) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END $$"
        )
        connection.execute("DROP TRIGGER IF EXISTS wait_at_commit ON ducklake_snapshot")
        connection.execute(
            "CREATE CONSTRAINT TRIGGER wait_at_commit AFTER INSERT ON ducklake_snapshot "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_commit()"
        )
        connection.commit()
        connection.execute("SELECT pg_advisory_lock(7)")
        connection.commit()
        yield
        connection.execute("SELECT pg_advisory_unlock(7)")
        connection.commit()


@pytest.mark.parametrize("death", ["cancel", "kill"])
@pytest.mark.parametrize(("hold", "durable"), [(no_snapshots, False), (no_commits, True)], ids=["before", "after"])
def test_a_commit_whose_reply_is_lost_is_looked_up(
    duck: World, death: str, hold: Callable[[World], AbstractContextManager[None]], durable: bool
) -> None:
    """The worker is stopped (SIGSTOP) before the server's last word and dies unheard: the catalog decides.

    Before the COMMIT was sent nothing stays; after it, the statement has succeeded, whoever asked for what.
    """
    table = f"unheard_{death}_{durable}".lower()
    with duck.session() as session:
        session.run(f"CREATE TABLE {table} (i bigint)")
        pid = duck.worker(session.id)
        with hold(duck):
            statement_id = in_commit(duck, session, table)
            os.kill(pid, signal.SIGSTOP)
            until(lambda: has_stopped(pid), "every thread of the worker stands still")
        until(lambda: backend_is_idle(duck, session), "the backend has done what it was sent")
        if death == "cancel":
            duck.same(session).cancel(statement_id)
        else:
            os.kill(pid, signal.SIGKILL)
        until(lambda: duck.record(statement_id)["status"] != "RUNNING", "the verdict is on record")
        record = duck.record(statement_id)
    lost = "CANCELED" if death == "cancel" else "ERROR"
    expected = ("SUCCESSFUL", "committed", 1000) if durable else (lost, "none", 0)
    assert (record["status"], record["effects"], rows(duck, table)) == expected


def backend_is_idle(world: World, session: Session) -> bool:
    """Whether the session's backend waits for its client, in a transaction or not; or is gone."""
    with catalog(world) as connection:
        busy = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND state = 'active'",
            (world.application(session.id),),
        )
        return busy.fetchone() is None
