"""C2, C3, C10, C11: what a stopped statement says, gives back and leaves its session. Every kind: `test_zoo.py`."""

import pytest

from tests.conformance.zoo import COOPERATIVE, DEAF, Kind
from tests.support.world import BOUND, World, start, temp_files, until
from treadle.demo.client import ApiError, Session


def cancel_in_the_middle(world: World, session: Session, kind: Kind) -> str:
    """Run the kind until its worker is busy, cancel it, check the answer; returns the statement's id."""
    reply = start(world, session, kind.sql)
    verdict = session.cancel(reply.statement_id)
    assert verdict.outcome == "cancelled"
    assert verdict.state == "CANCELED"
    assert verdict.seconds < BOUND
    return reply.statement_id


def test_a_cancelled_statement_reads_as_postgresql_says_it(duck: World) -> None:
    """Its result is status 4, a fatal error with SQLSTATE 57014 and PostgreSQL's own words."""
    with duck.session() as session:
        statement_id = cancel_in_the_middle(duck, session, COOPERATIVE[0])
        shown = session.show(statement_id)
    assert shown.status == 4
    assert shown.last.status == "PGRES_FATAL_ERROR"
    assert shown.last.sql_state == "57014"
    assert shown.last.message == "canceling statement due to user request: canceled by alice"


def test_spill_files_are_gone_at_the_reply(duck: World) -> None:
    """A sort that spills leaves nothing on disk when its cancel is answered (C11)."""
    with duck.session() as session:
        sort = next(kind for kind in COOPERATIVE if kind.name == "sort")
        reply = start(duck, session, sort.sql)
        until(lambda: temp_files(duck), "the sort spills", timeout=60)
        assert session.cancel(reply.statement_id).outcome == "cancelled"
        assert temp_files(duck) == []


def test_a_killed_worker_takes_its_session_and_says_so(duck: World) -> None:
    """After a kill the session is FAIL with the reason, its next statement is refused, others go on (C10)."""
    with duck.session() as neighbour, duck.session() as session:
        neighbour.run("CREATE TEMP TABLE mine AS SELECT 7 AS x")
        statement_id = cancel_in_the_middle(duck, session, DEAF[0])
        assert duck.record(statement_id)["rung"] == "killed"
        with pytest.raises(ApiError, match="FAIL: its worker was killed to stop statement"):
            session.submit("SELECT 1")
        assert neighbour.run("SELECT x FROM mine").rows == [["7"]]


def test_the_session_survives_an_interrupt_with_everything_in_it(duck: World) -> None:
    """Settings, temporary tables, variables and prepared statements outlive a co-operative stop (C10)."""
    with duck.session() as session:
        session.run(
            "CREATE TEMP TABLE keep AS SELECT 5 AS x; PREPARE twice AS SELECT $1::int * 2;"
            "SET VARIABLE v = 9; SET statement_timeout TO 77; SET TimeZone = 'Asia/Shanghai'"
        )
        cancel_in_the_middle(duck, session, COOPERATIVE[1])
        assert session.run("SELECT x FROM keep").rows == [["5"]]
        assert session.run("EXECUTE twice(21)").rows == [["42"]]
        assert session.run("SELECT getvariable('v')").rows == [["9"]]
        assert session.run("SHOW statement_timeout").rows == [["77s"]]
        assert session.run("SELECT current_setting('TimeZone')").rows == [["Asia/Shanghai"]]


def test_memory_is_given_back(duck: World) -> None:
    """A cancelled statement that held hundreds of megabytes leaves its worker small (C11)."""
    with duck.session() as session:
        pid = duck.worker(session.id)
        sort = next(kind for kind in COOPERATIVE if kind.name == "sort")
        reply = session.submit(sort.sql)
        until(lambda: resident(pid) > 500 * 2**20, "the worker holds memory", timeout=60)
        session.cancel(reply.statement_id)
        assert resident(pid) < 300 * 2**20


def resident(pid: int) -> int:
    """Bytes of memory the process holds."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096
