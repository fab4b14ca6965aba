"""The list of measures: what is compared, with which statements, how often."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec

from bench import bare, served
from bench.report import Measure, percentile
from bench.served import Target

HEAVY = "SELECT count(*) FROM range(10000000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3"
DEAF = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"
LARGE = "SELECT i, i * 1.5 AS half, 'row ' || i AS name, i % 7 = 0 AS seventh FROM range({rows}) t(i)"
PAGE_ROWS = 1000


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured; the default takes about a minute."""

    selects: int = 500
    seconds: float = 4.0
    cancels: int = 20
    kills: int = 3
    sessions: int = 20
    rows: int = 200_000
    idle: int = 8
    running: float = 0.2
    deaf_bound: float = 10.0


QUICK = Size(selects=50, seconds=1.0, cancels=3, kills=1, sessions=3, rows=20_000, idle=2, deaf_bound=3.0)
"""Enough to see that everything works, too little to trust a number."""


def measures(target: Target, size: Size) -> Iterator[Measure]:
    """Take every measure, one after the other, each side of it within the same minute."""
    for take in (_select_one, _throughput, _cancel, _kill, _open, _paging, _memory):
        yield from take(target, size)


def _select_one(target: Target, size: Size) -> Iterator[Measure]:
    yield from _latencies(
        "SELECT 1, submit to rows",
        partial(served.select_one, target, size.selects),
        partial(bare.select_one, size.selects),
    )


def _throughput(target: Target, size: Size) -> Iterator[Measure]:
    for sessions in (1, 16):
        yield Measure(
            name=f"SELECT 1, {sessions} session{'s' if sessions > 1 else ''}",
            unit="statements/s",
            better="higher",
            treadle=served.statements_per_second(target, sessions, size.seconds),
            bare=bare.statements_per_second(sessions, size.seconds),
        )


def _cancel(target: Target, size: Size) -> Iterator[Measure]:
    yield from _latencies(
        "cancel a cross join, to the 200",
        partial(served.cancel, target, HEAVY, size.cancels, size.running, "interrupted"),
        partial(bare.interrupt, HEAVY, size.cancels, size.running),
        note="alone: a bare interrupt()",
    )


def _kill(target: Target, size: Size) -> Iterator[Measure]:
    ended = bare.ignores_interrupt(DEAF, size.running, size.deaf_bound)
    yield Measure(
        name="cancel a deaf statement, to the 200, max",
        unit="ms",
        better="lower",
        treadle=max(served.cancel(target, DEAF, size.kills, size.running, "killed")) * 1000,
        bare=ended * 1000,
        note="alone: still running then" if ended >= size.deaf_bound else "",
    )


def _open(target: Target, size: Size) -> Iterator[Measure]:
    yield from _latencies(
        "open a session",
        partial(served.open_session, target, size.sessions),
        partial(bare.open_connection, size.sessions),
        note="alone: a database in memory, no catalog",
    )


def _paging(target: Target, size: Size) -> Iterator[Measure]:
    sql = LARGE.format(rows=size.rows)
    yield Measure(
        name=f"page through {size.rows:,} rows",
        unit="rows/s",
        better="higher",
        treadle=served.rows_per_second(target, sql),
        bare=bare.rows_per_second(sql, PAGE_ROWS),
        note="alone: fetchmany, no text, no JSON",
    )


def _memory(target: Target, size: Size) -> Iterator[Measure]:
    yield Measure(
        name="an idle session",
        unit="MB PSS",
        better="lower",
        treadle=served.idle_session_bytes(target, size.idle) / 1e6,
        note="its worker process",
    )


def _latencies(
    name: str, treadle: Callable[[], Sequence[float]], alone: Callable[[], Sequence[float]], note: str = ""
) -> Iterator[Measure]:
    ours, theirs = treadle(), alone()
    for word, share in (("p50", 0.5), ("p99", 0.99)):
        yield Measure(
            name=f"{name}, {word}",
            unit="ms",
            better="lower",
            treadle=percentile(ours, share) * 1000,
            bare=percentile(theirs, share) * 1000,
            note=note,
        )
