"""The same work done by DuckDB alone, in this process: what the service is measured against."""

import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb

THREADS = 2


def connect() -> duckdb.DuckDBPyConnection:
    """A database in memory, with as many threads as a worker has."""
    return duckdb.connect(config={"threads": THREADS})


def select_one(count: int) -> list[float]:
    """Seconds of each ``SELECT 1``, rows fetched."""
    connection = connect()
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        connection.execute("SELECT 1").fetchall()
        taken.append(time.perf_counter() - started)
    return taken


def statements_per_second(sessions: int, seconds: float) -> float:
    """``SELECT 1`` a second, over that many cursors, each in a thread of its own."""
    connection = connect()
    end = time.perf_counter() + seconds

    def work(cursor: duckdb.DuckDBPyConnection) -> int:
        done = 0
        while time.perf_counter() < end:
            cursor.execute("SELECT 1").fetchall()
            done += 1
        return done

    with ThreadPoolExecutor(sessions) as pool:
        return sum(pool.map(work, [connection.cursor() for _ in range(sessions)])) / seconds


def interrupt(sql: str, count: int, after: float) -> list[float]:
    """Seconds from `interrupt()` to the end of the statement, sent once it has run for ``after`` seconds."""
    connection = connect()
    taken = []
    for _ in range(count):
        thread = threading.Thread(target=_run_to_interrupt, args=(connection, sql))
        thread.start()
        time.sleep(after)
        started = time.perf_counter()
        connection.interrupt()
        thread.join()
        taken.append(time.perf_counter() - started)
    return taken


def ignores_interrupt(sql: str, after: float, bound: float) -> float:
    """Seconds from `interrupt()` to the end of the statement, ``bound`` when it is still running then.

    It runs in a child process, because nothing but a kill ends it.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_interrupt_in_child, args=(sql, after, sender), daemon=True)
    child.start()
    sender.close()
    receiver.recv()  # interrupted now
    started = time.perf_counter()
    child.join(bound)
    taken = time.perf_counter() - started
    child.kill()
    child.join()
    return min(taken, bound)


def open_connection(count: int) -> list[float]:
    """Seconds to open a database in memory."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        connect().close()
        taken.append(time.perf_counter() - started)
    return taken


def rows_per_second(sql: str, page_rows: int) -> float:
    """Rows a second of paging through the finished result."""
    connection = connect()
    connection.execute(sql)
    started, rows = time.perf_counter(), 0
    while page := connection.fetchmany(page_rows):
        rows += len(page)
    return rows / (time.perf_counter() - started)


def _run_to_interrupt(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        connection.execute(sql).fetchall()
    except duckdb.InterruptException:
        return
    raise RuntimeError("the statement ended before it was interrupted: it is too light to measure")


def _interrupt_in_child(sql: str, after: float, told: "multiprocessing.connection.Connection") -> None:
    connection = connect()
    thread = threading.Thread(target=_run_to_interrupt, args=(connection, sql))
    thread.start()
    time.sleep(after)
    connection.interrupt()
    told.send(True)
    thread.join()
