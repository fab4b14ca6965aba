"""A session whose engine has declared itself invalid: it ends with the statement that did it, and says so."""

from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from bench import child
from tests.crashes.leftovers import old_backends
from tests.service.caller import Caller, Sql, calling
from tests.support.world import alive, worker_of
from treadle.demo import local

COMMENT = "COMMENT ON COLUMN kept.nosuch IS 'x'"
"""An internal error to the engine, where it is not judged before; then it answers nothing any more."""

UNJUDGED = tuple(child.command("tests.service.unjudged"))


@pytest.fixture(scope="module")
def unjudged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service whose workers judge no definition."""
    with ExitStack() as undo:
        with mock.patch.object(local, "TREADLE", UNJUDGED):
            caller = undo.enter_context(calling(tmp_path_factory.mktemp("unjudged") / "data"))
        with caller.session() as session:
            session.run("CREATE TABLE kept AS SELECT 1 AS x")
        yield caller


@pytest.mark.parametrize(
    ("before", "script", "kept"),
    [
        ("", COMMENT, "none"),
        ("BEGIN; INSERT INTO kept VALUES (2)", COMMENT, "none"),
        ("", f"BEGIN; INSERT INTO kept VALUES (2); {COMMENT}; COMMIT", "none"),
        ("CREATE TEMP TABLE aside AS SELECT 1 AS x; SET statement_timeout TO 60", f"SELECT 1; {COMMENT}", "none"),
        ("", f"CREATE SCHEMA IF NOT EXISTS made_first; {COMMENT}; SELECT 1", "partial"),
    ],
)
def test_a_session_ends_with_the_statement_that_made_its_engine_invalid(
    unjudged: Caller, before: str, script: str, kept: str
) -> None:
    """Its own error, a failed session with the reason, no worker, no backend, nothing of an open transaction."""
    data_dir = unjudged.service.data_dir
    sql = unjudged.session()
    if before:
        sql.run(before)
    pid = worker_of(unjudged.service, sql.id)

    reply = sql.execute(script)

    assert sql.status() == "FAIL"
    assert not alive(pid)
    assert old_backends(data_dir, {sql.id}) == []
    last = reply["results"][-1]
    assert (reply["status"], last["sql_state"]) == (-1, "42703")
    assert 'Column with name "nosuch" does not exist' in last["message"]
    record = unjudged.record(reply["statement_id"])
    assert (record["status"], record["sql_state"], record["effects"]) == ("FAILED", "42703", kept)
    message = unjudged.got(sql.path)["message"]
    assert message == f"its engine declared itself unusable in statement {reply['statement_id']}"
    for word in ("ROLLBACK", "COMMIT", "SELECT 1"):
        assert sql.post(word).status_code in {400, 404, 409}
    with unjudged.session() as other:
        assert other.rows("FROM kept") == [["1"]]


def test_the_end_of_the_session_is_seen_with_that_of_an_asynchronous_statement(unjudged: Caller) -> None:
    """Whoever finds the statement ended finds the session ended; what waited behind it never starts."""
    sql = unjudged.session()
    first = sql.start(COMMENT)
    waiting = [sql.post("SELECT 1", is_sync=False) for _ in range(3)]
    assert sql.wait(first)["status"] == -1
    assert sql.status() == "FAIL"
    for answer in waiting:
        if answer.status_code == 200:
            assert unjudged.record(answer.json()["statement_id"])["status"] == "CANCELED"


def test_an_error_that_leaves_the_engine_as_it_was_ends_no_session(caller: Caller, sql: Sql) -> None:
    """The same statement where it is judged, and errors of other kinds."""
    sql.run("CREATE TABLE IF NOT EXISTS kept (x int); SET statement_timeout TO 60; CREATE TEMP TABLE here (x int)")
    for wrong in (COMMENT, "SELECT nope", "SELECT error('INTERNAL Error: x')", "SELECT error('FATAL Error: x')"):
        sql.fails(wrong)
        assert sql.rows("SELECT count(*) FROM here") == [["0"]]
    assert sql.status() == "RUNNING"
