"""Make a failing scenario small: leave things out while it still fails in the same way."""

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from tests.simulation.scenario import Limits, Noise, Program, Scenario, Step

MOST_TRIALS = 600


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """The smallest scenario found that still ``fails``."""
    trials = 0
    again = True
    while again:
        again = False
        for smaller in _smaller(scenario):
            trials += 1
            if trials > MOST_TRIALS:
                return scenario
            if fails(smaller):
                scenario, again = smaller, True
                break
    return scenario


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """What may be left out, the largest pieces first."""
    acts = scenario.acts
    size = max(1, len(acts) // 2)
    while size:
        for start in range(0, len(acts), size):
            yield replace(scenario, acts=acts[:start] + acts[start + size :])
        size //= 2
    for field, calm in zip(Noise.__struct_fields__, _values(Noise()), strict=True):
        if getattr(scenario.noise, field) != calm:
            yield replace(scenario, noise=replace(scenario.noise, **{field: calm}))
    for field, plain in zip(Limits.__struct_fields__, _values(Limits()), strict=True):
        if getattr(scenario.limits, field) != plain:
            yield replace(scenario, limits=replace(scenario.limits, **{field: plain}))
    for number, program in enumerate(scenario.programs):
        for simpler in _simpler(program):
            programs = (*scenario.programs[:number], simpler, *scenario.programs[number + 1 :])
            yield replace(scenario, programs=programs)


def _simpler(program: Program) -> Iterator[Program]:
    if len(program.steps) > 1:
        for number in range(len(program.steps)):
            yield replace(program, steps=program.steps[:number] + program.steps[number + 1 :])
    for number, step in enumerate(program.steps):
        for field, plain in zip(Step.__struct_fields__, _values(Step()), strict=True):
            if field != "kind" and getattr(step, field) != plain:
                steps = (*program.steps[:number], replace(step, **{field: plain}), *program.steps[number + 1 :])
                yield replace(program, steps=steps)


def _values(thing: Noise | Limits | Step) -> list[object]:
    return [getattr(thing, field) for field in thing.__struct_fields__]
