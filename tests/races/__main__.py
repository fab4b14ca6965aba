"""Run the races and say what came of them; `scripts/race` calls this."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.races.report import load, table
from tests.races.trials import RACES, REPORT, TRIALS

HERE = Path(__file__).parent
DOCUMENT = HERE.parent.parent / "docs" / "races.md"
BEGIN, END = "<!-- outcomes: begin -->", "<!-- outcomes: end -->"


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """What the caller wants."""
    parser = argparse.ArgumentParser(prog="scripts/race", description="Race cancels against everything, for real.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="races to run: R1 R3 R14b …; all of them by default")
    parser.add_argument("--trials", type=int, metavar="N", help="trials of a race whose trial is short")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the outcomes, a line of JSON each; adds to it")
    parser.add_argument("--doc", action="store_true", help="write the outcomes into docs/races.md")
    return parser.parse_args(argv)


def run(names: Sequence[str], trials: int | None, report: Path) -> int:
    """Run the races as tests; pytest's exit code."""
    environment = os.environ | {REPORT: str(report), RACES: ",".join(names)}
    if trials is not None:
        environment[TRIALS] = str(trials)
    command = [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", "-o", "timeout=0", str(HERE)]
    return subprocess.run(command, env=environment, check=False).returncode


def document(outcomes: str) -> None:
    """Put the table into its place in the document."""
    text = DOCUMENT.read_text()
    pattern = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
    DOCUMENT.write_text(pattern.sub(lambda _: f"{BEGIN}\n{outcomes}\n{END}", text))


def main(argv: Sequence[str]) -> int:
    """Run, print the table; 0 when no race found a violation."""
    wanted = arguments(argv)
    with tempfile.TemporaryDirectory() as folder:
        report = (wanted.json or Path(folder) / "races.jsonl").absolute()
        code = run(wanted.names, wanted.trials, report)
        outcomes = table(load(report))
    print(f"\n{outcomes}")
    if wanted.doc:
        document(outcomes)
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
