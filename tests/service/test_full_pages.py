"""Pages that are full by bytes: whatever a result holds, everybody can read it to its end."""

from typing import Any

import pytest

from tests.service.caller import Caller, Json, Sql, calling, refused
from tests.service.test_results import arrow
from tests.support.world import until
from treadle.service.views import LEFT_OUT

SCRIPT = (
    "CREATE OR REPLACE TABLE wide AS SELECT 1 AS n; INSERT INTO wide VALUES (2); "
    "SELECT i, repeat('x', 1000000) AS t FROM range(200) r(i)"
)


def _pages(sql: Sql, statement: str) -> list[Json]:
    """Every page of the last result set, from the first to the last."""
    first = sql.show(statement)["results"][-1]
    rest = [sql.show(statement, page_num=number)["results"][-1] for number in range(2, first["page_count"] + 1)]
    return [first, *rest]


def test_a_script_with_large_rows_is_answered_and_read_to_its_end(sql: Sql) -> None:
    """It ran, so that is what the answer says; its pages are full by bytes and hold every row once, in order."""
    reply = sql.execute(SCRIPT)
    assert (reply["status"], [result["status"] for result in reply["results"]]) == (
        0,
        ["PGRES_COMMAND_OK", "PGRES_COMMAND_OK", "PGRES_TUPLES_OK"],
    )
    assert sql.rows("SELECT count(*) FROM wide") == [["2"]]
    pages = _pages(sql, reply["statement_id"])
    assert reply["results"][-1] == pages[0]
    assert len(pages) == 25
    assert [page["page_no"] for page in pages] == list(range(1, 26))
    assert {(page["num_rows"], page["page_count"]) for page in pages} == {(200, 25)}
    rows = [row for page in pages for row in page["result_set"]["rows"]]
    assert [row[0] for row in rows] == [str(n) for n in range(200)]
    assert {len(row[1]) for row in rows} == {1_000_000}
    assert all(page["row_count"] == len(page["result_set"]["rows"]) == 8 for page in pages)
    past = sql.show(reply["statement_id"], page_num=26)["results"][-1]
    assert (past["row_count"], past["page_count"], past["result_set"]["rows"]) == (0, 25, [])


def test_a_page_is_the_same_whenever_it_is_asked_for(sql: Sql) -> None:
    """In any order, and of a part by its own id; the file counts the same pages."""
    script = "SELECT 1 AS a; SELECT i, repeat('y', CASE WHEN i % 7 = 0 THEN 3000000 ELSE 10 END) FROM range(60) r(i)"
    statement = sql.execute(script)["statement_id"]
    pages = _pages(sql, statement)
    assert sum(page["row_count"] for page in pages) == 60
    for number in reversed(range(1, len(pages) + 1)):
        assert sql.show(f"{statement}_2", page_num=number)["results"] == [pages[number - 1]]
    [_, placed] = sql.show(statement, is_enable_obs_path="true")["results"]
    assert (placed["page_count"], arrow(placed).num_rows) == (len(pages), 60)


def test_rows_larger_than_a_page_are_delivered(sql: Sql) -> None:
    """Each is a page of its own; what stands between them shares one."""
    length = "CASE WHEN i IN (3, 4) THEN 20000000 ELSE 5 END"
    query = f"SELECT i, repeat(chr(65 + i::int), {length}) FROM range(8) r(i) ORDER BY i"
    reply = sql.execute(query)
    pages = _pages(sql, reply["statement_id"])
    assert [[int(row[0]) for row in page["result_set"]["rows"]] for page in pages] == [[0, 1, 2], [3], [4], [5, 6, 7]]
    assert [len(row[1]) for page in pages[1:3] for row in page["result_set"]["rows"]] == [20_000_000] * 2


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service that gives 1 MiB of rows in an answer."""
    settings = {"TREADLE_MAX_PAGE_BYTES": "1MiB"}
    with calling(tmp_path_factory.mktemp("narrow") / "data", settings) as caller:
        yield caller


@pytest.mark.parametrize(
    "expression",
    [
        "repeat('x', 2000)",
        "repeat(chr(1), 2000)",
        "{'a': repeat(chr(1) || '\"\\', 700)}",
        "[i % 2 = 0 FOR i IN range(3000)]",
        "[NULL::int FOR i IN range(2000)]",
        "[{'" + "n" * 300 + "': 1::tinyint} FOR i IN range(20)]",
        "repeat('z', 3000)::blob",
        "('" + "l" * 5000 + "')::ENUM('" + "l" * 5000 + "')",
    ],
    ids=("text", "controls", "struct", "booleans", "nulls", "names", "bytes", "labels"),
)
def test_every_page_of_several_rows_fits_into_an_answer(narrow: Caller, expression: str) -> None:
    """Whatever their text is made of: what JSON escapes, names of members, truth values, nothing at all."""
    with narrow.session() as sql:
        statement = sql.execute(f"SELECT {expression} AS x FROM range(200)")["statement_id"]
        pages = _pages(sql, statement)
        assert len(pages) > 1
        assert sum(page["row_count"] for page in pages) == 200
        assert all(page["row_count"] == len(page["result_set"]["rows"]) for page in pages)


def test_a_row_that_no_answer_takes_is_a_page_that_says_so(narrow: Caller) -> None:
    """The submit is answered: it ran. Its page is a clear refusal, the other pages and the file are there."""
    with narrow.session() as sql:
        sql.run("CREATE TABLE ran (n int)")
        query = "SELECT repeat('x', CASE WHEN i = 1 THEN 2000000 ELSE 3 END) AS x FROM range(3) r(i)"
        reply = sql.execute(f"INSERT INTO ran VALUES (1); {query}")
        assert reply["status"] == 0
        assert reply["results"][-1]["result_set"]["rows"] == [["xxx"]]
        statement = f"{reply['statement_id']}_2"
        refused(narrow.http.get(f"{sql.path}/statements/{statement}?page_num=2"), "page_num: page 2 of statement")
        assert sql.show(statement, page_num=3)["results"][0]["result_set"]["rows"] == [["xxx"]]
        reply = sql.execute("SELECT repeat('x', 2000000) AS x")
        [result] = reply["results"]
        assert (reply["status"], result["status"], result["num_rows"]) == (0, "PGRES_TUPLES_OK", 1)
        assert (result["row_count"], result["page_count"], result["result_set"]["rows"]) == (0, 1, [])
        assert result["message"].startswith(f"{LEFT_OUT}: page_num: page 1 of statement")
        assert [column["name"] for column in result["result_set"]["columns"]] == ["x"]
        refused(narrow.http.get(f"{sql.path}/statements/{reply['statement_id']}"), "page_num: page 1 of statement")
        [placed] = sql.show(reply["statement_id"], is_enable_obs_path="true")["results"]
        assert arrow(placed).num_rows == 1


def test_parts_beyond_what_an_answer_takes_are_left_out(narrow: Caller) -> None:
    """A script's answer has first pages as far as they fit; the others are there under their own ids."""
    with narrow.session() as sql:
        one = "SELECT repeat('x', 600000) AS x"
        reply = sql.execute(f"{one}; {one}; SET statement_timeout TO 0; {one}")
        assert reply["status"] == 0
        shown = [result["row_count"] for result in reply["results"]]
        assert shown == [1, 0, 0, 0]
        assert reply["results"][2]["status"] == "PGRES_COMMAND_OK"
        for result in (reply["results"][1], reply["results"][3]):
            assert (result["num_rows"], result["page_count"], result["result_set"]["rows"]) == (1, 1, [])
            assert result["message"] == f"{LEFT_OUT}: the answer is full; ask for the pages of {result['statement_id']}"
            assert sql.show(result["statement_id"])["results"][0]["row_count"] == 1
        # A page that is asked for goes before the others.
        again = sql.show(reply["statement_id"])["results"]
        assert [result["row_count"] for result in again] == [0, 0, 0, 1]


def test_a_repeated_submit_of_an_expired_result_is_answered(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The statement ran: its state and its ids are told, and that its rows are gone."""
    settings = {"TREADLE_RESULT_TTL": "0.2", "TREADLE_SWEEP_INTERVAL": "0.2"}
    with calling(tmp_path_factory.mktemp("gone") / "data", settings) as caller, caller.session() as sql:
        body = {"session_id": sql.id, "statement": "SELECT i FROM range(50000) r(i)"}
        headers = {"Idempotency-Key": "once"}
        url = f"{caller.base}/sessions/statements"
        first = caller.http.post(url, json=body, headers=headers).json()

        def again() -> Any:
            answer = caller.http.post(url, json=body, headers=headers)
            assert answer.status_code == 200, answer.text
            return answer.json()

        until(lambda: again()["results"][0]["row_count"] == 0, "the result has expired")
        reply = again()
        assert (reply["status"], reply["statement_id"]) == (0, first["statement_id"])
        assert reply["results"][0]["message"].startswith(LEFT_OUT)
