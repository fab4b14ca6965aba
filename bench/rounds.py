"""Rounds over all measures in all situations, taking turns, so that a noisy minute does not decide."""

import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Literal

from bench import identity, marks, neighbour, trivial
from bench.marks import Figure
from bench.measures import Numbers, Size, probes
from bench.report import Measure, percentile
from bench.served import Idle, Target, idle_sessions

Situation = Literal["plain", "idle", "history", "alone"]
MIB: Final = 2.0**20


class Rounds:
    """What was measured so far, figure by figure and situation by situation."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._figures: dict[str, Figure] = {}
        self._absent: set[str] = set()
        self._taken: defaultdict[tuple[str, Situation], list[float]] = defaultdict(list)

    def measures(self) -> list[Measure]:
        """Every figure that could be taken."""
        found = []
        for name, figure in self._figures.items():
            plain, alone = self._result(figure, "plain"), self._result(figure, "alone")
            if plain is None:
                print(f"could not be taken: {name}", file=sys.stderr, flush=True)
                continue
            found.append(
                Measure(
                    name=name,
                    unit=figure.unit,
                    better=figure.better,
                    treadle=plain,
                    bare=alone,
                    mark=figure.mark(alone) if figure.mark else None,
                    idle=self._result(figure, "idle"),
                    history=self._result(figure, "history"),
                    note=figure.note,
                )
            )
        return found

    def take(self, plain: Target, remembering: Target) -> None:
        """All rounds: the first target plain and with idle sessions, the other with its history."""
        self._clients()
        steps = (self._size.idle_first, self._size.idle - self._size.idle_first)
        for turn in range(self._size.rounds):
            self._turn(plain, "plain", turn)
            self._callers(plain)
            self._neighbour(plain)
            with idle_sessions(plain, [step for step in steps if step]) as idle:
                self._memory(idle)
                self._turn(plain, "idle", turn)
            self._turn(remembering, "history", turn)

    def _turn(self, target: Target, situation: Situation, turn: int) -> None:
        for probe in probes(self._size, turn):
            names = probe.figures[0].name.removesuffix(", p50")
            if names in self._absent:
                continue
            print(f"round {turn + 1} of {self._size.rounds}, {situation}: {names}", file=sys.stderr, flush=True)
            numbers = probe.ours(target)
            if not numbers:
                self._absent.add(names)
            self._note(probe.figures, situation, numbers)
            if situation == "plain" and probe.alone is not None:
                self._note(probe.figures, "alone", probe.alone())

    def _memory(self, idle: Idle) -> None:
        self._note(marks.MEMORY, "plain", (idle.service / MIB, idle.postgres / MIB))

    def _callers(self, target: Target) -> None:
        """What neither idle sessions nor a history have a part in, and what is too little to compare with them."""
        for figures, take in ((marks.BY_TOKEN, identity.by_token), (marks.BY_SIGNATURE, identity.by_signature)):
            taken = take(target, self._size.selects)
            self._note(figures, "plain", [percentile(taken, share) * 1000 for share in (0.5, 0.99)])

    def _neighbour(self, target: Target) -> None:
        """Measure the influence of another tenant's load; the compared runs follow each other closely."""
        calls = self._size.neighbour
        if not calls:
            return
        size = neighbour.Size(calls, max(2, calls // 10), max(2, calls // 10), max(1, calls // 50))
        for load in neighbour.LOADS:
            print(f"beside {load}", file=sys.stderr, flush=True)
            for call, found in neighbour.influence(target, load, size, neighbour.undisturbed(target, size)).items():
                self._note(marks.beside(call, load), "plain", (found.ratio, found.worst * 1000))

    def _clients(self) -> None:
        cost = trivial.cost_of_a_request(self._size.seconds, 16) * 1000
        self._note(marks.CLIENT, "plain", (cost, percentile(trivial.round_trips(self._size.selects), 0.5) * 1000))

    def _note(self, figures: Sequence[Figure], situation: Situation, numbers: Numbers) -> None:
        for figure in figures:
            self._figures.setdefault(figure.name, figure)
        for figure, number in zip(figures, numbers, strict=False):
            self._taken[figure.name, situation].append(number)

    def _result(self, figure: Figure, situation: Situation) -> float | None:
        taken = self._taken.get((figure.name, situation))
        if not taken:
            return None
        if figure.worst:
            return max(taken) if figure.better == "lower" else min(taken)
        return statistics.median(taken)
