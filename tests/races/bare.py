"""The same races against DuckDB alone, where nothing guards the interrupt: they show that a trial has teeth."""

import random
import statistics
import threading
import time

import duckdb

from bench.bare import connect


def late_interrupts(victim: str, innocent: str, trials: int) -> int:
    """How often an interrupt meant for the victim, sent around its end, killed the innocent statement behind it."""
    moments = random.Random(1)
    connection = connect()
    length = _usual_seconds(connection, victim)
    killed = 0
    for _ in range(trials):
        waker = threading.Thread(target=_interrupt_after, args=(connection, moments.uniform(0, 1.5 * length)))
        waker.start()
        _interrupted(connection, victim)
        killed += _interrupted(connection, innocent)
        waker.join()
    return killed


def early_interrupts(sql: str, trials: int) -> int:
    """How often one interrupt, sent within the first millisecond, was forgotten and the statement ran to its end."""
    moments = random.Random(2)
    connection = connect()
    forgotten = 0
    for _ in range(trials):
        waker = threading.Thread(target=_interrupt_after, args=(connection, moments.uniform(0, 0.001)))
        waker.start()
        forgotten += not _interrupted(connection, sql)
        waker.join()
    return forgotten


def _usual_seconds(connection: duckdb.DuckDBPyConnection, sql: str) -> float:
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        connection.execute(sql).fetchall()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _interrupt_after(connection: duckdb.DuckDBPyConnection, seconds: float) -> None:
    time.sleep(seconds)
    connection.interrupt()


def _interrupted(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    try:
        connection.execute(sql).fetchall()
    except duckdb.InterruptException:
        return True
    return False
