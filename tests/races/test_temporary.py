"""R3g–i: a cancel against the commit of a write to a temporary table, for which the owner is not asked (C1, C4, C7)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import pytest

from tests.races.lanes import Lane, lanes
from tests.races.trials import Aim, Tally, spread
from tests.support.world import World

ROWS: Final = 200_000
OUTCOMES: Final = {"cancelled", "already_succeeded"}
FILL: Final = f"CREATE OR REPLACE TEMP TABLE own AS SELECT -1 AS n, i % 7 AS i FROM range({ROWS}) t(i)"


class Shape(NamedTuple):
    """A write of trial ``n``, and how many rows of that trial the table has when it has succeeded."""

    what: str
    sql: str
    rows: int


SHAPES: Final[Mapping[str, Shape]] = {
    "insert": Shape("INSERT", f"INSERT INTO own SELECT {{n}}, i % 7 FROM range({ROWS}) t(i)", ROWS),
    "update": Shape("UPDATE of every row", "UPDATE temp.own SET n = {n}, i = i + 1", ROWS),
    "returning": Shape(
        "INSERT … RETURNING", f"INSERT INTO own SELECT {{n}}, i % 7 FROM range({ROWS // 4}) t(i) RETURNING i", ROWS // 4
    ),
}


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(
            shape,
            marks=pytest.mark.race(f"R3{letter}", f"cancel against {shape.what} of a temporary table", small=40),
            id=name,
        )
        for letter, (name, shape) in zip("ghi", SHAPES.items(), strict=True)
    ],
)
def test_a_cancel_against_a_private_commit_never_lies(duck: World, tally: Tally, shape: Shape) -> None:
    """The session itself counts after each race: all rows of the trial or none, and the next statement is unharmed."""
    with lanes(duck) as made:
        aims = []
        for lane in made:
            lane.session.run(FILL)
            _, seconds = lane.timed(lane.session.submit(shape.sql.format(n=-2)))
            lane.session.run(FILL)
            aims.append(Aim(lane.number, 0.9 * seconds, 0.3 * seconds))

        def trial(lane: Lane, n: int) -> None:
            reply = lane.session.submit(shape.sql.format(n=n))
            verdict = lane.cancel_after(aims[lane.number].next(), reply.statement_id).result()
            if killed := lane.session.status() == "FAIL":
                lane.renew()
                lane.session.run(FILL)
            else:
                [[rows]] = lane.session.run(f"SELECT count(*) FROM own WHERE n = {n}").rows
                assert int(rows or 0) == {"cancelled": 0, "already_succeeded": shape.rows}[verdict.outcome]
                lane.session.run(FILL)
            record = lane.record(reply.statement_id)
            assert (record["status"], record["effects"]) == (
                "CANCELED" if verdict.outcome == "cancelled" else "SUCCESSFUL",
                "none",
            )
            aims[lane.number].was(early=verdict.outcome == "cancelled")
            tally.count(f"{verdict.outcome}, killed" if killed else verdict.outcome, verdict.seconds)

        spread(tally, made, trial)
    assert {outcome.removesuffix(", killed") for outcome in tally.seen} == OUTCOMES
