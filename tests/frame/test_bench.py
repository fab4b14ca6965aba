import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bench import load, trivial
from bench.history import remember
from bench.identity import by_signature, by_token
from bench.lean import Lean, Place, Refused, split
from bench.marks import above_bare, at, beside
from bench.measures import QUICK, probes
from bench.neighbour import Influence
from bench.report import Measure, Report, as_text, compared, percentile, save
from bench.report import load as read_report
from bench.rounds import Rounds
from bench.served import Target, idle_sessions, select_one
from tests.frame.conftest import Running
from treadle.demo.client import Api, Session


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


def test_what_is_felt_of_a_neighbour_is_a_ratio_with_a_floor() -> None:
    """What is quicker than the floor counts as the floor, quiet or beside."""
    assert Influence(quiet=0.001, beside=0.002, worst=0.01).ratio == 1.0
    assert Influence(quiet=0.1, beside=0.3, worst=0.5).ratio == pytest.approx(3.0)
    shares, worst = beside("a cheap GET", "pages")
    assert (shares.mark and shares.mark(None), worst.mark and worst.mark(None)) == (2.0, 50.0)


def test_a_run_is_shown_beside_duckdb_alone() -> None:
    """Each line has the service's number, the bare one, their ratio or dashes, and the note."""
    lines = as_text(report(2.5, 123456.0)).splitlines()
    assert lines[0] == "here; treadle 0"
    assert lines[4].split() == ["cancel", "ms", "2.50", "1.00", "2.50", "-", "-", "-"]
    assert lines[5].split() == ["paging", "rows/s", "123,456", "-", "-", "-", "-", "-", "noted"]
    assert lines[-1] == "every mark is met"


def test_a_mark_is_met_or_missed_also_with_idle_sessions_and_a_history() -> None:
    """Less than the mark, or more where more is better; a tenth worse than the plain run is a miss as well."""
    slow = Measure(name="a", unit="ms", better="lower", treadle=3.0, mark=at(2.0)(None), idle=3.2, history=3.4)
    fast = Measure(name="b", unit="rows/s", better="higher", treadle=300.0, mark=250.0, idle=280.0, history=200.0)
    assert (slow.met, fast.met, fast.worse(None)) == (False, True, None)
    assert [round(one.worse(again) or 0, 2) for one in (slow, fast) for again in (one.idle, one.history)] == [
        0.07,
        0.13,
        0.07,
        0.5,
    ]
    text = as_text(Report(machine="here", versions={}, measures=[slow, fast], idle=200, history=1_000_000))
    assert "200 idle" in text
    assert "1,000,000 records" in text
    assert text.splitlines()[-1] == "missed: a; a with a long history; b with a long history"
    assert above_bare(3.0)(2.0) == 5.0


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
    assert read_report(tmp_path / "run.json") == report(1.0, 2.0)


def test_percentiles_are_measured_values() -> None:
    """The 99th percentile of a few values is the greatest of them."""
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0


@pytest.mark.alone
def test_the_clients_cost_little() -> None:
    """Both clients talk to a server that does nothing, and count what they spend."""
    assert 0 < trivial.cost_of_a_request(0.2, 4) < 0.01
    assert len(trivial.round_trips(20)) == 20


def test_an_answer_is_known_by_its_length() -> None:
    """The head says where the body ends, however the bytes come."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    assert split(answer[:20]) is None
    assert split(answer[:-1]) == split(answer) == (len(answer) - 3, len(answer))


@pytest.fixture(scope="module")
def target(running: Running) -> Target:
    """A workspace for the bench on a running service."""
    return Target.of(running.service, running.demo.token)


def test_a_refusal_is_no_measure(target: Target) -> None:
    """What is not a 200 stops the clients instead of being counted."""
    wrong = target.place.request("GET", "/v1/workspaces/none/sessions")
    with Lean(Place(target.place.host, target.place.port, "wrong")) as client, pytest.raises(Refused):
        client.exchange(wrong)
    with pytest.raises(subprocess.CalledProcessError):
        load.run(load.Order(target.place, [wrong], b"", 0.1))


def test_a_history_is_made_of_records_the_service_reads(target: Target) -> None:
    """What is written into the store is shown by the API, newest first, and goes its way when its time is over."""
    remember(target.service.data_dir, target.workspace_id, target.endpoint_id, 2_000)
    with Api(target.service.url, target.token) as api:
        base = f"/v1/workspaces/{target.workspace_id}"
        found = api.get(dict[str, Any], f"{base}/statement-records", limit=100)
        assert found["total"] >= 2_000
        assert {one["status"] for one in found["records"]} == {"SUCCESSFUL", "FAILED", "CANCELED"}
        one = next(one for one in found["records"] if one["status"] == "CANCELED")
        session = Session(api, target.workspace_id, one["session_id"])
        assert session.show(one["id"]).status == 4
        assert session.status() == "CLOSED"


TINY = replace(QUICK, selects=20, seconds=0.2, cancels=1, opens=1, rows=5_000, running=0.3, deaf_bound=1.0)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_measure_can_be_taken(target: Target) -> None:
    """A tiny run takes each measure against a real service and DuckDB, and all are positive."""
    rounds = Rounds(TINY)
    rounds.take(target, target)
    taken = {one.name: one for one in rounds.measures()}
    figures = {figure.name for probe in probes(TINY, 0) for figure in probe.figures}
    assert figures <= set(taken)
    assert all(one.treadle > 0 for one in taken.values() if not one.name.startswith("an idle"))
    assert all(taken[name].idle and taken[name].history for name in figures)


@pytest.mark.alone
def test_the_cost_of_knowing_who_calls_is_taken(target: Target) -> None:
    """By token and by signature, again and again on one service: each takes some time, and not much."""
    for take in (by_token, by_signature, by_signature):
        taken = take(target, 20)
        assert len(taken) == 20
        assert 0 < percentile(taken, 0.5) < 0.01


def test_idle_sessions_go_again(target: Target) -> None:
    """Sessions kept for a measure are closed after it."""
    with idle_sessions(target, (2, 1)):
        assert _open_sessions(target) == 3
    assert _open_sessions(target) == 0
    assert len(select_one(target, 5)) == 5


def _open_sessions(target: Target) -> int:
    with Api(target.service.url, target.token) as api:
        path = f"/v1/workspaces/{target.workspace_id}/sessions"
        return int(api.get(dict[str, Any], path, status="RUNNING")["total"])
