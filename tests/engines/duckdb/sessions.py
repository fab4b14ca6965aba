"""Sessions on a catalog in PostgreSQL, as a worker makes them, without the worker."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from treadle.engines.base import EngineError, Rows
from treadle.engines.duckdb.adapter import DuckDB
from treadle.engines.duckdb.extensions import extension_path
from treadle.store.dsn import Address
from treadle.wire import Attach, CatalogTarget, Limits, Open

NAME = "lake"


class Place:
    """A catalog: its database, its folders, and what is in them."""

    def __init__(self, address: Address, folder: Path) -> None:
        self.address = address
        self.folder = folder
        for name in ("data", "files", "results", "spill"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def target(self) -> CatalogTarget:
        """What a worker is given."""
        return CatalogTarget(
            name=NAME,
            metadata_name="__ducklake_metadata_9c2f",
            dsn=self.address.libpq,
            password=self.address.password,
            data_path=f"{self.folder / 'data'}/",
        )

    def metadata(self, query: str) -> list[tuple[Any, ...]]:
        """What PostgreSQL answers about the catalog's metadata."""
        with psycopg.connect(self.address.dsn, autocommit=True) as connection:
            done = connection.execute(query.encode())
            return done.fetchall() if done.description else []


class Session:
    """One session; statements run to their end and are committed as the owner would allow."""

    def __init__(self, place: Place) -> None:
        self.engine = DuckDB.preload()
        self.files = place.folder / "files"
        self.order = Attach(
            catalog=place.target,
            limits=Limits(memory=2 * 2**30, threads=1, spill=2**30),
            temp_dir=str(place.folder / "spill"),
            home=str(place.folder),
            results_dir=str(place.folder / "results"),
            copy_dirs=(str(self.files),),
        )
        was = Path.cwd()
        try:
            self.unmended = self.engine.attach(self.order)
        finally:
            os.chdir(was)
        self.engine.open(Open(session_id="s"))

    def run(self, script: str, bindings: Sequence[str | None] | None = None) -> list[tuple[Any, ...]]:
        """The rows of the last statement of a script; raises `EngineError`."""
        rows: list[tuple[Any, ...]] = []
        for part in self.engine.split(script):
            try:
                outcome = self.engine.execute(part, uuid.uuid4().hex, None if bindings is None else [bindings], None)
                rows = []
                if isinstance(outcome, Rows):
                    rows = [tuple(row.values()) for batch in outcome.batches for row in batch.to_pylist()]
                if outcome.commits:
                    self.engine.commit()
            except EngineError:
                self.engine.rollback()
                raise
        return rows

    def unjudged(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement that the guard has not seen."""
        return self.engine._con.execute(statement).fetchall()

    def refusal(self, script: str) -> EngineError:
        """The error that a script ends with; the session goes on after it."""
        with pytest.raises(EngineError) as caught:
            self.run(script)
        assert self.run("ROLLBACK; SELECT 1 AS x") == [(1,)]
        return caught.value

    def shown(self, query: str) -> list[tuple[str | None, ...]]:
        """The rows of a query as text, one column each."""
        return self.run(f"SELECT COLUMNS(*)::VARCHAR FROM ({query})")


def extension(name: str) -> str:
    """The path of an engine extension."""
    return str(extension_path(name))


@contextmanager
def session(place: Place) -> Iterator[Session]:
    """A session that ends."""
    opened = Session(place)
    try:
        yield opened
    finally:
        opened.engine.close()
