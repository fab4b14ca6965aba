"""The profiler that a session has turned off: what needs it is refused, and what is ours turns it on for the moment."""

import pytest

from tests.engines.duckdb.conftest import Judge
from tests.engines.duckdb.sessions import Session
from treadle.engines.base import EngineError
from treadle.engines.duckdb.query import Query

ANALYZES = (
    "EXPLAIN ANALYZE SELECT 1",
    "explain analyse SELECT 1",
    "EXPLAIN (ANALYZE) SELECT 1",
    "EXPLAIN (FORMAT json, ANALYZE) SELECT 1",
    "/* x */ EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1 AS i",
    "EXPLAIN ANALYZE EXECUTE p",
)
LATE_ERROR = "SELECT md5(i::varchar), CASE WHEN i = 300000 THEN error('no such thing') END FROM range(3000000) t(i)"
TURNED_OFF = (
    "SET query_profiling = 'off'",
    "SET SESSION query_profiling TO 0",
    "BEGIN; SET LOCAL query_profiling = 'off'",
    "BEGIN; SET query_profiling = 'off'; COMMIT",
)


def profiler(sql: Session) -> str | None:
    """What the engine says of its profiler: the format of its output."""
    [(value,)] = sql.unjudged("SELECT value FROM duckdb_settings() WHERE name = 'enable_profiling'")
    return None if value is None else str(value)


@pytest.mark.parametrize("turning_off", TURNED_OFF)
def test_explain_analyze_is_refused(sql: Session, turning_off: str) -> None:
    """In each of its forms, before anything of it runs; the message says the way out."""
    sql.run("PREPARE p AS SELECT 1")
    for statement in ANALYZES:
        sql.run(turning_off)
        refused = sql.refusal(statement)
        assert refused.sql_state == "55000"
        assert "SET query_profiling = 'on' first" in refused.message
        sql.run("RESET query_profiling")
    assert sql.shown("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'made'") == [("0",)]


def test_a_script_that_turns_it_off_itself_is_refused(sql: Session) -> None:
    """What counts is the moment in which the statement runs."""
    assert sql.refusal("SET query_profiling = 'off'; EXPLAIN ANALYZE SELECT 1").sql_state == "55000"
    assert sql.run("SET query_profiling = 'on'; EXPLAIN ANALYZE SELECT 1")[0][0] == "analyzed_plan"


@pytest.mark.parametrize("value", ["on", "detailed"])
def test_with_a_profiler_it_runs(sql: Session, value: str) -> None:
    """Also after it was off, and after a ROLLBACK that has brought it back."""
    sql.run("SET query_profiling = 'off'")
    sql.run(f"SET query_profiling = '{value}'")
    sql.run("BEGIN; SET query_profiling = 'off'; ROLLBACK")
    assert sql.run("EXPLAIN ANALYZE SELECT 1")[0][0] == "analyzed_plan"
    assert sql.run("EXPLAIN SELECT 1")[0][0] == "physical_plan"


def test_explain_without_analyze_needs_none(sql: Session) -> None:
    """Nothing of it runs."""
    sql.run("SET query_profiling = 'off'")
    assert sql.run("EXPLAIN SELECT 1")[0][0] == "physical_plan"


def test_the_search_for_a_lost_error_turns_it_on(sql: Session) -> None:
    """The query is run again by an EXPLAIN ANALYZE of ours; then the setting is the session's again."""
    sql.run("SET query_profiling = 'off'")
    assert profiler(sql) is None
    [planned] = sql.engine.split(LATE_ERROR)
    sql.engine._transaction.open()
    query = Query(sql.engine._con, planned, None)
    query.close()
    found = sql.engine._found(query, planned)
    assert found is not None
    assert found.message == "no such thing"
    sql.engine.rollback()
    assert profiler(sql) is None
    assert sql.run("SHOW query_profiling") == [("off",)]


@pytest.mark.parametrize(
    "script",
    [
        *("PRAGMA enable_profiling", "PRAGMA disable_profiling", "PRAGMA enable_profile", "PRAGMA disable_profile"),
        *(
            "PRAGMA enable_profiling = 'no_output'",
            "PRAGMA profiling_mode = 'detailed'",
            "PRAGMA profiling_output = 'x'",
        ),
        *(
            "PRAGMA custom_profiling_settings = '{}'",
            "PRAGMA profile_output = 'x'",
            "PRAGMA profiling_coverage = 'all'",
        ),
        *("SET enable_profiling = 'json'", "SET profiling_mode = 'standard'", "SET profiling_output = 'x'"),
        *("SET custom_profiling_settings = '{}'", "SET profile_output = 'x'", "SET profiling_coverage = 'all'"),
        *(
            "RESET enable_profiling",
            "RESET profiling_mode",
            "RESET custom_profiling_settings",
            "RESET profiling_output",
        ),
        *("CALL enable_profiling()", "CALL disable_profiling()", "CALL system.main.disable_profiling()"),
        *(
            "SELECT enable_profiling()",
            "SELECT disable_profiling()",
            "FROM disable_profiling()",
            "FROM enable_profiling()",
        ),
        *("FROM query('FROM disable_profiling()')", "FROM duckdb_profiling_settings()"),
    ],
)
def test_the_engines_own_ways_are_refused(judge: Judge, script: str) -> None:
    """They would leave the engine with another profiler than the session's setting says."""
    with pytest.raises(EngineError) as refusal:
        judge(script)
    assert refusal.value.sql_state in ("42501", "42704", "0A000", "42601")
