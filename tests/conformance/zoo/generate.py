"""TPC-H and TPC-DS as Parquet files, made by DuckDB alone. Runs as a process of its own.

``python -m tests.conformance.zoo.generate tpcds FOLDER --scale 1`` writes ``<table>.parquet`` for each table.
"""

import argparse
import tempfile
from pathlib import Path

import duckdb

from tests.conformance.zoo.benchmarks import load_benchmark
from treadle.demo.generate import write_tpch


def write_tpcds(folder: Path, scale: float) -> None:
    """Write the tables of TPC-DS at ``scale`` (1 is 2,880,404 store sales)."""
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {"allow_unsigned_extensions": True}
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".tpcds-") as scratch,
        duckdb.connect(str(Path(scratch) / "tpcds.duckdb"), config=config) as connection,
    ):
        load_benchmark(connection, "tpcds")
        connection.execute("SET enable_progress_bar = false")
        connection.execute("CALL dsdgen(sf = $1)", [scale]).fetchall()
        for (table,) in connection.execute("SHOW TABLES").fetchall():
            connection.table(table).write_parquet(str(folder / f"{table}.parquet"))


def main() -> None:
    """Write the files the command line asks for."""
    parser = argparse.ArgumentParser(description="Write TPC-H or TPC-DS as Parquet files.")
    parser.add_argument("benchmark", choices=("tpch", "tpcds"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    if given.benchmark == "tpch":
        write_tpch(given.folder, given.scale, lambda _: None)
    else:
        write_tpcds(given.folder, given.scale)


if __name__ == "__main__":
    main()
