"""Statements that start before they are on record: whoever looks finds them, and nothing durable happens first."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.service.caller import ENDLESS, Caller, Sql
from tests.support.world import until


@pytest.fixture
def warm(caller: Caller) -> Iterator[Sql]:
    """A session whose owner is known, so that its next statement starts at once."""
    with caller.session() as session:
        session.run("SELECT 1")
        yield session


def records(caller: Caller, sql: Sql) -> list[dict[str, object]]:
    """The records of the session, newest first."""
    found: list[dict[str, object]] = caller.got(f"{sql.path}/statements", limit=100)["records"]
    return found


def test_whoever_is_answered_is_on_record(caller: Caller, warm: Sql) -> None:
    """Each of many short statements has its record, and its result, when its answer is there."""
    for number in range(50):
        reply = warm.execute(f"SELECT {number}")
        assert caller.record(reply["statement_id"])["status"] == "SUCCESSFUL"
        assert warm.show(reply["statement_id"])["results"][0]["result_set"]["rows"] == [[str(number)]]


def test_errors_are_on_record(caller: Caller, warm: Sql) -> None:
    """One that fails at once as well."""
    reply = warm.execute("SELECT nope")
    record = caller.record(reply["statement_id"])
    assert (record["status"], record["sql_state"]) == ("FAILED", "42703")


def test_one_that_goes_on_is_found(caller: Caller, warm: Sql) -> None:
    """A synchronous statement that runs longer is on record as running, and can be cancelled by what is found there."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(warm.execute, ENDLESS)
        found = until(lambda: [one for one in records(caller, warm) if one["status"] == "RUNNING"], "it is on record")
        warm.cancel(str(found[0]["statement_id"]))
        assert waiting.result()["status"] == 4


def test_a_cancel_of_the_session_covers_what_has_just_been_sent(caller: Caller, warm: Sql) -> None:
    """However soon after the submit it comes: nothing that had arrived runs on."""
    with ThreadPoolExecutor(1) as pool:
        for pause in (0.0, 0.001, 0.002, 0.004, 0.008) * 4:
            sent = threading.Event()

            def submit(sent: threading.Event = sent) -> int:
                sent.set()
                return int(warm.execute("SELECT count(*) FROM range(3000000000) t(i) WHERE i % 7 = 3")["status"])

            waiting = pool.submit(submit)
            sent.wait()
            time.sleep(pause)
            while not waiting.done():
                # The call may have come before the submit did: then it covers nothing, and is made again.
                assert caller.http.post(f"{warm.path}/cancel").status_code == 200
            assert waiting.result() in (0, 4)
    assert warm.rows("SELECT 1") == [["1"]]


def test_a_write_is_on_record_before_its_commit(caller: Caller, warm: Sql) -> None:
    """Short writes too: committed, with the statement's id beside the commit."""
    warm.run("CREATE OR REPLACE TABLE started (x int)")
    for number in range(20):
        reply = warm.execute(f"INSERT INTO started VALUES ({number})")
        assert caller.record(reply["statement_id"])["effects"] == "committed"
    assert warm.rows("SELECT count(*) FROM started") == [["20"]]


def test_a_close_in_the_same_moment(caller: Caller) -> None:
    """The statement ends with its session, on record, whichever comes first."""
    for pause in (0.0, 0.001, 0.003, 0.006):
        session = caller.session()
        session.run("SELECT 1")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(caller.http.post, f"{caller.base}/sessions/statements", json=_order(session))
            time.sleep(pause)
            session.close()
            answer = waiting.result()
        assert answer.status_code in (200, 400)
        if answer.status_code == 200:
            assert answer.json()["status"] == 4
            assert caller.record(answer.json()["statement_id"])["status"] == "CANCELED"
        assert not [one for one in records(caller, session) if one["status"] in ("RUNNING", "SUBMITTED")]


def _order(session: Sql) -> dict[str, object]:
    return {"session_id": session.id, "statement": ENDLESS, "is_sync": True}
