"""Run the bench: start two services of its own, measure, print, and perhaps save or compare."""

import argparse
import tempfile
from pathlib import Path
from typing import Final

import psutil
from msgspec.structs import replace

from bench.history import remember
from bench.measures import FULL, QUICK, Size
from bench.report import Report, as_text, compared, load, report, save
from bench.rounds import Rounds
from bench.served import Target
from treadle.demo.local import LocalService, make_token

BUSY_SECONDS: Final = 3.0

SETTINGS: Final = {"TREADLE_ENDPOINT_SESSIONS": "1000", "TREADLE_SESSION_TIMEOUT": "0"}
"""Everything else is as a service has it without a setting: enough sessions, and idle ones stay."""


def take(size: Size) -> Report:
    """Measure two fresh services, one of them with a history, in folders that are removed afterwards."""
    busy = psutil.cpu_percent(BUSY_SECONDS)
    with (
        tempfile.TemporaryDirectory(prefix="treadle-bench-") as folder,
        LocalService(Path(folder) / "plain", SETTINGS) as plain,
        LocalService(Path(folder) / "history", SETTINGS) as remembering,
    ):
        targets = [Target.of(service, make_token(service.data_dir)) for service in (plain, remembering)]
        old = targets[1]
        remember(remembering.data_dir, old.workspace_id, old.endpoint_id, size.history)
        rounds = Rounds(size)
        rounds.take(*targets)
        return report(rounds.measures(), size.idle, size.history, busy)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_true", help="only see that everything works")
    sizes.add_argument("--full", action="store_true", help="what the published figures are made of")
    parser.add_argument("--rounds", type=_count, metavar="N", help="how often everything is measured")
    parser.add_argument("--rows", type=_count, metavar="N", help="rows of the result that is paged through")
    parser.add_argument("--idle", type=_count, metavar="N", help="idle sessions to measure again with")
    parser.add_argument("--history", type=_count, metavar="N", help="records to measure again with")
    parser.add_argument("--neighbour", type=_count, metavar="N", help="calls to make beside each load of a neighbour")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the measures")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("A", "B"), help="compare two saved runs")
    given = parser.parse_args()
    if given.compare:
        before, after = map(load, given.compare)
        print(compared(before, after))
        return
    size = QUICK if given.quick else FULL if given.full else Size()
    changed = {name: getattr(given, name) for name in ("rounds", "rows", "idle", "history", "neighbour")}
    size = replace(size, **{name: value for name, value in changed.items() if value is not None})
    taken = take(replace(size, idle_first=min(size.idle_first, size.idle)))
    print(as_text(taken))
    if given.json:
        save(taken, given.json)


if __name__ == "__main__":
    main()
