"""Results: pages and their edges, the files behind them, and their end."""

import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa
import pytest

from tests.service.caller import Caller, Json, Sql, calling, refused
from tests.service.test_v2 import opened
from tests.support.world import log_of, until

LARGE = "SELECT i FROM range(50000) t(i)"
"""What has a file."""


def place(result: Json) -> Path:
    """The file a result in READ_OBS form names."""
    return Path(urlsplit(result["obs_endpoint"]).path, result["obs_bucket_name"], result["obs_file_path_prefix"])


def arrow(result: Json) -> pa.Table:
    """What stands in the Arrow file of a result in READ_OBS form."""
    with pa.memory_map(str(place(result))) as source, pa.ipc.open_file(source) as reader:
        return reader.read_all()


@pytest.mark.parametrize(("rows", "pages"), [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)])
def test_a_thousand_rows_a_page(sql: Sql, rows: int, pages: int) -> None:
    """num_rows counts all, row_count the page, page_count the pages."""
    reply = sql.execute(f"SELECT i FROM range({rows}) t(i)")
    [first] = reply["results"]
    assert (first["num_rows"], first["page_no"], first["page_count"]) == (rows, 1, pages)
    assert first["row_count"] == len(first["result_set"]["rows"]) == min(rows, 1000)
    assert [column["name"] for column in first["result_set"]["columns"]] == ["i"]
    [second] = sql.show(reply["statement_id"], page_num=2)["results"]
    assert second["result_set"]["rows"] == [[str(n)] for n in range(1000, rows)]
    assert (second["page_no"], second["row_count"]) == (2, max(0, rows - 1000))


def test_the_edges_of_page_num(sql: Sql) -> None:
    """1 to 65535; a page past the end is an empty result set, beyond the range a 400."""
    statement = sql.execute("SELECT 1 AS x")["statement_id"]
    assert sql.show(statement, page_num=1) == sql.show(statement)
    for past in (2, 65_535):
        [result] = sql.show(statement, page_num=past)["results"]
        assert (result["status"], result["result_set"]["rows"], result["num_rows"]) == ("PGRES_TUPLES_OK", [], 1)
        assert len(result["result_set"]["columns"]) == 1
    for wrong in (0, -1, "x", "", 65_536, 2**31):
        answer = sql.caller.http.get(f"{sql.path}/statements/{statement}", params={"page_num": wrong})
        refused(answer, "page_num: must be an integer from 1 to 65535.")


def test_a_result_of_more_pages_than_are_documented_is_read_to_its_end(tmp_path: Path) -> None:
    """Its pages beyond 65,535 are there under their numbers; the one past its end is refused."""
    with calling(tmp_path / "data", {"TREADLE_PAGE_ROWS": "1"}) as caller, caller.session() as sql:
        reply = sql.execute("SELECT i FROM range(65_540) r(i)")
        assert reply["results"][0]["page_count"] == 65_540
        for page in (65_535, 65_536, 65_540):
            [result] = sql.show(reply["statement_id"], page_num=page)["results"]
            assert result["result_set"]["rows"] == [[str(page - 1)]]
        answer = caller.http.get(f"{sql.path}/statements/{reply['statement_id']}", params={"page_num": 65_541})
        refused(answer, "page_num: must be an integer from 1 to 65535")


def test_two_million_rows_page_by_page(sql: Sql) -> None:
    """The first, a middle and the last page hold exactly their rows."""
    reply = sql.execute("SELECT i, 'r' || i AS s FROM range(2000000) t(i) ORDER BY i")
    if reply["status"] == 1:
        reply = sql.wait(reply["statement_id"])
    assert (reply["results"][0]["num_rows"], reply["results"][0]["page_count"]) == (2_000_000, 2000)
    for page in (1, 2, 1000, 1999, 2000):
        [result] = sql.show(reply["statement_id"], page_num=page)["results"]
        numbers = range((page - 1) * 1000, page * 1000)
        assert result["result_set"]["rows"] == [[str(n), f"r{n}"] for n in numbers]
    assert sql.show(reply["statement_id"], page_num=2001)["results"][0]["row_count"] == 0


def test_the_parts_of_a_script_are_paged_by_their_ids(sql: Sql) -> None:
    """`<id>_2` pages the second statement; the plain id pages the last result set."""
    script = "SELECT i FROM range(1500) t(i); SELECT -i AS j FROM range(1200) t(i); SET statement_timeout TO 0"
    statement = sql.execute(script)["statement_id"]
    for number, rows in ((1, [[str(n)] for n in range(1000, 1500)]), (2, [[str(-n)] for n in range(1000, 1200)])):
        shown = sql.show(f"{statement}_{number}", page_num=2)
        assert shown["status"] == 0
        [part] = shown["results"]
        assert (part["statement_id"], part["result_set"]["rows"]) == (f"{statement}_{number}", rows)
    first, second, third = sql.show(statement, page_num=2)["results"]
    assert (first["page_no"], first["row_count"]) == (1, 1000)
    assert (second["page_no"], second["row_count"]) == (2, 200)
    assert third["status"] == "PGRES_COMMAND_OK"


def test_read_obs_names_the_files_instead_of_rows(sql: Sql) -> None:
    """The Arrow file at the named place holds the very rows that the pages show."""
    query = "SELECT i, 'r' || i AS s, i % 2 = 0 AS b, NULL::double AS n FROM range(1500) t(i)"
    [result] = sql.execute(query, resultset_fetch_mode="READ_OBS")["results"]
    assert "result_set" not in result
    assert [column["name"] for column in result["schema"]] == ["i", "s", "b", "n"]
    assert [column["type"] for column in result["schema"]] == [20, 25, 16, 701]
    assert (result["num_rows"], result["page_count"]) == (1500, 2)
    table = arrow(result)
    assert table.column_names == ["i", "s", "b", "n"]
    shown = [sql.show(result["statement_id"], page_num=page)["results"][0]["result_set"]["rows"] for page in (1, 2)]
    text = [[str(r["i"]), r["s"], "t" if r["b"] else "f", None] for r in table.to_pylist()]
    assert text == [row for page in shown for row in page]


def test_the_place_of_a_result_can_be_asked_for_later(sql: Sql) -> None:
    """is_enable_obs_path on show says the same as READ_OBS on execute, for each part of a script."""
    reply = sql.execute("SELECT 1 AS a; CREATE TEMP TABLE t (x int); SELECT 2 AS b", resultset_fetch_mode="READ_OBS")
    first, command, third = reply["results"]
    assert (arrow(first).to_pylist(), arrow(third).to_pylist()) == ([{"a": 1}], [{"b": 2}])
    assert "obs_endpoint" not in command
    shown = sql.show(reply["statement_id"], is_enable_obs_path="true")
    assert shown["results"] == reply["results"]
    plain = sql.show(reply["statement_id"], is_enable_obs_path="false")
    assert plain["results"][2]["result_set"]["rows"] == [["2"]]
    refused(sql.post("SELECT 1", resultset_fetch_mode="OBS"), "resultset_fetch_mode: must be one of DEFAULT, READ_OBS")
    answer = sql.caller.http.get(f"{sql.path}/statements/{reply['statement_id']}", params={"is_enable_obs_path": "1"})
    refused(answer, "is_enable_obs_path")


def test_the_documented_program_reads_the_file(sql: Sql) -> None:
    """The lines of docs/limits.md for a result in READ_OBS form read all of its rows, of every page."""
    page = Path(__file__).parents[2].joinpath("docs/limits.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page.partition("### Files of results")[2], re.DOTALL)
    [result] = sql.execute("SELECT i FROM range(1500) t(i)", resultset_fetch_mode="READ_OBS")["results"]
    names = {"pyarrow": pa, "urlsplit": urlsplit, "url2pathname": url2pathname, "result": result}
    exec(program, names)
    assert names["table"]["i"].to_pylist() == list(range(1500))


@pytest.mark.parametrize("version", [1, 2])
def test_a_result_lies_in_the_folder_of_its_workspace(caller: Caller, version: int) -> None:
    """Small or large, of either version: what READ_OBS names is there, and is the workspace's own."""
    with caller.session() if version == 1 else opened(caller) as sql:
        for rows in (1, 50_000):
            query = f"SELECT i FROM range({rows}) t(i)"
            [told] = sql.execute(query, resultset_fetch_mode="READ_OBS")["results"]
            asked_later = sql.execute(query)["statement_id"]
            [later] = sql.show(asked_later, is_enable_obs_path="true")["results"]
            for result in (told, later):
                assert (result["obs_bucket_name"], arrow(result).num_rows) == ("results", rows)
                assert place(result) == caller.results / result["statement_id"] / "1.arrow"


def test_results_outlive_their_session(caller: Caller) -> None:
    """A closed session's results are still readable."""
    with caller.session() as session:
        statement = session.execute("SELECT 5 AS x")["statement_id"]
    assert session.show(statement)["results"][0]["result_set"]["rows"] == [["5"]]


def test_an_expired_result_is_an_error_that_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    """After result_ttl the rows and the files are gone, never shown as empty; the record and the errors stay."""
    settings = {"TREADLE_RESULT_TTL": "1", "TREADLE_SWEEP_INTERVAL": "0.5"}
    with calling(tmp_path_factory.mktemp("expiry") / "data", settings) as caller, caller.session() as sql:
        script = sql.execute("SELECT 1 AS x; CREATE TEMP TABLE t (x int); SELECT 2 AS y")["statement_id"]
        failed = sql.execute("SELECT nope")["statement_id"]
        until(lambda: not list(caller.results.iterdir()), "the files are gone")

        def asked(statement: str, **query: str) -> tuple[int, str]:
            answer = caller.http.get(f"{sql.path}/statements/{statement}", params=query)
            return answer.status_code, answer.text

        for status, text in (asked(script), asked(f"{script}_1"), asked(script, is_enable_obs_path="true")):
            assert status == 404
            assert f"the result of statement {script} has expired" in text
        assert sql.show(f"{script}_2")["results"][0]["status"] == "PGRES_COMMAND_OK"
        assert sql.show(failed)["results"][0]["sql_state"] == "42703"
        assert caller.record(script)["status"] == "SUCCESSFUL"
        assert sql.cancel(script) == "already_succeeded"


def test_the_results_of_a_deleted_workspace_go_with_it(caller: Caller) -> None:
    """Its folder too; those of the others stay."""
    doomed = Caller(caller.service, caller.http, "doomed")
    with doomed.session() as session, caller.session() as neighbour:
        kept = neighbour.execute(LARGE)["statement_id"]
        session.execute(LARGE)
        assert list(doomed.results.iterdir())
    for path in (f"{doomed.base}/endpoints/{doomed.endpoint_id}", doomed.base):
        assert caller.http.delete(path).is_success
    assert not doomed.results.exists()
    assert not doomed.files.exists()
    assert (caller.results / kept / "1.arrow").exists()


def test_results_of_an_earlier_version_can_be_read_on(tmp_path: Path) -> None:
    """They lay side by side: the next start brings each to its workspace, and removes what is nobody's."""
    data = tmp_path / "data"
    with calling(data) as caller, caller.session() as sql:
        other = Caller(caller.service, caller.http, "other")
        with other.session() as theirs:
            made = [(one, one.execute(LARGE)["statement_id"]) for one in (sql, theirs)]
            pages = [one.show(statement, page_num=50) for one, statement in made]
    root = data / "results"
    for one, statement in made:
        (one.caller.results / statement).rename(root / statement)
        one.caller.results.rmdir()
    nobodys = root / "0190f3c1-0000-7000-8000-000000000001"
    shutil.copytree(root / made[0][1], nobodys)
    with calling(data, name="again") as again:
        found = [again.got(f"{one.path}/statements/{statement}", page_num=50) for one, statement in made]
        assert found == pages
        assert sorted(place.name for place in root.iterdir()) == sorted((caller.workspace_id, other.workspace_id))
        assert [line["count"] for line in log_of(again.service) if line["event"] == "results_regrouped"] == [3]


def test_an_old_record_is_forgotten(tmp_path_factory: pytest.TempPathFactory) -> None:
    """After record_ttl a statement that has ended is unknown, with its files; one that runs is kept."""
    settings = {"TREADLE_RECORD_TTL": "1", "TREADLE_SWEEP_INTERVAL": "0.5"}
    with calling(tmp_path_factory.mktemp("forgotten") / "data", settings) as caller, caller.session() as sql:
        running = sql.start("SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)")
        with caller.session() as other:
            old = other.start("SELECT 1 AS x; SELECT 2 AS y")
            url = f"{other.path}/statements/{old}"
            gone = "response status exception, code: 404"
            until(lambda: caller.http.get(url).json().get("error_msg") == gone, "the record is forgotten")
            assert caller.got(f"{caller.base}/statement-records", statement_id=old)["total"] == 0
            until(lambda: not (caller.results / old).exists(), "its files are gone")
        assert caller.record(running)["status"] == "RUNNING"
        assert sql.cancel(running) == "cancelled"
