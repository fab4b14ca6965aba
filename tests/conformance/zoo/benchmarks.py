"""TPC-H and TPC-DS as DuckDB's extensions bring them."""

import importlib.resources

import duckdb


def load_benchmark(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load the extension ``tpch`` or ``tpcds`` from its wheel; the connection must allow unsigned ones."""
    files = importlib.resources.files(f"duckdb_extension_{name}")
    found = files.joinpath("extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
    with importlib.resources.as_file(found) as path:
        connection.load_extension(str(path))


def queries(benchmark: str) -> dict[int, str]:
    """The queries of a benchmark by their number."""
    with duckdb.connect(config={"allow_unsigned_extensions": True}) as connection:
        load_benchmark(connection, benchmark)
        return dict(connection.execute(f"SELECT query_nr, query FROM {benchmark}_queries()").fetchall())
