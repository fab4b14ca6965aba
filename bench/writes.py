"""Small writes, and what they leave for readers: asked of a running service, and of DuckDB alone."""

import itertools
import time
from collections.abc import Callable
from typing import Final

from bench.bare import connect
from bench.served import Target
from treadle.demo.client import Session

SETTLE_SECONDS: Final = 10.0
"""Seconds after the last write in which a service may maintain its catalog before readers come."""

READS: Final = 20

_numbers = itertools.count(1)

Run = Callable[[str], object]


def insert_one(target: Target, count: int) -> list[float]:
    """Seconds of each INSERT of one row that commits by itself."""
    with target.session() as session:
        return _insert(session.run, count)[1]


def select_many(target: Target, count: int) -> list[float]:
    """Seconds of each SELECT over a table that came to be by ``count`` inserts of one row."""
    with target.session() as session:
        table, _ = _insert(session.run, count)
        time.sleep(SETTLE_SECONDS)
        return _select(session, table)


def insert_one_alone(count: int) -> list[float]:
    """The same into a table in memory."""
    return _insert(connect().execute, count)[1]


def _insert(run: Run, count: int) -> tuple[str, list[float]]:
    table = f"small_writes_{next(_numbers)}"
    run(f"CREATE TABLE {table} (i INTEGER, name VARCHAR, amount DOUBLE, made TIMESTAMP)")
    taken = []
    for number in range(count):
        started = time.perf_counter()
        run(f"INSERT INTO {table} VALUES ({number}, 'name {number}', 1.5, TIMESTAMP '2024-01-01 00:00:00')")
        taken.append(time.perf_counter() - started)
    return table, taken


def _select(session: Session, table: str) -> list[float]:
    taken = []
    for _ in range(READS):
        started = time.perf_counter()
        session.run(f"SELECT count(*), sum(i), max(name) FROM {table}")
        taken.append(time.perf_counter() - started)
    return taken
