"""R3: a cancel against a commit. CANCELED never goes with rows, SUCCESSFUL never without them (C7)."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import pytest

from tests.races.lanes import Lane, lanes
from tests.races.trials import Aim, Tally, spread
from tests.support.world import World
from treadle.demo.client import Session, StatementReply

ROWS = 200_000
GROUP = 100
"""Races that share a table."""


Submit = Callable[[Lane, int], StatementReply]


@contextmanager
def own_catalog(world: World, name: str) -> Iterator[World]:
    """A workspace beside the world's: its catalog is empty, so that thousands of commits elsewhere do not slow it."""
    with closing(World(world.service, world.token, f"races-{name}".replace("_", "-"))) as made:
        yield made


def _table(shape: str, n: int) -> str:
    return f"{shape}_{n // GROUP}"


def _insert(shape: str, n: int) -> str:
    return f"INSERT INTO {_table(shape, n)} SELECT {n}, i % 7 FROM range({ROWS}) t(i)"


def autocommit(lane: Lane, n: int) -> StatementReply:
    """One INSERT with a commit of its own."""
    return lane.session.submit(_insert("autocommit", n))


def create_as(lane: Lane, n: int) -> StatementReply:
    """One CREATE TABLE AS with a commit of its own."""
    return lane.session.submit(f"CREATE TABLE create_as_of_{n} AS SELECT {n} AS n, i % 7 AS i FROM range({ROWS}) t(i)")


def script(lane: Lane, n: int) -> StatementReply:
    """A whole transaction in one request."""
    return lane.session.submit(f"BEGIN; {_insert('script', n)}; COMMIT")


def longer_script(lane: Lane, n: int) -> StatementReply:
    """A transaction in one request, with more behind its commit."""
    more = "SELECT sum(i % 1009 * 7 % 17) FROM range(3000000) t(i)"
    return lane.session.submit(f"BEGIN; {_insert('longer_script', n)}; COMMIT; {more}")


def explicit(lane: Lane, n: int) -> StatementReply:
    """The COMMIT of a transaction whose statements came before."""
    lane.session.run("BEGIN")
    lane.session.run(_insert("explicit", n))
    return lane.session.submit("COMMIT")


SHAPES: Mapping[str, tuple[str, Submit]] = {
    "autocommit": ("INSERT", autocommit),
    "create_as": ("CREATE TABLE AS", create_as),
    "script": ("BEGIN; INSERT; COMMIT in one request", script),
    "longer_script": ("the same with more behind the COMMIT", longer_script),
    "explicit": ("a COMMIT of its own", explicit),
}


def _shapes() -> list[object]:
    return [
        pytest.param(name, submit, marks=pytest.mark.race(f"R3{letter}", f"cancel against {what}", small=20), id=name)
        for letter, (name, (what, submit)) in zip("abcde", SHAPES.items(), strict=True)
    ]


def _kept(session: Session, tables: set[str]) -> dict[int, int]:
    """The rows of each race, as a session sees them that took no part; without tables each has made its own."""
    if not tables:
        names = session.run("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'create_as_of_%'")
        tables = {str(name) for name in _pages(session, names.statement_id, names.page_count)}
    return {n: rows for table in tables for n, rows in _counted(session, table)}


def _pages(session: Session, statement_id: str, pages: int) -> list[str | None]:
    shown = [session.show(statement_id, page).last.rows for page in range(1, pages + 1)]
    return [row[0] for rows in shown for row in rows]


def _counted(session: Session, table: str) -> list[tuple[int, int]]:
    first = session.run(f"SELECT n, count(*) FROM {table} GROUP BY n")
    further = [session.show(first.statement_id, page).last.rows for page in range(2, first.page_count + 1)]
    return [(int(n or 0), int(count or 0)) for rows in (first.rows, *further) for n, count in rows]


@pytest.mark.parametrize(("shape", "submit"), _shapes())
def test_a_cancel_against_a_commit_never_lies(duck: World, tally: Tally, shape: str, submit: Submit) -> None:
    """Racing around the commit of 200,000 rows; afterwards the rows of every race are counted."""
    raced: dict[int, str] = {}
    with own_catalog(duck, shape) as lake, lanes(lake) as made:
        tables = {_table(shape, n) for n in range(tally.trials + len(made))} if shape != "create_as" else set()
        made[0].session.run("; ".join(f"CREATE TABLE {table} (n int, i int)" for table in tables) or "SELECT 1")
        aims = []
        for lane in made:
            # Unhurried, to know where its end lies.
            reply, seconds = lane.timed(submit(lane, tally.trials + lane.number))
            raced[tally.trials + lane.number] = reply.statement_id
            aims.append(Aim(lane.number, 0.9 * seconds, 0.3 * seconds))

        def trial(lane: Lane, n: int) -> None:
            aim = aims[lane.number]
            reply = submit(lane, n)
            verdict = lane.cancel_after(aim.next(), reply.statement_id).result()
            raced[n] = reply.statement_id
            # Past the grace also a commit is killed, and then looked up: it may have succeeded.
            if killed := lane.session.status() == "FAIL":
                lane.renew()
            elif lane.session.submit("SELECT 1", sync=True).last.sql_state == "25P02":
                lane.session.run("ROLLBACK")
            record = lane.record(reply.statement_id)
            assert (record["status"], verdict.outcome) in (
                ("CANCELED", "cancelled"),
                ("SUCCESSFUL", "already_succeeded"),
            ), (record["status"], record["effects"], record.get("message"))
            aim.was(early=record["effects"] == "none")
            how = f"{record['status']} {record['effects']}"
            tally.count(f"{how}, killed" if killed else how, verdict.seconds)

        spread(tally, made, trial)
        with lake.session() as reader:
            kept = _kept(reader, tables)
        records = {one: lake.record(one) for one in raced.values()}
    assert set(kept.values()) <= {ROWS}
    expected = {("SUCCESSFUL", "committed"): True, ("CANCELED", "partial"): True, ("CANCELED", "none"): False}
    for n, statement_id in raced.items():
        record = records[statement_id]
        assert expected[record["status"], record["effects"]] == (n in kept), (n, n in kept, record)
    possible = {"SUCCESSFUL committed", "CANCELED none"} | ({"CANCELED partial"} if shape == "longer_script" else set())
    assert {outcome.removesuffix(", killed") for outcome in tally.seen} <= possible


@pytest.mark.race("R3f", "cancel between the statements of a transaction, then COMMIT", small=40)
def test_a_transaction_that_was_cancelled_anywhere_commits_nothing(duck: World, tally: Tally) -> None:
    """A script of small inserts that leaves its transaction open: cancelled between any two, COMMIT rolls back."""
    parts = 8

    def submit(lane: Lane, n: int) -> StatementReply:
        inserts = (f"INSERT INTO torn_transactions VALUES ({n}, {part})" for part in range(parts))
        return lane.session.submit("BEGIN; " + "; ".join(inserts))

    with own_catalog(duck, "torn") as lake, lanes(lake) as made:
        made[0].session.run("CREATE TABLE torn_transactions (n int, part int)")
        _, seconds = made[0].timed(submit(made[0], -1))
        made[0].session.run("ROLLBACK")
        chance = random.Random(3)
        whole: set[int] = set()

        def trial(lane: Lane, n: int) -> None:
            reply = submit(lane, n)
            said = lane.cancel_after(chance.uniform(0, 1.3 * seconds), reply.statement_id).result()
            done = len(lane.session.show(reply.statement_id).results or ()) - 1
            commit = lane.session.run("COMMIT").message
            if said.outcome == "cancelled":
                assert commit == ("ROLLBACK" if done else "COMMIT"), (done, commit)
                tally.count("cancelled, COMMIT rolls back" if done else "cancelled before BEGIN", said.seconds)
            else:
                assert (said.outcome, commit) == ("already_succeeded", "COMMIT")
                whole.add(n)
                tally.count("finished, COMMIT commits", said.seconds)

        spread(tally, made, trial)
        with lake.session() as reader:
            kept = dict(_counted(reader, "torn_transactions"))
    assert kept == dict.fromkeys(whole, parts)
