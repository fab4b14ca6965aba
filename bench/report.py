"""What a run of the bench says: measures, their table, their file, and two of them compared."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One number of the service beside the same number of DuckDB used directly.

    ``bare`` is None where DuckDB alone has no such thing; ``note`` says what the reader must know.
    """

    name: str
    unit: str
    better: Literal["lower", "higher"]
    treadle: float
    bare: float | None = None
    note: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All measures of one run, and on what they were taken."""

    machine: str
    versions: dict[str, str]
    measures: list[Measure]


def report(measures: Sequence[Measure]) -> Report:
    """The measures with the machine and the versions they belong to."""
    return Report(
        machine=_machine(),
        versions={"treadle": version("treadle"), "duckdb": version("duckdb"), "python": platform.python_version()},
        measures=list(measures),
    )


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, {memory:.0f} GiB of memory"


def save(taken: Report, path: Path) -> None:
    """Write the report as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(taken)) + b"\n")


def load(path: Path) -> Report:
    """Read a report; raises `msgspec.DecodeError` or `OSError`."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; ``share`` is in [0, 1]."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def as_text(taken: Report) -> str:
    """The table of one run; the ratio is what the service has to what DuckDB alone has."""
    lines = [["measure", "unit", "treadle", "duckdb alone", "ratio", "better", ""]]
    for one in taken.measures:
        bare = "-" if one.bare is None else _number(one.bare)
        ratio = _number(one.treadle / one.bare) if one.bare else "-"
        lines.append([one.name, one.unit, _number(one.treadle), bare, ratio, one.better, one.note])
    versions = ", ".join(f"{name} {number}" for name, number in taken.versions.items())
    return f"{taken.machine}; {versions}\n\n{_columns(lines)}"


def compared(before: Report, after: Report) -> str:
    """The table of two runs; a ratio above 1 means that the second is better."""
    earlier = {one.name: one for one in before.measures}
    lines = [["measure", "unit", "before", "after", "times better"]]
    for one in after.measures:
        was = earlier.get(one.name)
        if was is None:
            lines.append([one.name, one.unit, "-", _number(one.treadle), "-"])
            continue
        lines.append([one.name, one.unit, _number(was.treadle), _number(one.treadle), _ratio(was, one)])
    return _columns(lines)


def _ratio(was: Measure, now: Measure) -> str:
    worse, better = (now.treadle, was.treadle) if now.better == "lower" else (was.treadle, now.treadle)
    return f"{better / worse:.2f}" if worse else "-"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 0.1 or not value else f"{value:.2g}"


def _columns(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(row).rstrip() for row in rows)
