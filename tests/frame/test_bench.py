from pathlib import Path

import pytest

from bench.measures import QUICK, measures
from bench.report import Measure, Report, as_text, compared, load, percentile, save
from bench.served import Target
from tests.frame.conftest import Running
from treadle.demo.client import Api


def report(millis: float, rate: float) -> Report:
    """A run with one measure where less is better and one where more is."""
    return Report(
        machine="here",
        versions={"treadle": "0"},
        measures=[
            Measure(name="cancel", unit="ms", better="lower", treadle=millis, bare=1.0),
            Measure(name="paging", unit="rows/s", better="higher", treadle=rate, note="noted"),
        ],
    )


def test_a_run_is_shown_beside_duckdb_alone() -> None:
    """Each line has the service's number, the bare one, their ratio or dashes, and the note."""
    lines = as_text(report(2.5, 123456.0)).splitlines()
    assert lines[0] == "here; treadle 0"
    assert lines[4].split() == ["cancel", "ms", "2.50", "1.00", "2.50", "lower"]
    assert lines[5].split() == ["paging", "rows/s", "123,456", "-", "-", "higher", "noted"]


def test_two_runs_are_compared_so_that_above_one_is_better() -> None:
    """Half the latency and twice the rate are both 2.00 times better."""
    lines = compared(report(4.0, 100.0), report(2.0, 200.0)).splitlines()
    assert [line.split()[-1] for line in lines[2:]] == ["2.00", "2.00"]


def test_a_measure_that_is_new_has_nothing_to_compare_with() -> None:
    """A measure only the second run has is shown with dashes."""
    before = Report(machine="here", versions={}, measures=[])
    assert compared(before, report(2.0, 1.0)).splitlines()[2].split() == ["cancel", "ms", "-", "2.00", "-"]


def test_a_run_is_read_as_it_was_saved(tmp_path: Path) -> None:
    """The file holds the whole report."""
    save(report(1.0, 2.0), tmp_path / "run.json")
    assert load(tmp_path / "run.json") == report(1.0, 2.0)


def test_percentiles_are_measured_values() -> None:
    """The 99th percentile of a few values is the greatest of them."""
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0


@pytest.mark.slow
def test_every_measure_can_be_taken(running: Running) -> None:
    """A quick run takes each measure against a real service and DuckDB, and all are positive."""
    demo = running.demo
    with Api(demo.url, demo.token) as api:
        target = Target(running.service, api, demo.workspace_id, demo.endpoint_id)
        taken = list(measures(target, QUICK))
    assert len(taken) == 11
    assert all(one.bare is None or one.bare > 0 for one in taken)
    assert all(one.treadle > 0 for one in taken if one.name != "an idle session")
