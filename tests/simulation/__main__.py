"""`scripts/simulate`: play seeds, show progress, make what fails small and show it."""

import argparse
import sys
import time
from pathlib import Path

import msgspec

from tests.simulation.mutants import MUTANTS
from tests.simulation.run import Failure, digest, in_parallel, processors, smallest
from tests.simulation.world import World


def main() -> int:
    """The number of failed seeds decides: 0 is well."""
    options = _options()
    seeds = range(options.start, options.start + options.seeds)
    if options.digest:
        print(digest(seeds))
        return 0
    started, done, found = time.monotonic(), 0, list[Failure]()
    try:
        for count, failed in in_parallel(seeds, options.mutant, options.jobs):
            done += count
            found += failed
            _progress(done, len(seeds), time.monotonic() - started, len(found))
            if len(found) >= options.most:
                break
    except KeyboardInterrupt:
        print(file=sys.stderr)
    seconds = time.monotonic() - started
    print(
        f"\nsimulate: {done} seeds from {options.start} in {seconds:.0f} s "
        f"({done / max(seconds, 0.001):.0f} a second), {len(found)} failed",
        file=sys.stderr,
    )
    found.sort(key=lambda failure: failure.seed)
    for failure in found:
        print(f"seed {failure.seed}: {failure.clause}: {failure.text}")
    if found and not options.brief:
        _show(smallest(found[0], options.mutant), found[0])
    if options.json:
        _write(options, done, seconds, found)
    return min(len(found), 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/simulate", description="Play seeded runs of the service.")
    parser.add_argument("--seeds", type=int, default=2000, help="how many seeds to play")
    parser.add_argument("--from", dest="start", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=processors(), help="how many processes")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="put this fault into the code under test")
    parser.add_argument("--most", type=int, default=3, help="stop after so many failed seeds")
    parser.add_argument("--brief", action="store_true", help="do not make the first failure small and show it")
    parser.add_argument("--digest", action="store_true", help="print one digest of everything that happens")
    parser.add_argument("--json", type=Path, help="write what was found to this file")
    return parser.parse_args()


def _progress(done: int, total: int, seconds: float, failed: int) -> None:
    rate = done / max(seconds, 0.001)
    end = "" if sys.stderr.isatty() else "\n"
    if end and done % 5000 and done < total:
        return
    print(f"\r{done} of {total} seeds, {rate:.0f} a second, {failed} failed", end=end, file=sys.stderr, flush=True)


def _show(world: World, failure: Failure) -> None:
    scenario = world.scenario
    print(f"\nThe smallest scenario found that fails as seed {failure.seed} does:\n")
    for number, program in enumerate(scenario.programs):
        if any(number in (getattr(act, "runs", None), getattr(act, "target", None)) for act in scenario.acts):
            print(f"  program {number}: {program}")
    for act in scenario.acts:
        print(f"  {act}")
    print(f"  {scenario.noise}\n  {scenario.limits}\n\nIts trace:\n")
    print("\n".join(world.trace.lines()))
    print()
    print("\n".join(map(str, world.truth.violations)))


def _write(options: argparse.Namespace, done: int, seconds: float, found: list[Failure]) -> None:
    report = {
        "from": options.start,
        "seeds": done,
        "seconds": round(seconds, 3),
        "jobs": options.jobs,
        "mutant": options.mutant,
        "failures": found,
    }
    options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
