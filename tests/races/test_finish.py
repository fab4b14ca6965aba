"""R10, R13, R14: many cancels at once, a cancel against the finish, pages while it falls (C1, C8, C9, C17)."""

import concurrent.futures
import random
import threading
import time

import pytest

from tests.races.lanes import Lane, lanes
from tests.races.trials import Tally, spread
from tests.support.world import World, spent
from treadle.demo.client import ResultReply, Session

ENDLESS = "SELECT sum(i % 1009 * 7 % 17) FROM range(1000000000000) t(i)"
CALLERS = 32
PAGE = 1000


def numbers(rows: int) -> str:
    """A statement with so many rows of result."""
    return f"SELECT i FROM range({rows}) t(i)"


def page_is_whole(part: ResultReply, page: int, rows: int) -> bool:
    """Whether a page of ``SELECT i FROM range(rows)`` is complete and its own."""
    first = (page - 1) * PAGE
    last = min(first + PAGE, rows)
    return (part.num_rows, part.rows) == (rows, [[str(i)] for i in range(first, last)])


@pytest.mark.race("R10", "32 cancels at once", small=12, cost=5)
def test_any_number_of_cancels_at_once_is_one_stop(duck: World, tally: Tally) -> None:
    """All callers get the same verdict, the record names one request, the ladder was climbed once."""
    moments = random.Random(10)
    ids = []
    with lanes(duck, 1) as (lane,), concurrent.futures.ThreadPoolExecutor(CALLERS) as pool:
        pid = duck.worker(lane.session.id)
        callers = [duck.same(lane.session) for _ in range(CALLERS)]
        gate = threading.Barrier(CALLERS)

        def trial(lane: Lane, n: int) -> None:
            reply = lane.session.submit(ENDLESS)
            time.sleep(moments.choice((0.0, 0.02)) * moments.random())

            def cancel(caller: Session) -> tuple[str, str, str, float]:
                gate.wait(30)
                said = caller.cancel(reply.statement_id)
                return said.state, said.outcome, said.rung, said.seconds

            verdicts = list(pool.map(cancel, callers))
            record = lane.record(reply.statement_id)
            assert {state for state, *_ in verdicts} == {"CANCELED"} == {record["status"]}
            outcomes = {outcome for _, outcome, *_ in verdicts}
            assert "cancelled" in outcomes <= {"cancelled", "already_cancelled"}
            assert {rung for _, _, rung, _ in verdicts} == {record["rung"]}
            assert (record["reason"], record["actor"], record["effects"]) == ("user", "alice", "none")
            ids.append(reply.statement_id)
            tally.count(record["rung"], max(seconds for *_, seconds in verdicts))

        spread(tally, [lane], trial)
        assert spent(pid, 0.2) < 0.05
        assert lane.session.run("SELECT 1").rows == [["1"]]
    climbs = [e["statement_id"] for e in duck.log() if e["event"] == "cancel_requested"]
    assert all(climbs.count(statement_id) <= 1 for statement_id in ids)


@pytest.mark.race("R13", "cancel against the finish", small=120)
def test_a_cancel_against_the_finish_has_one_outcome(duck: World, tally: Tally) -> None:
    """A result of three pages whose cancel falls on its end: all rows, or none; the headers and the record agree."""
    rows = 2500
    sql = f"SELECT i FROM range({rows}) t(i)"
    with lanes(duck) as made:
        aims = [lane.aim(sql) for lane in made]

        def trial(lane: Lane, n: int) -> None:
            aim = aims[lane.number]
            reply = lane.session.submit(sql)
            said = lane.cancel_after(aim.next(), reply.statement_id).result()
            shown = [lane.session.show(reply.statement_id, page) for page in (1, 2, 3, 4)]
            record = lane.record(reply.statement_id)
            assert said.state == record["status"]
            if said.outcome == "cancelled":
                assert record["status"] == "CANCELED"
                assert {(one.status, one.last.sql_state, len(one.last.rows)) for one in shown} == {(4, "57014", 0)}
                assert duck.result_files(reply.statement_id) == []
            else:
                assert (said.outcome, record["status"]) == ("already_succeeded", "SUCCESSFUL")
                assert {one.status for one in shown} == {0}
                assert all(page_is_whole(one.last, page, rows) for page, one in enumerate(shown[:3], start=1))
                assert shown[3].last.rows == []
            aim.was(early=said.outcome == "cancelled")
            rung = f"cancelled, {said.rung}" if said.outcome == "cancelled" else "finished"
            tally.count("finished at the cancel" if said.rung == "too_late" else rung, said.seconds)

        spread(tally, made, trial)
    assert 0 < sum(tally[outcome] for outcome in tally.seen if outcome.startswith("finished")) < tally.trials


@pytest.mark.race("R14a", "pages while their statement is cancelled", small=60)
def test_a_page_during_a_cancel_is_whole_or_not_there(duck: World, tally: Tally) -> None:
    """Two readers page through a result that is written, finished or stopped in that moment."""
    pages: list[int] = []
    with lanes(duck, 2) as made, concurrent.futures.ThreadPoolExecutor(4) as pool:
        rows = max(lane.stoppable(numbers, 100_000) for lane in made)
        aims = [lane.aim(numbers(rows)) for lane in made]
        readers = [[duck.same(lane.session) for _ in range(2)] for lane in made]

        def trial(lane: Lane, n: int) -> None:
            reply = lane.session.submit(numbers(rows))
            over = threading.Event()

            def read(reader: Session, seed: int) -> int:
                chance, asked = random.Random(seed), 0
                while not over.is_set() or not asked:
                    page = chance.randint(1, rows // PAGE)
                    shown = reader.show(reply.statement_id, page)
                    asked += 1
                    match shown.status:
                        case 0:
                            assert page_is_whole(shown.last, page, rows), (page, shown)
                        case 4:
                            assert (shown.last.rows, shown.last.sql_state) == ([], "57014")
                        case unfinished:
                            assert unfinished in (1, 3)
                            assert shown.results is None
                return asked

            reading = [pool.submit(read, reader, n) for reader in readers[lane.number]]
            try:
                said = lane.cancel_after(aims[lane.number].next(), reply.statement_id).result()
            finally:
                over.set()
            pages.extend(one.result() for one in reading)
            aims[lane.number].was(early=said.outcome == "cancelled")
            tally.count(said.outcome, said.seconds)

        spread(tally, made, trial)
    tally.title += f" ({sum(pages):,} pages read)"
    assert {"cancelled", "already_succeeded"} == tally.seen


@pytest.mark.race("R14b", "pages of a finished result while it and its neighbours are cancelled", small=100)
def test_a_finished_result_stays_whole_while_others_are_cancelled(duck: World, tally: Tally) -> None:
    """Pages of a million rows, read while their statement is cancelled, and while the next one in the session is."""
    rows = 1_000_000
    chance = random.Random(14)
    with lanes(duck) as made:
        for lane in made:
            lane.session.run("SET session_timeout TO 0")
        done = [lane.end(lane.session.submit(f"SELECT i FROM range({rows}) t(i)")).statement_id for lane in made]

        def trial(lane: Lane, n: int) -> None:
            finished = done[lane.number]
            victim = finished if n % 2 else lane.session.submit(ENDLESS).statement_id
            verdict = lane.cancel_after(0.004 * chance.random(), victim)
            while True:
                page = chance.randint(1, rows // PAGE)
                assert page_is_whole(lane.session.show(finished, page).last, page, rows)
                if verdict.done():
                    break
            said = verdict.result()
            assert said.outcome == ("already_succeeded" if n % 2 else "cancelled")
            tally.count(said.outcome, said.seconds)

        spread(tally, made, trial)
