"""PREPARE, EXECUTE and DEALLOCATE, as in PostgreSQL where it is in our hands."""

import pyarrow as pa
import pytest

from tests.service.caller import ENDLESS, Sql
from tests.support.world import until


def test_an_execute_has_the_tag_of_what_it_does(sql: Sql) -> None:
    """INSERT, UPDATE and DELETE say how many rows; a query has none to say."""
    sql.run("CREATE TABLE counted_by_execute (x int)")
    sql.run("PREPARE put AS INSERT INTO counted_by_execute VALUES ($1), ($1 + 1)")
    assert sql.run("EXECUTE put(1)") == "INSERT 0 2"
    sql.run("PREPARE change AS UPDATE counted_by_execute SET x = x + $1")
    assert sql.run("EXECUTE change(1)") == "UPDATE 2"
    assert sql.run("PREPARE remove AS DELETE FROM counted_by_execute WHERE x = $1; EXECUTE remove(2)") == "DELETE 1"
    assert sql.rows("PREPARE look AS FROM counted_by_execute; EXECUTE look") == [["3"]]
    assert sql.last("EXECUTE look")["message"] == ""


@pytest.mark.parametrize("call", ["EXECUTE two", "EXECUTE two(1)", "EXECUTE two(1, 2, 3)"])
def test_parameters_that_do_not_fit(sql: Sql, call: str) -> None:
    """Too few or too many are a mistake in the statement: 42601."""
    sql.run("PREPARE two AS SELECT $1::int + $2::int")
    last = sql.last(call)
    assert (last["status"], last["sql_state"]) == ("PGRES_FATAL_ERROR", "42601")
    assert last["message"].startswith("wrong number of parameters for prepared statement")
    assert sql.rows("EXECUTE two(1, 2)") == [["3"]]


@pytest.mark.parametrize("call", ["EXECUTE two(?, ?)", "EXECUTE two($1, 2)", "EXECUTE two(1, 2)", "EXECUTE two"])
def test_an_execute_takes_no_bindings(sql: Sql, call: str) -> None:
    """Its refusal says what does."""
    sql.run("PREPARE two AS SELECT $1::int + $2::int")
    last = sql.last(call, bindings=[["1", "2"]])
    assert (last["sql_state"], "submit the statement itself" in last["message"]) == ("0A000", True)
    assert sql.rows("EXECUTE two(1, 2)", bindings=[[]]) == [["3"]]


@pytest.mark.parametrize("all_", ["DEALLOCATE ALL", "deallocate prepare all"])
def test_deallocate_all(sql: Sql, all_: str) -> None:
    """Every name is gone, quoted ones too, and there may be none."""
    assert sql.run(all_) == "DEALLOCATE ALL"
    sql.run('PREPARE one AS SELECT 1; PREPARE "Another ""one""" AS SELECT 2')
    assert sql.run(all_) == "DEALLOCATE ALL"
    assert sql.fails("EXECUTE one") == "26000"
    assert sql.fails('EXECUTE "Another ""one"""') == "26000"
    sql.run("PREPARE one AS SELECT 3")
    assert sql.rows("EXECUTE one") == [["3"]]


def test_a_name_called_all(sql: Sql) -> None:
    """In quotes it is a name like any other."""
    sql.run('PREPARE "all" AS SELECT 1; PREPARE other AS SELECT 2; DEALLOCATE "all"')
    assert sql.rows("EXECUTE other") == [["2"]]


def test_they_outlive_a_cancel_and_a_transaction(sql: Sql) -> None:
    """A cancelled EXECUTE leaves its statement prepared, and so does ROLLBACK; an aborted transaction takes none."""
    sql.run("PREPARE slow AS SELECT sum(i % 1009 * 7 % 17) FROM range($1::bigint) t(i)")
    running = sql.start("EXECUTE slow(1000000000000)")
    until(lambda: sql.show(running)["status"] == 1, "the statement runs")
    sql.cancel(running)
    assert sql.rows("EXECUTE slow(10)") == [["77"]]
    sql.run("BEGIN")
    sql.run("PREPARE within AS SELECT 1")
    sql.cancel(sql.start(ENDLESS))
    for refused in ("EXECUTE slow(10)", "PREPARE later AS SELECT 1", "DEALLOCATE slow", "DEALLOCATE ALL"):
        assert sql.fails(refused) == "25P02"
    sql.run("ROLLBACK")
    assert sql.rows("EXECUTE within") == [["1"]]
    assert sql.fails("EXECUTE later") == "26000"


def test_a_long_interval_is_itself_in_a_file_as_well(sql: Sql) -> None:
    """Files hold intervals as text, so that their length does not matter."""
    query = "SELECT to_hours(2562048) AS long FROM range(3)"
    assert sql.rows(query) == [["2562048:00:00"]] * 3
    [told] = sql.execute(query, resultset_fetch_mode="READ_OBS")["results"]
    assert told["num_rows"] == 3
    (file,) = (sql.caller.results / told["statement_id"]).rglob("*.arrow")
    with pa.ipc.open_file(file) as reader:
        assert reader.read_all().column("long").to_pylist() == ["2562048:00:00"] * 3
