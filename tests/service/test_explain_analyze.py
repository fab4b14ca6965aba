"""EXPLAIN ANALYZE as its user sees it: rows and times of operators, and a total that is true."""

import re

import pytest

from tests.service.caller import Caller, Sql

JOIN = "SELECT count(*) FROM range(300000) a(i) JOIN range(300000) b(j) ON i = j"


def plan(caller: Caller, sql: Sql, statement: str) -> tuple[str, float]:
    """The plan, and the seconds of the request as its record has them."""
    reply = sql.execute(statement)
    ((_, text),) = reply["results"][-1]["result_set"]["rows"]
    return str(text), int(caller.record(reply["statement_id"])["duration"]) / 1000


@pytest.mark.parametrize("profiling", ["on", "detailed"])
def test_rows_and_times_are_shown(caller: Caller, sql: Sql, profiling: str) -> None:
    """By default as well; the setting stays as it is, and the statements around it are measured as ever."""
    if profiling != "on":
        sql.run(f"SET query_profiling = {profiling}")
    for _ in range(3):
        text, seconds = plan(caller, sql, f"EXPLAIN ANALYZE {JOIN}")
        assert re.search(r"\b300,000 rows", text)
        assert re.search(r"\d\.\d+s", text.split("EXPLAIN_ANALYZE")[1])
        (total,) = re.findall(r"Total Time: ([0-9.]+)s", text)
        assert 0 < float(total) <= seconds + 0.001
        (boxed,) = [line for line in text.splitlines() if "Total Time" in line]
        assert len(boxed) == len(text.split("\n")[text.split("\n").index(boxed) - 1])
    assert sql.rows("SHOW query_profiling") == [[profiling]]


def test_a_plan_as_json_is_as_true(caller: Caller, sql: Sql) -> None:
    """Its rows, its times and its total."""
    text, seconds = plan(caller, sql, f"EXPLAIN (ANALYZE, FORMAT json) {JOIN}")
    assert re.search(r'"operator_cardinality": 300000', text)
    timings = [float(one) for one in re.findall(r'"operator_timing": ([0-9.e-]+)', text)]
    assert sum(timings) > 0
    assert 0 < float(re.findall(r'"latency": ([0-9.e-]+)', text)[0]) <= seconds + 0.001


def test_one_that_fails_leaves_the_setting(caller: Caller, sql: Sql) -> None:
    """The next statement is measured as the setting says, and EXPLAIN ANALYZE works."""
    assert sql.fails("EXPLAIN ANALYZE SELECT error('no')") != "00000"
    assert sql.rows("SELECT 1") == [["1"]]
    assert "rows" in plan(caller, sql, "EXPLAIN ANALYZE SELECT 1")[0]
    sql.run("CREATE TEMP TABLE kept (x int)")
    assert "INSERT" in plan(caller, sql, "EXPLAIN ANALYZE INSERT INTO temp.kept SELECT 1")[0]
    assert sql.rows("FROM kept") == [["1"]]
