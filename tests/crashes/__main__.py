"""``python -m tests.crashes``: many rounds with a line each and a summary; what fails can be asked for again."""

import argparse
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.crashes.rounds import Report, Stage, play
from tests.crashes.soak import Plan, soak

RENEW = 25
"""Rounds on one data folder."""

PERIODS = 12
"""Periods of a soak, each in a workspace of its own that is deleted at its end."""


def main() -> int:
    """Play the rounds; the number of those that failed decides the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how many rounds (100)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the seed of the whole run (the time)")
    parser.add_argument(
        "--first", type=int, default=0, help="the first round: --seed S --first N --rounds 1 repeats one"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        default=Path(tempfile.gettempdir()) / "treadle-crash-logs",
        help="where logs of failed rounds go",
    )
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="one long mixed load by --clients instead")
    parser.add_argument("--clients", type=int, default=40, help="clients of a soak (40)")
    wanted = parser.parse_args()
    # Stopped from outside, the service of the round is stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if wanted.soak:
        return _soak(wanted.seed, wanted.soak, wanted.clients, wanted.keep)
    print(f"crash: {wanted.rounds} rounds from {wanted.first}, seed {wanted.seed}", flush=True)
    started = time.monotonic()
    reports: list[Report] = []
    failed: list[int] = []
    numbers = range(wanted.first, wanted.first + wanted.rounds)
    for at in range(0, len(numbers), RENEW):
        _play_some(numbers[at : at + RENEW], wanted.seed, wanted.keep, reports, failed)
    _summary(reports, failed, wanted.seed, time.monotonic() - started)
    return 1 if failed else 0


def _soak(seed: int, minutes: float, clients: int, keep: Path) -> int:
    """Play a soak of about that many minutes on one data folder, in twelve periods with a kill every ten seconds."""
    visitors = max(clients // 4, 1)
    plan = Plan(seed, PERIODS, minutes * 60 / PERIODS, clients - visitors - 1, visitors, pause=10.0)
    print(f"crash: a soak of {minutes:g} minutes by {clients} clients, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="treadle-crash-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # the private PostgreSQL's user passes through
        with Stage(Path(folder) / "data") as stage:
            try:
                seen = soak(stage, plan)
            except Exception:
                traceback.print_exc()
                stage.keep(keep / f"soak-{seed}")
                return 1
            print(f"crash: held. {seen.line()}")
            print(f"  first: {seen.idle[0].line()}\n  last:  {seen.idle[-1].line()}")
    return 0


def _play_some(numbers: range, seed: int, keep: Path, reports: list[Report], failed: list[int]) -> None:
    """Rounds one after another on a fresh data folder; after a failure the folder is fresh as well."""
    left = list(numbers)
    while left:
        with tempfile.TemporaryDirectory(prefix="treadle-crash-", ignore_cleanup_errors=True) as folder:
            os.chmod(folder, 0o755)  # the private PostgreSQL's user passes through
            with Stage(Path(folder) / "data") as stage:
                while left:
                    number = left.pop(0)
                    try:
                        reports.append(play(stage, seed, number))
                    except Exception:
                        failed.append(number)
                        print(f"{seed}-{number}: FAILED\n{traceback.format_exc()}", flush=True)
                        stage.keep(keep / f"{seed}-{number}")
                        break
                    print(reports[-1].line(), flush=True)


def _summary(reports: list[Report], failed: list[int], seed: int, seconds: float) -> None:
    statuses: Counter[str] = Counter()
    for report in reports:
        statuses += report.statuses
    targets = Counter(report.target.value for report in reports)
    print(f"crash: {len(reports)} rounds held, {len(failed)} failed, {seconds:.0f} s")
    print("  killed: " + ", ".join(f"{name} {count}" for name, count in targets.most_common()))
    print(f"  statements: {statuses.total()} on record: {dict(statuses)}")
    print(f"  acknowledged {sum(one.acknowledged for one in reports)}, cancels {sum(one.cancels for one in reports)}")
    for number in failed:
        print(f"  failed: scripts/crash --seed {seed} --first {number} --rounds 1")


if __name__ == "__main__":
    sys.exit(main())
