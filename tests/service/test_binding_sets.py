"""Several sets of bindings: a statement that changes rows runs once for each, and all of them count or none."""

import itertools

import pytest

from tests.service.caller import Caller, Sql, refused
from tests.support.world import until

THREE = [["1", "a"], ["2", None], ["3", "c"]]


def test_every_set_is_run(caller: Caller, sql: Sql) -> None:
    """The counts are added, the tag and the record say so, and every row is there."""
    sql.run("CREATE TABLE every_set (n int, t text)")
    reply = sql.execute("INSERT INTO every_set VALUES (?, ?)", bindings=THREE)
    [result] = reply["results"]
    assert (reply["status"], result["message"], result["num_rows"]) == (2, "INSERT 0 3", 3)
    assert caller.record(reply["statement_id"])["effects"] == "committed"
    assert sql.rows("SELECT n, t FROM every_set ORDER BY n") == THREE
    assert sql.run("INSERT INTO every_set VALUES ($1, 'x'), ($1::int + 100, 'y')", bindings=[["10"], ["11"]]) == (
        "INSERT 0 4"
    )
    assert sql.run("UPDATE every_set SET t = $2 WHERE n < $1", bindings=[["3", "u"], ["2", "v"], ["0", "w"]]) == (
        "UPDATE 3"
    )
    assert sql.rows("SELECT n, t FROM every_set WHERE n < 4 ORDER BY n") == [["1", "v"], ["2", "u"], ["3", "c"]]
    merge = (
        "MERGE INTO every_set USING (SELECT $1::int AS n, $2 AS t) s ON every_set.n = s.n "
        "WHEN MATCHED THEN UPDATE SET t = s.t WHEN NOT MATCHED THEN INSERT VALUES (s.n, s.t)"
    )
    assert sql.run(merge, bindings=[["1", "m"], ["50", "new"]]) == "MERGE 2"
    assert sql.run("DELETE FROM every_set WHERE n = ?", bindings=[["1"], ["50"], ["999"]]) == "DELETE 2"
    assert sql.rows("SELECT count(*) FROM every_set") == [["6"]]


def test_they_are_one_transaction_that_others_see_whole(caller: Caller, sql: Sql) -> None:
    """One snapshot of the catalog, whatever the number of sets."""
    sql.run("CREATE TABLE one_snapshot (n int)")
    before = sql.rows("SELECT max(snapshot_id) FROM ducklake_snapshots('default')")
    sql.run("INSERT INTO one_snapshot VALUES (?)", bindings=[[str(n)] for n in range(20)])
    after = sql.rows("SELECT max(snapshot_id) FROM ducklake_snapshots('default')")
    assert int(after[0][0] or 0) - int(before[0][0] or 0) == 1
    assert sql.rows("SELECT count(*), sum(n) FROM one_snapshot") == [["20", "190"]]


@pytest.mark.parametrize(("values", "state"), [([["1"], ["2"], ["x"], ["4"]], "22P02"), ([["1"], []], "08P01")])
def test_a_set_that_fails_is_named_and_undoes_all(sql: Sql, values: list[list[str]], state: str) -> None:
    """Counted from 1; nothing of the sets before it stays."""
    sql.run("CREATE OR REPLACE TABLE named_set (n int)")
    reply = sql.execute("INSERT INTO named_set VALUES (?)", bindings=values)
    [result] = reply["results"]
    bad = next(number for number, one in enumerate(values, start=1) if one in (["x"], []))
    assert (reply["status"], result["sql_state"]) == (-1, state)
    assert result["message"].startswith(f"set {bad} of the bindings: ")
    assert sql.rows("SELECT count(*) FROM named_set") == [["0"]]


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("INSERT INTO same_words (b) VALUES (?)", ["1"]),
        ("INSERT INTO same_words (a, b) VALUES (?)", ["1"]),
        ("INSERT INTO same_words (b) VALUES (?, ?)", ["1", "2"]),
        ("INSERT INTO same_words VALUES (?, ?, ?)", ["1", "2", "3"]),
        ("INSERT INTO same_words VALUES (?)", ["1"]),
        ("INSERT INTO same_words (b, a) VALUES (?, ?::date)", ["1", "x"]),
        ("INSERT INTO same_words (b, a) VALUES (?, ?)", ["x", "1"]),
        ("INSERT INTO same_words (b, nosuch) VALUES (?, ?)", ["1", "2"]),
        ("UPDATE same_words SET nosuch = ?", ["1"]),
    ],
)
def test_an_error_has_the_words_and_the_place_that_one_set_gives(sql: Sql, statement: str, values: list[str]) -> None:
    """And the number of the set before them."""
    sql.run("CREATE OR REPLACE TABLE same_words (a int NOT NULL, b int)")
    alone = sql.last(statement, bindings=[values])
    several = sql.last(statement, bindings=[values, values])
    assert several["message"] == f"set 1 of the bindings: {alone['message']}"
    assert (several["sql_state"], several.get("position")) == (alone["sql_state"], alone.get("position"))


@pytest.mark.parametrize("statement", ["BEGIN", "COMMIT", "SET statement_timeout = 5", "SHOW threads"])
def test_values_that_a_statement_has_no_place_for_are_refused(sql: Sql, statement: str) -> None:
    """Also by what has no parameters at all; no values are none."""
    assert sql.fails(statement, bindings=[["1"]]) == "08P01"
    assert sql.last(statement, bindings=[[]])["err_code"] == "0"


def test_within_a_transaction_of_the_caller(sql: Sql) -> None:
    """They are part of it: gone with its ROLLBACK, and a set that fails aborts it."""
    sql.run("CREATE TABLE callers_own (n int)")
    sql.run("BEGIN")
    assert sql.run("INSERT INTO callers_own VALUES (?)", bindings=[["1"], ["2"]]) == "INSERT 0 2"
    assert sql.rows("SELECT count(*) FROM callers_own") == [["2"]]
    sql.run("ROLLBACK")
    assert sql.rows("SELECT count(*) FROM callers_own") == [["0"]]
    sql.run("BEGIN")
    sql.run("INSERT INTO callers_own VALUES (?)", bindings=[["1"], ["2"]])
    assert sql.fails("INSERT INTO callers_own VALUES (?)", bindings=[["3"], ["x"]]) == "22P02"
    assert sql.fails("SELECT 1") == "25P02"
    sql.run("ROLLBACK")
    assert sql.rows("SELECT count(*) FROM callers_own") == [["0"]]
    sql.run("BEGIN")
    sql.run("INSERT INTO callers_own VALUES (?)", bindings=[["1"], ["2"]])
    sql.run("COMMIT")
    assert sql.rows("SELECT sum(n) FROM callers_own") == [["3"]]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ?",
        "INSERT INTO refused_set VALUES (?) RETURNING n",
        "CREATE TABLE made AS SELECT ? AS x",
        "EXPLAIN SELECT ?",
        "COPY (SELECT ?) TO 'out.csv'",
        "BEGIN",
    ],
)
def test_what_has_one_result_takes_one_set(sql: Sql, statement: str) -> None:
    """A statement of rows, or one that changes no rows, is refused with several: none of them is passed over."""
    sql.run("CREATE OR REPLACE TABLE refused_set (n int)")
    assert sql.fails(statement, bindings=[["1"], ["2"]]) == "0A000"
    assert sql.rows("SELECT count(*) FROM refused_set") == [["0"]]
    assert sql.fails("FROM made") == "42P01"


def test_a_cancel_stops_between_two_sets_and_within_one(caller: Caller, sql: Sql) -> None:
    """Nothing of the sets that were done stays, the session goes on, and how far it was is told."""
    sql.run("CREATE TEMP TABLE stopped (n int)")
    many = [[str(n)] for n in range(10_000)]
    for statement, values in (
        ("INSERT INTO stopped VALUES (?)", many),
        ("INSERT INTO stopped SELECT sum(i) % 7 FROM range(?::bigint) r(i)", [["1"], ["1000000000000"], ["1"]]),
    ):
        statement_id = str(sql.execute(statement, bindings=values, is_sync=False)["statement_id"])
        until(lambda: sql.show(statement_id).get("progress"), "some sets are done", timeout=60)  # noqa: B023
        assert sql.cancel(statement_id) == "cancelled"
        record = caller.record(statement_id)
        assert (record["status"], record["effects"], record["rung"]) == ("CANCELED", "none", "interrupted")
        assert sql.rows("SELECT count(*) FROM stopped") == [["0"]]


def test_the_bounds_are_told(sql: Sql) -> None:
    """10,000 sets of 10,000 values; not with a script."""
    many = list(itertools.repeat(["1"], 10_001))
    refused(sql.post("INSERT INTO t VALUES (?)", bindings=many), "bindings: must be an array of at most 10000 arrays")
    refused(sql.post("SELECT ?; SELECT ?", bindings=[["1"], ["2"]]), "bindings: cannot be given with a script")
