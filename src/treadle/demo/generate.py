"""Write the TPC-H tables as Parquet files. Runs as a process of its own: it loads the engine.

``python -m treadle.demo.generate FOLDER --scale 1`` prints one line a step to standard output.
"""

import argparse
import importlib.resources
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from treadle.demo.interrupt import EXIT_CODE, interruptible
from treadle.demo.tables import TABLES

STEP_SCALE = 0.1
"""TPC-H scale made in one step: it bounds the memory and gives the progress its pace."""


def write_tpch(folder: Path, scale: float, say: Callable[[str], None]) -> None:
    """Write ``<table>.parquet`` for each table of TPC-H at ``scale`` (1 is 6,001,215 line items)."""
    folder.mkdir(parents=True, exist_ok=True)
    steps = max(1, math.ceil(scale / STEP_SCALE))
    with _scratch(folder) as connection:
        for step in range(steps):
            connection.execute("CALL dbgen(sf = $1, children = $2, step = $3)", [scale, steps, step]).fetchall()
            say(f"generated {(step + 1) / steps:.0%}")
        for table in TABLES:
            path = folder / f"{table}.parquet"
            connection.table(table).write_parquet(str(path))
            say(f"wrote {table}")


@contextmanager
def _scratch(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database on disk beside the files, so that any scale fits in the memory of a small machine."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tpch-") as scratch:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "allow_unsigned_extensions": True,
            "autoinstall_known_extensions": False,
            "memory_limit": "1GB",
            "temp_directory": scratch,
        }
        connection = duckdb.connect(str(Path(scratch) / "tpch.duckdb"), config=settings)
        try:
            with importlib.resources.as_file(_extension()) as path:
                connection.load_extension(str(path))
            yield connection
        finally:
            connection.close()


def _extension() -> importlib.resources.abc.Traversable:
    files = importlib.resources.files("duckdb_extension_tpch")
    return files.joinpath("extensions", f"v{duckdb.__version__}", "tpch.duckdb_extension")


def main() -> None:
    """Write the files the command line asks for; at Ctrl-C, or when nobody listens any more, end with 130.

    Nothing is said then: it is for whoever started us to say.
    """
    parser = argparse.ArgumentParser(description="Write TPC-H as Parquet files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    with interruptible("") as check:

        def say(line: str) -> None:
            print(line, flush=True)
            check()

        try:
            write_tpch(given.folder, given.scale, say)
        except BrokenPipeError:
            # What could not be written is still in the buffer and would be tried, and told, once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_CODE)


if __name__ == "__main__":
    main()
