"""Sessions that write the same things at once: what is acknowledged is there, once, and a lost race is run again."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from tests.service.caller import Caller, Json, Sql, calling
from tests.support.world import log_of, until, worker_of
from treadle.demo.processes import cpu_seconds

ROUNDS = 3
SESSIONS = 4


@pytest.fixture
def four(caller: Caller) -> Iterator[list[Sql]]:
    """Four sessions."""
    with ExitStack() as stack:
        yield [stack.enter_context(caller.session()) for _ in range(SESSIONS)]


def at_once(sessions: Sequence[Sql], work: Callable[[Sql, int], Json]) -> list[Json]:
    """The last results of what each session does, all begun in the same moment."""
    start = threading.Barrier(len(sessions))

    def one(sql: Sql, number: int) -> Json:
        start.wait()
        return work(sql, number)

    with ThreadPoolExecutor(len(sessions)) as pool:
        return list(pool.map(one, sessions, range(len(sessions))))


def lost(caller: Caller, statement_id: str) -> list[bool]:
    """Of every lost commit of a statement: whether the statement was run again."""
    lines = log_of(caller.service)
    return [one["again"] for one in lines if one["event"] == "commit_lost" and one["statement_id"] == statement_id]


def losses(caller: Caller) -> int:
    """How many commits of all statements have lost a race so far."""
    return sum(one["event"] == "commit_lost" for one in log_of(caller.service))


class Slow:
    """Changes of `contended` that have read the table long before they commit."""

    def __init__(self, sql: Sql) -> None:
        self._pid = worker_of(sql.caller.service, sql.id)
        self._rows = 5_000_000
        while (spent := self._spent(sql)) < 0.3:
            self._rows *= 2
        self._rows_a_second = self._rows / spent

    def _spent(self, sql: Sql) -> float:
        before = cpu_seconds(self._pid) or 0.0
        sql.rows(f"SELECT sum(i % 1009 * 7 % 17) FROM range({self._rows}) r(i)")
        return (cpu_seconds(self._pid) or 0.0) - before

    def update(self, change: str = "1", seconds: float = 1.5) -> str:
        """An UPDATE that takes about so many seconds of processors, of which it has two."""
        heavy = f"(SELECT sum(i % 1009 * 7 % 17) FROM range({int(seconds * self._rows_a_second)}) r(i))"
        return f"UPDATE contended SET n = n + CASE WHEN {heavy} > 0 THEN {change} ELSE 0 END"


@pytest.fixture
def slow(four: list[Sql]) -> Slow:
    """The table as it begins, and changes of it."""
    four[0].run("DROP TABLE IF EXISTS contended; CREATE TABLE contended AS SELECT i, 0 AS n FROM range(10) r(i)")
    return Slow(four[0])


# Two rows of ten: from a quarter on maintenance rewrites the file, and a change loses against that as well.
OVERTAKES: Final = "DELETE FROM contended WHERE i >= 8"


def overtake(writer: Sql, sql: str, other: Sql, change: str, **fields: Any) -> str:
    """The id of a statement that runs; when it had read what it changes, the other session committed a change."""
    other.run(f"BEGIN; {change}")
    pid = worker_of(writer.caller.service, writer.id)
    before = cpu_seconds(pid) or 0.0
    statement_id = str(writer.execute(sql, is_sync=False, **fields)["statement_id"])
    until(lambda: (cpu_seconds(pid) or 0.0) - before >= 0.1, "it works")
    other.run("COMMIT")
    return statement_id


def overtaken(writer: Sql, sql: str, other: Sql, change: str, **fields: Any) -> str:
    """The same, once it has ended."""
    statement_id = overtake(writer, sql, other, change, **fields)
    writer.wait(statement_id, 100)
    return statement_id


IDEMPOTENT = {
    "CREATE TABLE IF NOT EXISTS made_{n} (x int)": ("duckdb_tables() WHERE table_name = 'made_{n}'", "1"),
    "CREATE SCHEMA IF NOT EXISTS space_{n}": ("duckdb_schemas() WHERE schema_name = 'space_{n}'", "1"),
    "CREATE VIEW IF NOT EXISTS look_{n} AS SELECT 1 AS x": ("duckdb_views() WHERE view_name = 'look_{n}'", "1"),
    "CREATE OR REPLACE TABLE again_{n} AS SELECT 1 AS x": ("again_{n}", "1"),
    "CREATE OR REPLACE VIEW shown_{n} AS SELECT 1 AS x": ("shown_{n}", "1"),
    "CREATE OR REPLACE MACRO rule_{n}(a) AS a + 1": ("range(1) WHERE rule_{n}(1) = 2", "1"),
    "DROP TABLE IF EXISTS old_table_{n}": ("duckdb_tables() WHERE table_name = 'old_table_{n}'", "0"),
    "DROP VIEW IF EXISTS old_view_{n}": ("duckdb_views() WHERE view_name = 'old_view_{n}'", "0"),
    "DROP SCHEMA IF EXISTS old_space_{n}": ("duckdb_schemas() WHERE schema_name = 'old_space_{n}'", "0"),
    "DROP MACRO IF EXISTS old_rule_{n}": ("duckdb_functions() WHERE function_name = 'old_rule_{n}'", "0"),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", IDEMPOTENT)
def test_what_must_only_be_so_succeeds_in_every_session(caller: Caller, four: list[Sql], form: str) -> None:
    """IF NOT EXISTS, OR REPLACE and IF EXISTS by four sessions at once: the effect is there, so all succeed."""
    where, expected = IDEMPOTENT[form]
    for n in range(ROUNDS):
        four[0].run(
            f"CREATE TABLE old_table_{n} (x int); CREATE VIEW old_view_{n} AS SELECT 1 AS x;"
            f"CREATE SCHEMA old_space_{n}; CREATE MACRO old_rule_{n}(a) AS a"
            if form.startswith("DROP")
            else "SELECT 1"
        )
        ended = at_once(four, lambda sql, _: sql.last(form.format(n=n)))  # noqa: B023 - it ends within the round
        assert [one["err_code"] for one in ended] == ["0"] * SESSIONS, ended
        for sql in four:
            assert sql.rows(f"SELECT count(*) FROM {where.format(n=n)}") == [[expected]]
        if form.startswith("DROP"):
            leftovers = "DROP TABLE IF EXISTS old_table_{n}; DROP VIEW IF EXISTS old_view_{n};"
            leftovers += "DROP SCHEMA IF EXISTS old_space_{n}; DROP MACRO IF EXISTS old_rule_{n}"
            four[0].run(leftovers.format(n=n))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "state"), [("CREATE TABLE once_{n} (x int)", "42P07"), ("DROP TABLE gone_{n}", "42P01")]
)
def test_of_a_single_creation_or_drop_one_session_succeeds(four: list[Sql], verb: str, state: str) -> None:
    """The others are told what is true by then, and not that they lost a race."""
    for n in range(ROUNDS):
        if verb.startswith("DROP"):
            four[0].run(f"CREATE TABLE gone_{n} (x int)")
        ended = at_once(four, lambda sql, _: sql.last(verb.format(n=n)))  # noqa: B023 - it ends within the round
        assert sorted(one["sql_state"] for one in ended) == ["00000", *[state] * (SESSIONS - 1)]


CHANGES = {
    "UPDATE": "UPDATE rows_of_update SET n = n + 1 WHERE i = {i}",
    "DELETE": "DELETE FROM rows_of_delete WHERE i = {i} + 10 * {n}",
    "MERGE": "MERGE INTO rows_of_merge t USING (SELECT {i} AS i) s USING (i) WHEN MATCHED THEN UPDATE SET n = t.n + 1",
    "INSERT": "INSERT INTO rows_of_insert VALUES ({i}, 1)",
    "MIXED": "{mixed}",
}
MIXED = (
    "INSERT INTO rows_of_mixed VALUES (100 + {n}, 1)",
    "DELETE FROM rows_of_mixed WHERE i = 10 + {n}",
    "UPDATE rows_of_mixed SET n = n + 1 WHERE i = 2",
    "MERGE INTO rows_of_mixed t USING (SELECT 20 + {n} AS i) s ON t.i = s.i WHEN MATCHED THEN DELETE",
)
LEFT = {
    "UPDATE": ("100", str(SESSIONS * ROUNDS)),
    "DELETE": (str(100 - SESSIONS * ROUNDS), "0"),
    "MERGE": ("100", str(SESSIONS * ROUNDS)),
    "INSERT": (str(100 + SESSIONS * ROUNDS), str(SESSIONS * ROUNDS)),
    "MIXED": (str(100 - ROUNDS), str(2 * ROUNDS)),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", CHANGES)
def test_changes_of_different_rows_all_succeed(four: list[Sql], kind: str) -> None:
    """Each session changes its own rows of one table; every change is there afterwards, once."""
    table = f"rows_of_{kind.lower()}"
    four[0].run(f"CREATE TABLE {table} AS SELECT i, 0 AS n FROM range(100) r(i)")

    def change(sql: Sql, number: int) -> Json:
        texts = [CHANGES[kind].format(i=number, n=n, mixed=MIXED[number].format(n=n)) for n in range(ROUNDS)]
        return {"errors": [last["message"] for last in map(sql.last, texts) if last["err_code"] != "0"]}

    assert at_once(four, change) == [{"errors": []}] * SESSIONS
    for sql in four:
        assert sql.rows(f"SELECT count(*), sum(n) FROM {table}") == [list(LEFT[kind])]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_counter_counts_what_was_acknowledged(four: list[Sql]) -> None:
    """Four sessions add to one row fifty times each: no addition is lost, and none is made twice."""
    four[0].run("CREATE TABLE added_up AS SELECT 0 AS n")

    def add(sql: Sql, _: int) -> Json:
        return {"states": [sql.last("UPDATE added_up SET n = n + 1")["sql_state"] for _ in range(50)]}

    states = [state for one in at_once(four, add) for state in one["states"]]
    assert set(states) <= {"00000", "40001"}
    acknowledged = states.count("00000")
    assert four[0].rows("SELECT n FROM added_up") == [[str(acknowledged)]]
    assert acknowledged == 200


def test_a_statement_that_lost_is_run_again_and_tells_of_its_last_try(
    caller: Caller, four: list[Sql], slow: Slow
) -> None:
    """Its count is that of the try that was committed, and its effects are in the catalog once."""
    writer, other, *_ = four
    statement_id = overtaken(writer, slow.update(), other, OVERTAKES)
    ended = writer.show(statement_id)["results"][-1]
    assert lost(caller, statement_id) == [True]
    assert ended["message"] == "UPDATE 8"
    assert other.rows("SELECT count(*), sum(n) FROM contended") == [["8", "8"]]
    record = caller.record(statement_id)
    assert (record["status"], record["effects"]) == ("SUCCESSFUL", "committed")


def test_a_cancel_stops_a_statement_that_is_run_again(caller: Caller, four: list[Sql], slow: Slow) -> None:
    """It has lost a race, and works anew: a cancel ends it, nothing of it is there, and the session goes on."""
    writer, other, *_ = four
    writer.run("CREATE TEMP TABLE mine AS SELECT 7 AS x")
    statement_id = overtake(writer, slow.update(seconds=4.0), other, OVERTAKES)
    until(lambda: lost(caller, statement_id), "it has lost", 100)
    assert writer.cancel(statement_id) == "cancelled"
    record = caller.record(statement_id)
    assert (record["status"], record["effects"], record["rung"]) == ("CANCELED", "none", "interrupted")
    assert lost(caller, statement_id) == [True]
    assert writer.rows("SELECT count(*), sum(n) FROM contended") == [["8", "0"]]
    assert writer.rows("FROM mine") == [["7"]]


@pytest.mark.usefixtures("slow")
def test_a_transaction_of_the_callers_is_not_run_again(caller: Caller, four: list[Sql]) -> None:
    """40001 at its COMMIT, with the table's name and the advice to run it again; the session is ready for that."""
    writer, other, *_ = four
    writer.run("BEGIN; UPDATE contended SET n = 1 WHERE i = 1")
    other.run("DELETE FROM contended WHERE i = 2")
    reply = writer.execute("COMMIT")
    last = reply["results"][-1]
    assert last["sql_state"] == "40001"
    assert 'table "contended"' in last["message"]
    assert last["message"].endswith("run the transaction again")
    assert caller.record(reply["statement_id"])["effects"] == "none"
    assert lost(caller, reply["statement_id"]) == []
    assert writer.run("BEGIN; UPDATE contended SET n = 1 WHERE i = 1; COMMIT") == "COMMIT"
    assert other.rows("SELECT sum(n), count(*) FROM contended") == [["1", "9"]]


def test_each_part_of_a_script_is_run_again_by_itself(caller: Caller, four: list[Sql], slow: Slow) -> None:
    """The parts before it are not: what they committed stays as it is."""
    writer, other, *_ = four
    writer.run("CREATE TABLE before_it (x int)")
    script = f"INSERT INTO before_it VALUES (1); {slow.update()}; INSERT INTO before_it VALUES (2)"
    statement_id = overtaken(writer, script, other, OVERTAKES)
    ended = writer.show(statement_id)
    assert [one["err_code"] for one in ended["results"]] == ["0", "0", "0"]
    assert lost(caller, statement_id) == [True]
    assert other.rows("SELECT sum(n), count(*) FROM contended") == [["8", "8"]]
    assert other.rows("SELECT x, count(*) FROM before_it GROUP BY 1 ORDER BY 1") == [["1", "1"], ["2", "1"]]


def test_files_are_read_and_values_bound_again(caller: Caller, four: list[Sql]) -> None:
    """COPY … FROM and an EXECUTE with a binding, each after a lost race."""
    writer, other, *_ = four
    writer.run("CREATE TABLE filled (i bigint, s varchar)")
    (caller.files / "rows.csv").write_text("i,s\n" + "".join(f"{n},x{n}\n" for n in range(2_000_000)))
    for sql, bindings in (
        ("COPY filled FROM 'rows.csv' (HEADER)", None),
        (
            "INSERT INTO filled SELECT i, $1 FROM range(200_000_000) r(i) WHERE i % 1009 * 7 % 17 = 3 AND i < 1000",
            [["bound"]],
        ),
    ):
        before = int(str(other.rows("SELECT count(*) FROM filled")[0][0]))
        fields = {"bindings": bindings} if bindings else {}
        statement_id = overtaken(writer, sql, other, f"COMMENT ON TABLE filled IS '{before}'", **fields)
        ended = writer.show(statement_id)["results"][-1]
        assert ended["err_code"] == "0", ended
        assert lost(caller, statement_id) == [True]
        after = int(str(other.rows("SELECT count(*) FROM filled")[0][0]))
        assert (after - before, after > before) == (int(ended["message"].rsplit(" ", 1)[1]), True)


def test_a_number_of_a_sequence_is_not_taken_twice(caller: Caller, four: list[Sql], slow: Slow) -> None:
    """A rollback does not give it back: such a statement fails with 40001 instead of running again."""
    writer, other, *_ = four
    writer.run("CREATE TEMP SEQUENCE ticket")
    for change, again in (("nextval('ticket')", False), ("1", True)):
        statement_id = overtaken(writer, slow.update(change), other, f"COMMENT ON TABLE contended IS '{again}'")
        last = writer.show(statement_id)["results"][-1]
        assert (last["err_code"] == "0", lost(caller, statement_id)) == (again, [True] if again else []), last
        if not again:
            assert last["sql_state"] == "40001"
            assert 'table "contended"' in last["message"]
    assert other.rows("SELECT DISTINCT n FROM contended") == [["1"]]


def test_a_statement_that_may_not_run_again_fails_with_40001(tmp_path: Path) -> None:
    """After the tries that a setting allows; the message names the table, and nothing of it is there."""
    with (
        calling(tmp_path / "data", {"TREADLE_COMMIT_RETRIES": "0"}) as caller,
        caller.session() as writer,
        caller.session() as other,
    ):
        writer.run("CREATE TABLE contended AS SELECT i, 0 AS n FROM range(10) r(i)")
        statement_id = overtaken(writer, Slow(writer).update(), other, OVERTAKES)
        last = writer.show(statement_id)["results"][-1]
        assert last["sql_state"] == "40001"
        assert 'table "contended"' in last["message"]
        assert last["message"].endswith("run the statement again")
        assert lost(caller, statement_id) == [False]
        record = caller.record(statement_id)
        assert (record["status"], record["effects"]) == ("FAILED", "none")
        assert writer.rows("SELECT count(*), sum(n) FROM contended") == [["8", "0"]]
        assert writer.run("UPDATE contended SET n = 1 WHERE i = 1") == "UPDATE 1"
        told = caller.http.get("/metrics").text
        assert 'treadle_commit_conflicts_total{outcome="run_again"} 0.0' in told
        assert 'treadle_commit_conflicts_total{outcome="failed"} 1.0' in told


CONTENDED: Final = {
    "DDL": "CREATE OR REPLACE VIEW replaced_at_once AS SELECT {number} AS x, {n} AS y",
    "counter": "UPDATE counted_at_once SET n = n + 1",
    "INSERT": "INSERT INTO filled_at_once VALUES ({number}, {n})",
}
MOST: Final = 1.5
"""Tries of a statement on average. Without turns most statements of four sessions lose once or more, and each try that
loses is time of the one that wins: 2.0 tries for DDL and a counter, 1.0 with turns. Counted instead of timed, because
a busy machine changes the times and not the counts; the bench has the times.
"""
EACH: Final = 6
"""Statements of each session in a round."""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", CONTENDED)
def test_many_sessions_seldom_work_in_vain(caller: Caller, four: list[Sql], kind: str) -> None:
    """Four sessions do the same at once: the first round shows each whom it meets, then they take turns."""
    four[0].run("CREATE OR REPLACE TABLE counted_at_once AS SELECT 0 AS n")
    four[0].run("CREATE OR REPLACE TABLE filled_at_once (number int, n int)")

    def several(sql: Sql, number: int) -> Json:
        texts = [CONTENDED[kind].format(number=number, n=n) for n in range(EACH)]
        assert [last["err_code"] for last in map(sql.last, texts)] == ["0"] * EACH
        return {}

    at_once(four, several)
    before = losses(caller)
    for _ in range(ROUNDS):
        at_once(four, several)
    statements = ROUNDS * EACH * SESSIONS
    assert statements + losses(caller) - before <= MOST * statements
    [[counted]] = four[0].rows("SELECT n FROM counted_at_once")
    [[filled]] = four[0].rows("SELECT count(*) FROM filled_at_once")
    rows = str((ROUNDS + 1) * EACH * SESSIONS)
    assert (counted, filled) == (rows if kind == "counter" else "0", rows if kind == "INSERT" else "0")
