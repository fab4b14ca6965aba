"""What a run of the races says: one line a race, as JSON and as a table."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one race. ``held`` is whether every trial kept the contract.

    ``cancel_millis`` are the median, the 99th percentile and the maximum of what a caller waited.
    """

    race: str
    title: str
    trials: int
    outcomes: dict[str, int]
    held: bool
    cancel_millis: list[float] = []
    baseline: str = ""
    seconds: float = 0.0

    def line(self) -> bytes:
        """One line of JSON."""
        return msgspec.json.encode(self) + b"\n"


def load(path: Path) -> list[Outcome]:
    """The lines of a report, a race after another."""
    found = (
        [msgspec.json.decode(line, type=Outcome) for line in path.read_bytes().splitlines()] if path.exists() else []
    )
    return sorted(found, key=lambda outcome: (int("".join(filter(str.isdigit, outcome.race))), outcome.race))


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; ``share`` is in [0, 1]."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def table(found: Iterable[Outcome]) -> str:
    """The outcomes as a table in Markdown."""
    rows = [
        "| race | trials | violations | outcomes | cancel to 200, ms: p50 / p99 / max | without a fence |",
        "|---|---|---|---|---|---|",
    ]
    rows.extend(_row(outcome) for outcome in found)
    return "\n".join(rows)


def _row(outcome: Outcome) -> str:
    outcomes = ", ".join(f"{name} {count:,}" for name, count in outcome.outcomes.items())
    millis = " / ".join(f"{value:,.0f}" for value in outcome.cancel_millis)
    violations = "0" if outcome.held else "**FOUND**"
    cells = (f"{outcome.race} {outcome.title}", f"{outcome.trials:,}", violations, outcomes, millis, outcome.baseline)
    return "| " + " | ".join(cells) + " |"
