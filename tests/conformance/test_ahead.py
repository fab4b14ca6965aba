"""Sessions that open on a worker which was attached to their catalog ahead of them."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.world import World, alive, until, world
from treadle.demo.client import Session
from treadle.store.dsn import Address
from treadle.store.embedded import EmbeddedPostgres


@pytest.fixture
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service of its own: nobody else takes the worker that stands ahead."""
    with world(tmp_path_factory.mktemp("ahead") / "data") as running:
        yield running


def ahead(world: World, count: int) -> int:
    """The process id of the ``count``-th worker that was attached ahead, once it is."""

    def find() -> int:
        attached = [line["pid"] for line in world.log() if line["event"] == "attached_ahead"]
        return int(attached[count - 1]) if len(attached) >= count else 0

    return int(until(find, f"worker {count} is attached ahead"))


def answers(session: Session) -> bool:
    """Whether the session reads and writes its catalog."""
    session.run("CREATE OR REPLACE TABLE seen AS SELECT 7 AS x")
    return session.run("FROM seen").rows == [["7"]]


def test_the_next_session_opens_on_the_worker_attached_ahead(lone: World) -> None:
    """It is whole: it reads and writes, is cancelled and closed as any other, and another one follows it."""
    with lone.session() as first:
        assert answers(first)
        waiting = ahead(lone, 1)
        with lone.session() as second:
            assert lone.worker(second.id) == waiting
            assert answers(second)
            assert second.run("SHOW session_timeout").rows == [["10min"]]
        assert ahead(lone, 2) != waiting
    until(lambda: not alive(waiting), "its worker is gone with the session")


def test_a_worker_that_died_ahead_is_not_used(lone: World) -> None:
    """A new one takes its place, and the log has its death with the signal."""
    lone.session().close()
    dead = ahead(lone, 1)
    os.kill(dead, signal.SIGKILL)
    [line] = until(lambda: [one for one in lone.log() if one["event"] == "worker_died"], "its death is logged")
    assert (line["level"], line["pid"], line["signal"]) == ("warning", dead, "SIGKILL")
    assert line["catalog_id"]
    with lone.session() as session:
        assert answers(session)
    assert alive(ahead(lone, 2))


def test_a_worker_whose_server_forgot_it_is_not_used(lone: World) -> None:
    """Its connections were ended while it waited: the session opens all the same."""
    lone.session().close()
    ahead(lone, 1)
    _end_backends(lone.service.data_dir)
    with lone.session() as session:
        assert answers(session)


def test_a_worker_that_was_let_go_did_not_die(lone: World) -> None:
    """Neither one that closes with its session, nor those that are ended with the service."""
    with lone.session() as session:
        assert answers(session)
        waiting = ahead(lone, 1)
    lone.service.stop()
    assert not alive(waiting)
    assert [one for one in lone.log() if one["event"] == "worker_died"] == []


def _end_backends(data_dir: Path) -> None:
    """End the connections of workers; those of the service are to another database."""
    server = EmbeddedPostgres.start(data_dir)
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'treadle-%%' AND datname <> %s",
            [Address.parse(server.service_dsn).database],
        ).fetchall()
    assert ended
