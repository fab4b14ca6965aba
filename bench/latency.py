"""How long a cancel takes, kind by kind of the zoo: from the request to its 200, every answer checked.

``scripts/cancel-latency`` runs it and writes docs/cancel-latency.md.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.latency_page import KindLatency, LatencyReport, as_page, load, save
from bench.report import report
from tests.conformance.zoo import KINDS, Kind, named
from tests.conformance.zoo.stock import FULL, ROOT, Size, Stock
from tests.conformance.zoo.trial import Moment, Seat, Trial
from tests.support.world import world
from treadle.config import Settings
from treadle.demo.client import ApiError, StatementFailed

PAGE = ROOT / "docs" / "cancel-latency.md"
LEAST_TRIALS = 2
BUSY_SECONDS = 0.9
LOOK_SECONDS = 0.1
COUNTED_FAILURES = (AssertionError, ApiError, StatementFailed, OSError)
"""A trial that raises one of these is told on the page; the run goes on."""


def measure(stock: Stock, kind: Kind, rounds: int, seconds: float) -> KindLatency:
    """Cancel a kind at each of its moments, at most ``rounds`` times each and ``seconds`` in all."""
    moments = list(Moment) if kind.finite else [Moment.EARLY, Moment.MIDDLE]
    trials: list[Trial] = []
    wrong: list[str] = []
    try:
        with Seat(stock, kind, busy=BUSY_SECONDS, look=LOOK_SECONDS) as seat:
            typical = min(seat.duration() for _ in range(2)) if kind.finite else 0.0
            for moment in moments:
                for _ in _rounds(rounds, seconds / len(moments)):
                    try:
                        trials.append(seat.trial(moment, typical))
                    except COUNTED_FAILURES as failed:
                        wrong.append(f"{moment}: {failed}")
                        seat.renew()
    except COUNTED_FAILURES as failed:
        wrong.append(str(failed))
    return KindLatency.of(kind, trials, wrong)


def _rounds(most: int, seconds: float) -> Iterator[int]:
    """Round after round, at least `LEAST_TRIALS` if that many are wanted, no more once the time is over."""
    end = time.monotonic() + seconds
    for n in range(most):
        if n >= LEAST_TRIALS and time.monotonic() > end:
            return
        yield n


def run(kinds: Sequence[Kind], size: Size, cache: Path, rounds: int, seconds: float) -> LatencyReport:
    """Measure the kinds on a fresh service in a folder that is removed afterwards."""
    cache.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    taken = []
    with (
        tempfile.TemporaryDirectory(prefix="treadle-latency-") as folder,
        world(Path(folder) / "data", {"TREADLE_COPY_DIRS": json.dumps([str(cache)])}) as running,
    ):
        stock = Stock(running, size, cache)
        for number, kind in enumerate(kinds, start=1):
            taken.append(measure(stock, kind, rounds, seconds))
            passed = time.monotonic() - started
            print(f"[{number}/{len(kinds)}, {passed:.0f} s] {taken[-1]}", file=sys.stderr, flush=True)
    about = report(())
    return LatencyReport(
        machine=about.machine,
        versions=about.versions,
        taken_on=time.strftime("%Y-%m-%d", time.gmtime()),
        seconds=time.monotonic() - started,
        grace=Settings().cancel_grace,
        rows=size.rows,
        scale=size.scale,
        kinds=taken,
    )


def main() -> None:
    """Do what the command line asks for; 1 when an answer was wrong or later than it may be."""
    parser = argparse.ArgumentParser(prog="scripts/cancel-latency", description="Measure how long a cancel takes.")
    parser.add_argument("--rounds", type=int, default=20, help="most cancels of a kind at each moment")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds for a kind; at least two cancels a moment")
    parser.add_argument("--scale", type=float, default=FULL.scale, help="scale of TPC-H and TPC-DS")
    parser.add_argument("--rows", type=int, default=FULL.rows, help="rows of the zoo's own table")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(tempfile.gettempdir()) / "treadle-zoo",
        help="folder where the files of TPC-H and TPC-DS are kept for the next run",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the figures")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="where the page goes")
    parser.add_argument("--render", type=Path, metavar="FILE", help="only write the page, from figures saved before")
    parser.add_argument("kinds", nargs="*", help="kinds to measure, all of them if none is named; no page then")
    given = parser.parse_args()
    if given.render:
        given.page.write_text(as_page(load(given.render)))
        return
    kinds = [named(name) for name in given.kinds] or list(KINDS)
    size = Size(rows=given.rows, scale=given.scale)
    taken = run(kinds, size, given.data_dir.absolute(), given.rounds, given.seconds)
    if given.json:
        save(taken, given.json)
    if given.kinds:
        print(as_page(taken))
    else:
        given.page.write_text(as_page(taken))
    sys.exit(1 if taken.findings() else 0)


if __name__ == "__main__":
    main()
