"""What is to be reached on two processors, the client's share included."""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

GRACE_MS: Final = 2000.0
"""`cancel_grace` as the bench leaves it."""

WORSE: Final = 0.10
"""The share by which idle sessions or a long history may worsen a figure."""

MarkOf = Callable[[float | None], float]
"""The mark, given the figure of DuckDB alone."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number that is measured; of several rounds the median counts, or the worst with ``worst``."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    mark: MarkOf | None = None
    worst: bool = False
    note: str = ""


def at(value: float) -> MarkOf:
    """A mark that is the same everywhere."""
    return lambda _: value


def above_bare(more: float) -> MarkOf:
    """A mark above what DuckDB alone has."""
    return lambda bare: (bare or 0.0) + more


def _p(share: int, name: str, mark: MarkOf | None = None, note: str = "") -> Figure:
    return Figure(name=f"{name}, p{share}", unit="ms", better="lower", mark=mark, note=note)


SELECT_ONE: Final = (
    _p(50, "SELECT 1, submit to rows", at(2.0)),
    _p(99, "SELECT 1, submit to rows", at(6.0)),
)
ONE_SESSION: Final = (Figure(name="SELECT 1, 1 session", unit="statements/s", better="higher"),)
SIXTEEN_SESSIONS: Final = (Figure(name="SELECT 1, 16 sessions", unit="statements/s", better="higher", mark=at(800.0)),)
CANCEL: Final = (
    _p(50, "cancel a cross join, to the 200", above_bare(3.0), "alone: a bare interrupt()"),
    _p(99, "cancel a cross join, to the 200", above_bare(10.0), "alone: a bare interrupt()"),
)
DEAF: Final = (
    Figure(
        name="cancel a deaf statement, to the 200, max",
        unit="ms",
        better="lower",
        mark=at(GRACE_MS + 150),
        worst=True,
        note="alone: interrupt(), ended or watched until then",
    ),
)
OPEN: Final = (
    _p(50, "open a session, catalog attached", at(120.0), "alone: a database in memory, no catalog"),
    _p(99, "open a session, catalog attached", None, "alone: a database in memory, no catalog"),
)
OPEN_WARM: Final = (
    _p(50, "open a session, warm worker", at(15.0), "a waiting worker is attached already"),
    _p(99, "open a session, warm worker", None, "a waiting worker is attached already"),
)
PAGING: Final = (
    Figure(
        name="page through ten columns as JSON",
        unit="rows/s",
        better="higher",
        mark=at(250_000.0),
        note="alone: fetchmany, no text, no JSON",
    ),
)
INSERT_ONE: Final = (
    _p(50, "INSERT of one row, to its commit", None, "alone: a table in memory, nothing on disk"),
    _p(99, "INSERT of one row, to its commit", None, "alone: a table in memory, nothing on disk"),
)
SELECT_MANY: Final = (
    _p(50, "SELECT over a table of one-row inserts", None, "a moment after the last of them"),
    _p(99, "SELECT over a table of one-row inserts", None, "a moment after the last of them"),
)
BY_TOKEN: Final = (
    _p(50, "find out who holds a token", at(0.3), "the step alone, in process; remembered for a second"),
    _p(99, "find out who holds a token", None, "the step alone, in process; remembered for a second"),
)
BY_SIGNATURE: Final = (
    _p(50, "verify the signature of a submit", at(0.3), "the step alone, in process; the key remembered for a second"),
    _p(99, "verify the signature of a submit", None, "the step alone, in process; the key remembered for a second"),
)


def beside(call: str, load: str) -> tuple[Figure, ...]:
    """The ratio of a call's p99 beside a neighbour's load to its p99 alone, and its maximum."""
    worst = {"a cheap GET": at(50.0), "a cancel by kill": at(GRACE_MS + 300)}.get(call)
    return (
        Figure(name=f"{call} beside {load}, p99", unit="times quiet", better="lower", mark=at(2.0)),
        Figure(name=f"{call} beside {load}, max", unit="ms", better="lower", mark=worst, worst=True),
    )


MEMORY: Final = (
    Figure(name="an idle session", unit="MiB PSS", better="lower", mark=at(25.0), note="service, zygote and workers"),
    Figure(name="an idle session's PostgreSQL", unit="MiB PSS", better="lower", note="its connection to the catalog"),
)
CLIENT: Final = (
    Figure(name="the load client, processor time", unit="ms/request", better="lower", note="in the 16 sessions"),
    Figure(name="the single client, p50", unit="ms", better="lower", note="to a server that does nothing"),
)
