"""A statement that lost a race waits for its turn before it runs, and a cancel stops it there (C6)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.inside import Inside, inside, until
from treadle.demo.processes import cpu_seconds
from treadle.scheduler import turns
from treadle.scheduler.commits import Commits
from treadle.scheduler.run import Run
from treadle.wire import AtCommit

UPDATE = "UPDATE contended SET n = n + 1"


class Race:
    """Two sessions on one table; a change of the first one can be made to lose."""

    def __init__(self, world: Inside, writer: str, other: str) -> None:
        self.world = world
        self.writer = writer
        self.other = other
        self.overtakes = 0
        """How many commits of the writer lose from now on."""
        self._asked = Commits.asked
        self.waits = asyncio.Event()
        """Set when the worker of the writer waits for its turn."""

    @property
    def pid(self) -> int:
        """The process id of the writer's worker."""
        [lane] = [one for one in self.world.gateway._owner.lanes if self.writer.endswith(one.session.id)]
        return lane.worker.pid

    async def run(self, session: str, sql: str) -> str:
        """Run a statement that must succeed; returns its command tag."""
        [*_, last] = (await self.world.submit(session, sql, is_sync=True))["results"]
        assert last["err_code"] == "0", last
        return str(last["message"])

    async def rows(self, sql: str) -> list[list[str | None]]:
        """The rows of a query of the other session."""
        reply = await self.world.submit(self.other, sql, is_sync=True)
        rows: list[list[str | None]] = reply["results"][-1]["result_set"]["rows"]
        return rows

    async def asked(self, commits: Commits, run: Run, question: AtCommit) -> None:
        """Pass on what the writer asks at its commit, once the other session has committed a change before it."""
        if self.overtakes and self.writer.endswith(run.statement.session_id):
            self.overtakes -= 1
            await self.run(self.other, f"COMMENT ON TABLE contended IS '{self.overtakes}'")
        await self._asked(commits, run, question)

    async def ended(self, statement_id: str) -> int:
        """The status of a statement, once it has ended."""

        async def status() -> int | None:
            found = (await self.world.http.get(f"{self.writer}/statements/{statement_id}")).json()["status"]
            return None if found in {1, 3} else found

        return int(await until(status, "it has ended"))


async def waiting(race: Race) -> str:
    """The id of a statement that waits for its turn, because the one before it has lost."""
    for _ in range(5):
        race.overtakes = 1
        assert await race.run(race.writer, UPDATE) == "UPDATE 10"
        race.waits.clear()
        statement_id = str((await race.world.submit(race.writer, UPDATE))["statement_id"])
        ended, waits = asyncio.create_task(race.ended(statement_id)), asyncio.create_task(race.waits.wait())
        await asyncio.wait({ended, waits}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        waits.cancel()
        if race.waits.is_set():
            return statement_id
    # On a machine so slow that a loss is forgotten before the next statement comes.
    raise AssertionError("nothing ever waited")


@pytest.mark.slow
async def test_a_cancel_stops_a_statement_that_waits_for_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never begins, and the turn it waited for goes to the next one."""
    async with inside(tmp_path / "data", maintenance=False) as world:
        race = Race(world, await world.session(), await world.session())
        await race.run(race.other, "CREATE TABLE contended AS SELECT i, 0 AS n FROM range(10) r(i)")
        expected, context = Commits.expected, world.gateway._owner._context
        [catalog_id] = {lane.catalog_id for lane in world.gateway._owner.lanes}

        async def noticed(self: Commits, *args: Any) -> None:
            # As if another session had the turn.
            await context.turns.take(catalog_id, asyncio.Event())
            race.waits.set()
            await expected(self, *args)

        monkeypatch.setattr(Commits, "asked", lambda *args: race.asked(*args))
        monkeypatch.setattr(turns, "TURN_SECONDS", 60.0)
        monkeypatch.setattr(Commits, "expected", noticed)
        statement_id = await waiting(race)
        monkeypatch.setattr(Commits, "expected", expected)
        before, began = await race.rows("SELECT sum(n) FROM contended"), cpu_seconds(race.pid) or 0.0
        answer = await world.cancel(race.writer, statement_id)
        assert (answer.status_code, answer.headers["x-cancel-outcome"]) == (200, "cancelled")
        record = (await world.http.get(f"{world.base}/statement-records?statement_id={statement_id}")).json()
        [shown] = record["records"]
        assert (shown["status"], shown["effects"], shown["rung"]) == ("CANCELED", "none", "interrupted")
        assert (cpu_seconds(race.pid) or 0.0) - began < 0.1, "it has begun"
        assert await race.rows("SELECT sum(n) FROM contended") == before
        context.turns.give(catalog_id)
        assert await race.run(race.writer, UPDATE) == "UPDATE 10"
        assert await race.rows("SELECT sum(n) FROM contended") == [[str(int(before[0][0] or 0) + 10)]]
