from prometheus_client.parser import text_string_to_metric_families

from treadle.metrics import WINDOW_SECONDS, Metrics, percentile
from treadle.model.states import CancelOutcome, Reason, Rung, SessionStatus, StatementState


class Clock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample of a scrape, as ``name{labels}``."""
    _, body = metrics.render()
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_levels_are_there_from_the_first_scrape() -> None:
    """An alert sees 0, not an absence, before anything has happened."""
    found = samples(Metrics())
    assert found["treadle_statements{state=queued}"] == 0
    assert found["treadle_statements{state=running}"] == 0
    assert found["treadle_sessions{status=RUNNING}"] == 0
    assert found["treadle_workers{state=warm}"] == 0
    assert found["treadle_worker_memory_bytes"] == 0
    assert found["treadle_cancel_overdue"] == 0


def test_levels_say_what_is_now() -> None:
    """Gauges follow what they are told; a session status that is not named any more goes back to 0."""
    metrics = Metrics()
    metrics.statements(queued=3, running=2)
    metrics.sessions({SessionStatus.RUNNING: 4, SessionStatus.WAITING: 1})
    metrics.sessions({SessionStatus.RUNNING: 5})
    metrics.workers(warm=2, busy=5, memory_bytes=1000)
    metrics.cancel_overdue(1)
    found = samples(metrics)
    assert found["treadle_statements{state=queued}"] == 3
    assert found["treadle_statements{state=running}"] == 2
    assert found["treadle_sessions{status=RUNNING}"] == 5
    assert found["treadle_sessions{status=WAITING}"] == 0
    assert found["treadle_workers{state=busy}"] == 5
    assert found["treadle_worker_memory_bytes"] == 1000
    assert found["treadle_cancel_overdue"] == 1
    assert "treadle_sessions{status=CLOSED}" not in found


def test_endings_are_counted_by_state_and_reason() -> None:
    """An ending without a reason counts as `none`; one that never started has no duration."""
    metrics = Metrics()
    metrics.statement_started(0.002)
    metrics.statement_ended(StatementState.SUCCEEDED, None, 0.5)
    metrics.statement_ended(StatementState.CANCELLED, Reason.USER, None)
    found = samples(metrics)
    assert found["treadle_statements_ended_total{reason=none,state=succeeded}"] == 1
    assert found["treadle_statements_ended_total{reason=user,state=cancelled}"] == 1
    assert found["treadle_statement_seconds_count{state=succeeded}"] == 1
    assert "treadle_statement_seconds_count{state=cancelled}" not in found
    assert found["treadle_queue_seconds_count"] == 1


def test_cancel_latency_is_told_by_rung() -> None:
    """p50, p99, maximum and buckets are exported for each rung that was climbed (C3)."""
    metrics = Metrics()
    for millis in range(1, 101):
        metrics.cancel_ended(Rung.INTERRUPTED, CancelOutcome.CANCELLED, millis / 1000)
    metrics.cancel_ended(Rung.KILLED, CancelOutcome.CANCELLED, 2.01)
    found = samples(metrics)
    assert found["treadle_cancel_p50_seconds{rung=interrupted}"] == 0.050
    assert found["treadle_cancel_p99_seconds{rung=interrupted}"] == 0.099
    assert found["treadle_cancel_max_seconds{rung=interrupted}"] == 0.100
    assert found["treadle_cancel_max_seconds{rung=killed}"] == 2.01
    assert found["treadle_cancel_seconds_bucket{le=0.05,rung=interrupted}"] == 50
    assert found["treadle_cancels_total{outcome=cancelled,rung=interrupted}"] == 100


def test_a_cancel_with_nothing_to_stop_has_no_latency() -> None:
    """A cancel of an ended statement is counted and leaves the percentiles alone."""
    metrics = Metrics()
    metrics.cancel_ended(None, CancelOutcome.ALREADY_SUCCEEDED, 0.001)
    found = samples(metrics)
    assert found["treadle_cancels_total{outcome=already_succeeded,rung=none}"] == 1
    assert not [name for name in found if name.startswith(("treadle_cancel_seconds_count", "treadle_cancel_p50"))]


def test_the_window_slides() -> None:
    """A slow cancel of long ago is in no percentile any more, and its rung disappears with it."""
    clock = Clock()
    metrics = Metrics(clock)
    metrics.cancel_ended(Rung.KILLED, CancelOutcome.CANCELLED, 4.0)
    clock.now = WINDOW_SECONDS / 2
    metrics.cancel_ended(Rung.INTERRUPTED, CancelOutcome.CANCELLED, 0.01)
    clock.now = WINDOW_SECONDS + 1
    found = samples(metrics)
    assert "treadle_cancel_max_seconds{rung=killed}" not in found
    assert found["treadle_cancel_max_seconds{rung=interrupted}"] == 0.01


def test_requests_are_told_by_route_template() -> None:
    """An HTTP request counts under its route, method and status."""
    metrics = Metrics()
    metrics.request_ended("/v1/workspaces/{workspace_id}", "GET", 200, 0.004)
    assert (
        samples(metrics)[
            "treadle_http_request_seconds_count{method=GET,route=/v1/workspaces/{workspace_id},status=200}"
        ]
        == 1
    )


def test_two_services_in_one_process_do_not_share_numbers() -> None:
    """Each `Metrics` has a registry of its own."""
    one, other = Metrics(), Metrics()
    one.cancel_overdue(1)
    assert samples(other)["treadle_cancel_overdue"] == 0


def test_the_content_type_is_what_prometheus_reads() -> None:
    """A scrape is text in the exposition format."""
    content_type, body = Metrics().render()
    assert content_type.startswith("text/plain")
    assert b"# HELP treadle_cancel_overdue" in body


def test_percentile_is_the_nearest_rank() -> None:
    """Percentiles are values that were really measured."""
    assert percentile([7.0], 0.5) == 7.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.99) == 4.0
