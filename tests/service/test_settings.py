"""SET, SHOW and RESET of every documented name."""

import time

import pytest

from tests.service.caller import ENDLESS, Caller, Sql
from tests.support.world import until
from treadle.engines.duckdb import engine_settings
from treadle.engines.duckdb.settings import SETTINGS

TIMED_OUT = "canceling statement due to statement timeout: statement ran longer than"

DEFAULTS = {
    "application_name": "",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "client_min_messages": "notice",
    "DateStyle": "ISO, MDY",
    "default_transaction_isolation": "repeatable read",
    "extra_float_digits": "1",
    "idle_in_transaction_session_timeout": "0",
    "integer_datetimes": "on",
    "IntervalStyle": "postgres",
    "lock_timeout": "0",
    "query_profiling": "on",
    "search_path": "main",
    "server_encoding": "UTF8",
    "session_timeout": "10min",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "TimeZone": "UTC",
    "transaction_isolation": "repeatable read",
}


def test_every_name_is_shown_set_and_reset(sql: Sql) -> None:
    """Its default, in any case of its name; setting what is so anyway is accepted."""
    shown = {name: value for name, value, _ in sql.rows("SHOW ALL")}
    engines = {one.name for one in SETTINGS.values() if one.name in shown.keys() - DEFAULTS.keys()}
    assert {name: value for name, value in shown.items() if name not in engines} == DEFAULTS
    assert {"threads", "default_null_order", "disabled_optimizers"} <= engines
    for name, value in DEFAULTS.items():
        assert sql.rows(f"SHOW {name.upper()}") == [[value]]
        assert sql.run(f"SET {name} TO '{value}'") == "SET"
        assert sql.run(f"SET SESSION {name} = DEFAULT") == "SET"
        assert sql.run(f"RESET {name}") == "RESET"
        assert sql.rows(f"SHOW {name}") == [[value]]
    assert sql.run("RESET ALL") == "RESET"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("600", "10min"),
        ("'90s'", "90s"),
        ("'1500ms'", "1500ms"),
        ("'500ms'", "500ms"),
        ("'2 min'", "2min"),
        ("'1h'", "1h"),
        ("'1d'", "1d"),
        ("1.5", "1500ms"),
        ("0", "0"),
        ("'0ms'", "0"),
        ("DEFAULT", "0"),
    ],
)
def test_a_bare_number_of_a_timeout_is_seconds(shared: Sql, given: str, seconds: str) -> None:
    """Units as PostgreSQL writes them."""
    shared.run(f"SET statement_timeout TO {given}")
    assert shared.rows("SHOW statement_timeout") == [[seconds]]


@pytest.mark.parametrize(
    ("change", "sql_state"),
    [
        ("SET statement_timeout TO -1", "22023"),
        ("SET statement_timeout TO 'soon'", "22023"),
        ("SET statement_timeout", "42601"),
        ("SET session_timeout TO 86401", "22023"),
        ("SET client_encoding TO 'GBK'", "22023"),
        ("SET TimeZone TO 'Middle/Earth'", "22023"),
        ("SET no_such_name TO 1", "42704"),
        ("SET GLOBAL statement_timeout TO 5", "42501"),
        ("SET threads TO 64", "22023"),
        ("SET memory_limit = '1TB'", "42501"),
        ("RESET temp_directory", "42501"),
        ("PRAGMA enable_profiling", "42501"),
    ],
)
def test_what_may_not_be_set(shared: Sql, change: str, sql_state: str) -> None:
    """Each with the code that says why, and nothing has changed."""
    assert shared.fails(change) == sql_state
    shown = {name: value for name, value, _ in shared.rows("SHOW ALL")}
    engines = {one.name for one in SETTINGS.values() if one.name in shown.keys() - DEFAULTS.keys()}
    assert {name: value for name, value in shown.items() if name not in engines} == DEFAULTS
    assert {"threads", "default_null_order", "disabled_optimizers"} <= engines


def test_the_time_zone_shows_in_values(sql: Sql) -> None:
    """Timestamps with time zone are written in it."""
    moment = "SELECT '2026-07-13 08:00:00+00'::timestamptz"
    assert sql.rows(moment) == [["2026-07-13 08:00:00+00"]]
    sql.run("SET TIME ZONE 'Asia/Shanghai'")
    assert sql.rows(moment) == [["2026-07-13 16:00:00+08"]]
    sql.run("RESET TimeZone")
    assert sql.rows(moment) == [["2026-07-13 08:00:00+00"]]


def test_the_search_path_decides_where_names_are_found(sql: Sql) -> None:
    """SET search_path and USE."""
    sql.run("CREATE SCHEMA aside; SET search_path TO aside; CREATE TABLE only_there AS SELECT 1 AS x")
    assert sql.rows("SELECT current_schema()") == [["aside"]]
    sql.run("RESET search_path")
    assert sql.fails("FROM only_there") == "42P01"
    sql.run("USE aside")
    assert sql.rows("FROM only_there") == [["1"]]
    assert sql.rows("SHOW search_path") == [["aside"]]


OTHERS = {
    "application_name": "other",
    "query_profiling": "off",
    "search_path": "elsewhere",
    "session_timeout": "601s",
    "statement_timeout": "7s",
    "TimeZone": "Asia/Shanghai",
}
"""A value that is not the default, for each setting that has one."""

SEEN = {
    "search_path": "SELECT current_schema()",
    "TimeZone": "SELECT TIMESTAMPTZ '2026-07-13 08:00:00+00'",
}
"""How the engine itself shows what some settings are."""


@pytest.fixture(scope="module", autouse=True)
def elsewhere(caller: Caller) -> None:
    """The schema of that name."""
    with caller.session() as session:
        session.run("CREATE SCHEMA IF NOT EXISTS elsewhere")


def seen(sql: Sql, name: str) -> list[list[str | None]]:
    """The value of a setting as the session shows it, and as its engine has it."""
    return [*sql.rows(f"SHOW {name}"), *(sql.rows(SEEN[name]) if name in SEEN else ())]


def test_every_setting_that_can_be_another_is_tried() -> None:
    """The list of the tests below is whole."""
    engines = {one.lower() for one in engine_settings.NAMES}
    assert set(OTHERS) == {s.name for s in SETTINGS.values() if s.accepted is None and s.name.lower() not in engines}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK", "error", "cancel"])
def test_a_local_setting_ends_with_its_transaction(shared: Sql, name: str, end: str) -> None:
    """SET LOCAL holds within the transaction, and is gone after it, however it ended."""
    before = seen(shared, name)
    shared.run("BEGIN")
    shared.run(f"SET LOCAL {name} TO '{OTHERS[name]}'")
    assert shared.rows(f"SHOW {name}") == [[OTHERS[name]]]
    assert seen(shared, name)[1:] != before[1:] or name not in SEEN
    finish(shared, end)
    assert seen(shared, name) == before


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("change", ["SET {} TO '{}'", "SET SESSION {} = '{}'", "RESET {}", "RESET ALL"])
@pytest.mark.parametrize("end", ["ROLLBACK", "error", "cancel"])
def test_a_rolled_back_transaction_leaves_settings_as_it_found_them(
    shared: Sql, name: str, change: str, end: str
) -> None:
    """SET and RESET are undone with everything else, as in PostgreSQL."""
    if change.startswith("RESET"):
        shared.run(f"SET {name} TO '{OTHERS[name]}'")
    before = seen(shared, name)
    shared.run("BEGIN")
    shared.run(change.format(name, OTHERS[name]))
    assert seen(shared, name) != before
    finish(shared, end)
    assert seen(shared, name) == before


@pytest.mark.parametrize("name", OTHERS)
def test_a_local_setting_outside_a_transaction_has_no_effect(shared: Sql, name: str) -> None:
    """Neither alone nor in a script whose parts commit one by one; a wrong value is an error all the same."""
    before = seen(shared, name)
    assert shared.run(f"SET LOCAL {name} TO '{OTHERS[name]}'") == "SET"
    assert seen(shared, name) == before
    assert shared.rows(f"SET LOCAL {name} TO '{OTHERS[name]}'; SHOW {name}") == before[:1]
    assert shared.fails("SET LOCAL statement_timeout TO 'soon'") == "22023"


@pytest.mark.parametrize("name", OTHERS)
def test_a_committed_setting_stays(shared: Sql, name: str) -> None:
    """SET in a transaction, also after a SET LOCAL of the same name."""
    shared.run(f"BEGIN; SET LOCAL {name} TO DEFAULT; SET {name} TO '{OTHERS[name]}'; COMMIT")
    assert shared.rows(f"SHOW {name}") == [[OTHERS[name]]]
    shared.run(f"BEGIN; SET LOCAL {name} TO DEFAULT")
    assert shared.rows(f"SHOW {name}") == [[DEFAULTS[name]]]
    shared.run("COMMIT")
    assert shared.rows(f"SHOW {name}") == [[OTHERS[name]]]
    shared.run("RESET ALL")


def finish(sql: Sql, end: str) -> None:
    """End the open transaction: by a word, an error, or a cancel."""
    if end == "error":
        sql.fails("SELECT nope")
    elif end == "cancel":
        sql.run("SET LOCAL statement_timeout TO '50ms'")
        last = sql.last("SELECT sum(a.range * b.range) FROM range(1e7::bigint) a, range(1e7::bigint) b")
        assert last["sql_state"] == "57014"
    sql.run(end if end in ("COMMIT", "ROLLBACK") else "ROLLBACK")


def test_settings_are_the_sessions_own(sql: Sql) -> None:
    """Another session keeps its defaults."""
    sql.run("SET statement_timeout TO 5; SET TimeZone TO 'Asia/Shanghai'")
    with sql.caller.session() as other:
        assert other.rows("SHOW statement_timeout; SHOW TimeZone") == [["UTC"]]
        assert other.rows("SHOW statement_timeout") == [["0"]]


def test_a_statement_timeout_within_its_own_script_holds(sql: Sql) -> None:
    """It counts from the next statement on, and its end says why."""
    reply = sql.execute("SET statement_timeout TO '200ms'")
    reply = sql.execute("SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)")
    assert (reply["status"], reply["results"][0]["sql_state"]) == (4, "57014")
    assert reply["results"][0]["message"] == f"{TIMED_OUT} statement_timeout (0.2 s)"


def test_an_idle_session_is_closed_and_a_busy_one_is_not(sql: Sql) -> None:
    """session_timeout counts idle seconds only; 0 is never."""
    session = sql.caller.session()
    # In one request: between two the session would be idle already.
    busy = "SET session_timeout TO 1; SELECT count(*) FROM range(1000000000000) t(i) WHERE i % 7 = 8"
    reply = session.execute(busy, is_sync=False)
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 2.5, "some time has passed")
    assert session.status() == "RUNNING"
    session.cancel(reply["statement_id"])
    until(lambda: session.status() == "CLOSED", "the idle session is closed", timeout=10)
    sql.run("SET session_timeout TO 0")
    assert sql.status() == "RUNNING"


def test_the_time_of_a_statement_is_bounded_in_milliseconds(sql: Sql) -> None:
    """As PostgreSQL has it; LOCAL for the transaction, DEFAULT and 0 for ever."""
    sql.run("SET statement_timeout = '500ms'")
    assert sql.last(ENDLESS)["message"] == f"{TIMED_OUT} statement_timeout (0.5 s)"
    sql.run("BEGIN; SET LOCAL statement_timeout = '2min'")
    assert sql.rows("SHOW statement_timeout") == [["2min"]]
    sql.run("COMMIT")
    assert sql.rows("SHOW statement_timeout") == [["500ms"]]
    for never in ("0", "DEFAULT", "'0s'"):
        sql.run(f"SET statement_timeout = {never}")
        assert sql.rows("SHOW statement_timeout") == [["0"]]


@pytest.mark.parametrize("shown", ["nosuch", "NoSuch", "a.b", '"no such"'])
def test_show_of_what_is_not_there(sql: Sql, shown: str) -> None:
    """A parameter that nobody knows, as in PostgreSQL; a table of the name is described as ever."""
    last = sql.last(f"SHOW {shown}")
    assert (last["sql_state"], last["message"]) == ("42704", f'unrecognized configuration parameter "{shown}"')
    assert sql.fails(f"SELECT 1; SHOW {shown}") == "42704"
    assert sql.fails("DESCRIBE nosuch") == "42P01"
    sql.run("CREATE TEMP TABLE described (x int)")
    assert sql.rows("SHOW described")[0][:2] == ["x", "INTEGER"]


LOOKS = (
    "SELECT name, setting FROM pg_settings",
    "SELECT name, value FROM duckdb_settings()",
    "SELECT name, setting FROM looked",
)


def test_all_looks_agree_with_show(sql: Sql) -> None:
    """For every setting, as it is, after SET, LOCAL, ROLLBACK and RESET, also in a view and within a script."""
    sql.run("CREATE TEMP VIEW looked AS FROM pg_settings")

    def agree() -> None:
        shown = {name: value for name, value, _ in sql.rows("SHOW ALL")}
        for name, value in shown.items():
            assert sql.rows(f"SHOW {name}") == [[value]]
        names = [str(name) for name in shown]
        calls = ", ".join(f"current_setting('{name}'), pg_catalog.current_setting('{name.upper()}')" for name in names)
        assert sql.rows(f"SELECT {calls}") == [[value for value in shown.values() for _ in range(2)]]
        for look in LOOKS:
            seen = [(name, value) for name, value in sql.rows(look) if name in shown]
            assert sorted(seen) == sorted(shown.items()), look

    agree()
    sql.run("; ".join(f"SET {name} = '{value}'" for name, value in OTHERS.items() if name != "search_path"))
    sql.run("SET threads = 1; SET application_name = 'it''s, ok'")
    agree()
    sql.run("SET application_name = 'a\x1fb'")
    assert sql.rows("SELECT setting FROM pg_settings WHERE name = 'application_name'") == [["a b"]]
    sql.run("SET application_name = 'it''s, ok'")
    agree()
    sql.run("BEGIN; SET LOCAL statement_timeout = '3s'; SET TimeZone = 'Asia/Tokyo'")
    agree()
    sql.run("ROLLBACK")
    agree()
    find = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"
    assert sql.rows(f"SET statement_timeout = '9s'; {find}") == [["9s"]]
    sql.run("RESET ALL")
    agree()
    assert sql.rows("SELECT count(*) FROM duckdb_variables()") == [["0"]]
    assert sql.fails("SET VARIABLE __internal_settings = 'x'") == "42501"


@pytest.mark.parametrize("name", ["memory_limit", "max_memory", "max_temp_directory_size"])
def test_a_limit_of_the_engine_is_shown_and_cannot_be_set(sql: Sql, name: str) -> None:
    """The same by every look."""
    look = f"SELECT current_setting('{name}'), system.main.current_setting('{name.upper()}'), value"
    [values] = sql.rows(f"{look} FROM duckdb_settings() WHERE name = '{name}'")
    assert sql.rows(f"SHOW {name}") == [[values[0]]]
    assert set(values) == {values[0]}
    assert sql.fails(f"SET {name} = '1GB'") == "42501"


def test_a_name_for_a_setting_and_one_for_none(caller: Caller, sql: Sql) -> None:
    """As in PostgreSQL; what a session may not know stays so. Views and defaults have the setting of their reader."""
    names = "current_setting('schema'), current_setting('null_order'), current_setting('nosuch', true)"
    assert sql.rows(f"SELECT {names}") == [["main", "NULLS_LAST", None]]
    for unknown in ("'nosuch'", "'NoSuch'", "''", "'nosuch', false"):
        assert sql.fails(f"SELECT current_setting({unknown})") == "42704"
    assert sql.fails("SELECT current_setting('home_directory', true)") == "42501"
    sql.run(
        "CREATE TEMP TABLE aside (i int); CREATE VIEW zone AS SELECT current_setting('TimeZone') AS z, current_user()"
    )
    with caller.session() as other:
        other.run("SET TimeZone = 'Asia/Tokyo'")
        assert other.rows("SELECT z FROM zone") == [["Asia/Tokyo"]]


@pytest.mark.parametrize("name", ["current_user", "session_user", "user", "current_user()", "CURRENT_ROLE"])
def test_the_user_is_the_caller(sql: Sql, name: str) -> None:
    """By every name PostgreSQL has for it; a column of such a name is a column as ever."""
    assert sql.rows(f"SELECT {name}") == [["alice"]]
    assert sql.rows(f"SELECT upper({name}) || x FROM (SELECT '!' AS x)") == [["ALICE!"]]
    assert sql.rows('SELECT "user" FROM (SELECT 7 AS "user")') == [["7"]]
