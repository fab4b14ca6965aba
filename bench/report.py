"""What a run of the bench says: measures, their table, their file, and two of them compared."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec

from bench.marks import WORSE


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One number of the service beside the same number of DuckDB used directly.

    ``bare`` is None where DuckDB alone has no such thing, ``mark`` where nothing is to be reached;
    ``idle`` and ``history`` are the same number with idle sessions and with a long history. ``note``
    says what the reader must know.
    """

    name: str
    unit: str
    better: Literal["lower", "higher"]
    treadle: float
    bare: float | None = None
    mark: float | None = None
    idle: float | None = None
    history: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the mark is reached; None without one."""
        if self.mark is None:
            return None
        return self.treadle <= self.mark if self.better == "lower" else self.treadle >= self.mark

    def worse(self, again: float | None) -> float | None:
        """By which share the number is worse when taken ``again``; below zero when it is better."""
        if again is None or not self.treadle or not again:
            return None
        return (again / self.treadle if self.better == "lower" else self.treadle / again) - 1


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All measures of one run, on what they were taken, and again with how many idle sessions and records.

    ``busy`` is the percentage of the processors that others used just before: a quiet machine has little.
    """

    machine: str
    versions: dict[str, str]
    measures: list[Measure]
    idle: int = 0
    history: int = 0
    busy: float | None = None


def report(measures: Sequence[Measure], idle: int = 0, history: int = 0, busy: float | None = None) -> Report:
    """The measures with the machine and the versions they belong to."""
    return Report(
        machine=_machine(),
        versions={"treadle": version("treadle"), "duckdb": version("duckdb"), "python": platform.python_version()},
        measures=list(measures),
        idle=idle,
        history=history,
        busy=busy,
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
    head = ["measure", "unit", "treadle", "duckdb alone", "ratio", "mark", "", f"{taken.idle:,} idle", ""]
    lines = [[*head, f"{taken.history:,} records", "", "note"]]
    for one in taken.measures:
        ratio = _number(one.treadle / one.bare) if one.bare else "-"
        sign = "<= " if one.better == "lower" else ">= "
        lines.append(
            [
                one.name,
                one.unit,
                _number(one.treadle),
                _optional(one.bare),
                ratio,
                "-" if one.mark is None else sign + _number(one.mark),
                {True: "met", False: "MISSED", None: ""}[one.met],
                _optional(one.idle),
                _verdict(one.worse(one.idle)),
                _optional(one.history),
                _verdict(one.worse(one.history)),
                one.note,
            ]
        )
    versions = ", ".join(f"{name} {number}" for name, number in taken.versions.items())
    busy = "" if taken.busy is None else f"; {taken.busy:.0f} % of the processors in use by others before it"
    return f"{taken.machine}; {versions}{busy}\n\n{_columns(lines)}\n\n{_summary(taken)}"


def _summary(taken: Report) -> str:
    """How many marks are met, and which are not."""
    missed = [one.name for one in taken.measures if one.met is False]
    missed += [
        f"{one.name} with {word}"
        for one in taken.measures
        for word, again in (("idle sessions", one.idle), ("a long history", one.history))
        if (worse := one.worse(again)) is not None and worse > WORSE
    ]
    return f"missed: {'; '.join(missed)}" if missed else "every mark is met"


def _verdict(worse: float | None) -> str:
    if worse is None:
        return ""
    return f"{worse:+.0%}{' MISSED' if worse > WORSE else ''}"


def _optional(value: float | None) -> str:
    return "-" if value is None else _number(value)


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
