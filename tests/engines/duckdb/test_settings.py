"""SET, RESET, USE and SHOW."""

import pytest

from tests.engines.duckdb.conftest import Judge, Lake
from treadle.engines.base import EngineError
from treadle.engines.duckdb import engine_settings
from treadle.engines.duckdb.settings import ALL, Change, SessionSettings, Show, set_profiling

OPENING = SessionSettings.from_wire({"statement_timeout": "0", "session_timeout": "600"}, catalog="default")


def change(judge: Judge, script: str) -> Change:
    """What a script asks for."""
    [planned] = judge(script)
    assert isinstance(planned.setting, Change)
    return planned.setting


@pytest.mark.parametrize(
    ("script", "name", "value"),
    [
        ("SET statement_timeout = 5", "statement_timeout", "5"),
        ("set STATEMENT_TIMEOUT to '5'", "statement_timeout", "5"),
        ("SET SESSION statement_timeout = '250ms'", "statement_timeout", "0.25"),
        ("SET statement_timeout = 2min", "statement_timeout", "120"),
        ("SET statement_timeout TO '1.5h'", "statement_timeout", "5400"),
        ("SET statement_timeout = '1 d'", "statement_timeout", "86400"),
        ("SET statement_timeout = 1000000", "statement_timeout", "1000000"),
        ("SET \"statement_timeout\" = '10s'", "statement_timeout", "10"),
        ("SET session_timeout = 0", "session_timeout", "0"),
        ("SET session_timeout = '300ms'", "session_timeout", "1"),
        ("SET session_timeout = 86400", "session_timeout", "86400"),
        ("SET timezone = 'Asia/Shanghai'", "TimeZone", "Asia/Shanghai"),
        ("SET TIME ZONE 'UTC'", "TimeZone", "UTC"),
        ("SET search_path = main", "search_path", "main"),
        ('SET search_path TO s1, "we ird"', "search_path", "s1, we ird"),
        ("SET search_path = 's1,temp.main'", "search_path", "s1, temp.main"),
        ("SET SCHEMA 's1'", "search_path", "s1"),
        ("USE s1", "search_path", "s1"),
        ('USE "default"', "search_path", "main"),
        ('USE "DEFAULT".s1', "search_path", "s1"),
        ("SET application_name = 'x''y'", "application_name", "x'y"),
        ("SET client_encoding TO 'utf-8'", "client_encoding", "UTF8"),
        ("SET NAMES 'UTF8'", "client_encoding", "UTF8"),
        ("SET DateStyle = ISO", "DateStyle", "ISO, MDY"),
        ("SET datestyle TO ISO, MDY", "DateStyle", "ISO, MDY"),
        ("SET extra_float_digits = 3", "extra_float_digits", "1"),
        ("SET standard_conforming_strings = ON", "standard_conforming_strings", "on"),
        ("SET standard_conforming_strings = yes", "standard_conforming_strings", "on"),
        ("SET standard_conforming_strings TO 1", "standard_conforming_strings", "on"),
    ],
)
def test_setting_is_read(judge: Judge, script: str, name: str, value: str) -> None:
    """A setting is known by its name in any case, its value in any form it may take."""
    read = change(judge, script)
    assert (read.name, read.value) == (name, value)
    after = OPENING.apply(read)
    assert after.as_wire().get(name, after.show(name)) == value


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        *(
            ("0", "0"),
            ("1", "1s"),
            ("90", "90s"),
            ("600", "10min"),
            ("3600", "1h"),
            ("86400", "1d"),
            ("86401", "86401s"),
        ),
        *(
            ("'500ms'", "500ms"),
            ("'1500ms'", "1500ms"),
            ("'0.4ms'", "1ms"),
            ("'1us'", "1ms"),
            ("'2.0s'", "2s"),
            ("'36h'", "36h"),
        ),
    ],
)
def test_a_time_is_shown_with_its_unit(judge: Judge, given: str, shown: str) -> None:
    """The largest that leaves no fraction, as in PostgreSQL; none for 0; set to what is shown it stays what it is."""
    once = OPENING.apply(change(judge, f"SET statement_timeout = {given}"))
    assert once.show("statement_timeout") == shown
    again = OPENING.apply(change(judge, f"SET statement_timeout = '{shown}'"))
    assert again.as_wire() == once.as_wire()


@pytest.mark.parametrize(
    ("script", "state"),
    [
        ("SET statement_timeout = 'soon'", "22023"),
        ("SET statement_timeout = -1", "22023"),
        ("SET statement_timeout = '5 weeks'", "22023"),
        ("SET session_timeout = 86401", "22023"),
        ("SET session_timeout = '25h'", "22023"),
        ("SET client_encoding = 'GBK'", "22023"),
        ("SET standard_conforming_strings = off", "22023"),
        ("SET DateStyle = 'SQL, DMY'", "22023"),
        ("SET nothing_like_it = 1", "42704"),
        ("RESET nothing_like_it", "42704"),
        ("SET external_threads = 8", "42501"),
        ("SET memory_limit = '100GB'", "42501"),
        ("RESET memory_limit", "42501"),
        ("SET GLOBAL TimeZone = 'UTC'", "42501"),
        ("SET enable_external_access = true", "42501"),
        ("SET allowed_directories = ['/']", "42501"),
        ("SET lock_configuration = false", "42501"),
        ("SET temp_directory = '/'", "42501"),
        ("SET file_search_path = '/'", "42501"),
        ("SET search_path = 'memory.main'", "42501"),
        ("SET schema = 'system.main'", "42501"),
        ("USE memory", "42501"),
        ("USE other.main", "42501"),
        ("USE a.b.c", "42501"),
        ("SET statement_timeout", "42601"),
        ("SET statement_timeout = (SELECT 1)", "42601"),
        ("SET = 1", "42601"),
        ("SET search_path = a b", "42601"),
        ("SET search_path = a,", "42601"),
        ("RESET", "42601"),
        ("RESET statement_timeout now", "42601"),
        ("SET TRANSACTION READ ONLY", "0A000"),
    ],
)
def test_setting_is_refused(judge: Judge, script: str, state: str) -> None:
    """What is wrong with a setting is told by its SQLSTATE."""
    with pytest.raises(EngineError) as refusal:
        judge(script)
    assert refusal.value.sql_state == state


def test_every_parameter_of_the_engine_is_refused_or_ours(judge: Judge, lake: Lake) -> None:
    """No parameter the engine knows can be set, but for those that are a session's own."""
    taken: set[str] = set()
    states: dict[str, set[str]] = {}
    for name in sorted(lake.vocabulary.settings):
        try:
            judge(f"SET {name} = 'x'")
        except EngineError as refusal:
            states.setdefault(refusal.sql_state, set()).add(name)
        else:
            taken.add(name)
    assert taken == {"timezone", "search_path", "schema"}
    # The value of those that a session may set is wrong.
    assert states.pop("22023") == {*engine_settings.NAMES, "default_order", "calendar"}
    assert set(states) == {"42501"}


def test_engine_has_its_share_of_a_change(judge: Judge, lake: Lake) -> None:
    """A time zone or schema is set in the engine too, and the default brings back the catalog's own schema."""
    connection = lake.connection.cursor()
    connection.execute('CREATE SCHEMA IF NOT EXISTS "default"."se""t"')
    for script, schema in (('USE "se""t"', 'se"t'), ("SET search_path = DEFAULT", "main"), ("RESET ALL", "main")):
        for statement in judge(script)[0].statements:
            connection.execute(statement)
        assert connection.execute("SELECT current_catalog(), current_schema()").fetchone() == ("default", schema)
    for statement in judge("SET TimeZone = 'Asia/Shanghai'")[0].statements:
        connection.execute(statement)
    assert connection.execute("SELECT current_setting('TimeZone')").fetchone() == ("Asia/Shanghai",)


def test_settings_begin_as_they_are_opened() -> None:
    """A session begins with its service's time-outs, and its engine is brought to the same settings."""
    settings = SessionSettings.from_wire({"statement_timeout": "30", "session_timeout": "60"}, catalog='a"b')
    assert settings.as_wire() == {"statement_timeout": "30", "session_timeout": "60"}
    assert settings.engine()[:3] == ('USE "a""b"."main"', "SET TimeZone = 'UTC'", set_profiling("on"))
    assert "SET threads = '1'" in settings.engine()
    assert SessionSettings().as_wire() == {"statement_timeout": "0", "session_timeout": "600"}


def test_default_and_reset_give_what_the_session_began_with(judge: Judge) -> None:
    """DEFAULT, RESET and RESET ALL bring back the value of the opening."""
    opening = SessionSettings.from_wire({"statement_timeout": "30"}, catalog="default")
    changed = opening.apply(change(judge, "SET statement_timeout = 5"))
    assert changed.as_wire()["statement_timeout"] == "5"
    assert opening.as_wire()["statement_timeout"] == "30"
    for script in ("SET statement_timeout = DEFAULT", "RESET statement_timeout", "RESET ALL"):
        assert changed.apply(change(judge, script)).as_wire()["statement_timeout"] == "30"


def test_local_setting_ends_with_the_transaction(judge: Judge) -> None:
    """SET LOCAL holds until the transaction ends; a plain SET after it stays."""
    local = OPENING.begin_transaction().apply(change(judge, "SET LOCAL statement_timeout = 5"))
    assert local.as_wire()["statement_timeout"] == "5"
    assert local.commit() == local.roll_back() == OPENING
    both = local.apply(change(judge, "SET statement_timeout = 7"))
    assert both.commit().as_wire()["statement_timeout"] == "7"
    assert both.roll_back() == OPENING


def test_local_setting_of_the_engine_ends_with_the_transaction(judge: Judge) -> None:
    """The engine's own statements of a SET LOCAL are not those of the session."""
    session = OPENING.apply(change(judge, "SET TimeZone = 'Asia/Shanghai'"))
    local = session.begin_transaction().apply(change(judge, "SET LOCAL TimeZone = 'Europe/Berlin'"))
    assert "SET TimeZone = 'Europe/Berlin'" in local.engine()
    assert local.commit().engine() == local.roll_back().engine() == session.engine()
    again = local.apply(change(judge, "SET TimeZone = 'America/Lima'"))
    assert again.commit().show("TimeZone") == "America/Lima"
    assert "SET TimeZone = 'America/Lima'" in again.commit().engine()


def test_local_setting_outside_a_transaction_changes_nothing(judge: Judge) -> None:
    """As in PostgreSQL, which only warns."""
    for script in ("SET LOCAL statement_timeout = 5", "SET LOCAL TimeZone = 'Asia/Shanghai'"):
        assert OPENING.apply(change(judge, script)) == OPENING


@pytest.mark.parametrize("script", ["SET statement_timeout = 5", "RESET statement_timeout", "RESET ALL", "USE s1"])
def test_rolled_back_settings_are_as_the_transaction_found_them(judge: Judge, script: str) -> None:
    """Whatever changed them, also RESET ALL."""
    session = OPENING.apply(change(judge, "SET statement_timeout = 3"))
    within = session.begin_transaction().apply(change(judge, script))
    assert within.roll_back() == session
    assert within.commit().show("statement_timeout") == within.show("statement_timeout")


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("SHOW statement_timeout", "statement_timeout"),
        ("show TIMEZONE", "TimeZone"),
        ("SHOW TIME ZONE", "TimeZone"),
        ("SHOW schema", "search_path"),
        ("SHOW transaction isolation level", "transaction_isolation"),
        ("SHOW standard_conforming_strings;", "standard_conforming_strings"),
        ("SHOW ALL", ALL),
    ],
)
def test_show_names_the_setting(judge: Judge, script: str, name: str) -> None:
    """SHOW of a setting asks for its value under its own name."""
    assert judge(script)[0].setting == Show(name)


def test_show_all_has_every_setting() -> None:
    """SHOW ALL gives each setting with its value and what it is for."""
    rows = OPENING.show_all()
    assert ("session_timeout", "10min") in [row[:2] for row in rows]
    assert len({name for name, _, _ in rows}) == len(rows)
    assert all(about.endswith(".") for _, _, about in rows)
