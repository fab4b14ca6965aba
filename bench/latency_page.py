"""The page of the cancel latencies: figures, their tables, their file."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import msgspec

from bench.report import percentile
from tests.conformance.zoo.kind import Kind
from tests.conformance.zoo.trial import Moment, Trial
from tests.support.world import BOUND

EXCERPT = 60
"""Characters of the SQL shown beside a kind."""


class KindLatency(msgspec.Struct, frozen=True, kw_only=True):
    """The cancels of one kind.

    ``millis`` are those that met a living statement, by moment; ``rungs`` counts their rungs;
    ``ended`` are the cancels that came when the statement had ended by itself; ``wrong`` are the
    answers that were not true.
    """

    name: str
    family: str
    sql: str
    millis: dict[str, list[float]]
    rungs: dict[str, int]
    ended: int
    wrong: list[str]

    @classmethod
    def of(cls, kind: Kind, trials: Sequence[Trial], wrong: Sequence[str]) -> Self:
        """The figures of a kind's trials."""
        living = [one for one in trials if one.rung]
        sql = " ".join(kind.sql.split())
        return cls(
            name=kind.name,
            family=kind.family,
            sql=sql if len(sql) <= EXCERPT else f"{sql[:EXCERPT].rstrip()} …",
            millis={
                str(moment): [round(one.seconds * 1000, 2) for one in living if one.moment is moment]
                for moment in Moment
            },
            rungs=dict(Counter(one.rung for one in living).most_common()),
            ended=len(trials) - len(living),
            wrong=list(wrong),
        )

    @property
    def all_millis(self) -> list[float]:
        """Milliseconds of the cancels that met a living statement."""
        return [one for moment in Moment for one in self.millis[moment]]

    def findings(self) -> list[str]:
        """What must not be: untrue answers, and true ones that came too late."""
        late = [one for one in self.all_millis if one > BOUND * 1000]
        return [*self.wrong, *(f"answered after {one / 1000:.1f} s" for one in late)]

    def __str__(self) -> str:
        figures = _figures(self.all_millis)
        text = (
            f"{self.name}: {len(self.all_millis)} cancels, p50 {figures[0]}, max {figures[2]} ms, {_rungs(self.rungs)}"
        )
        return text + "".join(f"\n    {one}" for one in self.findings())


class LatencyReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run; ``seconds`` it took, ``grace`` in seconds, ``rows`` and ``scale`` of the data."""

    machine: str
    versions: dict[str, str]
    taken_on: str
    seconds: float
    grace: float
    rows: int
    scale: float
    kinds: list[KindLatency]

    def findings(self) -> list[str]:
        """Every finding with its kind."""
        return [f"`{kind.name}`: {one}" for kind in self.kinds for one in kind.findings()]


def save(taken: LatencyReport, path: Path) -> None:
    """Write the figures as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(taken)) + b"\n")


def load(path: Path) -> LatencyReport:
    """Read the figures; raises `msgspec.DecodeError` or `OSError`."""
    return msgspec.json.decode(path.read_bytes(), type=LatencyReport)


def as_page(taken: LatencyReport) -> str:
    """The whole page, in Markdown."""
    return "\n".join([*_introduction(taken), *_summary(taken), *_findings(taken), *_families(taken.kinds), *_closing()])


def _introduction(taken: LatencyReport) -> list[str]:
    cancels = sum(len(kind.all_millis) for kind in taken.kinds)
    versions = ", ".join(f"{name} {number}" for name, number in taken.versions.items())
    return [
        "# How long a cancel takes",
        "",
        "<!-- Written by scripts/cancel-latency: run it again instead of editing. -->",
        "",
        _paragraph(
            f"""{len(taken.kinds)} kinds of statement, {cancels:,} cancels that met a living statement, each measured by
            its caller from the request to its 200, which says that the statement has stopped. No answer is taken on
            trust: after each one the worker's processor time, its process, spill files, result files, the catalog's
            data files, the rows, the record and the session's next statement are looked at."""
        ),
        "",
        _paragraph(
            f"""Taken on {taken.taken_on}, in {taken.seconds / 60:.0f} minutes, on {taken.machine}; {versions}. One
            statement at a time, default settings: `cancel_grace` is {taken.grace:g} s, so a statement that ignores its
            interrupt is killed after {taken.grace:g} s **by design**, and its row says `killed`. The contract's bound
            is {BOUND:g} s, for any statement. TPC-H and TPC-DS have scale {taken.scale:g}, the zoo's own table has
            {taken.rows:,} rows."""
        ),
        "",
        _paragraph(
            """*early* is 0 to 5 ms after the submit was answered; *middle* once the engine has worked on it for a
            while (20 to 80 % of its usual time, if it ends by itself); *end* 90 to 105 % of that time. p50, p99 and
            max, in milliseconds, are over all of them; where there are few, p99 is the max. *ended* counts the cancels
            that found a statement ended by itself: they change nothing, are answered at once and are in no figure.
            The rungs are explained in [cancel.md](cancel.md#the-ladder)."""
        ),
        "",
    ]


def _summary(taken: LatencyReport) -> list[str]:
    by_rung: dict[str, int] = Counter()
    for kind in taken.kinds:
        by_rung.update(kind.rungs)
    listening = [kind for kind in taken.kinds if "killed" not in kind.rungs and kind.all_millis]
    everything = [one for kind in taken.kinds for one in kind.all_millis]
    rows = [
        ["all", *_row(everything), _rungs(dict(by_rung))],
        ["kinds that always stopped at the interrupt", *_row(_millis_of(listening)), ""],
        *(
            [f"every kind, {moment}", *_row([one for kind in taken.kinds for one in kind.millis[moment]]), ""]
            for moment in Moment
        ),
    ]
    return [*_table(["", "cancels", "p50 ms", "p99 ms", "max ms", "rungs"], rows), ""]


def _findings(taken: LatencyReport) -> list[str]:
    found = taken.findings()
    if not found:
        return [f"No answer was untrue, and none came after {BOUND:g} s.", ""]
    return ["**Broken promises of this run:**", "", *(f"- {one}" for one in found), ""]


def _families(kinds: Sequence[KindLatency]) -> list[str]:
    lines = []
    for family in dict.fromkeys(kind.family for kind in kinds):
        rows = [_line(kind) for kind in kinds if kind.family == family]
        header = ["kind", "n", "early p50", "middle p50", "end p50", "p50", "p99", "max", "rungs", "ended", "statement"]
        lines += [f"## {family.capitalize()}", "", *_table(header, rows), ""]
    return lines


def _line(kind: KindLatency) -> list[str]:
    millis = kind.all_millis
    moments = [_figures(kind.millis[moment])[0] for moment in Moment]
    statement = kind.sql.replace("|", "\\|")
    counted = [_rungs(kind.rungs), str(kind.ended)]
    return [f"`{kind.name}`", str(len(millis)), *moments, *_figures(millis), *counted, f"`{statement}`"]


def _closing() -> list[str]:
    return [
        "## Not here",
        "",
        _paragraph(
            """`CHECKPOINT` is refused to sessions; Python functions and Arrow readers do not exist for them. DuckLake
            has no indexes and no primary keys, so `create_index` and `upsert` work on temporary tables, as does
            `alter_type`, which in DuckLake changes metadata only. Remote engines are planned."""
        ),
        "",
        "## Again",
        "",
        "```sh",
        "scripts/cancel-latency                      # this page, in about 12 minutes",
        "scripts/cancel-latency --json run.json      # the figures as well",
        "scripts/cancel-latency window merge         # some kinds only, printed",
        "scripts/cancel-latency --rounds 200 --seconds 60",
        "```",
        "",
        "The statements stand in `tests/conformance/zoo`. CI cancels every kind, at a small size.",
        "",
    ]


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def _millis_of(kinds: Iterable[KindLatency]) -> list[float]:
    return [one for kind in kinds for one in kind.all_millis]


def _row(millis: Sequence[float]) -> list[str]:
    return [f"{len(millis):,}", *_figures(millis)]


def _figures(millis: Sequence[float]) -> list[str]:
    """p50, p99 and max as text; dashes for none."""
    if not millis:
        return ["-"] * 3
    return [_number(one) for one in (percentile(millis, 0.5), percentile(millis, 0.99), max(millis))]


def _number(millis: float) -> str:
    return f"{millis:,.0f}" if millis >= 10 else f"{millis:.1f}"


def _rungs(rungs: dict[str, int]) -> str:
    return ", ".join(f"{rung} {count}" for rung, count in rungs.items()) or "-"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows)]
