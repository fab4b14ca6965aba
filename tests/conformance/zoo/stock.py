"""What the kinds read: tables, files, views, TPC-H and TPC-DS, each made when it is first needed."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from bench import child
from tests.support.world import World
from treadle.demo.client import ResultReply

ROOT = Path(__file__).parents[3]


class Size(NamedTuple):
    """How much there is to read: rows of the zoo's own table, and the scale of TPC-H and TPC-DS."""

    rows: int
    scale: float


SMALL = Size(rows=200_000, scale=0.01)
FULL = Size(rows=1_000_000, scale=1.0)


class Stock:
    """The data of one world. ``cache`` keeps the TPC files and is in the service's `copy_dirs`."""

    def __init__(self, world: World, size: Size, cache: Path) -> None:
        self.world = world
        self.size = size
        self._cache = cache
        self._there: set[str] = set()
        self._makers: dict[str, Callable[[], None]] = {
            "rows": self._rows,
            "files": self._files,
            "fifo": self._fifo,
            "views": self._views,
            "tpch": lambda: self._tables("tpch"),
            "tpcds": lambda: self._tables("tpcds"),
        }
        self._session = world.session()
        self.run("SET session_timeout TO 0")

    def run(self, sql: str) -> ResultReply:
        """Run a statement in a session of the stock's own."""
        return self._session.run(sql)

    def bring(self, needs: Iterable[str]) -> None:
        """Make what is needed and not there yet."""
        for need in needs:
            if need not in self._there:
                self._makers[need]()
                self._there.add(need)

    def _rows(self) -> None:
        self.run(
            "CREATE OR REPLACE TABLE zoo_rows AS "
            f"SELECT i, hash(i) h, i % 1000 v, 'row ' || i s FROM range({self.size.rows}) t(i)"
        )

    def _files(self) -> None:
        self.bring(("rows",))
        for name in ("zoo_in.csv", "zoo_in.parquet", "zoo_in.json"):
            self.run(f"COPY zoo_rows TO '{name}'")
        self.run("COPY (SELECT *, i % 200 p FROM zoo_rows) TO 'zoo_many' (FORMAT csv, PARTITION_BY p)")

    def _fifo(self) -> None:
        os.mkfifo(self.world.files / "zoo_fifo.csv")

    def _views(self) -> None:
        """Views of views: 4 to the power of n terms in the nth."""
        self.run("CREATE OR REPLACE VIEW zoo_view_0 AS SELECT 1 AS i")
        for n in range(1, 5):
            terms = " UNION ALL ".join([f"SELECT i FROM zoo_view_{n - 1}"] * 4)
            self.run(f"CREATE OR REPLACE VIEW zoo_view_{n} AS {terms}")

    def _tables(self, benchmark: str) -> None:
        """Load a benchmark's tables into a schema of its name."""
        folder = self._cache / f"{benchmark}-{self.size.scale:g}"
        if not folder.exists():
            generate(benchmark, folder, self.size.scale)
        self.run(f"CREATE SCHEMA IF NOT EXISTS {benchmark}")
        for path in sorted(folder.glob("*.parquet")):
            self.run(f"CREATE TABLE {benchmark}.{path.stem} AS FROM read_parquet('{path}')")


def generate(benchmark: str, folder: Path, scale: float) -> None:
    """Make the files of a benchmark; the folder appears whole or not at all."""
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    command = [*child.command("tests.conformance.zoo.generate"), benchmark, str(unfinished), "--scale"]
    try:
        subprocess.run([*command, str(scale)], cwd=ROOT, check=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
