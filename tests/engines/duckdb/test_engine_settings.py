"""The engine's own parameters that a session may set: their values, their bounds, and the way back."""

import contextlib
from collections.abc import Iterator

import duckdb
import pytest

from tests.engines.duckdb.conftest import CATALOG, Judge, Lake
from tests.engines.duckdb.sessions import Session
from tests.engines.duckdb.test_interrupted import tried, value
from treadle.engines.base import EngineError, Rows
from treadle.engines.duckdb.adapter import DuckDB
from treadle.engines.duckdb.engine_settings import NAMES, OPTIMIZERS, PARSING, of_session
from treadle.engines.duckdb.settings import SETTINGS, Change, SessionSettings

TAKEN = [
    ("SET default_null_order = 'nulls_first'", "default_null_order", "NULLS_FIRST"),
    ("SET null_order = 'NULLS LAST'", "default_null_order", "NULLS_LAST"),
    ("SET default_null_order TO sqlite", "default_null_order", "NULLS_FIRST_ON_ASC_LAST_ON_DESC"),
    ("SET default_null_order TO postgres", "default_null_order", "NULLS_LAST_ON_ASC_FIRST_ON_DESC"),
    ("PRAGMA default_null_order='nulls_last'", "default_null_order", "NULLS_LAST"),
    ("SET disabled_optimizers = 'filter_pushdown, TOP_N'", "disabled_optimizers", "filter_pushdown,top_n"),
    ("SET disabled_optimizers = ''", "disabled_optimizers", ""),
    ("SET disabled_optimizers TO top_n", "disabled_optimizers", "top_n"),
    ("PRAGMA explain_output = OPTIMIZED_ONLY", "explain_output", "OPTIMIZED_ONLY"),
    ("SET explain_output = 'all'", "explain_output", "ALL"),
    ("SET preserve_insertion_order = false", "preserve_insertion_order", "false"),
    ("SET preserve_insertion_order TO 1", "preserve_insertion_order", "true"),
    ("SET ieee_floating_point_ops = off", "ieee_floating_point_ops", "false"),
    ("SET scalar_subquery_error_on_multiple_rows=false", "scalar_subquery_error_on_multiple_rows", "false"),
    ("SET lambda_syntax = 'DISABLE_SINGLE_ARROW'", "lambda_syntax", "DISABLE_SINGLE_ARROW"),
    ("SET max_expression_depth TO 250", "max_expression_depth", "250"),
    ("SET threads = 4", "threads", "4"),
    ("PRAGMA threads=2", "threads", "2"),
    ("SET SESSION worker_threads = 3", "threads", "3"),
    ("RESET threads", "threads", "4"),
    ("SET integer_division = true", "integer_division", "true"),
    ("SET order_by_non_integer_literal = true", "order_by_non_integer_literal", "true"),
    ("SET pivot_limit = 20000", "pivot_limit", "20000"),
    ("SET pivot_filter_threshold = 0", "pivot_filter_threshold", "0"),
    ("SET prefer_range_joins = true", "prefer_range_joins", "true"),
]

REFUSED = [
    *("SET threads = 5", "SET threads = 0", "SET threads = -1", "SET threads = 1.5", "SET threads = '0x2'"),
    *("PRAGMA threads = 99999999999999999999", "SET worker_threads = 64", "SET threads = '٣'"),
    *("SET max_expression_depth = 1001", "SET max_expression_depth = 1", "SET max_expression_depth = ''"),
    *("SET disabled_optimizers = 'unused_columns'", "SET disabled_optimizers = 'top_n,extension'"),
    *("SET disabled_optimizers = 'nothing'", "PRAGMA disabled_optimizers = 'UNUSED_COLUMNS'"),
    *("SET default_order = 'DESC'", "SET pivot_limit = 100001", "SET explain_output = 'x'"),
    *("SET default_null_order = 'x'", "SET preserve_insertion_order = 'x'", "SET lambda_syntax = 'x'"),
]


@pytest.fixture
def session(lake: Lake, judge: Judge) -> Iterator[DuckDB]:
    """A session on the lake that leaves the engine's parameters as they were."""
    session = DuckDB(lake.connection.cursor(), lake.vocabulary)
    session._catalog = CATALOG
    session.execute(judge("USE main")[0], "marker", None, None)
    yield session
    for sql in ("ROLLBACK", "RESET ALL"):
        session.execute(judge(sql)[0], "marker", None, None)
    lake.connection.execute("SET threads = 1")


def run(session: DuckDB, judge: Judge, *script: str) -> None:
    """Run statements one by one; what fails is undone."""
    for sql in script:
        try:
            outcome = session.execute(judge(sql)[0], "marker", None, None)
            if isinstance(outcome, Rows):
                list(outcome.batches)
            elif outcome.commits:
                session.commit()
        except EngineError:
            session.rollback()


def real(session: DuckDB, name: str) -> str:
    """The value in the engine, past the session."""
    [(told,)] = session._con.execute("SELECT value FROM duckdb_settings() WHERE name = ?", [name]).fetchall()
    return str(told)


@pytest.mark.parametrize(("script", "name", "expected"), TAKEN)
def test_parameter_is_set_in_session_and_engine(
    lake: Lake, judge: Judge, script: str, name: str, expected: str
) -> None:
    """The session shows what the engine has, in the engine's own words."""
    [planned] = judge(script)
    assert isinstance(planned.setting, Change)
    opening = SessionSettings.from_wire({}, catalog="default", threads=4)
    assert opening.apply(planned.setting).show(name) == expected
    connection = lake.connection.cursor()
    try:
        for statement in planned.statements:
            connection.execute(statement)
        told = connection.execute("SELECT value FROM duckdb_settings() WHERE name = ?", [name]).fetchone()
        assert told == (expected,)
    finally:
        connection.execute(f"RESET {name}")
        connection.execute("SET threads = 1")


@pytest.mark.parametrize("script", REFUSED)
def test_parameter_out_of_bounds_is_refused(judge: Judge, script: str) -> None:
    """A value beyond the session's bounds, or one that harms the catalog, is refused by name."""
    with pytest.raises(EngineError) as refusal:
        judge(script)
    assert refusal.value.sql_state == "22023"
    assert "invalid value for parameter" in refusal.value.message


def test_every_optimizer_is_judged(lake: Lake) -> None:
    """The engine has no optimizer that is not known here."""
    known = {name for (name,) in lake.connection.execute("FROM duckdb_optimizers()").fetchall()}
    assert known == OPTIMIZERS | {"unused_columns", "extension"}


def test_catalog_is_right_with_every_parameter_changed(lake: Lake) -> None:
    """DuckLake's own statements do not depend on what a session may set."""
    connection = lake.connection.cursor()
    connection.execute('USE "default"')
    script = (
        "CREATE SCHEMA p",
        "CREATE TABLE p.t (i INT, s VARCHAR, st STRUCT(a INT, b VARCHAR[]))",
        "INSERT INTO p.t SELECT r, nullif('v' || r % 3, 'v0'), {'a': r, 'b': ['x' || r]} FROM range(40) x(r)",
        "ALTER TABLE p.t ADD COLUMN g VARCHAR DEFAULT 'x'",
        "UPDATE p.t SET s = 'changed' WHERE i < 4",
        "DELETE FROM p.t WHERE i > 30",
        "MERGE INTO p.t USING (VALUES (5), (99)) v(i) ON t.i = v.i WHEN MATCHED THEN UPDATE SET g = 'm' "
        "WHEN NOT MATCHED THEN INSERT (i) VALUES (v.i)",
        "ALTER TABLE p.t RENAME COLUMN g TO h",
    )
    looks = (
        "DESCRIBE p.t",
        "FROM p.t ORDER BY i ASC",
        "SELECT count(*), count(s), sum(st.a) FROM p.t",
        "FROM p.t WHERE s IS NULL ORDER BY i ASC",
    )

    def played() -> list[list[tuple[object, ...]]]:
        for statement in script:
            connection.execute(statement)
        seen = [connection.execute(look).fetchall() for look in looks]
        connection.execute("DROP SCHEMA p CASCADE")
        return seen

    usual = played()
    changes = (
        *(f"disabled_optimizers = '{name}'" for name in (",".join(sorted(OPTIMIZERS)), "statistics_propagation", "")),
        *(f"default_null_order = '{order}'" for order in ("NULLS_FIRST", "NULLS_FIRST_ON_ASC_LAST_ON_DESC")),
        *(f"{name} = true" for name in ("integer_division", "order_by_non_integer_literal", "prefer_range_joins")),
        *(f"{name} = false" for name in ("scalar_subquery_error_on_multiple_rows", "ieee_floating_point_ops")),
        *("preserve_insertion_order = false", "lambda_syntax = 'DISABLE_SINGLE_ARROW'", "explain_output = 'ALL'"),
        *("max_expression_depth = 50", "pivot_limit = 1", "pivot_filter_threshold = 0"),
    )
    try:
        for change in changes:
            connection.execute(f"SET {change}")
            assert played() == usual, change
    finally:
        for name in set(NAMES.values()) - {"threads"}:
            connection.execute(f"RESET {name}")


def test_least_depth_can_be_taken_back(session: DuckDB, judge: Judge) -> None:
    """With expressions as shallow as they may be, the session can still set everything."""
    run(session, judge, "SET max_expression_depth = 50")
    for setting in of_session(4).values():
        run(session, judge, f"SET {setting.name} = DEFAULT")
        assert real(session, setting.name) == setting.default


def test_rollback_takes_settings_back(session: DuckDB, judge: Judge) -> None:
    """A ROLLBACK undoes what its transaction set, in the session and in the engine; a COMMIT keeps it."""
    run(session, judge, "SET integer_division = true", "BEGIN", "SET integer_division = false", "SET TimeZone = 'UTC'")
    run(session, judge, "SET TimeZone = 'Asia/Tokyo'", "SET statement_timeout = 9", "ROLLBACK")
    assert real(session, "integer_division") == "true"
    assert real(session, "TimeZone") in ("UTC", "Etc/UTC")
    assert session.settings()["statement_timeout"] == "0"
    run(session, judge, "BEGIN", "SET integer_division = false", "COMMIT")
    assert real(session, "integer_division") == "false"


def test_aborted_transaction_takes_settings_back(session: DuckDB, judge: Judge) -> None:
    """So does the COMMIT of a transaction that a mistake has aborted."""
    run(session, judge, "BEGIN", "SET pivot_limit = 7", "SELECT nothing", "COMMIT")
    assert session.settings()["transaction"] == "none"
    assert real(session, "pivot_limit") == "100000"


def test_local_setting_ends_with_its_transaction(session: DuckDB, judge: Judge) -> None:
    """SET LOCAL holds in the engine until COMMIT or ROLLBACK, and does nothing without a transaction."""
    for last in ("COMMIT", "ROLLBACK"):
        run(session, judge, "BEGIN", "SET LOCAL integer_division = true", "SET LOCAL TimeZone = 'Asia/Tokyo'")
        assert real(session, "integer_division") == "true"
        run(session, judge, last)
        assert real(session, "integer_division") == "false"
        assert real(session, "TimeZone") in ("UTC", "Etc/UTC")
    run(session, judge, "SET LOCAL integer_division = true", "SET LOCAL statement_timeout = 3")
    assert real(session, "integer_division") == "false"
    assert session.settings()["statement_timeout"] == "0"


def test_plain_setting_outlives_a_local_one(session: DuckDB, judge: Judge) -> None:
    """A plain SET after a SET LOCAL stays at the COMMIT."""
    run(session, judge, "BEGIN", "SET LOCAL pivot_limit = 5", "SET pivot_limit = 6", "COMMIT")
    assert real(session, "pivot_limit") == "6"
    run(session, judge, "BEGIN", "SET pivot_limit = 7", "SET LOCAL pivot_limit = 8", "COMMIT")
    assert real(session, "pivot_limit") == "7"


def test_interrupted_parameter_is_what_is_shown(session: DuckDB, judge: Judge) -> None:
    """A change that a cancel hits is in the engine and on the session, or in neither."""
    plans = [judge(f"SET pivot_limit = {limit}")[0] for limit in (10, 20)]
    show, engine = judge("SHOW pivot_limit")[0], judge("SELECT current_setting('pivot_limit')::VARCHAR")[0]
    changed = trials = 0
    while trials < 300 or (changed in (0, trials) and trials < 30_000):
        changed += tried(session, plans[trials % 2])
        trials += 1
        assert value(session, engine) == value(session, show)
    assert 0 < changed < trials


def test_reset_all_brings_everything_back(session: DuckDB, judge: Judge) -> None:
    """RESET ALL leaves the engine with the session's own defaults."""
    run(session, judge, *(script for script, _, _ in TAKEN if "threads" not in script), "RESET ALL")
    for setting in of_session(4).values():
        assert real(session, setting.name) == setting.default


def test_lock_opens_no_other_parameter(lake: Lake) -> None:
    """Every parameter that the lock leaves open is one a session may set, and is shown."""
    assert set(NAMES.values()) <= {setting.name for setting in SETTINGS.values()}
    with contextlib.closing(duckdb.connect(":memory:")) as connection:
        for name in NAMES:
            connection.execute(f"RESET {name}")


PARSED_LATER = {
    "SET integer_division = true; SELECT 5 / 2": 2,
    "SELECT 5 / 2; SET integer_division = true; SELECT 5 / 2; RESET integer_division; SELECT 5 / 2": 2.5,
    "SET integer_division = true; BEGIN; SET integer_division = false; SELECT 5 / 2; ROLLBACK; SELECT 5 / 2": 2,
    "BEGIN; SET LOCAL integer_division = true; COMMIT; SELECT 5 / 2": 2.5,
    "SET integer_division = true; RESET ALL; SELECT 5 / 2": 2.5,
    "SET max_expression_depth = 60; SET max_expression_depth = 1000; SELECT " + "(" * 90 + "1" + " + 1)" * 90: 91,
    "SET integer_division = true; CREATE OR REPLACE TEMP VIEW half AS SELECT 5 / 2 AS h; RESET ALL; FROM half": 2,
    "SET integer_division = true; PREPARE half AS SELECT 5 / 2; RESET ALL; EXECUTE half": 2,
}


@pytest.mark.parametrize("script", PARSED_LATER)
def test_setting_acts_on_the_parts_after_it(sql: Session, script: str) -> None:
    """Also one that acts where a statement is parsed, and what takes it back; a view is what it was parsed to."""
    assert sql.run(script) == [(PARSED_LATER[script],)]


def test_part_that_parses_only_after_a_setting_before_it(sql: Session) -> None:
    """And one that does not parse even then fails as that part, in its place."""
    deep = "SELECT " + "(" * 90 + "1" + " + 1)" * 90
    sql.run("SET max_expression_depth = 60")
    with pytest.raises(EngineError) as early:
        sql.run(f"SELECT 1; {deep}")
    assert early.value.sql_state == "54001"
    assert sql.run(f"SET max_expression_depth = 1000; {deep}") == [(91,)]
    script = "SET integer_division = true; CREATE TABLE before_it (i INTEGER); SELECT FROM FROM"
    with pytest.raises(EngineError) as late:
        sql.run(script)
    assert (late.value.sql_state, late.value.position) == ("42601", script.rindex("FROM") + 1)


ELSEWHERE = {
    "lambda_syntax": ("DISABLE_SINGLE_ARROW", "SELECT list_transform([1], x -> x + 1)"),
    "default_null_order": ("NULLS_FIRST", "SELECT list(i ORDER BY i) FROM (VALUES (1), (NULL)) t(i)"),
    "ieee_floating_point_ops": ("false", "SELECT 1 / 0"),
    "order_by_non_integer_literal": ("true", "SELECT 1 ORDER BY 'a'"),
    "scalar_subquery_error_on_multiple_rows": ("false", "SELECT (SELECT unnest([1, 2]))"),
    "explain_output": ("ALL", "EXPLAIN SELECT 1"),
    "integer_division": ("true", "SELECT 5 / 2"),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_other_settings_act_on_what_was_parsed_before_them(lake: Lake, name: str) -> None:
    """They act where a statement is bound or runs: those that act on the parser are listed."""
    new, query = ELSEWHERE[name]
    connection = lake.connection.cursor()

    def outcome(sql: "str | duckdb.Statement") -> str:
        try:
            return str(connection.execute(sql).fetchall())
        except duckdb.Error as error:
            return str(error)

    old = outcome(query)
    [parsed] = connection.extract_statements(query)
    connection.execute(f"SET {name} = '{new}'")
    before, after = outcome(parsed), outcome(query)
    connection.execute(f"RESET {name}")
    assert after != old
    assert (before == after) is (name not in PARSING)
