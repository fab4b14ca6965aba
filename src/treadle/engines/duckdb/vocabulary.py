"""Which of the engine's names a session may use.

Everything that can stand in ``FROM`` or ``CALL`` and is not known to be harmless is refused, so a
newer engine or one more extension opens no door by itself.
"""

from typing import Final

import duckdb
import msgspec


def words(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


READERS: Final = words(
    """
    glob parquet_bloom_probe parquet_file_metadata parquet_full_metadata parquet_kv_metadata parquet_metadata
    parquet_scan parquet_schema read_blob read_csv read_csv_auto read_json read_json_auto read_json_objects
    read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects read_parquet read_text sniff_csv
    """
)
"""Table functions that read files: their first argument is judged as a path."""

WRITERS: Final = frozenset(("dbgen",))
"""Procedures that write tables as any statement does; a ``CALL`` of them is committed."""

UPKEEP_METHODS: Final = words(
    """
    cleanup_old_files delete_orphaned_files expire_snapshots flush_inlined_data merge_adjacent_files
    rewrite_data_files set_option
    """
)
"""What maintains the catalog, as `catalog.name(…)`; only a ``CALL`` may say it."""

UPKEEP: Final = UPKEEP_METHODS | {f"ducklake_{name}" for name in UPKEEP_METHODS}
"""The same under all its names."""

QUERIES: Final = frozenset(("query", "query_table"))
"""Table functions that read what their first argument says: it is judged as the text of a query, or as a name."""

JUDGED: Final = READERS | QUERIES | {"current_setting", "json_serialize_plan"}
"""Functions that are judged by their first argument."""

LOOKING: Final = words(
    """
    duckdb_databases duckdb_extensions duckdb_settings duckdb_variables pg_database pg_settings pragma_database_list
    pragma_database_size
    """
)
"""Relations that stand for others of ours, which tell less."""

_HARMLESS_FUNCTIONS: Final = words(
    """
    duckdb_columns duckdb_constraints duckdb_coordinate_systems duckdb_dependencies duckdb_functions duckdb_indexes
    duckdb_keywords duckdb_optimizers duckdb_prepared_statements duckdb_schemas duckdb_sequences duckdb_tables
    duckdb_types duckdb_views ducklake_current_snapshot ducklake_last_committed_snapshot
    ducklake_snapshots ducklake_table_changes ducklake_table_deletions ducklake_table_info ducklake_table_insertions
    generate_series icu_calendar_names json_each json_tree pg_timezone_names
    pragma_collations pragma_platform pragma_show pragma_storage_info pragma_table_info pragma_user_agent
    pragma_version range repeat repeat_row summary test_all_types test_vector_types tpch_answers tpch_queries unnest
    """
)

_HARMLESS_VIEWS: Final = words(
    """
    character_sets check_constraints columns constraint_column_usage constraint_table_usage key_column_usage
    referential_constraints schemata tables table_constraints views
    duckdb_columns duckdb_constraints duckdb_indexes duckdb_schemas duckdb_tables duckdb_types duckdb_views
    sqlite_master sqlite_schema sqlite_temp_master sqlite_temp_schema
    pg_am pg_attrdef pg_attribute pg_class pg_collation pg_constraint pg_depend pg_description pg_enum pg_index
    pg_indexes pg_namespace pg_prepared_statements pg_proc pg_sequence pg_sequences pg_tables pg_tablespace pg_type
    pg_views
    """
)

# Scalar functions that run SQL given as text, write the log or access the outside, a macro over a relation that the
# service replaces, and functions of extensions.
_ALWAYS_REFUSED: Final = words(
    """
    getenv write_log json_execute_serialized_sql get_block_size
    sqlite_attach sqlite_query sqlite_scan postgres_attach postgres_execute postgres_query postgres_scan
    mysql_attach mysql_execute mysql_query mysql_scan iceberg_scan delta_scan read_xlsx st_read
    """
)

_CATALOG_PREFIX: Final = "ducklake_"
_NAMES: Final = """
    SELECT function_name FROM duckdb_functions() WHERE function_type IN ('table', 'table_macro')
"""
_FUNCTIONS: Final = "SELECT function_name FROM duckdb_functions()"
_VALUES: Final = "SELECT function_name FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate')"
_VIEWS: Final = "SELECT view_name FROM duckdb_views() WHERE internal"
# Scalar functions that give the same for the same arguments, whenever they are called.
_CONSTANT: Final = """
    SELECT function_name FROM duckdb_functions() WHERE function_type = 'scalar'
    GROUP BY 1 HAVING bool_and(stability = 'CONSISTENT')
"""
# The engine calls them so, although they tell of the session or of the moment.
_NOT_CONSTANT: Final = words("age current_localtime current_localtimestamp current_setting getvariable version")
# What cannot follow a table as its alias without AS.
_KEYWORDS: Final = """
    SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')
"""
_SETTINGS: Final = "SELECT lower(name) FROM duckdb_settings()"


class Vocabulary(msgspec.Struct, frozen=True):
    """The names of one engine instance, in lower case.

    ``refused`` may not appear at all, ``uncallable`` may appear (as a column, for example) but not be called,
    ``unreadable`` may be called but not used as a table, ``settings`` are the engine's parameters, ``functions`` all
    its functions, ``constant`` those whose value depends on their arguments alone, ``keywords`` the words that cannot
    be an alias.
    """

    refused: frozenset[str]
    uncallable: frozenset[str]
    unreadable: frozenset[str]
    settings: frozenset[str]
    functions: frozenset[str]
    constant: frozenset[str]
    keywords: frozenset[str]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> "Vocabulary":
        """Read the names once the extensions are loaded and before the session's catalog is attached."""
        functions = _column(connection, _NAMES) - _HARMLESS_FUNCTIONS - READERS - QUERIES - LOOKING - WRITERS
        views = _column(connection, _VIEWS) - _HARMLESS_VIEWS - LOOKING
        names = functions | views | _ALWAYS_REFUSED
        # A name of one plain word is too good a column name to be forbidden as such, and a function
        # runs only when it is called. DuckLake offers its functions as `catalog.name(…)` as well.
        plain = frozenset(name for name in names - views if "_" not in name)
        # Some names refer to both a table and a harmless value.
        unreadable = plain & _column(connection, _VALUES) - _ALWAYS_REFUSED
        methods = frozenset(
            name.removeprefix(_CATALOG_PREFIX) for name in functions if name.startswith(_CATALOG_PREFIX)
        )
        return cls(
            refused=names - plain,
            uncallable=plain - unreadable | methods,
            unreadable=unreadable,
            settings=_column(connection, _SETTINGS),
            functions=_column(connection, _FUNCTIONS),
            constant=_column(connection, _CONSTANT) - _NOT_CONSTANT,
            keywords=_column(connection, _KEYWORDS),
        )


def _column(connection: duckdb.DuckDBPyConnection, sql: str) -> frozenset[str]:
    return frozenset(str(name).lower() for (name,) in connection.execute(sql).fetchall())
