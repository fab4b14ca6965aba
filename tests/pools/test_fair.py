"""Tenants take turns, and none of them has more than a share."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from treadle.pools.fair import FairQueue

TENANTS = [("a",), ("b",), ("c",)]


def test_tenants_take_turns() -> None:
    """However much one tenant asks for, another waits for one job of theirs."""
    queue: FairQueue[str] = FairQueue(100)
    for number in range(5):
        queue.push(("a",), f"a{number}")
    queue.push(("b",), "b0")
    queue.push(("b",), "b1")
    assert [queue.pop() for _ in range(7)] == ["a0", "b0", "a1", "b1", "a2", "a3", "a4"]
    assert queue.pop() is None


def test_a_share_leaves_room_for_others() -> None:
    """What is beyond a share waits until something of the same tenant is done."""
    queue: FairQueue[str] = FairQueue(1)
    for job in ("a0", "a1"):
        queue.push(("a",), job)
    assert [queue.pop(), queue.pop()] == ["a0", None]
    queue.push(("b",), "b0")
    assert [queue.pop(), queue.pop()] == ["b0", None]
    queue.done(("a",))
    assert queue.pop() == "a1"


def test_a_dropped_job_never_starts() -> None:
    """Only what waits can be dropped."""
    queue: FairQueue[str] = FairQueue(1)
    queue.push(("a",), "a0")
    queue.push(("a",), "a1")
    assert queue.pop() == "a0"
    assert not queue.drop(("a",), "a0")
    assert queue.drop(("a",), "a1")
    queue.done(("a",))
    assert queue.pop() is None


@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from(TENANTS), st.sampled_from(["push", "pop", "done"]))))
def test_every_job_starts_once_and_in_order(share: int, steps: list[tuple[tuple[str], str]]) -> None:
    """Whatever happens in which order: each tenant's jobs start in turn, never more than a share at once."""
    queue: FairQueue[tuple[tuple[str], int]] = FairQueue(share)
    pushed, started, running = Counter[tuple[str]](), Counter[tuple[str]](), Counter[tuple[str]]()
    for tenant, step in steps:
        if step == "push":
            queue.push(tenant, (tenant, pushed[tenant]))
            pushed[tenant] += 1
        elif step == "done" and running[tenant]:
            queue.done(tenant)
            running[tenant] -= 1
        elif step == "pop":
            job = queue.pop()
            if job is None:
                assert all(pushed[one] == started[one] or running[one] == share for one in TENANTS)
                continue
            whose, number = job
            assert number == started[whose]
            started[whose] += 1
            running[whose] += 1
            assert running[whose] <= share
    assert len(queue) == pushed.total() - started.total()
