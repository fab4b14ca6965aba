"""What a session sees of its engine: relations that stand in the place of those that would tell too much.

The engine's own tell of paths, of every parameter, and of what else is attached. A name of one of them is
replaced in the text that the engine gets, so that it holds in views and macros as well.
"""

from collections.abc import Container
from typing import Final

import duckdb

from treadle.engines.base import EngineError
from treadle.engines.duckdb import engine_settings
from treadle.engines.duckdb.edits import string
from treadle.engines.duckdb.settings import PUBLISHED, SEPARATOR, SETTINGS

_ENGINES: Final = frozenset(("memory_limit", "max_memory", "max_temp_directory_size"))
"""The engine's parameters that a session may see but not set."""

_PLACES: Final = {
    **{key: at for at, key in enumerate(sorted(SETTINGS), start=1)},
    **{key: sorted(SETTINGS).index(name.lower()) + 1 for key, name in engine_settings.NAMES.items()},
    "schema": sorted(SETTINGS).index("search_path") + 1,
}
"""The position of a setting among the published values, by each of its names in lower case."""

READABLE: Final = _PLACES.keys() | _ENGINES
"""The settings, in lower case, that a session may read."""

SETTING: Final = "current_setting"

QUALIFIERS: Final = frozenset(("system", "main", "pg_catalog"))
"""What may stand before the name of such a relation."""

_TYPE: Final = """
    CASE WHEN input_type = 'VARCHAR' THEN 'string' WHEN input_type = 'BOOLEAN' THEN 'bool'
    WHEN input_type IN ('BIGINT', 'UBIGINT') THEN 'integer' ELSE input_type END AS vartype
"""
_VALUES: Final = f"string_split(getvariable({string(PUBLISHED)}), chr({ord(SEPARATOR)}))"
"""The values of all settings as shown by SHOW, in the order of their names."""

_OWN: Final = ", ".join(
    f"({position}, {string(SETTINGS[key].name)}, {string(SETTINGS[key].about)})"
    for position, key in enumerate(sorted(SETTINGS), start=1)
)
_ALL_SETTINGS: Final = f"""
    SELECT own.name, {_VALUES}[own.place] AS value, own.about AS description,
        coalesce(engine.input_type, 'VARCHAR') AS input_type, coalesce(engine.scope, 'LOCAL') AS scope,
        coalesce(engine.aliases, []::VARCHAR[]) AS aliases
    FROM (VALUES {_OWN}) AS own(place, name, about)
    LEFT JOIN duckdb_settings() AS engine ON lower(engine.name) = lower(own.name)
    UNION ALL
    SELECT name, value, description, input_type, scope, aliases FROM duckdb_settings()
    WHERE name IN ({", ".join(sorted(map(string, _ENGINES)))})
"""  # noqa: S608
_EXTENSIONS: Final = ", ".join(
    f"({string(name)}, {string(duckdb.__version__)})"
    for name in ("core_functions", "ducklake", "icu", "json", "parquet", "postgres_scanner")
)
_NO_TAGS: Final = "MAP([]::VARCHAR[], []::VARCHAR[])"

# None of these has anything in it but words of ours.
_CALLED: Final = {
    "duckdb_settings": _ALL_SETTINGS,
    "duckdb_variables": f"SELECT * FROM duckdb_variables() WHERE name <> {string(PUBLISHED)}",  # noqa: S608
    "duckdb_databases": f"""
        SELECT database_name, database_oid, NULL::VARCHAR AS path, comment, {_NO_TAGS} AS tags, internal, type,
        readonly, encrypted, cipher, {_NO_TAGS} AS options FROM duckdb_databases()
        WHERE database_name IN ({{catalog}}, 'system', 'temp')
    """,  # noqa: S608
    # The engine's own function reads a folder that a session has no access to.
    "duckdb_extensions": f"""
        SELECT name AS extension_name, true AS loaded, true AS installed, '' AS install_path, '' AS description,
        []::VARCHAR[] AS aliases, version AS extension_version, 'STATICALLY_LINKED' AS install_mode,
        '' AS installed_from FROM (VALUES {_EXTENSIONS}) AS extension(name, version)
    """,  # noqa: S608
    "pragma_database_size": "SELECT * FROM pragma_database_size() WHERE database_name = {catalog}",
}
_NAMED: Final = {
    "duckdb_databases": f"{_CALLED['duckdb_databases']} AND NOT internal",
    "pg_settings": f"""
        SELECT name, value AS setting, description AS short_desc, {_TYPE} FROM ({_ALL_SETTINGS})
    """,  # noqa: S608
    "pg_database": """
        SELECT database_oid AS oid, database_name AS datname, true AS datallowconn, false AS datistemplate
        FROM duckdb_databases() WHERE database_name = {catalog}
    """,
    "pragma_database_list": """
        SELECT database_oid AS seq, database_name AS name, NULL::VARCHAR AS file FROM duckdb_databases()
        WHERE database_name = {catalog}
    """,
}


def setting_macro() -> str:
    """Build the macro `current_setting`, which replaces the engine's own and has the values of SHOW."""
    keys = ", ".join(map(string, _PLACES))
    places = ", ".join(map(str, _PLACES.values()))
    value = f"{_VALUES}[[{places}][list_position([{keys}], lower(name))]]"
    unknown = "error('unrecognized configuration parameter \"' || name || '\"')"
    return (
        f'CREATE OR REPLACE TEMP MACRO "{SETTING}"(name) AS {value}, '
        f"(name, missing_ok) AS CASE WHEN missing_ok THEN {value} ELSE coalesce({value}, {unknown}) END"
    )


def setting_call(name: str) -> str:
    """Name the function that returns a setting, given in lower case."""
    return f"system.main.{SETTING}" if name in _ENGINES else SETTING


def judged_call(name: str, settings: Container[str], *, missing_ok: bool) -> str:
    """Name the function that returns a setting.

    Raises `EngineError`: 42501 for a setting of the engine that no session may read, 42704 for an unknown one.
    """
    key = name.lower()
    if key not in READABLE and key in settings:
        raise EngineError("42501", f'permission denied for parameter "{name}"')
    if key not in READABLE and not missing_ok:
        raise EngineError("42704", f'unrecognized configuration parameter "{name}"')
    return setting_call(key)


def shown(name: str) -> str | None:
    """Build the query that replaces SHOW of a parameter that only the engine has; None for other names."""
    return f"SELECT {setting_call(name)}({string(name)}) AS {name}" if name in _ENGINES else None


def relation(name: str, catalog: str, *, called: bool) -> str | None:
    """The query in the place of a name; None where the engine has no such relation."""
    sql = (_CALLED if called else _NAMED).get(name)
    return None if sql is None else " ".join(sql.split()).replace("{catalog}", string(catalog))


def databases(catalog: str) -> str:
    """The query in the place of SHOW DATABASES, which tells of the session's catalog alone."""
    return f"SELECT {string(catalog)} AS database_name"


def pragma(name: str, catalog: str) -> str | None:
    """The query in the place of a PRAGMA; None where there is none."""
    match name:
        case "show_databases":
            return databases(catalog)
        case "database_size":
            return relation("pragma_database_size", catalog, called=True)
        case "database_list":
            return relation("pragma_database_list", catalog, called=False)
        case _:
            return None
