"""What the tables themselves refuse, and how the migrations come."""

import threading

import psycopg
import pytest

from tests.store.servers import Databases
from tests.store.things import OWNER, at, ending, intent, new_running, new_session, new_statement
from treadle.model.states import StatementState
from treadle.store.dsn import Address
from treadle.store.errors import MigrationError, StoreUnavailable
from treadle.store.migrate import migrate, pending
from treadle.store.postgres import PostgresStore

QUEUED = {
    "an owner": "owner = 'gateway-1'",
    "an intent": "cancel_requested_at = now(), cancel_reason = 'user', cancel_requested_by = 'ann'",
    "a commit point": "committing_at = now(), commit_point = '{}'",
    "an ending": "finished_at = now(), effects = 'none'",
    "an unknown state": "state = 'paused'",
    "a final state without an ending": "state = 'cancelled'",
    "a running state without an owner": "state = 'running', started_at = now()",
}
RUNNING = {
    "an ending while it runs": "finished_at = now(), effects = 'none'",
    "a verdict while it runs": "rung = 'killed'",
    "half an intent": "cancel_requested_at = now()",
    "half a commit point": "committing_at = now()",
    "an unknown effect": "state = 'failed', finished_at = now(), effects = 'some'",
    "a cancel that committed": "state = 'cancelled', finished_at = now(), effects = 'committed'",
}


def refused(store: PostgresStore, statement_id: str, change: str, dsn: str) -> bool:
    """Whether the table refuses a change of a row."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            connection.execute(f"UPDATE statements SET {change} WHERE id = '{statement_id}'".encode())
        except psycopg.errors.CheckViolation:
            return True
    return False


@pytest.mark.parametrize("what", QUEUED)
async def test_a_queued_row_cannot_have(postgres: PostgresStore, shared: str, what: str) -> None:
    """The table refuses it, whoever writes."""
    made = await new_statement(postgres, await new_session(postgres))
    assert refused(postgres, made.id, QUEUED[what], shared)


@pytest.mark.parametrize("what", RUNNING)
async def test_a_running_row_cannot_have(postgres: PostgresStore, shared: str, what: str) -> None:
    """The table refuses it, whoever writes."""
    made = await new_running(postgres, await new_session(postgres))
    assert refused(postgres, made.id, RUNNING[what], shared)


async def test_a_commit_point_after_an_intent_is_refused_by_the_table(postgres: PostgresStore, shared: str) -> None:
    """The order of the changes counts and not the clocks, which two processes do not share."""
    of = await new_session(postgres)
    asked, free = await new_running(postgres, of), await new_running(postgres, of)
    await postgres.request_cancel(asked.id, intent())
    enter = "committing_at = '2000-01-01', commit_point = '{}'"
    later = "cancel_requested_at = '1999-01-01', cancel_reason = 'user', cancel_requested_by = 'ann'"
    assert refused(postgres, asked.id, enter, shared)
    assert not refused(postgres, free.id, enter, shared)
    assert not refused(postgres, free.id, later, shared)


async def test_a_verdict_is_written_once(postgres: PostgresStore, shared: str) -> None:
    """The table refuses another state, time or effect for a row that has ended, and lets the rest change."""
    made = await new_running(postgres, await new_session(postgres))
    await postgres.finish(made.id, OWNER, ending(StatementState.FAILED), [], at(100))
    assert refused(postgres, made.id, "state = 'succeeded'", shared)
    assert refused(postgres, made.id, "effects = 'none'", shared)
    assert refused(postgres, made.id, "state = 'running', finished_at = NULL, effects = NULL", shared)
    assert not refused(postgres, made.id, "results_expired = true", shared)


def empty(databases: Databases) -> str:
    """A database without tables."""
    return databases.fresh("template0")


def test_migrating_twice_changes_nothing(databases: Databases) -> None:
    """The second time nothing is pending."""
    dsn = empty(databases)
    assert len(pending(dsn)) >= 4
    migrate(dsn)
    assert pending(dsn) == []
    migrate(dsn)
    databases.drop(dsn)


def test_processes_that_migrate_at_once_wait_for_each_other(databases: Databases) -> None:
    """All come through, and the tables are there."""
    dsn = empty(databases)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            migrate(dsn)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert pending(dsn) == []
    databases.drop(dsn)


def test_a_killed_migration_can_be_run_again(databases: Databases) -> None:
    """The lock row it left is broken, and a migration that was made but not marked is made again."""
    dsn = empty(databases)
    migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM _yoyo_migration WHERE migration_id LIKE '0004%'")
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    migrate(dsn)
    assert pending(dsn) == []
    databases.drop(dsn)


def test_a_migration_that_fails_says_so(databases: Databases) -> None:
    """Its error is told, and the next run tries again."""
    dsn = empty(databases)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE VIEW sessions AS SELECT 1 AS id")
    with pytest.raises(MigrationError):
        migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP VIEW sessions")
    migrate(dsn)
    databases.drop(dsn)


def test_migrations_can_be_taken_back(databases: Databases) -> None:
    """Every migration has a rollback that leaves nothing of it."""
    from importlib.resources import files

    dsn = empty(databases)
    migrate(dsn)
    folder = files("treadle.store") / "migrations"
    names = sorted((one.name for one in folder.iterdir() if one.name.endswith(".rollback.sql")), reverse=True)
    assert len(names) == len([one for one in folder.iterdir() if one.name.endswith(".sql")]) / 2
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in names:
            connection.execute((folder / name).read_text().encode())
        left = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE '%yoyo%'"
        ).fetchall()
        assert left == []
        assert connection.execute("SELECT proname FROM pg_proc WHERE proname LIKE 'statements%'").fetchall() == []
    databases.drop(dsn)


def test_migrating_without_a_server_says_so() -> None:
    """A server that does not answer is told from a migration that fails, and no password is in the message."""
    dsn = Address(host="/nonexistent", user="treadle", database="treadle", password="hunter2").dsn
    with pytest.raises(StoreUnavailable) as caught:
        migrate(dsn)
    assert "hunter2" not in str(caught.value)
