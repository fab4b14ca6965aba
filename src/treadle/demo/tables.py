"""TPC-H in the demo workspace: made by a child process, loaded through the API, reused when there."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from treadle import interpreter
from treadle.demo.client import Session

TABLES: Final = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")

FOLDER: Final = "tpch"
"""Where the files lie for the moment of loading, inside the workspace's files folder."""

Say = Callable[[str], None]


class GenerationFailed(Exception):
    """The child process that makes the data ended badly."""


def load_tpch(session: Session, files_folder: Path, scale: float, say: Say) -> dict[str, int]:
    """Rows of each TPC-H table in the session's catalog, the missing ones loaded at ``scale``.

    ``files_folder`` is the workspace's files folder. Raises `GenerationFailed`, `StatementFailed`.
    """
    there = _tables(session)
    rows = {table: _rows(session, table) if table in there else None for table in TABLES}
    missing = [table for table, count in rows.items() if count is None]
    if missing:
        folder = files_folder / FOLDER
        try:
            _generate(folder, scale, say)
            for table in missing:
                session.run(f"CREATE TABLE {table} AS SELECT * FROM read_parquet('{FOLDER}/{table}.parquet')")
                rows[table] = _rows(session, table)
                say(f"  {table}: {rows[table]:,} rows")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return {table: count or 0 for table, count in rows.items()}


def _tables(session: Session) -> frozenset[str]:
    """List the tables in the session's schema."""
    result = session.run("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
    return frozenset(str(name) for (name,) in result.rows)


def _rows(session: Session, table: str) -> int:
    """Count the rows of a table."""
    return int(session.run(f"SELECT count(*) FROM {table}").rows[0][0] or 0)


def _generate(folder: Path, scale: float, say: Say) -> None:
    """Run the generator in a process of its own; the server's process must never load an engine."""
    say(f"making TPC-H data at scale {scale:g}")
    command = [*interpreter.command("m", "treadle.demo.generate"), str(folder), "--scale", str(scale)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            say(f"  {line.rstrip()}")
    if child.returncode:
        raise GenerationFailed(f"the TPC-H generator ended with exit code {child.returncode}")
