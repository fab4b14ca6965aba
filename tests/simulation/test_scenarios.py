"""What seeds have found once, written down: each failed before its fault was mended."""

from tests.simulation.run import stage
from tests.simulation.scenario import (
    Cancel,
    Kind,
    Moment,
    OpenSession,
    Program,
    Scenario,
    Step,
    StoreOutage,
    Submit,
)
from tests.simulation.world import play


def test_to_stop_a_part_waits_for_no_record_of_the_one_before() -> None:
    """A cancel in a script's first commit reaches its second part while the store is away; the session lives on."""
    script = Program(
        steps=(Step(kind=Kind.WRITE, commit_seconds=0.6), Step(kind=Kind.WRITE, seconds=10.0)),
    )
    found = Scenario(
        seed=0,
        programs=(script,),
        acts=(
            OpenSession(at=0.3, session=0),
            Submit(at=3.0, session=0, runs=0, sync=True),
            Cancel(at=0.04, moment=Moment.ASKED, program=0, target=0),
            StoreOutage(at=0.01, moment=Moment.INTENDED, program=0, seconds=5.0),
        ),
    )
    with stage() as folder:
        world = play(found, folder)
    assert world.truth.violations == []
    told = "\n".join(world.trace.lines())
    assert "Cancelled(statement_id=" in told
    assert "worker_killed" not in told
