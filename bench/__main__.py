"""Run the bench: start a service of its own, measure, print, and perhaps save or compare."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench.measures import QUICK, Size, measures
from bench.report import Report, as_text, compared, load, report, save
from bench.served import Target
from treadle.demo.client import Api
from treadle.demo.local import LocalService, make_token


def take(size: Size) -> Report:
    """Measure a fresh service in a folder that is removed afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="treadle-bench-") as folder,
        LocalService(Path(folder) / "data") as service,
        Api(service.url, make_token(service.data_dir)) as api,
    ):
        workspace_id = api.ensure_workspace("bench")
        target = Target(service, api, workspace_id, api.ensure_endpoint(workspace_id, "bench"))
        taken = []
        for one in measures(target, size):
            print(f"measured: {one.name}", file=sys.stderr, flush=True)
            taken.append(one)
        return report(taken)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see that everything works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the measures")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("A", "B"), help="compare two saved runs")
    given = parser.parse_args()
    if given.compare:
        before, after = map(load, given.compare)
        print(compared(before, after))
        return
    taken = take(QUICK if given.quick else Size())
    print(as_text(taken))
    if given.json:
        save(taken, given.json)


if __name__ == "__main__":
    main()
