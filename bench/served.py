"""The same work asked of a running service over its HTTP API."""

import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from treadle.demo.client import Api, ApiError, Session
from treadle.demo.local import LocalService
from treadle.demo.processes import command_name, cpu_percent, descendants, proportional_bytes

SETTLE_SECONDS = 15.0


class Target(msgspec.Struct, frozen=True):
    """Where the measured sessions are opened."""

    service: LocalService
    api: Api
    workspace_id: str
    endpoint_id: str

    def session(self, api: Api | None = None) -> Session:
        """A new session, over a connection of its own if one is given."""
        return (api or self.api).open_session(self.workspace_id, self.endpoint_id)


def select_one(target: Target, count: int) -> list[float]:
    """Seconds from the submit of ``SELECT 1`` to its rows, over a kept connection."""
    with target.session() as session:
        taken = []
        for _ in range(count):
            started = time.perf_counter()
            if session.submit("SELECT 1", sync=True).last.rows != [["1"]]:
                raise ApiError(200, "SELECT 1 did not answer 1")
            taken.append(time.perf_counter() - started)
        return taken


def statements_per_second(target: Target, sessions: int, seconds: float) -> float:
    """``SELECT 1`` a second over that many sessions, each with a connection and a thread of its own."""
    apis = [target.api.twin() for _ in range(sessions)]
    opened = [target.session(api) for api in apis]
    end = time.perf_counter() + seconds

    def work(session: Session) -> int:
        done = 0
        while time.perf_counter() < end:
            session.run("SELECT 1")
            done += 1
        return done

    try:
        with ThreadPoolExecutor(sessions) as pool:
            return sum(pool.map(work, opened)) / seconds
    finally:
        for session in opened:
            session.close()
        for api in apis:
            api.close()


def cancel(target: Target, sql: str, count: int, after: float, rung: str) -> list[float]:
    """Seconds from the cancel of the running statement to the 200; each must stop on ``rung``."""
    taken = []
    session = target.session()
    for _ in range(count):
        if session.status() != "RUNNING":
            session.close()
            session = target.session()
        reply = session.submit(sql)
        while session.show(reply.statement_id).status == 3:
            time.sleep(0.01)
        time.sleep(after)
        verdict = session.cancel(reply.statement_id)
        if (verdict.outcome, verdict.rung) != ("cancelled", rung):
            raise ApiError(200, f"the statement should have been {rung}, the verdict is {verdict}")
        taken.append(verdict.seconds)
    session.close()
    return taken


def open_session(target: Target, count: int) -> list[float]:
    """Seconds to open a session, one after the other, each closed before the next."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        session = target.session()
        taken.append(time.perf_counter() - started)
        session.close()
    return taken


def rows_per_second(target: Target, sql: str) -> float:
    """Rows a second of paging through the finished result, page after page."""
    with target.session() as session:
        reply = session.wait(session.submit(sql))
        pages = reply.last.page_count
        started, rows = time.perf_counter(), 0
        for page in range(1, pages + 1):
            rows += len(session.show(reply.statement_id, page).last.rows)
        taken = time.perf_counter() - started
    if rows != reply.last.num_rows:
        raise ApiError(200, f"{rows} rows came in pages, {reply.last.num_rows} were promised")
    return rows / taken


def idle_session_bytes(target: Target, sessions: int) -> float:
    """Memory (PSS) that one more idle session costs the service and its workers, PostgreSQL left out."""
    before = _settled_bytes(target.service.pid)
    opened = [target.session() for _ in range(sessions)]
    try:
        return (_settled_bytes(target.service.pid) - before) / sessions
    finally:
        for session in opened:
            session.close()


def _settled_bytes(pid: int) -> int:
    """The PSS of the process's tree once no process comes, goes or works any more."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        before = descendants(pid)
        used = sum(cpu_percent(before, 0.5).values())
        if used < 20.0 and descendants(pid) == before:
            break
    return sum(proportional_bytes(one) for one in descendants(pid) | {pid} if command_name(one) != "postgres")
