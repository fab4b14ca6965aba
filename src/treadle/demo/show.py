"""The demo itself: ask, then start what runs for hours, cancel it, and look at the processor."""

import time
from pathlib import Path
from typing import Final

from treadle.demo.client import Api, ResultReply, Session
from treadle.demo.processes import cpu_percent, descendants
from treadle.demo.tables import Say
from treadle.demo.workspace import Demo, prepare

PRICING: Final = """SELECT l_returnflag AS flag, l_linestatus AS status, count(*) AS items,
       sum(l_extendedprice * (1 - l_discount))::decimal(18, 2) AS revenue
FROM lineitem GROUP BY ALL ORDER BY ALL"""

HEAVY: Final = """SELECT count(*) FROM lineitem a, lineitem b, lineitem c
WHERE (a.l_orderkey + b.l_partkey * c.l_suppkey) % 7 = 3"""
"""A cross join that nobody will see the end of; the engine looks at interrupts while it runs."""

DEAF: Final = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"
"""One function call of minutes, in which the engine looks at nothing."""

LOOK_SECONDS: Final = 0.5
BUSY_PERCENT: Final = 5.0
"""Minimum percent of a processor for a busy worker, low enough for a loaded machine."""

LEFT_SHARE: Final = 0.1
"""Maximum share of its earlier processor time that a worker uses after its statement has stopped."""

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0


class DemoFailed(Exception):
    """Something did not go as the demo says it goes."""


def run_demo(base_url: str, token: str, serve_pid: int, data_dir: Path, scale: float = 0.1, say: Say = print) -> Demo:
    """Prepare the demo workspace and show it. ``serve_pid`` is the process of `treadle serve`.

    Raises `DemoFailed` when a cancelled statement still works, and what `prepare` raises.
    """
    demo = prepare(base_url, token, data_dir, scale, say)
    show(demo, serve_pid, say)
    return demo


def show(demo: Demo, serve_pid: int, say: Say = print) -> None:
    """Ask one question, then cancel a heavy statement and a deaf one."""
    with Api(demo.url, demo.token) as api, api.open_session(demo.workspace_id, demo.endpoint_id) as session:
        _ask(session, say)
        _stop(session, HEAVY, serve_pid, say)
        _stop(session, DEAF, serve_pid, say)
        say(f"  the session: {session.status()}")


def _ask(session: Session, say: Say) -> None:
    say(f"\n{PRICING}\n")
    started = time.monotonic()
    result = session.run(PRICING)
    say(table(result))
    say(f"  {result.num_rows} rows in {(time.monotonic() - started) * 1000:,.0f} ms")


def _stop(session: Session, sql: str, serve_pid: int, say: Say) -> None:
    """Start the statement, wait until it burns processor time, cancel it, see that it does not any more."""
    say(f"\n{sql}\n")
    reply = session.submit(sql)
    worker, percent = _busiest(serve_pid)
    say(f"  process {worker} runs it: {percent:.0f} % of a processor")
    verdict = session.cancel(reply.statement_id)
    say(
        f"  cancel answered after {verdict.seconds * 1000:,.1f} ms: {verdict.outcome}, {verdict.rung} "
        f"(stopped after {verdict.millis} ms by the service's own clock)"
    )
    left = _left(worker, percent * LEFT_SHARE)
    say(f"  process {worker} is gone" if left is None else f"  process {worker} now: {left:.0f} % of a processor")
    if left is not None and left > percent * LEFT_SHARE:
        raise DemoFailed(f"statement {reply.statement_id} was answered '{verdict.outcome}' and still works")


def _left(worker: int, most: float) -> float | None:
    """Measure the processor time that a worker still uses, in percent; None when it has exited. It may clean up
    briefly.
    """
    deadline = time.monotonic() + STOP_SECONDS
    while True:
        left = cpu_percent({worker}, LOOK_SECONDS).get(worker)
        if left is None or left <= most or time.monotonic() > deadline:
            return left


def _busiest(serve_pid: int) -> tuple[int, float]:
    """The worker that works hardest, once one does, and how hard."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        used = cpu_percent(descendants(serve_pid), LOOK_SECONDS)
        worker = max(used, key=lambda pid: used[pid], default=0)
        if used.get(worker, 0.0) >= max(BUSY_PERCENT, sum(used.values()) / 2):
            return worker, used[worker]
    raise DemoFailed(f"no process below {serve_pid} has worked within {START_SECONDS:g} s")


def table(result: ResultReply) -> str:
    """The page of rows as text in columns."""
    names = [column.name for column in result.result_set.columns]
    rows = [["NULL" if value is None else value for value in row] for row in result.rows]
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    lines = [names, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
