"""What a workspace may have on disk: results, files and spill; and that its neighbours go on."""

from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from tests.service.caller import ENDLESS, Caller, Json, Sql, calling
from tests.support.world import until

ROWS = "SELECT i, repeat(md5(i::text), 8) AS s FROM range(40000) t(i)"
"""A result of some ten megabytes, which is more than a workspace may keep here."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A service whose workspaces may have little."""
    settings = {
        "TREADLE_WORKSPACE_RESULTS": "4MiB",
        "TREADLE_WORKSPACE_FILES": "4MiB",
        "TREADLE_WORKSPACE_SPILL": "64MiB",
        "TREADLE_WORKER_MEMORY": "256MiB",
        "TREADLE_QUOTA_INTERVAL": "0.2",
        "TREADLE_RESULT_TTL": "20",
        "TREADLE_SWEEP_INTERVAL": "0.5",
    }
    with calling(tmp_path_factory.mktemp("quotas") / "data", settings) as caller:
        yield caller


def record_of(caller: Caller, statement_id: str) -> Json:
    """The record of a statement once it has ended."""

    def look() -> Json | None:
        record = caller.record(statement_id)
        return None if record["status"] in ("SUBMITTED", "RUNNING") else record

    record: Json = until(look, f"statement {statement_id} has ended")
    return record


def refused(answer: httpx.Response, what: str) -> bool:
    """Whether a submit was refused because the workspace has too much of that."""
    return answer.status_code == 429 and what in answer.json()["error_msg"]


def refusal(sql: Sql, statement: str) -> httpx.Response | None:
    """The answer to a submit, if it is refused."""
    answer = sql.post(statement)
    return answer if answer.status_code == 429 else None


@pytest.mark.slow
def test_a_workspace_full_of_results_takes_no_statements_until_they_expire(small: Caller) -> None:
    """Refused in the gateway's form; another workspace goes on; when results have gone it takes them again."""
    crowded, other = Caller(small.service, small.http, "results"), Caller(small.service, small.http, "other")
    with crowded.session() as sql, other.session() as neighbour:
        sql.execute(ROWS)
        answer: httpx.Response = until(
            lambda: (found := sql.post("SELECT 1")).status_code == 429 and found, "the workspace is full"
        )
        assert answer.json()["error_code"] == "APIG.0308"
        assert (
            "policy workspace over quota,limit:results of the workspace exceed workspace_results (4 MiB)"
            in answer.json()["error_msg"]
        )
        assert int(answer.headers["retry-after"]) >= 1
        assert neighbour.rows("SELECT 1") == [["1"]]
        until(lambda: sql.post("SELECT 1").status_code == 200, "there is room again", timeout=60)


@pytest.mark.slow
def test_files_beyond_the_quota_stop_what_writes_them(small: Caller) -> None:
    """A COPY that goes on and on is cancelled with the quota's name, and leaves nothing."""
    caller = Caller(small.service, small.http, "files")
    sql = caller.session()
    copy = "COPY (SELECT i, md5(i::text) AS s FROM range(100000000000) t(i)) TO 'endless.csv'"
    record = record_of(caller, sql.start(copy))
    assert (record["status"], record["reason"], record["detail"]) == (
        "CANCELED",
        "quota",
        "files of the workspace exceed workspace_files (4 MiB)",
    )
    assert [path for path in caller.files.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_spill_beyond_the_quota_stops_what_spills(small: Caller) -> None:
    """A sort that does not fit memory is cancelled when it has spilled more than its workspace may."""
    caller = Caller(small.service, small.http, "spill")
    sql = caller.session()
    sort = "SELECT count(*) FROM (SELECT i, md5(i::text) AS s FROM range(200000000) t(i) ORDER BY s LIMIT 100000000)"
    record = record_of(caller, sql.start(sort))
    assert (record["status"], record["reason"], record["detail"]) == (
        "CANCELED",
        "quota",
        "spilled data of the workspace exceed workspace_spill (64 MiB)",
    )


@pytest.mark.slow
def test_beyond_the_quota_of_files_what_reads_and_removes_goes_on(small: Caller) -> None:
    """What runs and what comes; only what may take more is refused, with the figures and the way out."""
    caller = Caller(small.service, small.http, "shrinking")
    sql, other = caller.session(), caller.session()
    sql.run("CREATE TABLE t AS SELECT i FROM range(3000) t(i)")
    sql.run("CREATE TABLE u AS SELECT 1 AS i")
    sql.run("PREPARE reading AS SELECT sum(i) FROM t")
    pages = sql.start("SELECT i FROM t ORDER BY i")
    reading = other.start(ENDLESS)
    writer = caller.session()
    writing = writer.start("COPY (SELECT i, md5(i::text) AS s FROM range(100000000000) t(i)) TO 'endless.csv'")
    until(lambda: caller.record(reading)["status"] == "RUNNING", "the query runs")
    (caller.files / "large").write_bytes(b"x" * 5 * 2**20)
    assert record_of(caller, writing)["reason"] == "quota"
    for growing in ("COPY t TO 't.csv'", "INSERT INTO t SELECT 1", "SELECT 1; CREATE TABLE v AS FROM t"):
        answer: httpx.Response = until(partial(refusal, sql, growing), f"refused: {growing}")
        assert answer.json()["error_code"] == "APIG.0308"
        said = answer.json()["error_msg"]
        assert "policy workspace over quota,limit:files of the workspace exceed workspace_files (4 MiB) (" in said
        assert "MiB used)" in said
        assert "remove files that are no longer needed, or have an operator raise workspace_files" in said
        assert int(answer.headers["retry-after"]) >= 1
    assert sql.rows("SELECT count(*) FROM t") == [["3000"]]
    assert sql.rows("EXECUTE reading") == [["4498500"]]
    assert len(sql.show(pages, page_num=2)["results"][0]["result_set"]["rows"]) == 1000
    assert sql.run("DELETE FROM t WHERE i >= 10") == "DELETE 2990"
    assert sql.run("DROP TABLE u") == "DROP TABLE"
    assert sql.last('CALL "default".cleanup_old_files(cleanup_all => true)')["err_code"] == "0"
    assert caller.http.post(f"{other.path}/statements/{reading}/cancel", json={}).status_code == 200
    assert caller.record(reading)["reason"] == "user"
    with caller.session() as later:
        assert later.rows("SELECT count(*) FROM t") == [["10"]]
    (caller.files / "large").unlink()
    until(lambda: sql.post("INSERT INTO t SELECT 1").status_code == 200, "there is room again")
    for one in (sql, other, writer):
        one.close()
