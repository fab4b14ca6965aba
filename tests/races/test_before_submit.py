"""R16: a client chooses its statement's id, and its cancel may come before, with or after the submit (C15)."""

import random
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.races.lanes import Lane, lanes
from tests.races.trials import Tally, spread
from tests.support.world import World, spent

ENDLESS = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"
HEADER = "X-Statement-Id"
AHEAD = "X-Cancel-Before-Submit"
APART = 0.004
"""Seconds between submit and cancel at most, whichever comes first."""

KNOWN = 8
"""How many of the trials come in a known order: the second call is made when the first one is answered."""


@pytest.mark.race("R16", "cancel before, with and after the submit of a chosen id", small=80)
def test_a_cancel_may_come_before_its_statement(duck: World, tally: Tally) -> None:
    """Both calls are sent at about the same moment: the statement is born cancelled, or is cancelled."""
    headers = {"X-Auth-Token": duck.token}
    with lanes(duck) as made, ExitStack() as undo:
        clients, cancellers = (
            [undo.enter_context(httpx.Client(base_url=duck.service.url, headers=headers)) for _ in made]
            for _ in range(2)
        )
        pools = [undo.enter_context(ThreadPoolExecutor(1)) for _ in made]
        moments = [random.Random(lane.number) for lane in made]
        workers = [duck.worker(lane.session.id) for lane in made]

        def submit(lane: Lane, chosen: str, due: float) -> httpx.Response:
            time.sleep(max(0.0, due - time.monotonic()))
            body = {"session_id": lane.session.id, "statement": ENDLESS, "is_sync": False}
            path = f"{duck.base}/sessions/statements"
            return clients[lane.number].post(path, json=body, headers={HEADER: chosen})

        def cancel(lane: Lane, chosen: str, due: float, ahead: bool) -> httpx.Response:
            time.sleep(max(0.0, due - time.monotonic()))
            path = f"{duck.base}/sessions/{lane.session.id}/statements/{chosen}/cancel"
            return cancellers[lane.number].post(path, json={}, headers={AHEAD: "true"} if ahead else {})

        def trial(lane: Lane, n: int) -> None:
            chosen = str(uuid.uuid4())
            now, apart = time.monotonic(), moments[lane.number].uniform(-APART, APART)

            def ask() -> Future[httpx.Response]:
                return pools[lane.number].submit(cancel, lane, chosen, now + max(0.0, apart), n % 2 == 0)

            if n < KNOWN and n % 4 < 2:
                answer = ask().result()
                submitted = submit(lane, chosen, 0.0)
            elif n < KNOWN:
                submitted = submit(lane, chosen, 0.0)
                answer = ask().result()
            else:
                asked = ask()
                submitted = submit(lane, chosen, now + max(0.0, -apart))
                answer = asked.result()
            assert (submitted.status_code, submitted.json()["statement_id"]) == (200, chosen), submitted.text
            shown = lane.session.show(chosen)
            assert (shown.status, shown.last.sql_state) == (4, "57014"), (answer.status_code, shown)
            record = lane.record(chosen)
            assert (record["status"], record["effects"], record["reason"]) == ("CANCELED", "none", "user")
            outcome = answer.headers.get("X-Cancel-Outcome")
            if (answer.status_code, outcome) in ((404, None), (200, "tombstoned")):
                # Without the word that it comes ahead, the cancel of an unknown id is the documented 404, and is kept.
                assert (outcome is None) == bool(n % 2)
                assert (submitted.json()["status"], record["rung"]) == (4, "dequeued"), submitted.text
                tally.count("born cancelled")
            else:
                assert (answer.status_code, outcome) in ((200, "cancelled"), (200, "already_cancelled")), answer.text
                tally.count(f"cancelled, {record['rung']}", answer.elapsed.total_seconds())
            if n % 10 == 0:
                assert submit(lane, chosen, 0.0).status_code == 409

        spread(tally, made, trial)
        assert all(spent(pid, 0.2) < 0.05 for pid in workers)
        assert all(lane.session.run("SELECT 1").rows == [["1"]] for lane in made)
    assert tally["born cancelled"]
    assert tally["born cancelled"] < tally.trials
