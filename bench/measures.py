"""The list of measures: what is compared, with which statements, how often."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec

from bench import bare, marks, served, writes
from bench.marks import Figure
from bench.report import percentile
from bench.served import PAGE_ROWS, Target

HEAVY = "SELECT count(*) FROM range(10000000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3"
DEAF = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"
LARGE = """
SELECT i AS id, (i * 7919 % 100000)::INTEGER AS customer, i * 1.25::DOUBLE AS amount,
    ((i % 100000) / 100)::DECIMAL(12, 2) AS price, 'row number ' || i AS name, i % 7 = 0 AS flag,
    DATE '2024-01-01' + (i % 1000)::INTEGER AS day, TIMESTAMP '2024-01-01 00:00:00' + i * INTERVAL 1 SECOND AS at,
    CASE WHEN i % 10 > 0 THEN 'word ' || (i % 97) END AS word, (i % 256)::SMALLINT AS small
FROM range({rows}) t(i)
"""
"""Ten columns of mixed types."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """The extent of the measurements in each of ``rounds`` rounds; ``rows`` are divided among them.

    ``idle`` sessions and ``history`` records are present when each measurement is repeated; the memory of a session is
    measured with ``idle_first`` of them. ``running`` is the run time of a statement before its cancel in seconds,
    ``deaf_bound`` the time for which an uninterruptible one is watched when DuckDB runs alone. ``neighbour`` calls of
    each kind are made beside each load of another tenant; 0 skips these.
    """

    rounds: int = 3
    selects: int = 300
    seconds: float = 2.0
    cancels: int = 10
    kills: int = 1
    opens: int = 10
    inserts: int = 300
    rows: int = 600_000
    idle_first: int = 20
    idle: int = 40
    history: int = 100_000
    running: float = 0.2
    deaf_bound: float = 10.0
    neighbour: int = 0


FULL = Size(
    rounds=5,
    selects=600,
    seconds=4.0,
    cancels=30,
    kills=2,
    opens=20,
    inserts=1000,
    rows=10_000_000,
    idle_first=100,
    idle=200,
    history=1_000_000,
    neighbour=100,
)
"""What the published figures are made of; takes about twenty minutes."""

QUICK = Size(
    rounds=1,
    selects=50,
    seconds=0.5,
    cancels=3,
    kills=1,
    opens=2,
    inserts=20,
    rows=20_000,
    idle_first=2,
    idle=3,
    history=2_000,
    deaf_bound=3.0,
)
"""Enough to see that everything works, too little to trust a number."""

Numbers = Sequence[float]


class Probe(msgspec.Struct, frozen=True):
    """One round of one measure: a number for each figure, from the service and from DuckDB alone."""

    figures: tuple[Figure, ...]
    ours: Callable[[Target], Numbers]
    alone: Callable[[], Numbers] | None = None


def probes(size: Size, turn: int) -> Iterator[Probe]:
    """Every measure of round ``turn`` (from 0)."""
    yield Probe(
        marks.SELECT_ONE,
        _Latencies(partial(served.select_one, count=size.selects)),
        _Latencies(partial(bare.select_one, size.selects)),
    )
    for sessions, figures in ((1, marks.ONE_SESSION), (16, marks.SIXTEEN_SESSIONS)):
        yield Probe(
            figures,
            _One(partial(served.statements_per_second, sessions=sessions, seconds=size.seconds)),
            _One(partial(bare.statements_per_second, sessions, size.seconds)),
        )
    yield Probe(
        marks.CANCEL,
        _Latencies(partial(served.cancel, sql=HEAVY, count=size.cancels, after=size.running, rung="interrupted")),
        _Latencies(partial(bare.interrupt, HEAVY, size.cancels, size.running)),
    )
    yield Probe(
        marks.DEAF,
        _Worst(partial(served.cancel, sql=DEAF, count=size.kills, after=size.running, rung="killed")),
        _Worst(lambda: [bare.ignores_interrupt(DEAF, size.running, size.deaf_bound)]) if turn == 0 else None,
    )
    yield Probe(
        marks.OPEN,
        _Latencies(partial(served.open_cold, count=size.opens)),
        _Latencies(partial(bare.open_connection, size.opens)),
    )
    yield Probe(marks.OPEN_WARM, _Latencies(partial(served.open_warm, count=size.opens)))
    yield Probe(
        marks.INSERT_ONE,
        _Latencies(partial(writes.insert_one, count=size.inserts)),
        _Latencies(partial(writes.insert_one_alone, size.inserts)),
    )
    yield Probe(marks.SELECT_MANY, _Latencies(partial(writes.select_many, count=size.inserts)))
    sql = LARGE.format(rows=size.rows)
    yield Probe(
        marks.PAGING,
        _One(partial(served.rows_per_second, sql=sql, share=range(turn, turn + 1), shares=size.rounds)),
        _One(partial(bare.rows_per_second, LARGE.format(rows=min(size.rows, 200_000)), PAGE_ROWS)),
    )


class _Latencies:
    """p50 and p99 in milliseconds of what takes seconds; nothing of nothing."""

    def __init__(self, take: Callable[..., Numbers]) -> None:
        self._take = take

    def __call__(self, *target: Target) -> Numbers:
        taken = self._take(*target)
        return [percentile(taken, share) * 1000 for share in (0.5, 0.99)] if taken else []


class _Worst:
    """The most milliseconds of what takes seconds."""

    def __init__(self, take: Callable[..., Numbers]) -> None:
        self._take = take

    def __call__(self, *target: Target) -> Numbers:
        return [max(self._take(*target)) * 1000]


class _One:
    """A single number."""

    def __init__(self, take: Callable[..., float]) -> None:
        self._take = take

    def __call__(self, *target: Target) -> Numbers:
        return [self._take(*target)]
