"""A long mixed load with kills: records and rows are checked, and what the service holds must not grow."""

import random
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.client import HTTPException
from typing import Final

from tests.crashes.holdings import MIB, Holdings, holdings, settled
from tests.crashes.ledger import Ledger
from tests.crashes.load import Load, prepare
from tests.crashes.rounds import BACK, Stage, judge, ready, serves
from tests.crashes.targets import Target, strike
from tests.crashes.visitors import Visitors
from tests.support.world import World, until
from treadle.demo.client import ApiError

KILLED: Final = (Target.WORKER, Target.HELPER, Target.BACKEND, Target.ZYGOTE, Target.WORKER, Target.POSTMASTER)
"""The kills of a period, over and over; the gateway is killed at its end instead, in the first half of the soak."""

WARM_UP: Final = 2
"""Periods after which a gateway has all that it keeps while idle: standby workers, processes for pages, threads."""

SETTLES: Final = 120.0
"""Seconds within which an idle service returns what it held under load."""

GROWTH: Final = 0.25
"""Share by which the memory of the idle gateway may be larger at the end, beside `SPARE`."""
SPARE: Final = 32 * MIB


@dataclass(frozen=True)
class Plan:
    """A soak: ``periods`` of ``seconds`` each, by ``writers`` and ``visitors``, with a kill every ``pause`` seconds."""

    seed: int
    periods: int
    seconds: float
    writers: int
    visitors: int
    pause: float

    def gateway_dies(self, period: int) -> bool:
        """Check whether the gateway is killed at the end of the period: every other one of the first half."""
        return period % 2 == 1 and period < self.periods // 2


@dataclass
class Soaked:
    """What a soak has seen so far; ``idle`` are the holdings after each period since the last start of the gateway."""

    statuses: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    cancels: int = 0
    idle: list[Holdings] = field(default_factory=list)

    def line(self) -> str:
        """The counts on one line."""
        statuses = " ".join(f"{name.lower()} {count}" for name, count in sorted(self.statuses.items()))
        kills = ", ".join(f"{name} {count}" for name, count in self.kills.most_common())
        return f"{self.statuses.total()} records ({statuses}), {self.cancels} cancels; killed: {kills or 'nothing'}"


def soak(stage: Stage, plan: Plan) -> Soaked:
    """Play all periods; raises AssertionError for an untrue record, a leftover, or holdings that have grown."""
    seen = Soaked()
    for period in range(plan.periods):
        dies = plan.gateway_dies(period)
        _period(stage, plan, period, seen, gateway_dies=dies)
        if dies:
            seen.idle.clear()
            continue
        warm = seen.idle[:WARM_UP]
        found = settled(stage.service, warm, SETTLES) if len(warm) == WARM_UP else _at_rest(stage)
        seen.idle.append(found)
        print(f"period {period + 1} of {plan.periods}: {seen.line()}\n    idle: {found.line()}", flush=True)
        if len(warm) == WARM_UP:
            assert not found.beyond(warm), found.beyond(warm)
    first, last = seen.idle[0], seen.idle[-1]
    assert last.memory <= first.memory * (1 + GROWTH) + SPARE, (first.line(), last.line())
    return seen


def _period(stage: Stage, plan: Plan, period: int, seen: Soaked, *, gateway_dies: bool) -> None:
    name = f"soak-{plan.seed}-{period}"
    chance, ledger = random.Random(name), Ledger()
    with closing(stage.world(name)) as world:
        until(lambda: serves(world), "the service serves", timeout=BACK)
        prepare(world, plan.writers)
        load, visitors = Load(world, ledger, name, plan.writers), Visitors(world, name, plan.visitors)
        load.start()
        visitors.start()
        _kill_some(stage, plan, chance, seen)
        if gateway_dies:
            strike(Target.GATEWAY, stage.service, chance)
            seen.kills[Target.GATEWAY.value] += 1
            stage.died()
        load.stop(service_gone=gateway_dies)
        visitors.stop()
    if not gateway_dies:
        until(lambda: ready(stage.service), "the service is ready again", timeout=BACK)
    with closing(stage.world(name)) as world:
        until(lambda: serves(world), "the service serves again", timeout=BACK)
        seen.statuses += judge(world, ledger, restarted=gateway_dies, writers=plan.writers)
        seen.cancels += sum(one.verdict is not None for one in ledger.entries)
        _remove(world)


def _kill_some(stage: Stage, plan: Plan, chance: random.Random, seen: Soaked) -> None:
    """Kill a process every ``plan.pause`` seconds until the period is over."""
    ends = time.monotonic() + plan.seconds
    number = 0
    while (left := ends - time.monotonic()) > 0:
        time.sleep(min(left, plan.pause * chance.uniform(0.5, 1.5)))
        target = KILLED[number % len(KILLED)]
        if left > plan.pause and strike(target, stage.service, chance):
            seen.kills[target.value] += 1
        number += 1
        until(lambda: ready(stage.service), "the service is ready again", timeout=BACK)


def _remove(world: World) -> None:
    """Delete the endpoint and the workspace, so that nothing of the period has a reason to stay."""
    for path in (f"{world.base}/endpoints/{world.endpoint_id}", world.base):
        until(partial(_deleted, world, path), f"{path} is deleted", timeout=BACK)


def _deleted(world: World, path: str) -> bool:
    """Ask for the deletion; False when that has to be done again."""
    try:
        world.api.call("DELETE", path)
    except ApiError as refused:
        return refused.status == HTTPStatus.NOT_FOUND
    except (OSError, HTTPException):
        return False
    return True


def _at_rest(stage: Stage) -> Holdings:
    """Measure until the numbers of two looks in a row agree."""
    last = holdings(stage.service)
    deadline = time.monotonic() + SETTLES
    while time.monotonic() < deadline:
        time.sleep(5.0)
        found = holdings(stage.service)
        if not found.beyond([last]) and not last.beyond([found]):
            return found
        last = found
    return last
