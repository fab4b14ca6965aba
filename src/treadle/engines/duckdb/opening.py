"""How a DuckDB session is made: loaded, limited, attached to its catalog, and locked, in this order."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from typing import Final

import duckdb
import msgspec

from treadle.engines.base import EngineError
from treadle.engines.duckdb import engine_settings
from treadle.engines.duckdb.extensions import extension_path
from treadle.engines.duckdb.metadata import Metadata
from treadle.wire import Attach, CatalogTarget

ATTACH_TRIES: Final = 5
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": "1",
    "allow_unsigned_extensions": "true",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "arrow_lossless_conversion": "true",
    "arrow_large_buffer_size": "true",
}
_RETRIES: Final = ("ducklake_max_retry_count = 300", "ducklake_retry_wait_ms = 10", "ducklake_retry_backoff = 1.01")
"""Commits of many sessions take turns: the loser of a race tries again, soon and for about 20 s in all."""

_PROGRESS: Final = ("enable_progress_bar_print = false", "enable_progress_bar = true")
"""Without the bar the engine does not count how far it is; nothing is printed."""


_SURROUNDINGS: Final = frozenset(("08", "28", "53", "57", "58"))
"""Classes of errors that are not the catalog's: connections, resources, a stop, disks."""


def preload() -> duckdb.DuckDBPyConnection:
    """An instance with the extensions loaded and nothing attached; raises `ExtensionDamaged`."""
    _settle_imports()
    # The module's own connection has a thread for every core, and a zygote must have but one.
    duckdb.default_connection().close()
    connection = duckdb.connect(":memory:", config=_CONFIG)
    for name in ("postgres_scanner", "ducklake"):
        connection.execute(f"LOAD '{extension_path(name)}'")
    _set(connection, *_RETRIES, *_PROGRESS)
    return connection


def _settle_imports() -> None:
    """Mark pandas as missing; otherwise the client searches all folders for it at each bound value."""
    if "pandas" not in sys.modules and importlib.util.find_spec("pandas") is None:
        sys.modules["pandas"] = None  # type: ignore[assignment]


def limit(connection: duckdb.DuckDBPyConnection, order: Attach) -> None:
    """Set what the session may use; raises `duckdb.Error`."""
    # For libpq, which looks for passwords, services and certificates at home.
    os.environ["HOME"] = order.home
    os.chdir(order.copy_dirs[0])
    _set(
        connection,
        f"threads = {order.limits.threads}",
        f"memory_limit = '{order.limits.memory}B'",
        f"temp_directory = {_literal(order.temp_dir)}",
        f"max_temp_directory_size = '{order.limits.spill}B'",
        f"home_directory = {_literal(order.home)}",
        f"extension_directory = {_literal(os.path.join(order.home, 'extensions'))}",
        f"secret_directory = {_literal(os.path.join(order.home, 'secrets'))}",
    )


class Lake(msgspec.Struct, frozen=True):
    """An attached catalog: the name of its data folder in this process, and facts about its tables.

    ``holds_inexact``: a table has a column of a type that is refused now; ``unmended`` are the tables that could not be
    brought up to date at this attach.
    """

    path: str
    holds_inexact: bool
    unmended: tuple[str, ...]


def attach(connection: duckdb.DuckDBPyConnection, target: CatalogTarget) -> Lake:
    """Attach the catalog, and create it if needed.

    Two sessions that open a new catalog at the same moment both try to create its tables, hence the retries. Raises
    `duckdb.Error`.
    """
    os.environ["PGPASSWORD"] = target.password
    lake_path = _nameless(target.data_path)
    left = ATTACH_TRIES
    while True:
        left -= 1
        try:
            _attach_or_create(connection, target, lake_path)
            metadata = Metadata(connection, target.name, target.metadata_name)
            while metadata.mend():
                connection.execute(f"DETACH {quoted(target.name)}")
                _attach_or_create(connection, target, lake_path)
            return Lake(lake_path, metadata.holds_inexact, metadata.unmended)
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            if not left:
                raise
            with contextlib.suppress(duckdb.Error):
                connection.execute(f"DETACH {quoted(target.name)}")


def _attach_or_create(connection: duckdb.DuckDBPyConnection, target: CatalogTarget, lake_path: str) -> None:
    lake = f"{_literal('ducklake:postgres:' + target.dsn)} AS {quoted(target.name)}"
    # Hidden, the metadata is in no listing of the engine's: SHOW, information_schema, pg_catalog, duckdb_tables().
    # Small writes go to Parquet as large ones do: rows kept inline in PostgreSQL lose the text of struct members,
    # and inlined deletes are undone by a compaction in another session (DuckLake 1.5.5).
    options = f"METADATA_CATALOG {_literal(target.metadata_name)}, META_HIDDEN true, DATA_INLINING_ROW_LIMIT 0"
    known = (
        f"ATTACH {lake} ({options}, DATA_PATH {_literal(lake_path)}, "
        "OVERRIDE_DATA_PATH true, CREATE_IF_NOT_EXISTS false)"
    )
    try:
        connection.execute(known)
    except duckdb.InvalidInputException:
        # A catalog that nobody has opened yet is made under the true name of its folder, and keeps that.
        connection.execute(f"ATTACH {lake} ({options}, DATA_PATH {_literal(target.data_path)})")
        connection.execute(f"DETACH {quoted(target.name)}")
        connection.execute(known)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Add to an error about what stands in the catalog how its operator finds out more."""
    try:
        yield
    except EngineError as error:
        if error.sql_state[:2] in _SURROUNDINGS:
            raise
        message = f"{error.message}; if definitions are to blame, `treadle catalog repair` finds them"
        raise EngineError(error.sql_state, message) from error


def touch(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Ask the catalog's metadata something small; raises `duckdb.Error` when it does not answer."""
    connection.execute(f"FROM {quoted(catalog)}.current_snapshot()").fetchall()


def lock(connection: duckdb.DuckDBPyConnection, order: Attach, lake_path: str) -> None:
    """Close every door that the engine can close itself; raises `duckdb.Error`."""
    folders = ", ".join(_literal(os.path.join(folder, "")) for folder in (lake_path, order.temp_dir, *order.copy_dirs))
    _set(
        connection,
        f"allowed_directories = [{folders}]",
        # By name alone: which values are allowed only the guard knows.
        f"allowed_configs = [{', '.join(_literal(name) for name in ('TimeZone', *engine_settings.NAMES))}]",
        # What an unknown name is like is not looked for in the metadata: "did you mean" would tell of it.
        "catalog_error_max_schemas = 0",
        "enable_external_access = false",
        "lock_configuration = true",
    )


def _set(connection: duckdb.DuckDBPyConnection, *settings: str) -> None:
    for setting in settings:
        connection.execute(f"SET {setting}")


def _nameless(folder: str) -> str:
    """The folder under a name that does not tell where it lies: any SQL can ask for the names of a table's files."""
    return folder if "://" in folder else f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY)}/"


def quoted(text: str) -> str:
    """A name as SQL writes it."""
    return '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
