"""The influence of one tenant on another: the same calls alone, and beside the most expensive pages, bindings and
results.

Every figure is a ratio within one run, or a limit of the contract.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from bench import served
from bench.lean import Lean
from bench.report import percentile
from bench.served import Target
from bench.traffic import Traffic, send_traffic
from treadle.demo.local import make_token

BLOB: Final = "SELECT unhex(repeat('00ff', 12500000)) AS blob"
"""A page with one value of 25 MB, which is 50 MB of text."""


def _wide(value: str, columns: int) -> str:
    return f"SELECT {', '.join(f'{value} AS c{number}' for number in range(columns))} FROM range(1000)"


WIDE: Final = _wide("random() * 1e300", 1900)
"""A page of numbers that takes as long as possible."""

CONTROL: Final = _wide("repeat(chr(1), 20)", 100)
INTERVALS: Final = _wide("to_seconds((random() * 1e9)::BIGINT)", 300)
NESTED: Final = "SELECT {'a': range(100), 'b': [{'c': random(), 'd': 'x' || i}]} AS v FROM range(1000) t(i)"

SCRIPT: Final = "SELECT $1;" * 600_000
"""A script of 6 MB that is read and then refused, because a script takes no bindings."""

PAGE: Final = "SELECT range AS i, 'row ' || range AS t, random() AS d FROM range(100000)"

FLOOR: Final = 0.015
"""Seconds below which a call counts as undisturbed: sharing the processors costs as much."""

Take = Callable[[Target, int], Sequence[float]]


class Size(msgspec.Struct, frozen=True):
    """The number of calls of each kind."""

    calls: int = 100
    opens: int = 10
    cancels: int = 10
    kills: int = 2


def other_tenant(target: Target) -> Target:
    """Create a tenant in another project of the same service."""
    return Target.of(target.service, make_token(target.service.data_dir, "neighbours", "neighbour"))


def pages_of(target: Target, sql: str, times: int) -> Traffic:
    """Build requests for the first page of a result."""
    large = target.large(sql)
    path = f"{target.sessions_path}/{large.session_id}/statements/{large.statement_id}?page_num=1"
    return Traffic(target.place, [target.place.request("GET", path)], times)


def scripts_of(target: Target, times: int) -> Traffic:
    """Build submits of a script with a binding."""
    with target.sessions(1) as (session,):
        body = {"session_id": session.id, "statement": SCRIPT, "bindings": [["1"]], "is_sync": True}
        path = f"{target.sessions_path}/statements"
        return Traffic(target.place, [target.place.request("POST", path, msgspec.json.encode(body))], times)


LOADS: Final[dict[str, Callable[[Target], Traffic]]] = {
    "pages of 1,900 doubles": lambda target: pages_of(target, WIDE, 12),
    "pages of control characters": lambda target: pages_of(target, CONTROL, 12),
    "pages of intervals": lambda target: pages_of(target, INTERVALS, 12),
    "pages of nested values": lambda target: pages_of(target, NESTED, 12),
    "blobs of 50 MB": lambda target: pages_of(target, BLOB, 4),
    "scripts of 6 MB with a binding": lambda target: scripts_of(target, 8),
}


def cheap(target: Target, count: int) -> list[float]:
    """Measure cheap GETs, one after the other, in seconds."""
    with target.session() as session, Lean(target.place) as client:
        request = target.place.request("GET", f"{target.sessions_path}/{session.id}")
        return [_timed(client, request) for _ in range(count)]


def page(target: Target, count: int) -> list[float]:
    """Measure pages of 1,000 rows, a different one each time, in seconds."""
    large = target.large(PAGE)
    path = f"{target.sessions_path}/{large.session_id}/statements/{large.statement_id}?page_num="
    with Lean(target.place) as client:
        return [_timed(client, target.place.request("GET", f"{path}{number * 7 % 100 + 1}")) for number in range(count)]


def _timed(client: Lean, request: bytes) -> float:
    started = time.perf_counter()
    client.exchange(request)
    return time.perf_counter() - started


def opened(target: Target, count: int) -> list[float]:
    """Measure opening a session, in seconds."""
    return [served.open_one(target, target.workspace_id, target.endpoint_id) for _ in range(count)]


def interrupted(target: Target, count: int) -> list[float]:
    """Measure cancels that interrupt the engine, in seconds until the 200."""
    return served.cancel(target, HEAVY, count, 0.2, "interrupted")


def killed(target: Target, count: int) -> list[float]:
    """Measure cancels that kill the worker, in seconds until the 200."""
    return served.cancel(target, DEAF, count, 0.2, "killed")


HEAVY: Final = "SELECT count(*) FROM range(10000000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3"
DEAF: Final = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"


def calls(size: Size) -> dict[str, tuple[Take, int]]:
    """List the calls of the tenant with their numbers."""
    return {
        "a cheap GET": (cheap, size.calls * 3),
        "SELECT 1": (served.select_one, size.calls),
        "a page": (page, size.calls),
        "a session": (opened, size.opens),
        "a cancel by interrupt": (interrupted, size.cancels),
        "a cancel by kill": (killed, size.kills),
    }


class Influence(msgspec.Struct, frozen=True):
    """The times of a call alone and beside the neighbour in seconds: p99 and maximum."""

    quiet: float
    beside: float
    worst: float

    @property
    def ratio(self) -> float:
        """The ratio of the p99 under load to the p99 alone."""
        return max(self.beside, FLOOR) / max(self.quiet, FLOOR)


Quiet = Mapping[str, Sequence[float]]
"""The times of each call without a neighbour, in seconds."""


def undisturbed(target: Target, size: Size) -> Quiet:
    """Measure every call alone."""
    return {call: list(take(target, count)) for call, (take, count) in calls(size).items()}


def influence(target: Target, name: str, size: Size, quiet: Quiet) -> dict[str, Influence]:
    """Measure every call beside one load."""
    traffic = LOADS[name](other_tenant(target))
    found: dict[str, Influence] = {}
    for call, (take, count) in calls(size).items():
        with send_traffic(traffic):
            beside = list(take(target, count))
        found[call] = Influence(percentile(quiet[call], 0.99), percentile(beside, 0.99), max(beside))
    return found
