"""What the service tells Prometheus, in a registry of its own.

Every number has one small typed method that sets it; nothing else in the service knows Prometheus.
Latency percentiles of cancel are exported as they are (`treadle_cancel_p50_seconds` and so on, over
a sliding window), because the contract promises a bound (C3) and a histogram only promises a bucket.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from treadle.model.maintenance import Duty
from treadle.model.states import CancelOutcome, Reason, Rung, SessionStatus, StatementState

CANCEL_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 3, 5, 10, 30)
"""Seconds: the grace (2 s), the bound (5 s) and the time-out (30 s) of a cancel are borders."""

DURATION_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600, 14400)
"""Seconds, from `SELECT 1` to a statement that runs for hours."""

WINDOW_SECONDS: Final = 900.0
WINDOW_SAMPLES: Final = 4096


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of a non-empty ascending sequence; ``share`` is in (0, 1]."""
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


class _CancelWindow(Collector):
    """The latest cancels of each rung, and their p50, p99 and maximum when someone asks."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._samples: dict[Rung, deque[tuple[float, float]]] = {}

    def add(self, rung: Rung, seconds: float) -> None:
        samples = self._samples.setdefault(rung, deque(maxlen=WINDOW_SAMPLES))
        samples.append((self._monotonic(), seconds))

    def collect(self) -> Iterable[GaugeMetricFamily]:
        window = f"over the last {WINDOW_SECONDS / 60:g} minutes, by rung."
        families = {
            0.5: GaugeMetricFamily("treadle_cancel_p50_seconds", f"Median cancel latency {window}", labels=["rung"]),
            0.99: GaugeMetricFamily(
                "treadle_cancel_p99_seconds", f"99th percentile of cancel latency {window}", labels=["rung"]
            ),
            1.0: GaugeMetricFamily("treadle_cancel_max_seconds", f"Longest cancel latency {window}", labels=["rung"]),
        }
        for rung, ordered in self._recent().items():
            for share, family in families.items():
                family.add_metric([rung], percentile(ordered, share))
        return families.values()

    def _recent(self) -> dict[Rung, list[float]]:
        oldest = self._monotonic() - WINDOW_SECONDS
        recent = {
            rung: sorted(seconds for at, seconds in tuple(samples) if at >= oldest)
            for rung, samples in self._samples.items()
        }
        return {rung: ordered for rung, ordered in recent.items() if ordered}


class Metrics:
    """The metrics of one service process. ``monotonic`` is the clock of the sliding windows."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._window = _CancelWindow(monotonic)
        self.registry.register(self._window)
        ProcessCollector(registry=self.registry)
        self._make_levels()
        self._make_events()

    def _make_levels(self) -> None:
        registry = self.registry
        self._statements = Gauge("treadle_statements", "Unfinished statements.", ["state"], registry=registry)
        self._sessions = Gauge("treadle_sessions", "Sessions that have not ended.", ["status"], registry=registry)
        self._workers = Gauge("treadle_workers", "Worker processes.", ["state"], registry=registry)
        self._memory = Gauge("treadle_worker_memory_bytes", "Memory of all worker processes.", registry=registry)
        self._overdue = Gauge("treadle_cancel_overdue", "Cancels pending longer than their bound.", registry=registry)
        self._pool = Gauge(
            "treadle_pool_jobs", "Jobs outside the event loop, by pool.", ["pool", "state"], registry=registry
        )
        # Present from the first scrape on, so that an alert sees 0 and not an absence.
        self.statements(queued=0, running=0)
        self.sessions({})
        self.workers(warm=0, busy=0, memory_bytes=0)
        self.cancel_overdue(0)

    def _make_events(self) -> None:
        registry = self.registry
        self._ended = Counter("treadle_statements_ended", "Ended statements.", ["state", "reason"], registry=registry)
        self._conflicts = Counter(
            "treadle_commit_conflicts", "Commits that lost a race.", ["outcome"], registry=registry
        )
        for outcome in ("run_again", "failed"):
            self._conflicts.labels(outcome)
        self._cancels = Counter("treadle_cancels", "Answered cancels.", ["outcome", "rung"], registry=registry)
        self._cancel_seconds = Histogram(
            "treadle_cancel_seconds",
            "From the request to stop to the stop.",
            ["rung"],
            buckets=CANCEL_BUCKETS,
            registry=registry,
        )
        self._statement_seconds = Histogram(
            "treadle_statement_seconds",
            "From the start of a statement to its end.",
            ["state"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._queue_seconds = Histogram(
            "treadle_queue_seconds",
            "From the submit of a statement to its start.",
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._http_seconds = Histogram(
            "treadle_http_request_seconds",
            "HTTP requests by route template.",
            ["route", "method", "status"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._pool_seconds = Histogram(
            "treadle_pool_wait_seconds",
            "Waiting time of jobs outside the event loop.",
            ["pool"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        labels = ["duty"]
        self._upkeep_runs = Counter(
            "treadle_maintenance_runs", "Steps of catalog maintenance.", ["duty", "outcome"], registry=registry
        )
        self._upkeep_things = Counter(
            "treadle_maintenance_files",
            "Files merged, rewritten or removed, snapshots expired.",
            labels,
            registry=registry,
        )
        self._upkeep_bytes = Counter(
            "treadle_maintenance_bytes", "Bytes of the files merged or rewritten.", labels, registry=registry
        )
        self._upkeep_seconds = Histogram(
            "treadle_maintenance_seconds",
            "Steps of catalog maintenance.",
            labels,
            buckets=DURATION_BUCKETS,
            registry=registry,
        )

    def statements(self, *, queued: int, running: int) -> None:
        """How many statements wait and how many run, now."""
        self._statements.labels(StatementState.QUEUED).set(queued)
        self._statements.labels(StatementState.RUNNING).set(running)

    def sessions(self, counts: Mapping[SessionStatus, int]) -> None:
        """How many sessions are in each status that is not final, now; a missing status counts 0."""
        for status in SessionStatus:
            if not status.final:
                self._sessions.labels(status).set(counts.get(status, 0))

    def workers(self, *, warm: int, busy: int, memory_bytes: int) -> None:
        """How many workers wait for a session, how many host one, and the memory of all of them."""
        self._workers.labels("warm").set(warm)
        self._workers.labels("busy").set(busy)
        self._memory.set(memory_bytes)

    def pool_made(self, pool: str) -> None:
        """Show an idle pool from the first scrape on."""
        self.pool_level(pool, waiting=0, running=0)
        self._pool_seconds.labels(pool)

    def pool_level(self, pool: str, *, waiting: int, running: int) -> None:
        """Record the numbers of waiting and running jobs of a pool."""
        self._pool.labels(pool, "waiting").set(waiting)
        self._pool.labels(pool, "running").set(running)

    def pool_waited(self, pool: str, seconds: float) -> None:
        """Record the waiting time of a job of a pool."""
        self._pool_seconds.labels(pool).observe(seconds)

    def statement_started(self, queued_seconds: float) -> None:
        """A statement started after waiting that long since its submit."""
        self._queue_seconds.observe(queued_seconds)

    def statement_ended(self, state: StatementState, reason: Reason | None, seconds: float | None) -> None:
        """A statement ended; ``seconds`` since its start, None when it never started."""
        self._ended.labels(state, reason or "none").inc()
        if seconds is not None:
            self._statement_seconds.labels(state).observe(seconds)

    def commit_lost(self, *, again: bool) -> None:
        """A commit lost a race, and its statement is run ``again`` or fails."""
        self._conflicts.labels("run_again" if again else "failed").inc()

    def cancel_ended(self, rung: Rung | None, outcome: CancelOutcome, seconds: float) -> None:
        """A cancel was answered; its latency counts where it climbed a rung, that is where it had work to do."""
        self._cancels.labels(outcome, rung or "none").inc()
        if rung is not None:
            self._cancel_seconds.labels(rung).observe(seconds)
            self._window.add(rung, seconds)

    def maintained(self, duty: Duty, outcome: str, seconds: float, things: int, size: int) -> None:
        """A step of maintenance has ended, with an outcome of a few, for so many files or snapshots and bytes."""
        self._upkeep_runs.labels(duty, outcome).inc()
        self._upkeep_things.labels(duty).inc(things)
        self._upkeep_bytes.labels(duty).inc(size)
        self._upkeep_seconds.labels(duty).observe(seconds)

    def cancel_overdue(self, count: int) -> None:
        """How many cancels are pending beyond their bound, now: above 0 is an alarm (C19)."""
        self._overdue.set(count)

    def request_ended(self, route: str, method: str, status: int, seconds: float) -> None:
        """An HTTP request was answered; ``route`` is the template (``/v1/workspaces/{id}``), never the path."""
        self._http_seconds.labels(route, method, str(status)).observe(seconds)

    def render(self) -> tuple[str, bytes]:
        """The content type and the body of an answer to a scrape."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)
