"""The page of the cancel latencies: what a run's figures become."""

from pathlib import Path

from bench.latency_page import KindLatency, LatencyReport, as_page, load, save
from tests.conformance.zoo.kind import Kind
from tests.conformance.zoo.trial import Moment, Trial

KIND = Kind("sorted", "sort", "SELECT a | b FROM t\n ORDER BY a")


def trial(millis: float, rung: str = "interrupted", moment: Moment = Moment.MIDDLE) -> Trial:
    """A cancel that was answered after that many milliseconds."""
    return Trial(moment, "cancelled" if rung else "already_succeeded", rung, millis / 1000)


def report(*kinds: KindLatency) -> LatencyReport:
    """A run with these kinds."""
    return LatencyReport(
        machine="here", versions={"treadle": "0"}, taken_on="2026-01-02", seconds=60.0, grace=2.0, rows=10, scale=1.0,
        kinds=list(kinds),
    )  # fmt: skip


def test_a_row_has_the_figures_of_its_kind() -> None:
    """Moments, percentiles, rungs; what ended by itself is counted and in no figure; pipes are escaped."""
    trials = [trial(1.5, moment=Moment.EARLY), trial(20), trial(30), trial(2050, "killed"), trial(0.5, "")]
    page = as_page(report(KindLatency.of(KIND, trials, [])))
    row = "| `sorted` | 4 | 1.5 | 30 | - | 30 | 2,050 | 2,050 | interrupted 3, killed 1 | 1 |"
    assert f"{row} `SELECT a \\| b FROM t ORDER BY a` |" in page.splitlines()
    assert "No answer was untrue" in page


def test_what_must_not_be_is_told_at_the_top() -> None:
    """An untrue answer and a late one are on the page and among the findings."""
    found = report(KindLatency.of(KIND, [trial(5100)], ["middle: the worker works on"]))
    assert found.findings() == ["`sorted`: middle: the worker works on", "`sorted`: answered after 5.1 s"]
    assert "- `sorted`: answered after 5.1 s" in as_page(found)


def test_a_run_is_read_as_it_was_saved(tmp_path: Path) -> None:
    """The file holds everything the page is made from."""
    taken = report(KindLatency.of(KIND, [trial(3)], []))
    save(taken, tmp_path / "run.json")
    assert load(tmp_path / "run.json") == taken
