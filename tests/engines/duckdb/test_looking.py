"""What a session sees of its engine: parameters, databases, extensions, and nothing of where they lie."""

import json
from typing import Any

import duckdb
import pytest

from tests.engines.duckdb.conftest import METADATA, Judge, Lake
from treadle.engines.base import EngineError
from treadle.engines.duckdb.looking import relation
from treadle.engines.duckdb.settings import SessionSettings
from treadle.engines.duckdb.vocabulary import LOOKING

LOOKS = [
    *("FROM duckdb_settings()", "FROM system.main.duckdb_settings()", "SELECT * FROM DUCKDB_SETTINGS ( ) s"),
    *("FROM pg_settings", "FROM pg_catalog.pg_settings p", 'FROM "pg_settings"', "FROM main.pg_settings AS p(a)"),
    *("FROM duckdb_databases()", "FROM duckdb_databases", 'SELECT * FROM "duckdb_databases" d', "FROM pg_database"),
    *("FROM pg_catalog.pg_database", "FROM pragma_database_list", "FROM duckdb_extensions()"),
    *("FROM pragma_database_size()", "PRAGMA database_size", "PRAGMA database_list", "PRAGMA show_databases"),
    *("FROM (SHOW DATABASES)", 'FROM (SHOW "databases")', "WITH d AS (SHOW DATABASES) FROM d", "SHOW DATABASES"),
    *("FROM t, duckdb_databases() d", "FROM t JOIN pg_settings p ON p.name = t.s", "FROM (pg_database JOIN t ON true)"),
    *("FROM t LEFT JOIN duckdb_databases ON true", "DESCRIBE duckdb_databases", "SUMMARIZE pg_settings"),
    *("SELECT (SELECT count(*) FROM duckdb_databases)", "FROM x: duckdb_databases()", "DESC pg_database"),
    *("FROM query('FROM duckdb_databases()')", "FROM query($$FROM query('FROM pg_settings')$$)"),
    *("FROM query('SHOW DATABASES')", "FROM duckdb_databases() WHERE true", "FROM duckdb_databases() LIMIT 9"),
    *("FROM duckdb_databases() -- x", "FROM duckdb_databases /* x */ ()", "FROM\u00a0query('FROM\u3000pg_database')"),
    *("SELECT duckdb_databases.path FROM duckdb_databases()", "FROM duckdb_databases TABLESAMPLE 100%"),
    *("FROM ducklake_options('default')", 'FROM "default".options()', "CALL options()", "FROM t, options() AS o"),
    *("FROM ducklake_settings('default') s", 'CALL "default".settings()', "SELECT settings.data_path FROM settings()"),
    *("SELECT pg_settings.* FROM pg_settings ORDER BY pg_settings.name", "FROM duckdb_settings() POSITIONAL JOIN t"),
]


def rows(judge: Judge, lake: Lake, script: str) -> list[tuple[Any, ...]]:
    """What a query gives."""
    connection = at(lake)
    [planned] = judge(script)
    *before, last = planned.statements
    for statement in before:
        connection.execute(statement)
    found: list[tuple[Any, ...]] = connection.execute(last).fetchall()
    return found


def at(lake: Lake) -> duckdb.DuckDBPyConnection:
    """A connection on the session's catalog."""
    connection = lake.connection.cursor()
    connection.execute('USE "default"')
    connection.execute(SessionSettings().published())
    return connection


def test_every_relation_is_known_to_the_guard() -> None:
    """The guard replaces each relation that there is a query for, and no other."""
    for name in LOOKING:
        assert relation(name, "c", called=True) or relation(name, "c", called=False), name
    assert relation("duckdb_secrets", "c", called=True) is None


@pytest.mark.parametrize("script", LOOKS)
def test_look_tells_no_path_and_no_secret(judge: Judge, lake: Lake, script: str) -> None:
    """No relation tells where files lie, of the metadata, or of a database that is not the session's."""
    lake.connection.execute(f"SET home_directory = '{lake.other}/hidden'")
    found = rows(judge, lake, script)
    lake.connection.execute("RESET home_directory")
    told = json.dumps(found, default=str)
    for secret in (str(lake.data.parent), METADATA, "hidden", "ducklake_data_file"):
        assert secret not in told, script
    cells = {str(cell) for row in found for cell in row}
    assert not {cell for cell in cells if cell == "memory" or cell.startswith("/")}


@pytest.mark.parametrize(
    ("ours", "engines"),
    [
        ("FROM duckdb_settings()", "FROM duckdb_settings()"),
        ("FROM pg_settings", "FROM pg_settings"),
        ("FROM duckdb_databases()", "FROM duckdb_databases()"),
        ("FROM duckdb_databases", "FROM duckdb_databases"),
        ("FROM pg_database", "FROM pg_database"),
        ("FROM pragma_database_list", "FROM pragma_database_list"),
        ("FROM duckdb_extensions()", "FROM duckdb_extensions()"),
        ("FROM pragma_database_size()", "FROM pragma_database_size()"),
        ("SHOW DATABASES", "SHOW DATABASES"),
    ],
)
def test_relation_has_the_engines_columns(judge: Judge, lake: Lake, ours: str, engines: str) -> None:
    """A relation of ours has the names and types of the one it stands for."""

    def columns(statement: "duckdb.Statement | str") -> list[tuple[str, str]]:
        described = lake.connection.cursor().execute(statement).description or []
        return [(str(one[0]), str(one[1])) for one in described]

    assert columns(judge(ours)[0].statements[-1]) == columns(engines)


def test_values_are_the_engines(judge: Judge, lake: Lake) -> None:
    """What is shown is true: the parameters a session may know, its catalog, the extensions that are loaded."""
    session = SessionSettings()
    settings = dict(rows(judge, lake, "SELECT name, value FROM duckdb_settings()"))
    assert settings.items() >= {name: value for name, value, _ in session.show_all()}.items()
    bounds = ("max_memory", "memory_limit", "max_temp_directory_size")
    assert {name: value for name, value in settings.items() if name in bounds} == dict(
        lake.connection.execute("SELECT name, value FROM duckdb_settings() WHERE name IN ?", [bounds]).fetchall()
    )
    assert "temp_directory" not in settings
    shown = dict(rows(judge, lake, "SELECT name, setting FROM pg_settings"))
    assert shown == settings
    assert shown["server_encoding"] == "UTF8"
    assert rows(judge, lake, "SELECT datname FROM pg_database") == [("default",)]
    assert rows(judge, lake, "SELECT database_name, path, type FROM duckdb_databases") == [
        ("default", None, "ducklake")
    ]
    loaded = rows(judge, lake, "SELECT extension_name FROM duckdb_extensions() WHERE loaded ORDER BY 1")
    assert ("ducklake",) in loaded
    assert [row[0] for row in rows(judge, lake, "PRAGMA database_size")] == ["default"]
    asked = "SELECT current_setting('threads')"
    assert rows(judge, lake, asked) == lake.connection.execute(asked).fetchall()


def test_view_and_macro_keep_what_was_judged(judge: Judge, lake: Lake) -> None:
    """A view or macro over such a relation reads ours, whoever reads it."""
    connection = at(lake)
    for script in (
        "CREATE VIEW looked AS FROM duckdb_databases()",
        "CREATE MACRO looking() AS TABLE FROM query('SELECT * FROM duckdb_databases()')",
    ):
        for statement in judge(script)[0].statements:
            connection.execute(statement)
    other = lake.connection.cursor()
    try:
        for sql in ('FROM "default".main.looked', 'FROM "default".main.looking()'):
            assert {row[2] for row in other.execute(sql).fetchall()} == {None}
    finally:
        connection.execute("DROP VIEW looked")
        connection.execute("DROP MACRO TABLE looking")


def test_statement_is_told_as_it_was_written(judge: Judge) -> None:
    """The text on record is the caller's own."""
    assert judge("FROM duckdb_settings() ;")[0].text == "FROM duckdb_settings()"
    assert judge("PREPARE p AS SHOW DATABASES")[0].text == "PREPARE p AS SHOW DATABASES"


def test_relation_within_a_copy_is_ours(judge: Judge, lake: Lake) -> None:
    """The query of a COPY gets the same relations, and its file the same judgement."""
    [planned] = judge("COPY (FROM duckdb_databases()) TO 'listed.csv' (FORMAT csv)")
    assert planned.copy_to is not None
    assert "NULL::VARCHAR AS path" in planned.copy_to.staged("x")
    with pytest.raises(EngineError):
        judge("COPY (FROM duckdb_databases()) TO '/x/listed.csv'")
