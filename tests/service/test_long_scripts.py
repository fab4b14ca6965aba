"""Scripts of thousands of short statements: their time grows with their number, and a cancel stops them as ever."""

import time
from collections.abc import Iterable

import pytest

from tests.service.caller import UNFINISHED, Caller, Sql
from tests.support.world import BOUND, until, worker_of
from treadle.demo.processes import cpu_seconds

READ = "SELECT 1;"
WRITE = "INSERT INTO temp.notes VALUES (1);"


def seconds(caller: Caller, sql: Sql, script: str) -> float:
    """Processor seconds of worker and gateway for a script that must succeed."""
    pids = (worker_of(caller.service, sql.id), caller.service.pid)
    before = used(pids)
    statement_id = sql.start(script)
    until(lambda: caller.record(statement_id)["status"] == "SUCCESSFUL", "the script has ended", 100.0)
    return used(pids) - before


def used(pids: Iterable[int]) -> float:
    """Processor seconds of processes that live."""
    return sum(cpu_seconds(pid) or 0.0 for pid in pids)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("part", [READ, WRITE])
def test_eight_times_as_many_parts_take_at_most_ten_times_as_long(caller: Caller, sql: Sql, part: str) -> None:
    """Nothing looks at all parts for each part."""
    sql.run("CREATE TEMP TABLE notes (x int)")
    seconds(caller, sql, part * 50)
    short = seconds(caller, sql, part * 500)
    assert seconds(caller, sql, part * 4000) <= 10 * short


@pytest.mark.alone
@pytest.mark.slow
def test_a_write_to_a_temporary_table_asks_nobody_else(caller: Caller, sql: Sql) -> None:
    """It takes not much longer than a SELECT: neither the catalog nor the owner has a part in it."""
    sql.run("CREATE TEMP TABLE notes (x int)")
    seconds(caller, sql, READ * 50)
    assert seconds(caller, sql, WRITE * 1000) <= 3 * seconds(caller, sql, READ * 1000)
    assert sql.rows("SELECT count(*) FROM notes") == [["1000"]]


@pytest.mark.parametrize("name", ["notes", "temp.notes", "temp.main.notes", '"temp"."main"."notes"'])
def test_what_a_temporary_table_takes_leaves_no_effects(caller: Caller, sql: Sql, name: str) -> None:
    """By each of its names, and every way of writing to it; the table of that name in the catalog is left alone."""
    place = f'"{sql.rows("SELECT current_database()")[0][0]}".main.notes'
    sql.run(f"CREATE TABLE {place} (x int); CREATE TEMP TABLE notes (x int PRIMARY KEY)")
    try:
        writes = (
            f"INSERT INTO {name} VALUES (1), (2)",
            f"INSERT OR IGNORE INTO {name} SELECT 3",
            f"UPDATE {name} SET x = x + 10",
            f"DELETE FROM {name} WHERE x = 11",
            f"MERGE INTO {name} USING (SELECT 4 AS y) ON x = y WHEN NOT MATCHED THEN INSERT VALUES (y)",
        )
        assert [sql.effects(write) for write in writes] == ["none"] * len(writes)
        assert sql.rows("SELECT x FROM notes ORDER BY x") == [["4"], ["12"], ["13"]]
        assert sql.effects(f"TRUNCATE {name}") == "none"
        assert sql.rows("SELECT count(*) FROM temp.main.notes") == [["0"]]
        assert sql.rows(f"SELECT count(*) FROM {place}") == [["0"]]
        assert sql.effects(f"INSERT INTO {place} VALUES (1)") == "committed"
        sql.run("DROP TABLE temp.main.notes")
        assert sql.effects("INSERT INTO notes VALUES (2)") == "committed"
    finally:
        sql.execute(f"DROP TABLE {place}")


def test_an_error_in_a_write_to_a_temporary_table_has_its_place(sql: Sql) -> None:
    """In the words as they were written, and the table is as it was."""
    sql.run("CREATE TEMP TABLE notes (x int)")
    last = sql.last("INSERT INTO temp.notes VALUES (1); INSERT INTO temp.notes SELECT nothing_of_that_name")
    assert last["sql_state"] == "42703"
    assert last["message"].rstrip().endswith("^")
    line, mark = last["message"].rstrip().split("\n")[-2:]
    assert line[mark.index("^") :].startswith("nothing_of_that_name")
    assert sql.rows("FROM notes") == [["1"]]
    assert sql.fails("INSERT INTO temp.notes SELECT 'many'") == "22P02"
    assert sql.run("INSERT INTO temp.notes VALUES (?)", bindings=[["2"], ["3"]]) == "INSERT 0 2"


@pytest.mark.parametrize("part", [READ, WRITE])
def test_a_cancel_in_the_middle_keeps_its_bound(caller: Caller, sql: Sql, part: str) -> None:
    """The record has the parts that ended, the table has their rows and no others, and the session goes on."""
    sql.run("CREATE TEMP TABLE notes (x int)")
    statement_id = sql.start(part * 20_000)
    until(lambda: caller.record(statement_id).get("part_count", 0) > 100, "many parts are on record")
    assert sql.show(statement_id)["status"] in UNFINISHED
    began = time.monotonic()
    assert sql.cancel(statement_id) == "cancelled"
    assert time.monotonic() - began < BOUND
    record = caller.record(statement_id)
    assert (record["status"], record["effects"], record["rung"]) == ("CANCELED", "none", "interrupted")
    ended = record["part_count"] - 1
    assert 100 < ended < 20_000
    assert sql.rows("SELECT count(*) FROM notes") == [[str(ended if part == WRITE else 0)]]
